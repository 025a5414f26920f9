package child

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kubemint/kubemint/internal/command/session"
	"github.com/kubemint/kubemint/internal/source"
)

func newSession(t *testing.T, stderr *bytes.Buffer, environ ...string) session.Session {
	t.Helper()
	return session.New(session.Process{
		Args: []string{"kubemint"}, Environ: environ, Dir: t.TempDir(), Streams: session.Streams{Stdout: stderr, Stderr: stderr},
		ForTests: session.ForTests{AccountDir: t.TempDir()},
	})
}

func TestEnv_HasNeitherInputsNorTheSourceCredential(t *testing.T) {
	t.Parallel()
	var said bytes.Buffer
	s := newSession(t, &said, "PATH=/bin", "KUBEMINT_RULES=x", "INPUT_BEARER_TOKEN=x", "KUBECONFIG=old",
		"KUBE_CONFIG_PATH=old", "AWS_SECRET_ACCESS_KEY=x", "AWS_REGION=y", "KUBERNETES_SERVICE_HOST=h")
	got := Env(s, &source.Source{Secrets: []string{"AWS_SECRET_ACCESS_KEY"}}, "/new")
	want := []string{"PATH=/bin", "AWS_REGION=y", "KUBECONFIG=/new", "KUBE_CONFIG_PATH=/new"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, note := range []string{"removed AWS_SECRET_ACCESS_KEY", "removed KUBERNETES_SERVICE_HOST"} {
		if !strings.Contains(said.String(), note) {
			t.Errorf("%q is not said: %s", note, said.String())
		}
	}
}

func TestEnv_NotesThePodsOwnToken(t *testing.T) {
	t.Parallel()
	var said bytes.Buffer
	s := newSession(t, &said)
	path := filepath.Join(s.Process.AccountDir, "token")
	if err := os.WriteFile(path, []byte("t"), 0o600); err != nil {
		t.Fatal(err)
	}
	Env(s, &source.Source{}, "/new")
	if !strings.Contains(said.String(), "the command can read "+path) {
		t.Errorf("said %q", said.String())
	}
}

func TestFind_LooksInThePathOfThisProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program := filepath.Join(dir, "deploy")
	if err := os.WriteFile(program, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"deploy": program, "other": "", program: program} {
		got, err := Find(newSession(t, &bytes.Buffer{}, "PATH="+dir), name)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestRefuse_ExitCodes(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]int{
		exec.ErrNotFound: ExitNotFound, fs.ErrNotExist: ExitNotFound, fs.ErrPermission: ExitCannotRun,
	} {
		if code, said := Refuse("x", err); code != want || said == nil {
			t.Errorf("%v: %d, %v", err, code, said)
		}
	}
}

func TestRun_ReturnsTheExitCode(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]int{"exit 0": 0, "exit 7": 7, "kill -9 $$": ExitSignalBase + 9} {
		var out bytes.Buffer
		command := Command{Program: "/bin/sh", Words: []string{"sh", "-c", "echo $A; " + script}}
		code, err := Run(t.Context(), newSession(t, &out), command, []string{"A=b"}, func(context.Context) func() { return func() {} })
		if code != want || err != nil || out.String() != "b\n" {
			t.Errorf("%s: %d, %q: %v", script, code, out.String(), err)
		}
	}
}
