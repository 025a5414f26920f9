package output

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kubemint/kubemint/internal/kubeconfig"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
	"github.com/kubemint/kubemint/internal/workspace"
	"github.com/kubemint/kubemint/test/kubetest"
)

// inCheckout is a job with a checkout, which a pull request can have written, and a directory for
// the user's state.
func inCheckout(t *testing.T) (job Job, checkout, state string) {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	checkout = filepath.Join(root, "checkout")
	state = filepath.Join(root, "state")
	for _, dir := range []string{checkout, state} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	job = newJob()
	job.Workspace = workspace.Find([]string{checkout}, checkout, "")
	job.Receipts = receipt.Store{InWorkspace: job.Workspace.Hold, State: state}
	return job, checkout, state
}

// A pull request could have the token written into a directory whose files become artifacts.
func TestRefuseLinks_OfTheWorkspaceAlone(t *testing.T) {
	t.Parallel()
	job, checkout, state := inCheckout(t)
	outside := filepath.Join(filepath.Dir(checkout), "link")
	for _, link := range []string{filepath.Join(checkout, "link"), outside} {
		if err := os.Symlink(state, link); err != nil {
			t.Fatal(err)
		}
	}
	err := job.RefuseLinks(filepath.Join(checkout, "link", "kc"))
	if problem.ExitCode(err) != int(problem.Config) {
		t.Error(err)
	}
	refuses(t, err, "a pull request can make such a link")
	for _, path := range []string{filepath.Join(checkout, "kc"), filepath.Join(outside, "kc")} {
		if err := job.RefuseLinks(path); err != nil {
			t.Error(err)
		}
	}
	if _, err := choose(t, job, filepath.Join(checkout, "link", "kc")); err == nil || exists(filepath.Join(state, "kc.receipt.lock")) {
		t.Errorf("it was locked before it was refused: %v", err)
	}
}

