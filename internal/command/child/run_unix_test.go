//go:build unix

package child

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/source"
)

func shell(script string) Command {
	return Command{Program: "/bin/sh", Words: []string{"sh", "-c", script}}
}

func alone(context.Context) func() { return func() {} }

// A signal that came before the command was started ends the run: nobody would hand it on.
func TestRun_NotAfterASignal(t *testing.T) {
	t.Parallel()
	signal := errors.New("interrupted")
	ctx, interrupt := context.WithCancelCause(t.Context())
	interrupt(signal)
	var out bytes.Buffer
	code, err := Run(ctx, newSession(t, &out), shell("echo started"), nil, alone)
	if code != 0 || !errors.Is(err, signal) || out.Len() > 0 {
		t.Errorf("%d, %q: %v", code, out.String(), err)
	}
}

// The end of the context does not end a running command, nor what is done meanwhile, which is waited
// for: the command got the signal too, and decides what it means.
func TestRun_CommandOutlivesTheContext(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	var out bytes.Buffer
	s := newSession(t, &out)
	marker := filepath.Join(s.Process.Dir, "go")
	waited := false
	code, err := Run(ctx, s, shell("until test -e go; do sleep 0.01; done; echo done; exit 3"), os.Environ(), func(meanwhile context.Context) func() {
		interrupt()
		if meanwhile.Err() != nil {
			t.Error("what is done meanwhile has ended with the signal")
		}
		if err := os.WriteFile(marker, nil, 0o600); err != nil {
			t.Error(err)
		}
		return func() { waited = true }
	})
	if code != 3 || err != nil || out.String() != "done\n" || !waited {
		t.Errorf("%d, %q, waited %t: %v", code, out.String(), waited, err)
	}
}

// A command that cannot be started has the exit code that a shell gives it, and what would be done
// meanwhile is not begun.
func TestRun_CannotBeStarted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{plain: ExitCannotRun, filepath.Join(dir, "gone"): ExitNotFound} {
		command := Command{Program: path, Words: []string{"deploy"}}
		code, err := Run(t.Context(), newSession(t, &bytes.Buffer{}), command, nil, func(context.Context) func() {
			t.Error("something was begun")
			return func() {}
		})
		if code != want || problem.ExitCode(err) != int(problem.Config) || !strings.Contains(err.Error(), "run deploy") {
			t.Errorf("%s: %d: %v", path, code, err)
		}
	}
}

// A relative path counts from the working directory, as in a shell, and so does a part of PATH.
func TestFind_RelativePaths(t *testing.T) {
	t.Parallel()
	s := newSession(t, &bytes.Buffer{}, "PATH=bin"+string(filepath.ListSeparator)+"/nowhere")
	program := filepath.Join(s.Process.Dir, "bin", "deploy")
	if err := os.Mkdir(filepath.Dir(program), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"deploy", "bin/deploy", "./bin/deploy"} {
		if got, err := Find(s, name); err != nil || filepath.Clean(got) != program {
			t.Errorf("%s: %q: %v", name, got, err)
		}
	}
	if got, err := Find(s, "./deploy"); err == nil {
		t.Errorf("found %s beyond the working directory", got)
	}
}

// Where the pod has no token mounted there is nothing to note, and what nobody asked about is not
// removed.
func TestEnv_LeavesEverythingElse(t *testing.T) {
	t.Parallel()
	var said bytes.Buffer
	environ := []string{"HOME=/home/x", "KUBE_EDITOR=vi", "INPUT=x", "KUBEMINT=x", "EMPTY="}
	got := Env(newSession(t, &said, environ...), &source.Source{}, "/new")
	if strings.Join(got[:len(environ)], " ") != strings.Join(environ, " ") || len(got) != len(environ)+2 || said.Len() > 0 {
		t.Errorf("%q, said %q", got, said.String())
	}
}
