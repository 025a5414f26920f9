package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/kubemint/kubemint/internal/kubetest"
)

// block returns the fenced block of a task page that has this info string, such as "sh mint" or "python".
func block(t *testing.T, page, info string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("docs", "tasks", page))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?ms)^```"+regexp.QuoteMeta(info)+"\n(.*?)^```$").FindAllSubmatch(text, -1)
	if len(found) != 1 {
		t.Fatalf("docs/tasks/%s has %d blocks %q", page, len(found), info)
	}
	return string(found[0][1])
}

// reader is somebody who follows a task page: every block runs in one directory, in a shell that has what
// was typed before.
type reader struct {
	cluster *kubetest.ControlPlane
	page    string
	replace *strings.Replacer // the page's names by those of this test
	dir     string
	tools   string // programs that the page calls and this machine lacks, first in PATH
	env     []string
	typed   string // what was typed so far in this shell
}

func newReader(t *testing.T, cluster *kubetest.ControlPlane, page string, names ...string) *reader {
	t.Helper()
	r := &reader{cluster: cluster, page: page, dir: t.TempDir(), tools: t.TempDir()}
	r.replace = strings.NewReplacer(names...)
	home := t.TempDir()
	path := []string{r.tools, filepath.Dir(cluster.Kubectl()), os.Getenv("PATH")}
	r.env = []string{
		"HOME=" + home, raceExit, stateIn(r.dir),
		"PATH=" + strings.Join(path, string(os.PathListSeparator)),
	}
	return r
}

func (r *reader) block(t *testing.T, info string) string {
	t.Helper()
	return r.replace.Replace(block(t, r.page, info))
}

// types runs a block after all those before it, in a shell that stops at the first failure, and returns
// what it prints.
func (r *reader) types(t *testing.T, info string) string {
	t.Helper()
	said, err := r.shell(t, r.typed+"\n"+r.block(t, info))
	if err != nil {
		t.Fatalf("%s: block %q: %v\n%s", r.page, info, err, said)
	}
	return said
}

func (r *reader) shell(t *testing.T, script string) (string, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
	command.Dir, command.Env = r.dir, r.env
	said, err := command.CombinedOutput()
	return string(said), err
}

func (r *reader) writes(t *testing.T, name, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

// isAdmin logs the reader in as the administrator: the kubeconfig is at its usual place.
func (r *reader) isAdmin(t *testing.T) {
	t.Helper()
	home := strings.TrimPrefix(r.env[0], "HOME=")
	r.writes(t, filepath.Join(home, ".kube", "config"), string(r.cluster.AdminKubeconfig()), 0o600)
}
