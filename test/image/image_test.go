//go:build container

// These tests run the built image with a real container engine, and those that need a cluster with a real API server:
// `make test-container`. The image is kubemint-test/kubemint, built with VERSION=v0.0.0-test (.ci/test-container).
//
// container_test.go: what is in the image. container_build_test.go: how it came to be. container_runner_test.go: what
// GitHub's runner does with it; container_github_test.go: the tests on that. container_jenkins_test.go: the same for Jenkins.
// container_cluster_test.go: what these share.

package image

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

const image = "kubemint-test/kubemint"

// maxImageBytes bounds the compressed size that a job pulls.
const maxImageBytes = 15 << 20

// anyone is a uid without a passwd entry, and a HOME that it may not write: how Jenkins and OpenShift run containers.
var anyone = []string{"--user", "12345:54321", "--env", "HOME=/", "--read-only"}

// users are the ways to be in the container.
var users = map[string][]string{"root": nil, "any uid": anyone}

// required lists the programs that each platform executes in the image. The Kubernetes hooks' commands are those of
// packages/k8s/src in actions/runner-container-hooks (0.8), Jenkins' those of its durable-task and docker-workflow plugins.
var required = map[string]string{
	"GitHub in Kubernetes": "sh env tail tar mv cp rm mkdir find chmod stat",
	"GitLab":               "sh grep",
	"Jenkins":              "sh cat nohup cp touch sleep mv",
	"kubemint":             "kubemint kubemint-revoke entrypoint",
}

func TestImageHasTheCommandsThatPlatformsUse(t *testing.T) {
	t.Parallel()
	for user, flags := range users {
		for platform, commands := range required {
			if absent := missing(t, flags, commands); absent != "" {
				t.Errorf("%s, as %s: not in the image: %s", platform, user, absent)
			}
		}
	}
}

func TestImageHasNoPackageManager(t *testing.T) {
	t.Parallel()
	const managers = "apt apt-get apk dnf yum microdnf zypper opkg"
	if absent := missing(t, nil, managers); absent != managers {
		t.Errorf("of %q only these are absent: %q", managers, absent)
	}
}

// missing gives those of the commands that PATH in the image does not have.
func missing(t *testing.T, flags []string, commands string) string {
	t.Helper()
	out, code := run(t, flags, "sh", "-c", "for c in "+commands+`; do command -v "$c" >/dev/null || echo "$c"; done`)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, out)
	}
	return strings.Join(strings.Fields(out), " ")
}

func TestImageDispatches(t *testing.T) {
	t.Parallel()
	// A fault in an input shows that a run got as far as the main job, without a cluster.
	faulty := []string{"--env", "KUBEMINT_DURATION=soon"}
	for user, flags := range users {
		for name, tc := range map[string]struct {
			flags []string
			args  []string
			code  int
			want  string
		}{
			"no argument mints":        {faulty, nil, 2, `duration`},
			"mint":                     {faulty, []string{"mint"}, 2, `duration`},
			"plan":                     {faulty, []string{"plan"}, 2, `duration`},
			"version":                  {nil, []string{"version"}, 0, `v0\.0\.0-test`},
			"help":                     {nil, []string{"help"}, 0, `kubemint revoke`},
			"--help":                   {nil, []string{"--help"}, 0, `kubemint revoke`},
			"a shell with a script":    {nil, []string{"sh", "-c", "kubemint version; exit 9"}, 9, `v0\.0\.0-test`},
			"a program":                {nil, []string{"cat", "/etc/ssl/certs/ca-certificates.crt"}, 0, `-----BEGIN CERTIFICATE-----`},
			"a program that is absent": {nil, []string{"bash"}, 127, `bash`},
		} {
			t.Run(user+"/"+name, func(t *testing.T) {
				t.Parallel()
				out, code := run(t, slices.Concat(flags, tc.flags), tc.args...)
				if code != tc.code || !regexp.MustCompile(tc.want).MatchString(out) {
					t.Errorf("exit code %d, want %d; want %q in:\n%s", code, tc.code, tc.want, out)
				}
			})
		}
	}
}

