package credential

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/client/explain"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/lease"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
	"github.com/kubemint/kubemint/test/kubetest"
)

func TestMain(m *testing.M) { kubetest.Main(m) }

// denied is RBAC's refusal, as the client explains it.
func denied() error {
	return problem.New(
		problem.Rights, "create", &explain.Denial{User: "jane", Verb: "create", Resource: "leases"},
	)
}

// notAdmitted is the refusal of a quota or a policy.
func notAdmitted() error {
	return apierrors.NewForbidden(
		schema.GroupResource{Resource: "secrets"}, "x", errors.New("exceeded quota: secrets"),
	)
}

// deniedByGuard is the refusal of a guard, under which a run without a lease mints nothing either.
func deniedByGuard() error {
	return apierrors.NewForbidden(schema.GroupResource{Resource: "leases"}, "x", errors.New(
		"ValidatingAdmissionPolicy 'kubemint-guard.shop.ci.abcdefghij.leases' with binding 'x' denied "+
			"request: kubemint guard: no"))
}

func hintsOf(err error) string {
	p, _ := errors.AsType[*problem.Error](err)
	if p == nil {
		return ""
	}
	return strings.Join(p.Hints, "\n")
}

// A token that the cluster shortened is refused only where the user has asked for that, with what
// clusters are known to grant.
func TestIssue_ShortenedToken(t *testing.T) {
	t.Parallel()
	for _, strict := range []bool{true, false} {
		f := newFixture(t, func(c *config.Token) {
			withoutLease(c)
			c.Strict = strict
			c.Lifetime.Duration = 48 * time.Hour
			c.Asked = "48h"
		})
		fake := kubetest.StartFake(t, noon, "shop")
		fake.Longest = 24 * time.Hour
		fake.Put(f.Desired.Objects[0])
		api, err := client.New(fake.Config())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(api.Close)
		f.Server = api
		issued, err := f.Issue(t.Context(), Tether{}, nil, "")
		if (err != nil) != strict || issued.Token.IsEmpty() || len(f.mask) != 1 {
			t.Errorf("strict %t: masked %d: %v", strict, len(f.mask), err)
		}
		if !strict {
			continue
		}
		if problem.ExitCode(err) != int(problem.Mint) ||
			!strings.Contains(err.Error(), "granted 24h of the 48h asked for") ||
			!strings.Contains(hintsOf(err), "leave `on_shortened` out") {
			t.Errorf("%v\n%s", err, hintsOf(err))
		}
	}
}

// A dry run asks for what the token depends on: lease and Secret, or the Secret of a permanent
// token. Without a lease it has nothing to ask for.
func TestTry_AsksForWhatTheTokenDependsOn(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*config.Token)
		want   []string
	}{
		"a lease":   {usual, []string{"create Lease", "create Secret"}},
		"permanent": {permanent, []string{"apply Secret"}},
		"neither":   {withoutLease, nil},
	} {
		f := newFixture(t, tt.change)
		if err := f.Try(t.Context()); err != nil || !slices.Equal(f.api.asked, tt.want) {
			t.Errorf("%s: asked %q: %v", name, f.api.asked, err)
		}
	}
}

// What refuses decides the remedy: RBAC and admission may refuse a lease, and a run can do without
// one. That a permanent token's Secret exists, or may not be made, is for the run itself.
func TestTry_Refused(t *testing.T) {
	t.Parallel()
	conflict := apierrors.NewConflict(schema.GroupResource{}, "x", errors.New("it exists"))
	for name, tt := range map[string]struct {
		change  func(*config.Token)
		request string
		err     error
		fails   bool
		hint    string
	}{
		"no right to a lease":     {usual, "create Lease", denied(), true, "or do without"},
		"a quota of leases":       {usual, "create Lease", notAdmitted(), true, "or do without"},
		"the guard of the runner": {usual, "create Lease", deniedByGuard(), true, ""},
		"no right to its Secret":  {usual, "create Secret", denied(), true, "or do without"},
		"any other failure":       {usual, "create Secret", errLost, true, ""},
		"permanent, no right":     {permanent, "apply Secret", denied(), false, ""},
		"permanent, it exists":    {permanent, "apply Secret", conflict, false, ""},
		"permanent, a quota": {
			permanent, "apply Secret", notAdmitted(), true, "such a token needs no Secret",
		},
		"permanent, any other failure": {permanent, "apply Secret", errLost, true, ""},
	} {
		f := newFixture(t, tt.change)
		f.api.fail[tt.request] = []error{tt.err}
		err := f.Try(t.Context())
		if (err != nil) != tt.fails || (tt.hint == "" && hintsOf(err) != "") ||
			!strings.Contains(hintsOf(err), tt.hint) {
			t.Errorf("%s: %v, hints %q", name, err, hintsOf(err))
		}
	}
}

