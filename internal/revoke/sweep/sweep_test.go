package sweep

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/lease"
	"github.com/kubemint/kubemint/internal/owner"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rules"
	"github.com/kubemint/kubemint/test/kubetest"
)

func TestMain(m *testing.M) { kubetest.Main(m) }

var (
	noon    = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	account = types.NamespacedName{Namespace: "shop", Name: "ci"}
)

type world struct {
	*kubetest.Fake
	*Sweeping
	log *bytes.Buffer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Fake: kubetest.StartFake(t, noon, "shop", "web"), log: &bytes.Buffer{}}
	api, err := client.New(w.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)
	w.Sweeping = &Sweeping{Client: api, Log: console.New(w.log), Now: func() time.Time { return noon }}
	return w
}

// putLease adds the lease of a credential that was minted so long ago for an hour, and its Secret.
func (w *world) putLease(ago time.Duration, withSecret bool) string {
	made := lease.New(account, owner.Marks{Owner: "github:acme/shop"}, noon.Add(-ago), time.Hour)
	w.Put(made)
	if withSecret {
		w.Put(&corev1.Secret{TypeMeta: kube.TypeMeta("Secret"), ObjectMeta: made.ObjectMeta})
	}
	return made.Name
}

// putEphemeral adds an identity of one run alone, which has access in web too.
func (w *world) putEphemeral(expires time.Time) {
	desired := access.Desire(config.Access{
		Namespaces: []string{"web"}, Provisioning: config.Provisioning{CreateServiceAccount: true},
		ServiceAccount: types.NamespacedName{Namespace: "shop", Name: "ci-abcdefg234"},
		Namespaced:     config.Grants{Rules: []rbacv1.PolicyRule{rules.NewRule("", "pods", "", "get")}},
	}, owner.Marks{Transient: owner.Transient{ExpiresAt: expires}})
	for _, o := range desired.Objects {
		w.Put(o)
	}
}

// What has expired goes, whoever made it, with a line that says since when; what is current stays.
func TestSweepExpired_LeavesWhatIsCurrent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.putLease(2*time.Hour, false)
	current := w.putLease(30*time.Minute, true)
	w.Put(&rbacv1.Role{TypeMeta: kube.TypeMeta("Role"), ObjectMeta: metav1.ObjectMeta{ // shared, and never expires
		Namespace: "shop", Name: "kubemint:shop:ci", Labels: kube.LabelsFor(account),
	}})
	if err := w.SweepExpired(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.Read("leases", "shop", old, nil) || !w.Read("leases", "shop", current, nil) || !w.Read("secrets", "shop", current, nil) {
		t.Errorf("left: %q", w.Objects())
	}
	want := "deleted    Lease shop/" + old + ", expired 2026-01-01T11:00:00Z\nswept: 1 object deleted in all namespaces\n"
	if diff := cmp.Diff(want, w.log.String()); diff != "" {
		t.Error(diff)
	}
}

// An ephemeral identity has access in namespaces in which no lease can own it. Its bindings go before
// its roles: one without its role would grant again as soon as somebody makes a role of that name.
func TestSweepExpired_EphemeralIdentity(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.putEphemeral(noon.Add(-time.Minute))
	if err := w.SweepExpired(t.Context()); err != nil {
		t.Fatal(err)
	}
	deleted := kubetest.Deletions(w.Asked())
	if len(deleted) != 3 || !strings.HasPrefix(deleted[0], "rolebindings web/") || len(w.Objects()) > 0 {
		t.Errorf("deleted %q, left %q", deleted, w.Objects())
	}
	w.putEphemeral(noon.Add(time.Minute))
	if err := w.SweepExpired(t.Context()); err != nil || len(w.Objects()) != 3 {
		t.Errorf("a current one was deleted: %v", err)
	}
}

// A token that is bound to a Secret outlives its lease where no garbage collector deletes the Secret.
func TestSweepExpired_SecretsWhoseLeaseIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	orphan := w.putLease(30*time.Minute, true)
	live := w.putLease(30*time.Minute, true)
	expired := w.putLease(2*time.Hour, true)
	w.Put(lease.NewPermanent(account, owner.Marks{})) // no lease has its name
	gone := client.NewObject(kube.Ref{Kind: "Lease", Namespace: "shop", Name: orphan})
	if err := w.Client.Delete(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	if err := w.SweepExpired(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{orphan: false, expired: false, live: true, "kubemint-token-ci": true} {
		if w.Read("secrets", "shop", name, nil) != want {
			t.Errorf("Secret %s: there %t", name, !want)
		}
	}
	if !strings.Contains(w.log.String(), "Secret shop/"+orphan+", whose lease is gone") {
		t.Error(w.log)
	}
}

// A run that begins between the two lists has its Secret in the first, if in any, and its lease in the
// second: the Secrets are listed first, or they would be taken for Secrets without a lease.
func TestSweepExpired_RunThatBeginsMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	begun := ""
	lists := 0
	w.Intercept(func(asked string) error {
		if asked == "list leases" || asked == "list secrets" {
			if lists++; lists == 2 {
				begun = w.putLease(0, true)
			}
		}
		return nil
	})
	if err := w.SweepExpired(t.Context()); err != nil || !w.Read("secrets", "shop", begun, nil) {
		t.Errorf("the Secret of a new run was deleted: %v", err)
	}
	if lists != 2 {
		t.Errorf("asked %q", w.Asked())
	}
}

