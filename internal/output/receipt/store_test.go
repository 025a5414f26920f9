package receipt_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubemint/kubemint/internal/output/receipt"
)

// below is a workspace that is one directory.
func below(dir string) func(string) bool {
	return func(path string) bool {
		rest, err := filepath.Rel(dir, path)
		return err == nil && filepath.IsLocal(rest)
	}
}

// dirs are a machine's directories: a checkout, the job's temporary one, the user's state, and one that all users share.
func dirs(t *testing.T) (work string, store receipt.Store) {
	t.Helper()
	root := t.TempDir()
	for _, dir := range []string{"work", "temp", "state", "shared"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	work = filepath.Join(root, "work")
	return work, receipt.Store{
		InWorkspace: below(work), Temp: filepath.Join(root, "temp"), State: filepath.Join(root, "state"),
		Shared: filepath.Join(root, "shared"),
	}
}

func writeRecord(t *testing.T, path, output string) {
	t.Helper()
	record := full()
	record.Output = output
	data, err := record.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestChoosePlace(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(work string, s *receipt.Store)
		output string // below the machine's root
		want   string // the directory, below the root; "" is an error
	}{
		"an output outside the workspace":        {func(string, *receipt.Store) {}, "temp/a/kubeconfig", "temp/a"},
		"no workspace":                           {func(_ string, s *receipt.Store) { s.InWorkspace = nil }, "work/kubeconfig", "work"},
		"the job's temporary directory":          {func(string, *receipt.Store) {}, "work/kubeconfig", "temp/kubemint"},
		"no temporary directory":                 {func(_ string, s *receipt.Store) { s.Temp = "" }, "work/kubeconfig", "state/kubemint"},
		"a temporary directory in the workspace": {func(work string, s *receipt.Store) { s.Temp = work + "/tmp" }, "work/kubeconfig", "state/kubemint"},
		"neither":                                {func(work string, s *receipt.Store) { s.Temp, s.State = "", work+"/.local/state" }, "work/kubeconfig", "shared"},
		"a relative state directory":             {func(_ string, s *receipt.Store) { s.Temp, s.State = "", "state" }, "work/kubeconfig", "shared"},
		"a file in the way": {func(_ string, s *receipt.Store) {
			_ = os.WriteFile(s.Temp+"/kubemint", nil, 0o600)
		}, "work/kubeconfig", "state/kubemint"},
		"nothing but the workspace": {func(work string, s *receipt.Store) {
			s.Temp, s.State, s.Shared = work, work, work
		}, "work/kubeconfig", ""},
		"no directory at all": {func(_ string, s *receipt.Store) { s.Temp, s.State, s.Shared = "", "", "" }, "work/kubeconfig", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			work, store := dirs(t)
			root := filepath.Dir(work)
			c.change(work, &store)
			path, err := store.Choose(filepath.Join(root, c.output))
			if c.want == "" {
				if !errors.Is(err, receipt.ErrNoPlace) || path != "" {
					t.Fatalf("got %q, %v", path, err)
				}
				return
			}
			if err != nil || !strings.HasPrefix(path, filepath.Join(root, c.want)) {
				t.Fatalf("got %q, %v", path, err)
			}
			if filepath.Dir(path) == filepath.Join(root, filepath.Dir(c.output)) {
				return // the output's own directory is the caller's to make
			}
			writeRecord(t, path, "x")
			if _, found, err := store.Read(filepath.Join(root, c.output)); err != nil || found != path {
				t.Errorf("read finds %q, %v", found, err)
			}
			info, err := os.Stat(filepath.Dir(path))
			if err != nil || info.Mode().Perm() != 0o700 {
				t.Errorf("its directory: %v, %v", info.Mode(), err)
			}
		})
	}
}

