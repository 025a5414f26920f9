package output

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kubemint/kubemint/internal/kubeconfig"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/secret"
)

// lines is a log.
type lines struct{ said []string }

func (l *lines) Printf(format string, args ...any) {
	l.said = append(l.said, fmt.Sprintf(format, args...))
}
func (l *lines) Warnf(format string, args ...any) { l.Printf(format, args...) }

var now = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func newJob() Job { return Job{EnvFile: true, Now: func() time.Time { return now }, Log: &lines{}} }

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// leaveCredential leaves a kubeconfig, its receipt and its file of outputs, as an earlier run does.
func leaveCredential(t *testing.T, path string, change func(*receipt.Receipt)) *receipt.Receipt {
	t.Helper()
	token := secret.New("token")
	data, err := kubeconfig.Render(kubeconfig.Config{Name: "x", Cluster: kubeconfig.Cluster{Server: "https://x"}, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, data)
	record := newRecord(path)
	record.TokenHash = token.Hash()
	record.Leases = []receipt.Object{lease}
	change(record)
	if err := NewJournal(receipt.Path(path), record, nil).Update(func(*receipt.Receipt) {}); err != nil {
		t.Fatal(err)
	}
	return record
}

func choose(t *testing.T, job Job, path string) (*File, error) {
	t.Helper()
	f, err := job.Choose(path, nil, newRecord(path), false)
	t.Cleanup(func() { f.Unlock(newRecord(path)) })
	return f, err
}

func refuses(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

func TestChoose_ReplacesWhatIsOurs(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kc")
	leaveCredential(t, path, func(*receipt.Receipt) {})
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := choose(t, newJob(), path)
	if err != nil || f.Earlier == nil || f.Expired {
		t.Fatalf("%+v: %v", f, err)
	}
	write(t, path, []byte("new"))
	if err := f.PutBack(); err != nil {
		t.Error(err)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("got %q: %v", after, err)
	}
}

func TestChoose_RefusesWhatIsNotOurs(t *testing.T) {
	t.Parallel()
	keep := func(*receipt.Receipt) {}
	elsewhere := func(r *receipt.Receipt) { r.Server = "https://y" }
	for name, tt := range map[string]struct {
		lies   map[string]string      // content by what stands behind the output's name
		leaves func(*receipt.Receipt) // changes the receipt of an earlier credential; nil: no receipt
		want   string
	}{
		"no receipt":                 {map[string]string{"": "x"}, nil, "kubemint did not write it"},
		"another token":              {map[string]string{"": "x"}, keep, "not the file that its receipt"},
		"a damaged receipt":          {map[string]string{"": "x", ".receipt": "x"}, nil, "its receipt cannot be used"},
		"a receipt alone":            {map[string]string{".receipt": "x"}, nil, "its receipt is in the way"},
		"another cluster":            {nil, elsewhere, "it is for ServiceAccount shop/ci at https://y"},
		"foreign outputs":            {map[string]string{".env": "A=b"}, nil, "kubemint did not write it"},
		"outputs not in the receipt": {map[string]string{".env": "A=b"}, keep, "kubemint did not write it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "kc")
			if tt.leaves != nil {
				leaveCredential(t, path, tt.leaves)
			}
			for behind, content := range tt.lies {
				write(t, path+behind, []byte(content))
			}
			_, err := choose(t, newJob(), path)
			refuses(t, err, tt.want)
		})
	}
}

func TestChoose_RefusesADirectory(t *testing.T) {
	t.Parallel()
	_, err := choose(t, newJob(), t.TempDir())
	refuses(t, err, "not a regular file")
}

func TestChoose_ReplacesAnExpiredCredentialOfAnotherCluster(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		ago  time.Duration
		dead bool
	}{"an hour ago": {time.Hour, true}, "a minute ago": {time.Minute, false}} {
		path := filepath.Join(t.TempDir(), "kc")
		leaveCredential(t, path, func(r *receipt.Receipt) {
			r.Server = "https://y"
			r.ExpiresAt = now.Add(-tt.ago).Format(time.RFC3339)
		})
		f, err := choose(t, newJob(), path)
		if (err == nil) != tt.dead || (err == nil && !f.Expired) {
			t.Errorf("%s: %+v: %v", name, f, err)
		}
	}
}

func TestChoose_RefusesTheSource(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kc")
	write(t, path, nil)
	linked := filepath.Join(t.TempDir(), "same")
	if err := os.Link(path, linked); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{path, linked} {
		_, err := newJob().Choose(path, []string{file}, newRecord(path), false)
		refuses(t, err, "the source kubeconfig was read from this file")
	}
}

func TestChoose_OneRunAtATime(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kc")
	first, err := choose(t, newJob(), path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = choose(t, newJob(), path)
	refuses(t, err, "another run of kubemint is writing or revoking it")
	if dry, err := newJob().Choose(path, nil, newRecord(path), true); err != nil {
		t.Errorf("a dry run of %s is held up: %v", dry.Path, err)
	}
	first.Unlock(newRecord(path))
	if _, err := choose(t, newJob(), path); err != nil {
		t.Error(err)
	}
}

func TestAwait_GivesUpWhenTheTimeIsOver(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kc")
	if _, err := choose(t, newJob(), path); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := newJob().Await(ctx, newRecord(path))
	refuses(t, err, "another run of kubemint is writing it")
}

func TestOpen_InheritsWhatTheEarlierReceiptNames(t *testing.T) {
	t.Parallel()
	for _, expired := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "kc")
		leaveCredential(t, path, func(*receipt.Receipt) {})
		f, err := choose(t, newJob(), path)
		if err != nil {
			t.Fatal(err)
		}
		f.Expired = expired
		j, err := f.Open(newRecord(path), nil)
		if err != nil {
			t.Fatal(err)
		}
		record := j.Record()
		if named := slices.Contains(record.Leases, lease); named == expired || record.TokenHash != f.Earlier.TokenHash {
			t.Errorf("expired %t: %+v", expired, record)
		}
	}
}

func TestOpen_MakesTheDirectoriesAndUnlockRemovesThem(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	path := filepath.Join(root, "a", "b", "kc")
	f, err := newJob().Choose(path, nil, newRecord(path), false)
	if err != nil {
		t.Fatal(err)
	}
	j, err := f.Open(newRecord(path), nil)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v: %v", info, err)
	}
	f.Unlock(j.Record())
	if _, err := os.Stat(filepath.Join(root, "a")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a directory is left: %v", err)
	}
}
