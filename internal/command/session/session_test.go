package session

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What a pull request can have written is known to a run from its platform, its working directory and HOME.
func TestInWorkspace(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, dir := range []string{"/repo/.git", "/repo/module/.git", "/bare/home", "/elsewhere", "/sources/s", "/second"} {
		if err := os.MkdirAll(root+dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(root+"/repo", root+"/elsewhere/link"); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		environ []string
		dir     string
		in, out []string
	}{
		"plain, a submodule":        {dir: "/repo/module", in: []string{"/repo/kc", "/repo/module/kc", "/elsewhere/link/not/there"}, out: []string{"/elsewhere/kc", "/repo.tmp/kc"}},
		"plain, no repository":      {environ: []string{"HOME=/bare/home"}, dir: "/bare", in: []string{"/bare/kc", "/bare/home/.kube/config"}, out: []string{"/repo/kc"}},
		"plain, HOME":               {environ: []string{"HOME=/bare"}, dir: "/bare", out: []string{"/bare/kc", "/bare/home/kc"}},
		"GitHub":                    {environ: []string{"GITHUB_ACTIONS=true", "GITHUB_WORKSPACE=/repo"}, dir: "/elsewhere", in: []string{"/repo/kc"}, out: []string{"/elsewhere/kc"}},
		"GitLab":                    {environ: []string{"GITLAB_CI=true", "CI_PROJECT_DIR=/repo"}, dir: "/repo", in: []string{"/repo/kc"}, out: []string{"/repo.tmp/kc"}},
		"Buildkite":                 {environ: []string{"BUILDKITE=true", "BUILDKITE_BUILD_CHECKOUT_PATH=/second"}, dir: "/elsewhere", in: []string{"/second/kc"}, out: []string{"/elsewhere/kc"}},
		"Azure Pipelines, a parent": {environ: []string{"TF_BUILD=True", "BUILD_SOURCESDIRECTORY=/sources/s", "AGENT_BUILDDIRECTORY=/sources"}, dir: "/sources/s", in: []string{"/sources/artifact/kc"}, out: []string{"/elsewhere/kc"}},
		"CodeBuild, two sources":    {environ: []string{"CODEBUILD_SRC_DIR=/repo", "CODEBUILD_SRC_DIR_Second=/second"}, dir: "/repo", in: []string{"/second/kc", "/repo/kc"}, out: []string{"/elsewhere/kc"}},
	} {
		var environ []string
		for _, entry := range c.environ { // absolute paths are below root
			name, value, _ := strings.Cut(entry, "=")
			if filepath.IsAbs(value) {
				value = root + value
			}
			environ = append(environ, name+"="+value)
		}
		s := New(Process{Args: []string{"kubemint"}, Environ: environ, Dir: root + c.dir, Streams: Streams{Stdout: io.Discard, Stderr: io.Discard}})
		for _, path := range c.in {
			if !s.Workspace.Hold(root + path) {
				t.Errorf("%s: %s is not in %q", name, path, s.Workspace)
			}
		}
		for _, path := range c.out {
			if s.Workspace.Hold(root + path) {
				t.Errorf("%s: %s is in %q", name, path, s.Workspace)
			}
		}
	}
}
