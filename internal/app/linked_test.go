package app

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubemint/kubemint/internal/problem"
)

// Between the choice of the output and the writing of the token there are seconds, in which a process that a pull request has
// started can put a link in a directory's place.
func TestOutput_LinkedAfterItWasChosen(t *testing.T) {
	t.Parallel()
	workspace := t.TempDir()
	r := newRun(Process{Args: []string{"kubemint"}, Dir: workspace, Stdout: io.Discard, Stderr: io.Discard})
	path := filepath.Join(workspace, "kube", "config")
	if err := r.refuseLinkedParents(path); err != nil {
		t.Fatalf("a directory that is not there yet: %v", err)
	}
	if err := os.Symlink(t.TempDir(), filepath.Join(workspace, "kube")); err != nil {
		t.Fatal(err)
	}
	err := r.refuseLinkedParents(path)
	if problem.ExitCode(err) != int(problem.Config) || !strings.Contains(err.Error(), `/kube" of the workspace leads to its directory`) {
		t.Error(err)
	}
}
