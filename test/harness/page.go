package harness

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/kubemint/kubemint/test/kubetest"
)

// ReadBlock returns the fenced block of a task page that has this info string, such as "sh mint" or "python".
func ReadBlock(t *testing.T, page, info string) string {
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

// Reader is somebody who follows a task page: every block runs in one directory, in a shell that has what
// was typed before.
type Reader struct {
	Cluster *kubetest.ControlPlane
	page    string
	replace *strings.Replacer // the page's names by those of this test
	Dir     string
	Tools   string // programs that the page calls and this machine lacks, first in PATH
	Env     []string
	Typed   string // what was typed so far in this shell
}

// NewReader is somebody who reads a page; names are pairs: a name of the page, and what this test has in its place.
func NewReader(t *testing.T, cluster *kubetest.ControlPlane, page string, names ...string) *Reader {
	t.Helper()
	r := &Reader{Cluster: cluster, page: page, Dir: t.TempDir(), Tools: t.TempDir()}
	r.replace = strings.NewReplacer(names...)
	home := t.TempDir()
	path := []string{r.Tools, filepath.Dir(cluster.Kubectl()), os.Getenv("PATH")}
	r.Env = []string{
		"HOME=" + home, StateIn(r.Dir),
		"PATH=" + strings.Join(path, string(os.PathListSeparator)),
	}
	return r
}

// ReadBlock returns the block with that info string, with this test's names.
func (r *Reader) ReadBlock(t *testing.T, info string) string {
	t.Helper()
	return r.replace.Replace(ReadBlock(t, r.page, info))
}

// TypeBlock runs a block after all those before it, in a shell that stops at the first failure, and returns
// what it prints.
func (r *Reader) TypeBlock(t *testing.T, info string) string {
	t.Helper()
	said, err := r.RunShell(t, r.Typed+"\n"+r.ReadBlock(t, info))
	if err != nil {
		t.Fatalf("%s: block %q: %v\n%s", r.page, info, err, said)
	}
	return said
}

// RunShell runs a script where the reader is, and returns what it prints on either stream.
func (r *Reader) RunShell(t *testing.T, script string) (string, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
	command.Dir, command.Env = r.Dir, r.Env
	said, err := command.CombinedOutput()
	return string(said), err
}

// WriteFile writes a file and the directories above it.
func (r *Reader) WriteFile(t *testing.T, name, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

// LogInAsAdmin logs the reader in as the administrator: the kubeconfig is at its usual place.
func (r *Reader) LogInAsAdmin(t *testing.T) {
	t.Helper()
	r.WriteFile(t, filepath.Join(r.Home(), ".kube", "config"), string(r.Cluster.AdminKubeconfig()), 0o600)
}

// Home is the reader's home directory.
func (r *Reader) Home() string { return strings.TrimPrefix(r.Env[0], "HOME=") }
