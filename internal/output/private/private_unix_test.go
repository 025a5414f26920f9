//go:build unix

package private_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubemint/kubemint/internal/output/private"
)

// TestMain is also a program that makes a directory, prints its path, and stays until it is killed.
func TestMain(m *testing.M) {
	if base := os.Getenv("PRIVATE_TEST_BASE"); base != "" {
		dir, err := private.Make(base)
		if err != nil {
			panic(err)
		}
		if err := os.WriteFile(filepath.Join(dir.Path, "token"), nil, 0o600); err != nil {
			panic(err)
		}
		// What a command of exec is: it must not keep the lock.
		if err := exec.Command("sleep", "5").Start(); err != nil {
			panic(err)
		}
		os.Stdout.WriteString(dir.Path + "\n")
		_, _ = os.Stdin.Read(make([]byte, 1))
		panic("not killed: " + dir.Path)
	}
	os.Exit(m.Run())
}

// killed is a directory whose process was killed; a command of its lives on. While it lived, nobody found it.
func killed(t *testing.T, base string) string {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), program)
	command.Env = append(os.Environ(), "PRIVATE_TEST_BASE="+base)
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 4096)
	n, err := stdout.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	path := string(line[:n-1])
	if found := paths(t, base); len(found) > 0 {
		t.Errorf("found while it is in use: %q", found)
	}
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_, _ = command.Process.Wait() // and not command.Wait, which waits for its command's end
	return path
}

// paths finds what is left, and leaves it.
func paths(t *testing.T, bases ...string) (all []string) {
	t.Helper()
	for _, left := range private.FindLeft(bases...) {
		all = append(all, left.Path)
		if err := left.Release(); err != nil {
			t.Error(err)
		}
	}
	return all
}

func TestMake(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	dir, err := private.Make(filepath.Join(base, "not-there"), base)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(dir.Path)
	if err != nil || info.Mode() != os.ModeDir|0o700 || filepath.Dir(dir.Path) != base {
		t.Error(dir.Path, info, err)
	}
	if found := paths(t, base); len(found) > 0 {
		t.Errorf("found while it is in use: %q", found)
	}
	if err := os.WriteFile(filepath.Join(dir.Path, "token"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := dir.Remove(); err != nil {
		t.Error(err)
	}
	if entries, _ := os.ReadDir(base); len(entries) > 0 {
		t.Errorf("left: %v", entries)
	}
	if _, err := private.Make(filepath.Join(base, "not-there")); err == nil {
		t.Error("made in a directory that is not there")
	}
}

func TestFindLeft(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"plain", "a[b]*?\\c"} {
		base := filepath.Join(t.TempDir(), name)
		if err := os.Mkdir(base, 0o700); err != nil {
			t.Fatal(err)
		}
		path := killed(t, base)
		link := base + "-link"
		if err := os.Symlink(base, link); err != nil {
			t.Fatal(err)
		}
		left := private.FindLeft(filepath.Join(base, "not-there"), base, link, base)
		if len(left) != 1 || left[0].Path != path {
			t.Fatalf("%s: found %v, and not %s once", name, left, path)
		}
		if again := paths(t, base); len(again) > 0 {
			t.Errorf("two have it at once: %q", again)
		}
		if err := left[0].Remove(); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Error(err)
		}
	}
}

// What somebody else can have put there is passed over.
func TestFindLeft_Foreign(t *testing.T) {
	t.Parallel()
	base, elsewhere := t.TempDir(), t.TempDir()
	at := func(name string) string { return filepath.Join(base, name) }
	for _, err := range []error{
		os.Mkdir(at("kubemint-exec-open"), 0o700), os.Chmod(at("kubemint-exec-open"), 0o755),
		os.Mkdir(at("kubemint-exec-group"), 0o700), os.Chmod(at("kubemint-exec-group"), 0o770),
		os.Mkdir(at("kubemint-exec-sticky"), 0o700), os.Chmod(at("kubemint-exec-sticky"), 0o700|os.ModeSticky),
		os.Symlink(elsewhere, at("kubemint-exec-link")), os.Chmod(elsewhere, 0o700),
		os.WriteFile(at("kubemint-exec-file"), nil, 0o700),
		os.Mkdir(at("kubemint-12345"), 0o700), // of a version that locked nothing: it may be in use
		os.Mkdir(at("kubemint-"), 0o700), os.Mkdir(at("other-exec-1"), 0o700),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if os.Getuid() == 0 {
		if err := os.Mkdir(at("kubemint-exec-theirs"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(at("kubemint-exec-theirs"), 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	if found := paths(t, base); len(found) > 0 {
		t.Errorf("found %q", found)
	}
}

// A link in the directory is removed, and not what it leads to.
func TestLeft_RemoveFollowsNoLink(t *testing.T) {
	t.Parallel()
	base, elsewhere := t.TempDir(), t.TempDir()
	file := filepath.Join(elsewhere, "file")
	path := killed(t, base)
	for _, err := range []error{
		os.WriteFile(file, []byte("x"), 0o600),
		os.Symlink(elsewhere, filepath.Join(path, "link")), os.Symlink(file, filepath.Join(path, "kubeconfig")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, left := range private.FindLeft(base) {
		if err := left.Remove(); err != nil {
			t.Error(err)
		}
	}
	content, err := os.ReadFile(file)
	entries, _ := os.ReadDir(base)
	if diff := cmp.Diff("x", string(content)); diff != "" || err != nil || len(entries) > 0 {
		t.Error(diff, err, entries)
	}
}