// A kind that the runner may not list is named, and the sweep goes on: most identities that sweep may
// not list Secrets. Without the leases it fails.
func TestSweepExpired_WhatMayNotBeListed(t *testing.T) {
	t.Parallel()
	for refused, tt := range map[string]struct {
		says string
		code problem.Code
	}{
		"secrets":         {"Secrets may not be listed by the runner's identity", 0},
		"roles":           {"Roles may not be listed by the runner's identity: ephemeral ones are not looked for", 0},
		"serviceaccounts": {"ServiceAccounts may not be listed", 0},
		"leases":          {"", problem.Revoke},
	} {
		t.Run(refused, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			old := w.putLease(2*time.Hour, false)
			w.Forbid("^list " + refused)
			err := w.SweepExpired(t.Context())
			if (err != nil) != (tt.code != 0) || (err != nil && problem.ExitCode(err) != int(tt.code)) {
				t.Errorf("%v", err)
			}
			if !strings.Contains(w.log.String(), tt.says) || w.Read("leases", "shop", old, nil) != (tt.code != 0) {
				t.Errorf("left %q\n%s", w.Objects(), w.log)
			}
		})
	}
}

// Everything is tried: one that stays is an error, and is not counted.
func TestSweepExpired_OneThatStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.putEphemeral(noon.Add(-time.Minute))
	w.Forbid("^delete rolebindings")
	err := w.SweepExpired(t.Context())
	if problem.ExitCode(err) != int(problem.Revoke) || !strings.Contains(err.Error(), "delete RoleBinding web/kubemint:shop:ci-abcdefg234") {
		t.Error(err)
	}
	if len(w.Objects()) != 1 || !strings.Contains(w.log.String(), "swept: 2 objects deleted") {
		t.Errorf("left %q\n%s", w.Objects(), w.log)
	}
}

// One that finalizers hold is still there.
func TestSweepExpired_FinalizersHoldIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	made := lease.New(account, owner.Marks{}, noon.Add(-2*time.Hour), time.Hour)
	made.Finalizers = []string{"example.com/hold"}
	w.Put(made)
	err := w.SweepExpired(t.Context())
	if problem.ExitCode(err) == 0 || !strings.Contains(err.Error(), "finalizers hold it: example.com/hold") {
		t.Error(err)
	}
	if !strings.Contains(w.log.String(), "swept: 0 objects deleted") {
		t.Error(w.log)
	}
}

func TestSweepExpired_DryRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.DryRun = true
	w.putLease(2*time.Hour, false)
	if err := w.SweepExpired(t.Context()); err != nil || len(w.Writes()) > 0 {
		t.Errorf("%v; sent %q", err, w.Writes())
	}
	if !strings.Contains(w.log.String(), "dry run: 1 object in all namespaces would be deleted") {
		t.Error(w.log)
	}
}

// In one namespace nothing of the cluster scope is asked for: a runner has no right to it.
func TestSweepExpired_OneNamespace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Namespace = "shop"
	w.putEphemeral(noon.Add(-time.Minute)) // its role is in web
	if err := w.SweepExpired(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, asked := range w.Asked() {
		if strings.Contains(asked, "cluster") || strings.Contains(asked, "web") {
			t.Errorf("asked %s", asked)
		}
	}
	if !slices.Equal(kubetest.Deletions(w.Asked()), []string{"serviceaccounts shop/ci-…"}) {
		t.Errorf("deleted %q", kubetest.Deletions(w.Asked()))
	}
	if !strings.Contains(w.log.String(), "swept: 1 object deleted in namespace shop") {
		t.Error(w.log)
	}
}

// An API server without leases has none to sweep; what else has expired goes.
func TestSweepExpired_ServerWithoutLeases(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Lacks = "leases"
	w.putEphemeral(noon.Add(-time.Minute))
	if err := w.SweepExpired(t.Context()); err != nil || len(w.Objects()) > 0 {
		t.Errorf("left %q: %v", w.Objects(), err)
	}
}
