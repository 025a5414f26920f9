package output

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubemint/kubemint/internal/output/receipt"
)

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, os.ErrNotExist)
}

func TestDelete_DeletesWhatTheRunWrote(t *testing.T) {
	t.Parallel()
	for _, dead := range []bool{true, false} {
		path := filepath.Join(t.TempDir(), "kc")
		record := leaveCredential(t, path, func(r *receipt.Receipt) { r.EnvFile = true })
		write(t, EnvFile(path), []byte("KUBECONFIG=x\nKUBEMINT_OUT_KUBECONFIG_PATH=x\n"))
		pending := filepath.Join(filepath.Dir(path), ".kc123")
		write(t, pending, []byte("a token"))
		if err := newJob().Delete(record, receipt.Path(path), dead); err != nil {
			t.Error(err)
		}
		if exists(path) || exists(EnvFile(path)) || exists(pending) {
			t.Errorf("dead %t: a file is left", dead)
		}
		if exists(receipt.Path(path)) == dead {
			t.Errorf("dead %t: the receipt is there: %t", dead, !dead)
		}
	}
}

func TestDelete_LeavesWhatIsNotTheRuns(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kc")
	record := leaveCredential(t, path, func(r *receipt.Receipt) { r.EnvFile = true })
	write(t, path, []byte("somebody else's"))
	write(t, EnvFile(path), []byte("not of that form"))
	log := &lines{}
	job := newJob()
	job.Log = log
	if err := job.Delete(record, receipt.Path(path), true); err != nil {
		t.Error(err)
	}
	if !exists(path) || !exists(EnvFile(path)) {
		t.Error("a file that is not the run's was deleted")
	}
	if !strings.Contains(strings.Join(log.said, "\n"), "is left: it is not the kubeconfig") {
		t.Errorf("said %q", log.said)
	}
}

// The step state's receipt can be older than what lies at the output.
func TestDelete_LeavesAnotherRunsReceipt(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kc")
	leaveCredential(t, path, func(*receipt.Receipt) {})
	older := newRecord(path)
	older.TokenHash = "older"
	older.Leases = []receipt.Object{{Kind: "Lease", Namespace: "shop", Name: "kubemint-ci-bbbbbbbbbb"}}
	if err := newJob().Delete(older, receipt.Path(path), true); err != nil {
		t.Error(err)
	}
	if !exists(path) || !exists(receipt.Path(path)) {
		t.Error("the other run's credential is gone")
	}
}

func TestTokenIn_ReadsOnlyOurOwnTokenFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	write(t, TokenFile(path), []byte("token"))
	data := func(tokenFile string) []byte {
		return []byte("clusters: [{name: x}]\nusers: [{name: x, user: {tokenFile: " + tokenFile + "}}]\n")
	}
	if held, err := TokenIn(path, data(TokenFile(path))); err != nil || held.Reveal() != "token" {
		t.Error(err)
	}
	if _, err := TokenIn(path, data("/etc/passwd")); err == nil {
		t.Error("a file was read that kubemint does not write")
	}
}

func TestWrite_ReplacesAtomicallyWithMode0600(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kc")
	for _, content := range []string{"one", "two"} {
		if err := Write(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
		if have, err := Read(path); err != nil || string(have) != content {
			t.Errorf("got %q: %v", have, err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v: %v", info, err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Errorf("%d files are there", len(entries))
	}
	refuses(t, Write(filepath.Join(path, "x"), nil), "not a directory")
}