// The right to list Secrets is one that a runner need not have; any other failure of the search
// could hide a second permanent token.
func TestFindPermanent_WhatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		request string
		err     error
		fails   bool
		says    string
	}{
		"no right to list": {"list Secrets", forbidden(), false, "that others made is not looked for"},
		"the list fails":   {"list Secrets", errLost, true, ""},
		"no right to read": {"get Secret", forbidden(), true, ""},
	} {
		f := newFixture(t, permanent)
		f.api.fail[tt.request] = []error{tt.err}
		found, err := f.FindPermanent(t.Context())
		if found != nil || (err != nil) != tt.fails || !strings.Contains(f.log.String(), tt.says) {
			t.Errorf("%s: %v: %v\n%s", name, found, err, f.log)
		}
	}
}

// Whoever holds a permanent token gets the changed access too. That is only said where its Secret
// is.
func TestNotePermanent(t *testing.T) {
	t.Parallel()
	for _, there := range []bool{true, false} {
		f := newFixture(t, usual)
		if !there {
			f.api.fail["look"] = []error{apierrors.NewNotFound(schema.GroupResource{}, "x")}
		}
		f.NotePermanent(t.Context())
		if strings.Contains(f.log.String(), "Secret shop/kubemint-token-ci holds a permanent token") != there {
			t.Errorf("there %t: %s", there, f.log)
		}
	}
}

// Whose a permanent token's Secret is decides whether revoke may delete it.
func TestIssued_OwnAndTheirs(t *testing.T) {
	t.Parallel()
	account := types.NamespacedName{Namespace: "shop", Name: "ci"}
	ours := lease.NewPermanent(account, newFixture(t, usual).Desired.Marks)
	theirs := holder("theirs")
	for name, tt := range map[string]struct {
		secret      *corev1.Secret
		own, others int
	}{"ours": {ours, 1, 0}, "theirs": {&theirs, 0, 1}, "none": {nil, 0, 0}} {
		issued := Issued{Secret: tt.secret}
		if len(issued.Own(account)) != tt.own || len(issued.Theirs(account)) != tt.others {
			t.Errorf("%s: %v, %v", name, issued.Own(account), issued.Theirs(account))
		}
	}
}

// A withdrawn lease gives way to another one: the garbage collector may still be about to delete
// the Secret of its name.
func TestReplace_TakesTheOldLeaseOffTheReceipt(t *testing.T) {
	t.Parallel()
	f := newFixture(t, usual)
	first := f.plan()
	next, err := f.Replace(first)
	if err != nil || next.Lease.Name == first.Lease.Name || next.IsBound() {
		t.Fatalf("%+v: %v", next, err)
	}
	want := []receipt.Object{{Kind: "Lease", Namespace: "shop", Name: next.Lease.Name}}
	if got := f.Undo.Journal.Record().Leases; !slices.Equal(got, want) {
		t.Errorf("recorded %v", got)
	}
	if none, err := f.Replace(Tether{}); err != nil || none.Lease != nil {
		t.Errorf("a lease was made of none: %v", err)
	}
}

func TestFormatExpiry(t *testing.T) {
	t.Parallel()
	minted := lease.Minted{
		ExpiresAt: noon.Add(time.Hour), Claims: secret.Claims{IssuedAt: noon.Add(2 * time.Second)},
	}
	if got := FormatExpiry(minted); got != "2026-01-01T13:00:00Z" {
		t.Error(got)
	}
	if got := FormatExpiry(lease.Minted{}); got != "" {
		t.Errorf("a permanent token expires at %q", got)
	}
	if got := DescribeLifetime(minted); got != "1h" { // clocks differ by seconds
		t.Error(got)
	}
}