// A receipt in the checkout can be a pull request's: it is neither read nor written there.
func TestChoose_OutputInTheCheckout(t *testing.T) {
	t.Parallel()
	job, checkout, state := inCheckout(t)
	path := filepath.Join(checkout, "kc")
	leaveCredential(t, path, func(*receipt.Receipt) {}) // committed, with a receipt next to it
	_, err := choose(t, job, path)
	refuses(t, err, "it exists and kubemint did not write it")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	f, err := choose(t, job, path)
	if err != nil || f.Earlier != nil {
		t.Fatalf("%+v: %v", f, err)
	}
	record := newRecord(path)
	journal, err := f.Open(record, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := journal.Update(func(*receipt.Receipt) {}); err != nil {
		t.Fatal(err)
	}
	if _, place, err := job.Receipts.Read(path); err != nil || filepath.Dir(place) != filepath.Join(state, "kubemint") {
		t.Errorf("the receipt lies at %s: %v", place, err)
	}
	if err := journal.Close(false, nil); err != nil {
		t.Error(err)
	}
	f.Unlock(record)
	if exists(filepath.Join(state, "kubemint")) {
		t.Error("the directory of receipts is left, and empty")
	}
}

// Without a place for the receipt nothing could be revoked later.
func TestChoose_NoPlaceForTheReceipt(t *testing.T) {
	t.Parallel()
	job, checkout, _ := inCheckout(t)
	job.Receipts.State = ""
	path := filepath.Join(checkout, "kc")
	_, err := choose(t, job, path)
	if problem.ExitCode(err) != int(problem.Config) || !errors.Is(err, receipt.ErrNoPlace) {
		t.Error(err)
	}
	unlock, err := job.Await(t.Context(), newRecord(path)) // without a place for receipts nothing has to be revoked
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}

// A run that was killed before it wrote the file may have left a lease that lives.
func TestChoose_ReceiptOfAKilledRun(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kc")
	leaveCredential(t, path, func(*receipt.Receipt) {})
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	f, err := choose(t, newJob(), path)
	if err != nil || f.Earlier == nil || !slices.Contains(f.Earlier.Leases, lease) {
		t.Fatalf("%+v: %v", f, err)
	}
	write(t, path, []byte("new"))
	if err := f.PutBack(); err != nil || exists(path) {
		t.Errorf("a file is left where there was none: %v", err)
	}
}

// The file of outputs is put back with the kubeconfig, or goes where there was none.
func TestPutBackEnvFile(t *testing.T) {
	t.Parallel()
	for _, had := range []bool{true, false} {
		path := filepath.Join(t.TempDir(), "kc")
		leaveCredential(t, path, func(r *receipt.Receipt) { r.EnvFile = true })
		if had {
			write(t, EnvFile(path), []byte("before"))
		}
		f, err := choose(t, newJob(), path)
		if err != nil {
			t.Fatal(err)
		}
		write(t, EnvFile(path), []byte("new"))
		if err := f.PutBackEnvFile(); err != nil || exists(EnvFile(path)) != had {
			t.Errorf("there before %t: %v", had, err)
		}
		if have, _ := Read(EnvFile(path)); had && string(have) != "before" {
			t.Errorf("got %q", have)
		}
	}
}

// A platform that reads no file of outputs leaves such a file alone.
func TestChoose_WithoutFileOfOutputs(t *testing.T) {
	t.Parallel()
	job := newJob()
	job.EnvFile = false
	path := filepath.Join(t.TempDir(), "kc")
	write(t, EnvFile(path), []byte("A=b"))
	if _, err := choose(t, job, path); err != nil {
		t.Error(err)
	}
}

// The directories that were made are in the receipt, outermost first, so that revoke removes them.
func TestOpen_RecordsTheDirectoriesThatItMakes(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	path := filepath.Join(root, "a", "b", "kc")
	f, err := choose(t, newJob(), path)
	if err != nil {
		t.Fatal(err)
	}
	journal, err := f.Open(newRecord(path), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Join(root, "a"), filepath.Join(root, "a", "b")}
	if got := journal.Record().Dirs; !slices.Equal(got, want) {
		t.Errorf("recorded %q", got)
	}
}

func TestChoose_FileInThePlaceOfADirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "out")
	write(t, dir, nil)
	_, err := choose(t, newJob(), filepath.Join(dir, "kc"))
	if problem.ExitCode(err) != int(problem.Config) {
		t.Error(err)
	}
	p, _ := errors.AsType[*problem.Error](err)
	if p == nil || !strings.Contains(strings.Join(p.Hints, "\n"), "choose an `output` in a directory that this step may write") {
		t.Errorf("%+v", p)
	}
}

// Revoke waits for the run that writes the credential.
func TestAwait_WaitsForTheRunThatWrites(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kc")
	first, err := choose(t, newJob(), path)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		waiting := &kubetest.OnWait{Context: t.Context(), Do: func() { first.Unlock(newRecord(path)) }}
		unlock, err := newJob().Await(waiting, newRecord(path))
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := newJob().Choose(path, nil, newRecord(path), false); err == nil {
			t.Error("a mint may write what is being revoked")
		}
		unlock()
	}()
	<-ended
	if _, err := choose(t, newJob(), path); err != nil {
		t.Errorf("the lock is left: %v", err)
	}
}

// A directory that is gone has nothing to lock.
func TestAwait_DirectoryIsGone(t *testing.T) {
	t.Parallel()
	record := newRecord(filepath.Join(t.TempDir(), "gone", "kc"))
	unlock, err := newJob().Await(t.Context(), record)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	if exists(filepath.Dir(record.Output)) {
		t.Error("it was made")
	}
}