// What a pull request can commit is not read, whatever it is called and wherever its links lead.
func TestReadNothingOfTheWorkspace(t *testing.T) {
	t.Parallel()
	work, store := dirs(t)
	output := work + "/kubeconfig"
	writeRecord(t, output+".receipt", output)
	if _, path, err := store.Read(output); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("next to the output: %q, %v", path, err)
	}
	place, err := store.Choose(output)
	if err != nil {
		t.Fatal(err)
	}
	for name, lead := range map[string]string{"temp": store.Temp, "state": store.State} {
		inside := store
		inside.Temp, inside.State = "", ""
		if name == "temp" {
			inside.Temp = work
		} else {
			inside.State = work
		}
		if err := os.MkdirAll(work+"/kubemint", 0o700); err != nil {
			t.Fatal(err)
		}
		writeRecord(t, filepath.Join(work, "kubemint", filepath.Base(place)), output)
		if _, path, err := inside.Read(output); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s in the workspace (%s): %q, %v", name, lead, path, err)
		}
	}
}

// In a directory where every user may create files only our own is used: not one that is open to others, and no link.
func TestReadNothingThatOthersOwn(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(dir string) error{
		"open to the group": func(dir string) error { return os.Chmod(dir, 0o770) },
		"open to all":       func(dir string) error { return os.Chmod(dir, 0o1777) },
		"a link": func(dir string) error {
			return errors.Join(os.Rename(dir, dir+"-theirs"), os.Symlink(dir+"-theirs", dir))
		},
		"another user's": func(dir string) error {
			if os.Geteuid() != 0 {
				return os.Chmod(dir, 0o777)
			}
			return os.Chown(dir, 65534, 65534)
		},
	} {
		work, store := dirs(t)
		store.Temp, store.State = "", ""
		output := work + "/kubeconfig"
		place, err := store.Choose(output)
		if err != nil {
			t.Fatal(err)
		}
		writeRecord(t, place, output)
		if err := prepare(filepath.Dir(place)); err != nil {
			t.Fatal(err)
		}
		if _, path, err := store.Read(output); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: read %q, %v", name, path, err)
		}
		if path, err := store.Choose(output); !errors.Is(err, receipt.ErrNoPlace) {
			t.Errorf("%s: chosen %q, %v", name, path, err)
		}
	}
}

// A step in a container and one on the host see one file under two names.
func TestStore_TwoNamesOfAPath(t *testing.T) {
	t.Parallel()
	work, host := dirs(t)
	container := host
	container.InWorkspace = func(path string) bool { return below("/github/workspace")(path) || host.InWorkspace(path) }
	container.Outside = func(path string) string { return strings.Replace(path, "/github/workspace", work, 1) }
	inside, err := container.Choose("/github/workspace/kubeconfig")
	if err != nil {
		t.Fatal(err)
	}
	outside, err := host.Choose(work + "/kubeconfig")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(outside, inside); diff != "" {
		t.Error(diff)
	}
}

func TestRead_DamagedReceipt(t *testing.T) {
	t.Parallel()
	work, store := dirs(t)
	output := work + "/kubeconfig"
	place, err := store.Choose(output)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(place, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if record, path, err := store.Read(output); record != nil || path != place || err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("got %v, %q, %v", record, path, err)
	}
}

// Another user's file is not taken for a receipt, in a directory where every user may create files.
func TestReadNoReceiptOfAnotherUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file to another user; CI runs this as root")
	}
	dir := t.TempDir()
	output := filepath.Join(dir, "kubeconfig")
	writeRecord(t, output+".receipt", output)
	for name, c := range map[string]struct {
		file, dir int
		want      error
	}{
		"ours":                        {0, 0, nil},
		"given to the directory's":    {65534, 65534, nil},
		"ours in another's directory": {0, 65534, nil},
		"another's in a shared one":   {65534, 0, fs.ErrNotExist},
		"another's in a third user's": {65534, 65533, fs.ErrNotExist},
	} {
		if err := errors.Join(os.Chown(output+".receipt", c.file, c.file), os.Chown(dir, c.dir, c.dir)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := (receipt.Store{}).Read(output); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