// GitHub names the programs of main and post by `--entrypoint` and gives the step's `args` to both
// (ContainerActionHandler.cs), so the post program must take arguments without heeding them.
func TestImageHasTheEntrypointsOfTheAction(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("action.yml")
	if err != nil {
		t.Fatal(err)
	}
	var action struct {
		Runs struct {
			Using, Image, Entrypoint string
			Post                     string `json:"post-entrypoint"`
		}
	}
	if err := yaml.Unmarshal(data, &action); err != nil {
		t.Fatal(err)
	}
	if action.Runs.Using != "docker" || action.Runs.Image != "Dockerfile" && !strings.HasPrefix(action.Runs.Image, "docker://ghcr.io/kubemint/kubemint@sha256:") || action.Runs.Entrypoint == "" || action.Runs.Post == "" {
		t.Fatalf("action.yml runs: %+v", action.Runs)
	}
	for _, flags := range users {
		main := slices.Concat(flags, []string{"--entrypoint", action.Runs.Entrypoint, "--env", "KUBEMINT_DURATION=soon"})
		if out, code := run(t, main); code != 2 || !strings.Contains(out, "duration") {
			t.Errorf("main: exit code %d:\n%s", code, out)
		}
		post := slices.Concat(flags, []string{"--entrypoint", action.Runs.Post})
		for _, args := range [][]string{nil, {"plan"}, {"mint", "--no-such-flag"}} {
			if out, code := run(t, post, args...); code != 0 || !strings.Contains(out, "othing to revoke") {
				t.Errorf("post with %q: exit code %d:\n%s", args, code, out)
			}
		}
	}
}

// Jenkins (docker-workflow) keeps the container alive by cat on a terminal, as its own uid, and executes each step in it.
func TestImageServesJenkins(t *testing.T) {
	t.Parallel()
	id := docker(t, slices.Concat([]string{"run", "--detach", "--tty", "--network", "none"}, anyone, []string{image, "cat"})...)
	id = strings.TrimSpace(id)
	t.Cleanup(func() { _ = exec.Command("docker", "rm", "--force", id).Run() })
	out := docker(t, "exec", id, "sh", "-c", "nohup sh -c 'kubemint version; id -u' 2>/dev/null")
	if !strings.Contains(out, "v0.0.0-test") || !strings.Contains(out, "12345") {
		t.Errorf("a step printed %q", out)
	}
}

// GitLab's Docker executor starts a shell and gives it the job's script on standard input.
func TestImageServesGitLab(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "docker", "run", "--rm", "--interactive", "--network", "none", image,
		"sh", "-c", "if [ -x /bin/bash ]; then exec /bin/bash; else exec /bin/sh; fi")
	cmd.Stdin = strings.NewReader("set -e\nkubemint version | grep v0.0.0-test\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
}

func TestImageHasTheRootsOfTheWeb(t *testing.T) {
	t.Parallel()
	for user, flags := range users {
		out, code := run(t, flags, "grep", "-c", "BEGIN CERTIFICATE", "/etc/ssl/certs/ca-certificates.crt")
		if n, err := strconv.Atoi(strings.TrimSpace(out)); code != 0 || err != nil || n < 50 {
			t.Errorf("as %s: %q roots", user, out)
		}
	}
}

func TestImageConfiguration(t *testing.T) {
	t.Parallel()
	var configs []struct {
		User       string
		Entrypoint []string
		Env        []string
	}
	if err := json.Unmarshal([]byte("["+docker(t, "image", "inspect", "--format", "{{json .Config}}", image)+"]"), &configs); err != nil {
		t.Fatal(err)
	}
	config := configs[0]
	if config.User != "" {
		t.Errorf("USER %s: GitHub runs Docker actions as root", config.User)
	}
	if diff := cmp.Diff([]string{"/usr/local/bin/entrypoint"}, config.Entrypoint); diff != "" {
		t.Error(diff)
	}
	for _, env := range config.Env {
		if !strings.HasPrefix(env, "PATH=") {
			t.Errorf("unexpected ENV %s", env)
		}
	}
}

func TestImageIsSmall(t *testing.T) {
	t.Parallel()
	save := exec.CommandContext(t.Context(), "docker", "save", image)
	stdout, err := save.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := save.Start(); err != nil {
		t.Fatal(err)
	}
	var size counter
	compress := gzip.NewWriter(&size)
	if _, err := io.Copy(compress, stdout); err != nil {
		t.Fatal(err)
	}
	if err := compress.Close(); err != nil {
		t.Fatal(err)
	}
	if err := save.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%.1f MiB compressed", float64(size)/(1<<20))
	if size == 0 || size > maxImageBytes {
		t.Errorf("the compressed image has %d bytes, at most %d are meant to be pulled", size, maxImageBytes)
	}
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// run gives the output and the exit code of a container without network.
func run(t *testing.T, flags []string, args ...string) (string, int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "docker",
		slices.Concat([]string{"run", "--rm", "--network", "none"}, flags, []string{image}, args)...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() == 125 { // 125: the engine itself failed
		t.Fatalf("docker run: %v\n%s", err, out)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// docker gives what a successful call of the client prints.
func docker(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "docker", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return string(out)
}