// exec's kubeconfig names a file that holds the token.
func TestDelete_TokenFileAndDirectories(t *testing.T) {
	t.Parallel()
	for _, empty := range []bool{true, false} {
		root := t.TempDir()
		dir := filepath.Join(root, "private")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		path := InDirectory(dir)
		token := secret.New("token")
		data, err := kubeconfig.Render(kubeconfig.Config{
			Name: "x", Cluster: kubeconfig.Cluster{Server: "https://x"}, Token: token, TokenFile: TokenFile(path),
		})
		if err != nil {
			t.Fatal(err)
		}
		write(t, path, data)
		write(t, TokenFile(path), []byte("token"))
		if !empty {
			write(t, filepath.Join(dir, "cache"), nil)
		}
		record := newRecord(path)
		record.TokenHash = token.Hash()
		record.Dirs = []string{dir}
		if err := newJob().Delete(record, receipt.Path(path), true); err != nil {
			t.Error(err)
		}
		if exists(path) || exists(TokenFile(path)) || exists(dir) == empty {
			t.Errorf("empty %t: directory %t, kubeconfig %t, token %t", empty, exists(dir), exists(path), exists(TokenFile(path)))
		}
	}
}

// An output that cannot be read may be somebody else's: the receipt stays for another try.
func TestDelete_OutputThatCannotBeRead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kc")
	record := leaveCredential(t, path, func(*receipt.Receipt) {})
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	err := newJob().Delete(record, receipt.Path(path), true)
	if problem.ExitCode(err) != int(problem.Revoke) || !exists(receipt.Path(path)) {
		t.Errorf("the receipt is there %t: %v", exists(receipt.Path(path)), err)
	}
}

// What a killed run had written before its rename can hold a token; files of the user's that only
// look alike stay.
func TestDelete_PendingFilesOfOursAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kc")
	record := leaveCredential(t, path, func(*receipt.Receipt) {})
	for name, want := range map[string]bool{".kc42": false, ".kc.env7": false, ".kc": true, ".kcx": true, "kc42": true, ".kc4x": true} {
		write(t, filepath.Join(filepath.Dir(path), name), nil)
		if err := newJob().Delete(record, receipt.Path(path), false); err != nil {
			t.Fatal(err)
		}
		if exists(filepath.Join(filepath.Dir(path), name)) != want {
			t.Errorf("%s: there %t", name, !want)
		}
	}
}

func TestIsSameRun(t *testing.T) {
	t.Parallel()
	other := lease
	other.Name = "kubemint-ci-bbbbbbbbbb"
	known := lease
	known.UID = "u1" // one of them may not know it yet
	for name, tt := range map[string]struct {
		a, b []receipt.Object
		want bool
	}{
		"the same lease":  {[]receipt.Object{lease}, []receipt.Object{other, known}, true},
		"another lease":   {[]receipt.Object{lease}, []receipt.Object{other}, false},
		"without a lease": {nil, nil, false},
	} {
		if IsSameRun(&receipt.Receipt{Made: receipt.Made{Leases: tt.a}}, &receipt.Receipt{Made: receipt.Made{Leases: tt.b}}) != tt.want {
			t.Error(name)
		}
	}
}

// On a full disk a file that is as it was needs no space.
func TestRestore_LeavesAnUnchangedFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kc")
	write(t, path, []byte("before"))
	first, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	for content, same := range map[string]bool{"before": true, "other": false} {
		if err := Restore(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
		now, err := os.Stat(path)
		if err != nil || os.SameFile(first, now) != same {
			t.Errorf("%q: the same file %t: %v", content, !same, err)
		}
		write(t, path, []byte("before"))
		if first, err = os.Stat(path); err != nil {
			t.Fatal(err)
		}
	}
}

// A write that fails leaves no temporary file: it can hold a token.
func TestWrite_FailureLeavesNoToken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "kc")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, []byte("token")); problem.ExitCode(err) != int(problem.Config) {
		t.Error(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%v: %v", entries, err)
	}
}

// The step state that cannot be saved fails the update: the post step would not know of the run.
func TestJournal_StateThatCannotBeSaved(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kc")
	full := errors.New("disk full")
	j := NewJournal(receipt.Path(path), newRecord(path), func(*receipt.Receipt) error { return full })
	if err := j.Update(func(*receipt.Receipt) {}); !errors.Is(err, full) {
		t.Error(err)
	}
	if err := j.Close(false, nil); err != nil || exists(receipt.Path(path)) {
		t.Errorf("closing fails for it: %v", err)
	}
}
