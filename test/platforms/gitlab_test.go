package platforms

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

const component = "templates/kubemint.yml"

// Every input of the component is one of the program's, by its name and with its words, has no default of its own, and reaches the
// program as a variable and in no other way.
func TestGitLabComponentInputs(t *testing.T) {
	t.Parallel()
	var action struct {
		Inputs map[string]struct{ Description string }
	}
	var header struct {
		Spec struct {
			Inputs map[string]struct {
				Description, Type string
				Default           *string
				Options           []string
			}
		}
	}
	head, body, _ := strings.Cut(harness.ReadFile(t, component), "\n---\n")
	for text, into := range map[string]any{harness.ReadFile(t, "action.yml"): &action, head: &header} {
		if err := yaml.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	known := map[string]config.Input{}
	for _, input := range config.Inputs() {
		known[input.Name] = input
	}
	want := map[string]any{}
	for name, input := range header.Spec.Inputs {
		if name == "name" {
			continue
		}
		if declared, ok := known[name]; !ok || declared.Pages.Docker != "" {
			t.Errorf("the program does not take input %s here", name)
		}
		if input.Default == nil || *input.Default != "" || input.Type != "" || len(input.Options) > 0 && input.Options[0] != "" {
			t.Errorf("input %s: %+v: not a string that is empty unless given", name, input)
		}
		if diff := cmp.Diff(action.Inputs[name].Description, input.Description); diff != "" {
			t.Errorf("input %s is described otherwise than in action.yml:\n%s", name, diff)
		}
		want["KUBEMINT_"+strings.ToUpper(name)] = "$[[ inputs." + name + " ]]"
	}
	var jobs map[string]map[string]any
	if err := yaml.Unmarshal([]byte(body), &jobs); err != nil {
		t.Fatal(err)
	}
	hidden := jobs[".$[[ inputs.name ]]"]
	if diff := cmp.Diff(want, hidden["variables"]); diff != "" || len(jobs) != 1 {
		t.Errorf("%d jobs; variables (-want +have):\n%s", len(jobs), diff)
	}
	delete(hidden, "variables")
	if rest := fmt.Sprint(hidden); strings.Contains(rest, "$[[") {
		t.Errorf("an input is put into a script: %s", rest)
	}
}

// gitLab is gitlab-ci-local with a project whose pipeline is the example's.
//
// It reads and runs a pipeline as GitLab and its runner do, in a shell on this machine. It does not mask, has neither $GITLAB_ENV nor
// id_tokens nor a timeout, keeps file variables elsewhere, and knows none of GitLab's limits: of these, nothing is shown here.
// internal/platform tests $GITLAB_ENV. Nor does it collect artifacts here; they can only be files of the checkout, which lies there
// for the test as the job left it.
type gitLab struct {
	script, project, kept string
	env                   []string
}

// keepingKubectl lets the test look at what the job had: it is gone when the job has ended.
const keepingKubectl = `#!/bin/sh
set -e
cp "$KUBECONFIG" "$KEPT/kubeconfig"
cp "$KUBECONFIG.env" "$KEPT/env"
stat -c %%a "$KUBECONFIG" "${KUBECONFIG%%/*}" >"$KEPT/modes"
env >"$KEPT/environment"
exec '%s' "$@"
`

func newGitLab(t *testing.T, cluster *kubetest.ControlPlane) gitLab {
	t.Helper()
	for _, program := range []string{"node", "npm", "rsync", "git"} { // gitlab-ci-local calls the last two
		if _, err := exec.LookPath(program); err != nil && os.Getenv("CI") == "" {
			t.Skip(program + " is not here, which gitlab-ci-local needs (CI has it)")
		} else if err != nil {
			t.Fatal(err)
		}
	}
	root := t.TempDir()
	g := gitLab{project: filepath.Join(root, "shop"), kept: filepath.Join(t.TempDir(), "kept")}
	tool, bin, home := filepath.Join(root, "tool"), filepath.Join(root, "bin"), filepath.Join(root, "home")
	g.script = filepath.Join(tool, "node_modules", "gitlab-ci-local", "src", "index.js")
	g.env = []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + home, "KEPT=" + g.kept, "TMPDIR=" + filepath.Join(root, "tmp")}
	for _, name := range []string{"package.json", "package-lock.json"} {
		harness.WriteFile(t, filepath.Join(tool, name), []byte(harness.ReadFile(t, filepath.Join("tools", "gitlab", name))))
	}
	// Digits alone would be a range of versions to gitlab-ci-local. It reuses what it has downloaded already.
	commit := strings.Repeat("c0", 20)
	example := strings.Replace(harness.ReadFile(t, "examples/gitlab/.gitlab-ci.yml"), strings.Repeat("0", 40), commit, 1)
	include := filepath.Join(g.project, ".gitlab-ci-local", "includes", "gitlab.example.com", "platform", "kubemint", commit)
	harness.WriteFile(t, filepath.Join(include, component), []byte(harness.ReadFile(t, component)))
	harness.WriteFile(t, filepath.Join(g.project, ".gitlab-ci.yml"), []byte(example))
	harness.WriteFile(t, filepath.Join(root, "tmp", "none"), nil)
	harness.WriteFile(t, filepath.Join(bin, "kubectl"), fmt.Appendf(nil, keepingKubectl, cluster.Kubectl()))
	if err := errors.Join(os.Chmod(filepath.Join(bin, "kubectl"), 0o755), os.Mkdir(g.kept, 0o700)); err != nil {
		t.Fatal(err)
	}
	variables, err := yaml.Marshal(map[string]any{"global": map[string]any{
		"RUNNER_KUBECONFIG": map[string]any{"type": "file", "values": map[string]string{"*": string(cluster.AdminKubeconfig())}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	harness.WriteFile(t, filepath.Join(home, ".gitlab-ci-local", "variables.yml"), variables)
	for _, command := range [][]string{
		{"npm", "--prefix", tool, "ci", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund"},
		{"git", "init", "-q"},
		{"git", "remote", "add", "origin", "git@gitlab.example.com:acme/shop.git"},
		{"git", "add", "."},
		{"git", "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "-m", "Deploy"},
	} {
		run := exec.CommandContext(t.Context(), command[0], command[1:]...)
		run.Dir = g.project
		if command[0] == "git" {
			run.Env = g.env // nobody's own configuration; npm's stands, as it may name the registry
		}
		if out, err := run.CombinedOutput(); err != nil {
			t.Fatalf("%q: %v: %s", command, err, out)
		}
	}
	return g
}

// pipeline runs it, and returns whether it succeeded and its log.
func (g gitLab) pipeline(t *testing.T, args ...string) (passed bool, log string) {
	t.Helper()
	// The umask is that of gitlab-runner's containers.
	command := exec.CommandContext(t.Context(), "sh", append([]string{
		"-c", `umask 0; exec node "$@"`, "sh",
		g.script, "--force-shell-executor", "--no-color", "--home", filepath.Join(filepath.Dir(g.project), "home"),
	}, args...)...)
	command.Dir, command.Env = g.project, g.env
	out, err := command.CombinedOutput()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	return err == nil, string(out)
}

// ended demands of a job that had a credential: it was usable, it was hidden, and it is dead and gone.
func (g gitLab) ended(t *testing.T, log string) {
	t.Helper()
	if modes := harness.ReadFile(t, filepath.Join(g.kept, "modes")); modes != "600\n700\n" {
		t.Errorf("modes of kubeconfig and directory: %q", modes)
	}
	if environment := harness.ReadFile(t, filepath.Join(g.kept, "environment")); strings.Contains(environment, "KUBEMINT_OUT_") {
		t.Error("the outputs are in the environment of what the script calls, which a long one would keep from starting")
	}
	minted := harness.ReadFile(t, filepath.Join(g.kept, "kubeconfig"))
	parsed, err := clientcmd.Load([]byte(minted))
	if err != nil || len(parsed.AuthInfos) != 1 {
		t.Fatalf("%d users: %v", len(parsed.AuthInfos), err)
	}
	secrets := []string{base64.StdEncoding.EncodeToString([]byte(minted))}
	for _, user := range parsed.AuthInfos {
		encoded := base64.StdEncoding.EncodeToString([]byte(user.Token))
		secrets = append(secrets, user.Token[strings.LastIndex(user.Token, ".")+1:], strings.TrimRight(encoded, "="))
	}
	look := func(where, text string) {
		for i, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("secret %d is in %s", i, where)
			}
		}
	}
	look("the log", log)
	look("the env file", harness.ReadFile(t, filepath.Join(g.kept, "env")))
	var files []string
	err = filepath.WalkDir(filepath.Dir(g.project), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || strings.Contains(path, "/node_modules/") {
			return err
		}
		files = append(files, path)
		look(path, harness.ReadFile(t, path))
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if i := slices.IndexFunc(files, func(path string) bool { return strings.HasPrefix(path, g.project+".tmp") }); i >= 0 {
		t.Errorf("%s is left", files[i])
	}
	if !slices.Contains(files, filepath.Join(g.project, ".gitlab-ci-local", "output", "deploy.log")) {
		t.Errorf("the job's files are not among these: %q", files)
	}
	client, err := kubetest.NewClient([]byte(minted))
	if err != nil {
		t.Fatal(err)
	}
	harness.AwaitDeath(t, "the job's token", client)
}

const shop = `{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: kubemint}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web}]}
`

// The example's own pipeline, by what runs GitLab's pipelines outside GitLab, against a real API server.
func TestGitLabPipeline(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t)
	g := newGitLab(t, cluster)
	if err := cluster.Apply(t.Context(), shop); err != nil {
		t.Fatal(err)
	}
	leases := func(t *testing.T) int {
		t.Helper()
		var list metav1.PartialObjectMetadataList
		if err := cluster.Admin.Do(t.Context(), http.MethodGet, "/apis/coordination.k8s.io/v1/namespaces/kubemint/leases", nil, &list); err != nil {
			t.Fatal(err)
		}
		return len(slices.DeleteFunc(list.Items, harness.IsLock))
	}

	passed, log := g.pipeline(t)
	if !passed || !strings.Contains(log, "deployment.apps/web restarted") || !strings.Contains(log, "revoked: lease kubemint/kubemint-") {
		t.Fatalf("passed: %t:\n%s", passed, log)
	}
	g.ended(t, log)
	if n := leases(t); n != 0 {
		t.Errorf("%d leases are left", n)
	}

	const web = "/apis/apps/v1/namespaces/shop/deployments/web"
	if err := cluster.Admin.Do(t.Context(), http.MethodDelete, web, nil, nil); err != nil && !apierrors.IsNotFound(err) {
		t.Fatal(err)
	}
	passed, log = g.pipeline(t)
	if passed || !strings.Contains(log, `deployments.apps "web" not found`) || !strings.Contains(log, "revoked: lease kubemint/kubemint-") {
		t.Fatalf("a script that fails: passed: %t:\n%s", passed, log)
	}
	g.ended(t, log)
	if n := leases(t); n != 0 {
		t.Errorf("a script that fails: %d leases are left", n)
	}

	// A mint that fails when the token is there already. A variable of the project is above one of the job.
	if err := os.Remove(filepath.Join(g.kept, "kubeconfig")); err != nil {
		t.Fatal(err)
	}
	passed, log = g.pipeline(t, "--variable", "KUBEMINT_MUST_NOT=list pods")
	if passed || !strings.Contains(log, "must_not") || !strings.Contains(log, "nothing to revoke: ") {
		t.Errorf("a mint that fails: passed: %t:\n%s", passed, log)
	}
	if _, err := os.Stat(filepath.Join(g.kept, "kubeconfig")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a mint that fails: the script ran: %v", err)
	}
	if n := leases(t); n != 0 {
		t.Errorf("a mint that fails: %d leases are left", n)
	}
}
