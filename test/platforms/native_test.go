package platforms

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// runner is a machine of GitHub's with the native action checked out, and with a mirror of the release that its checksums.txt
// names: the program of this commit.
type runner struct {
	node, action, cache, mirror string
}

func newRunner(t *testing.T) runner {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil && os.Getenv("CI") == "" {
		t.Skip("node is not here, and the native action is one of its scripts (CI has it)")
	} else if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(t.TempDir(), "a runner")
	r := runner{node: node, action: filepath.Join(root, "_actions", "native"), cache: filepath.Join(root, "_tool")}
	mirror, checksums := harness.MirrorRelease(t)
	r.mirror = mirror
	harness.WriteFile(t, filepath.Join(r.action, "checksums.txt"), checksums)
	for _, script := range []string{"native/binary.js", "native/main.js", "native/post.js", "setup/main.js"} {
		content, err := os.ReadFile(script)
		if err != nil {
			t.Fatal(err)
		}
		harness.WriteFile(t, filepath.Join(filepath.Dir(r.action), script), content)
	}
	return r
}

// job is one job on a runner, with a directory of its own.
type job struct {
	runner
	temp, workspace string
	inputs          []string
}

func (r runner) job(t *testing.T, inputs ...string) job {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "a job")
	j := job{runner: r, temp: filepath.Join(dir, "_temp"), workspace: filepath.Join(dir, "shop"), inputs: inputs}
	for _, command := range []string{"OUTPUT", "ENV", "STATE", "STEP_SUMMARY", "PATH"} {
		harness.WriteFile(t, j.commands(command), nil)
	}
	if err := os.Mkdir(j.workspace, 0o755); err != nil {
		t.Fatal(err)
	}
	return j
}

func (j job) commands(name string) string {
	return filepath.Join(j.temp, "_runner_file_commands", strings.ToLower(name))
}

// step prepares a script as the runner starts it. An input that the workflow leaves out is "".
func (j job) step(t *testing.T, script string, env ...string) (command *exec.Cmd, stdout, stderr *bytes.Buffer) {
	t.Helper()
	command = exec.CommandContext(t.Context(), j.node, filepath.Join(j.action, script))
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	command.Dir, command.Stdout, command.Stderr = j.workspace, stdout, stderr
	for _, input := range config.Inputs() {
		if input.Pages.Docker == "" { // the helpers of the Docker action are no inputs of this one
			command.Env = append(command.Env, "INPUT_"+strings.ToUpper(input.Name)+"=")
		}
	}
	command.Env = append(command.Env, "PATH="+os.Getenv("PATH"), "HOME="+j.workspace, "GITHUB_ACTIONS=true", "GITHUB_REPOSITORY=acme/shop",
		"GITHUB_WORKFLOW=deploy", "GITHUB_JOB=release", "GITHUB_RUN_ID=4711", "GITHUB_SERVER_URL=https://github.com",
		"GITHUB_WORKSPACE="+j.workspace, "RUNNER_TEMP="+j.temp, "RUNNER_TOOL_CACHE="+j.cache, "KUBEMINT_DOWNLOAD_URL="+j.mirror)
	for _, name := range []string{"OUTPUT", "ENV", "STATE", "STEP_SUMMARY", "PATH"} {
		command.Env = append(command.Env, "GITHUB_"+name+"="+j.commands(name))
	}
	command.Env = append(append(command.Env, j.inputs...), env...)
	return command, stdout, stderr
}

// values reads a file of commands as the runner does.
func (j job) values(t *testing.T, name string) map[string]string {
	t.Helper()
	content, err := os.ReadFile(j.commands(name))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for rest := string(content); rest != ""; {
		head, body, _ := strings.Cut(rest, "\n")
		name, delimiter, ok := strings.Cut(head, "<<")
		value, next, closed := strings.Cut(body, "\n"+delimiter+"\n")
		if !ok || !closed {
			t.Fatalf("no command: %q", head)
		}
		all[name], rest = value, next
	}
	return all
}

