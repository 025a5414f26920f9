package mint

import (
	"os"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"

	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
)

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// leaseOf reads a credential's lease from the server.
func (w *world) leaseOf(c *Credential) coordinationv1.Lease {
	var its coordinationv1.Lease
	w.Read("leases", "shop", c.issued.Tether.Lease.Name, &its)
	return its
}

// The next token hangs on the same lease, whose expiry moves along, so that sweep leaves a running
// command alone; files and receipt have the new token.
func TestRenew_ReplacesTokenFilesAndExpiry(t *testing.T) {
	t.Parallel()
	w := newWorld(t, usual)
	first := w.mustRun(t)
	first.with.job.Clock = clock{noon.Add(50 * time.Minute)}
	w.Now = first.with.job.Clock.Now
	before := len(w.Writes())
	next, err := first.Renew(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(w.Writes()[before:], ", "); got != "create serviceaccounts/token shop/ci, apply leases shop/kubemint-ci-…" {
		t.Errorf("sent %s", got)
	}
	token := next.Minted().Token.Reveal()
	if token == first.Minted().Token.Reveal() || readFile(t, w.to.TokenFile()) != token {
		t.Error("the token file does not have the next token")
	}
	if !strings.Contains(readFile(t, w.to.Path()), token) {
		t.Error("the kubeconfig does not have the next token")
	}
	record, err := receipt.Read(w.to.Path())
	if err != nil || record.TokenHash != next.Minted().Token.Hash() || record.ExpiresAt != "2026-01-01T13:50:00Z" {
		t.Errorf("recorded %+v: %v", record, err)
	}
	if its := w.leaseOf(next); its.Annotations[kube.AnnotationExpiresAt] != "2026-01-01T13:50:00Z" {
		t.Errorf("the lease expires at %s", its.Annotations[kube.AnnotationExpiresAt])
	}
}

// A token that cannot be renewed leaves the one that is in use, and its files.
func TestRenew_FailureKeepsTheCredentialInUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, usual)
	first := w.mustRun(t)
	kubeconfig := readFile(t, w.to.Path())
	w.Forbid("^create serviceaccounts/token")
	still, err := first.Renew(t.Context())
	if still != first || problem.ExitCode(err) != int(problem.Rights) {
		t.Errorf("another credential is in use: %v", err)
	}
	if readFile(t, w.to.Path()) != kubeconfig || readFile(t, w.to.TokenFile()) != first.Minted().Token.Reveal() {
		t.Error("a file was replaced")
	}
}

// The command may have chosen another namespace in the kubeconfig, or merged another cluster into
// it: it is left so, and the token file, which clients read again, has the next token.
func TestRenew_LeavesAKubeconfigThatTheCommandChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, usual)
	first := w.mustRun(t)
	const merged = "another cluster"
	if err := os.WriteFile(w.to.Path(), []byte(merged), 0o600); err != nil {
		t.Fatal(err)
	}
	next, err := first.Renew(t.Context())
	if err != nil || readFile(t, w.to.Path()) != merged || readFile(t, w.to.TokenFile()) != next.Minted().Token.Reveal() {
		t.Errorf("%q: %v", readFile(t, w.to.Path()), err)
	}
	if !strings.Contains(w.log.String(), "the command has changed "+w.to.Path()) {
		t.Error(w.log)
	}
	if err := os.WriteFile(w.to.Path(), first.rendered.Data, 0o600); err != nil { // as kubemint wrote it
		t.Fatal(err)
	}
	if _, err := next.Renew(t.Context()); err != nil || readFile(t, w.to.Path()) == string(first.rendered.Data) {
		t.Errorf("what kubemint wrote itself is not replaced: %v", err)
	}
}

// A runner that may not change the lease is no reason to end a running command: it is said once
// what follows from it.
func TestRenew_LeaseThatMayNotBeExtendedIsSaidOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, usual)
	first := w.mustRun(t)
	w.Forbid("^apply leases")
	next, err := first.Renew(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := next.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	if said := strings.Count(w.log.String(), "the runner's identity may not patch Lease shop/"); said != 1 {
		t.Errorf("said %d times:\n%s", said, w.log)
	}
}

// exec calls End when its command has ended.
func TestEnd_LeavesTheAccessAndNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, usual)
	made := w.mustRun(t)
	if err := made.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := "leases shop/kubemint-ci, rolebindings shop/kubemint:shop:ci, roles shop/kubemint:shop:ci, serviceaccounts shop/ci"
	if left := strings.Join(w.Objects(), ", "); left != want {
		t.Errorf("left: %s", left)
	}
	if exists(w.to.Path()) || exists(receipt.Path(w.to.Path())) {
		t.Error("a file is left")
	}
}
