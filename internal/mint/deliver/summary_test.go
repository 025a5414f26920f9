package deliver

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/kubeconfig"
	"github.com/kubemint/kubemint/internal/mint/credential"
	"github.com/kubemint/kubemint/internal/output"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/owner"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/revoke"
	"github.com/kubemint/kubemint/internal/rules"
	"github.com/kubemint/kubemint/internal/secret"
)

// summaryOf renders the job summary of a delivery that a test changes.
func summaryOf(t *testing.T, change func(*Delivery)) string {
	t.Helper()
	d := newDelivery(t, Directory{Dir: t.TempDir()}, &bytes.Buffer{})
	d.Issued.Claims.IssuedAt = d.Issued.ExpiresAt.Add(-time.Hour)
	change(&d)
	return summarize(d, "the post step revokes it").Render()
}

// A reader of the summary has to know how the credential ends.
func TestSummary_HowTheCredentialEnds(t *testing.T) {
	t.Parallel()
	permanent := &corev1.Secret{}
	permanent.Namespace = "shop"
	permanent.Name = "kubemint-token-ci"
	for name, tt := range map[string]struct {
		change func(*Delivery)
		want   string
	}{
		"a lease":       {func(*Delivery) {}, "`shop/kubemint-ci-x`: the post step revokes it"},
		"without lease": {func(d *Delivery) { d.Issued.Tether = credential.Tether{} }, "none: the token lives until it expires"},
		"somebody else's Secret": {func(d *Delivery) {
			d.Issued.Tether = credential.Tether{}
			d.Issued.Secret = permanent.DeepCopy()
		}, "somebody else made it, so kubemint leaves it"},
		"our Secret": {func(d *Delivery) {
			d.Issued.Tether = credential.Tether{}
			d.Issued.Secret = permanent.DeepCopy()
			d.Issued.Secret.Labels = kube.LabelsFor(d.Desired.Access.ServiceAccount)
		}, "`kubemint revoke --permanent`"},
		"permanent": {func(d *Delivery) { d.Issued.ExpiresAt = time.Time{} }, "**never**"},
		"shortened": {func(d *Delivery) { d.Config.Token.Asked = "12h" }, "(in 1h; asked: `12h`)"},
	} {
		if got := summaryOf(t, tt.change); !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q is not in\n%s", name, tt.want, got)
		}
	}
}

// The rules of a bound role stand in the summary where the role could be read; one that could not is
// still named.
func TestSummary_RolesThatCouldNotBeRead(t *testing.T) {
	t.Parallel()
	for _, read := range []bool{true, false} {
		got := summaryOf(t, func(d *Delivery) {
			declared := d.Desired.Access
			declared.Namespaced = config.Grants{Roles: []config.Role{{Kind: "ClusterRole", Name: "view"}}}
			d.Desired = access.Desire(declared, owner.Marks{})
			if read {
				role := &rbacv1.ClusterRole{Rules: []rbacv1.PolicyRule{rules.NewRule("", "configmaps", "", "get")}}
				d.Observed.Named = map[kube.Ref]kube.Object{{Kind: "ClusterRole", Name: "view"}: role}
			}
		})
		if !strings.Contains(got, "view") || strings.Contains(got, "configmaps") != read {
			t.Errorf("read %t:\n%s", read, got)
		}
	}
}

// Access in the whole cluster is said with that in the namespaces, and a long list is cut.
func TestSummary_WhereTheAccessIs(t *testing.T) {
	t.Parallel()
	pods := config.Grants{Rules: []rbacv1.PolicyRule{rules.NewRule("", "pods", "", "get")}}
	var many []string
	for i := range 12 {
		many = append(many, fmt.Sprint("ns", i))
	}
	for name, tt := range map[string]struct {
		namespaces          []string
		namespaced, cluster config.Grants
		want                string
	}{
		"a namespace":   {[]string{"shop"}, pods, config.Grants{}, "`shop`"},
		"both":          {[]string{"shop"}, pods, pods, "`shop` and the whole cluster"},
		"cluster alone": {[]string{"shop"}, config.Grants{}, pods, "the whole cluster"},
		"many":          {many, pods, config.Grants{}, "`ns9` and 2 more namespaces"},
	} {
		got := summaryOf(t, func(d *Delivery) {
			d.Desired.Access.Namespaces = tt.namespaces
			d.Desired.Access.Namespaced = tt.namespaced
			d.Desired.Access.Cluster = tt.cluster
		})
		if !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q is not in\n%s", name, tt.want, got)
		}
	}
}

// A file that a pull request put in the way of the output after it was chosen is refused before the
// token is written, and before the receipt names it.
func TestFile_DeliverRefusesALinkThatCameLater(t *testing.T) {
	t.Parallel()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	j := &job{}
	to := chooseFile(t, j)
	stack := open(t, to)
	link := filepath.Join(root, "link")
	if err := os.Symlink(filepath.Dir(to.Path()), link); err != nil {
		t.Fatal(err)
	}
	to.Output = &output.File{Path: filepath.Join(link, "kc")}
	to.Files.Workspace = []string{root}
	err = to.Deliver(newDelivery(t, to, &bytes.Buffer{}), stack)
	if problem.ExitCode(err) != int(problem.Config) || exists(filepath.Join(link, "kc")) {
		t.Error(err)
	}
	if stack.Journal.Record().TokenHash != "" {
		t.Error("the receipt names a token that was not written")
	}
}

// A summary that cannot be written is no reason to take a working credential back.
func TestFile_SummaryThatFailsIsAWarning(t *testing.T) {
	t.Parallel()
	j := &job{summaryFailure: errors.New("summary is full")}
	to := chooseFile(t, j)
	var log bytes.Buffer
	if err := to.Deliver(newDelivery(t, to, &log), open(t, to)); err != nil || !exists(to.Path()) {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "warning: summary is full") {
		t.Error(log.String())
	}
}

// Taking back may last as long as it takes to see the token's end, and exec's as long as a revoke.
func TestDestination_WhatTheyReplace(t *testing.T) {
	t.Parallel()
	earlier := &receipt.Receipt{}
	for name, tt := range map[string]struct {
		to   Destination
		live bool
	}{
		"a directory":        {Directory{}, false},
		"nothing there":      {File{Output: &output.File{}}, false},
		"a credential":       {File{Output: &output.File{Earlier: earlier}}, true},
		"an expired one":     {File{Output: &output.File{Earlier: earlier, Expired: true}}, false},
		"patience of a file": {File{Output: &output.File{Earlier: earlier}}, true},
	} {
		if _, live := tt.to.Earlier(); live != tt.live {
			t.Errorf("%s: live %t", name, live)
		}
		if tt.to.Patience() < revoke.SeenWithin {
			t.Errorf("%s: the end cannot be seen within %s", name, tt.to.Patience())
		}
	}
}

// Its base64 is a secret as the token is: it is masked before anything can print it.
func TestRender_MasksTheBase64(t *testing.T) {
	t.Parallel()
	failure := errors.New("no space left")
	j := &job{maskFailure: failure}
	to := chooseFile(t, j)
	rendered, err := Render(to, kubeconfig.Config{Name: "x", Cluster: kubeconfig.Cluster{Server: "https://x"}}, secret.New("t"))
	if !errors.Is(err, failure) || len(j.masked) != 1 || j.masked[0] != rendered.Encoded.Reveal() {
		t.Errorf("masked %q: %v", j.masked, err)
	}
}