// left are the files of the job, without the runner's own.
func (j job) left(t *testing.T) (files []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Dir(j.temp), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && !strings.Contains(path, "_runner_file_commands") {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return files
}

// Nothing here is a stand-in but the machine: download, mint, a later step's use, post.
func TestNativeAction(t *testing.T) {
	t.Parallel()
	cluster, namespace := harness.NewNamespace(t)
	machine := newRunner(t)
	source := filepath.Join(t.TempDir(), "source")
	harness.WriteFile(t, source, cluster.AdminKubeconfig())
	pods := "/api/v1/namespaces/" + namespace + "/pods"

	t.Run("mint, use, revoke", func(t *testing.T) {
		t.Parallel()
		j := machine.job(t, "INPUT_KUBECONFIG="+source, "INPUT_NAMESPACE="+namespace, "INPUT_RULES=list pods")
		main, stdout, stderr := j.step(t, "main.js")
		if err := main.Run(); err != nil {
			t.Fatalf("%v: %s", err, stderr)
		}
		if strings.Count(stderr.String(), "warning:") != 1 || !strings.Contains(stderr.String(), "warning: the runner may do anything") {
			t.Errorf("it warns of more than its administrator:\n%s", stderr)
		}
		env, state := j.values(t, "ENV"), j.values(t, "STATE")
		file := env["KUBECONFIG"]
		minted, err := os.ReadFile(file)
		if err != nil || filepath.Dir(filepath.Dir(file)) != j.temp || file != j.values(t, "OUTPUT")["kubeconfig_path"] {
			t.Fatalf("KUBECONFIG=%s: %v", file, err)
		}
		j.secretsAreHidden(t, minted, file, stdout, stderr)

		client, err := kubetest.NewClient(minted)
		if err != nil {
			t.Fatal(err)
		}
		if err := client.Do(t.Context(), http.MethodGet, pods, nil, nil); err != nil {
			t.Errorf("a later step may not list pods: %v", err)
		}
		if err := client.Do(t.Context(), http.MethodGet, strings.Replace(pods, "pods", "secrets", 1), nil, nil); !apierrors.IsForbidden(err) {
			t.Errorf("a later step asks for Secrets: %v", err)
		}

		// KUBECONFIG is by now the job's; the mirror is away, which the tool cache makes good.
		post, stdout, stderr := j.step(t, "post.js", "KUBECONFIG="+file, "STATE_receipt="+state["receipt"], "KUBEMINT_DOWNLOAD_URL=http://127.0.0.1:1")
		if err := post.Run(); err != nil || !strings.Contains(stderr.String(), "revoked: lease "+namespace+"/kubemint-") {
			t.Errorf("post: %v: %s", err, stderr)
		}
		if stdout.Len() > 0 {
			t.Errorf("post prints %s", stdout)
		}
		if left := j.left(t); len(left) > 0 {
			t.Errorf("left: %q", left)
		}
		harness.AwaitDeath(t, "the native action's token", client)
	})

	t.Run("a faulty input", func(t *testing.T) {
		t.Parallel()
		j := machine.job(t, "INPUT_KUBECONFIG="+source, "INPUT_NAMESPACE="+namespace, "INPUT_DURATION=5m")
		main, stdout, stderr := j.step(t, "main.js")
		if _ = main.Run(); main.ProcessState.ExitCode() != 2 || !strings.HasPrefix(stdout.String(), `::error::input duration: "5m" is too short`) {
			t.Errorf("%s: %s%s", main.ProcessState, stdout, stderr)
		}
		post, _, stderr := j.step(t, "post.js")
		if err := post.Run(); err != nil || !strings.Contains(stderr.String(), "nothing to revoke: ") {
			t.Errorf("post: %v: %s", err, stderr)
		}
	})

	// A job that is cancelled: the runner signals the script alone.
	t.Run("interrupted", func(t *testing.T) {
		t.Parallel()
		v := harness.NewJob(t, cluster, true).NewRun(t, "native", 9, true)
		j := machine.job(t, v.Env...)
		main, _, stderr := j.step(t, "main.js")
		if err := main.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { defer close(ended); _ = main.Wait() }()
		select {
		case <-v.Reached:
		case <-ended:
		}
		start := time.Now()
		_ = main.Process.Signal(syscall.SIGINT)
		if <-ended; main.ProcessState.ExitCode() != 130 || !strings.Contains(stderr.String(), "interrupted by interrupt") {
			t.Errorf("%s: %s", main.ProcessState, stderr)
		}
		if took := time.Since(start); took > harness.EndsWithin {
			t.Errorf("it ended %s after the signal", took)
		}
		v.AssertNothingLeft(t)
		if left := j.left(t); len(left) > 0 {
			t.Errorf("left: %q", left)
		}
	})
}

// secretsAreHidden looks for the secrets of the kubeconfig in all that main wrote. Allowed are the kubeconfig itself, the lines
// of the mask command, and the two secret outputs.
func (j job) secretsAreHidden(t *testing.T, minted []byte, file string, streams ...*bytes.Buffer) {
	t.Helper()
	parsed, err := clientcmd.Load(minted)
	if err != nil || len(parsed.AuthInfos) != 1 {
		t.Fatalf("%d users: %v", len(parsed.AuthInfos), err)
	}
	secrets := []string{base64.StdEncoding.EncodeToString(minted)}
	for _, user := range parsed.AuthInfos {
		secrets = append(secrets, user.Token, user.Token[strings.LastIndex(user.Token, ".")+1:])
	}
	outputs := j.values(t, "OUTPUT")
	if outputs["token"] != secrets[1] || outputs["kubeconfig"] != secrets[0] {
		t.Error("the secret outputs are not the kubeconfig and its token")
	}
	for _, secret := range secrets[:2] {
		if !strings.Contains(streams[0].String(), "::add-mask::"+secret+"\n") {
			t.Error("a secret is not masked")
		}
	}
	look := func(where string, text []byte) {
		for line := range bytes.Lines(text) {
			for i, secret := range secrets {
				if bytes.Contains(line, []byte(secret)) && !bytes.HasPrefix(line, []byte("::add-mask::")) {
					t.Errorf("secret %d is in %s", i, where)
				}
			}
		}
	}
	for i, stream := range streams {
		look(fmt.Sprintf("stream %d", i+1), stream.Bytes())
	}
	for _, path := range append(j.left(t), j.commands("ENV"), j.commands("STATE"), j.commands("STEP_SUMMARY"), j.commands("OUTPUT")) {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
		}
		if path == j.commands("OUTPUT") {
			content = harness.CutSecretOutputs(content)
		}
		if path != file {
			look(path, content)
		}
	}
}
