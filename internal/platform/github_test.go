package platform_test

import (
	"bytes"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubemint/kubemint/internal/platform"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
)

var canary = secret.New("eyJhbGciOi.canary-payload.signature-1234567890")

func secretResult() platform.Result {
	return platform.Result{
		Outputs: []platform.Output{{Name: "server", Value: "https://cluster:6443"}, {Name: "token", Value: canary.Reveal(), Secret: true}},
		Env:     []platform.Output{{Name: "KUBECONFIG", Value: "/work/kubeconfig"}},
	}
}

// step is a GitHub step on the host, with empty command files.
func step(t *testing.T) variables {
	t.Helper()
	env, dir := variables{"GITHUB_ACTIONS": "true"}, t.TempDir()
	for _, name := range []string{"GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_STATE", "GITHUB_STEP_SUMMARY"} {
		env[name] = write(t, filepath.Join(dir, name), "")
	}
	return env
}

// container is a Docker action, with the directories that the runner mounts.
func container(env variables, hostWorkspace, hostTemp string, mounted ...string) platform.Platform {
	env["GITHUB_ACTIONS"], env["GITHUB_WORKSPACE"], env["HOME"] = "true", "/github/workspace", "/github/home"
	return platform.Detect(platform.Environment{
		Getenv: func(name string) string { return env[name] }, Stdout: new(bytes.Buffer),
		Exists:        func(path string) bool { return slices.Contains(mounted, path) },
		HostWorkspace: hostWorkspace, HostTemp: hostTemp,
	})
}

// Where actions/runner's ContainerActionHandler mounts what; runners before 2.331 had no /github/runner_temp.
var (
	newRunner = []string{"/github/workspace", "/github/home", "/github/workflow", "/github/file_commands", "/github/runner_temp"}
	oldRunner = newRunner[:4]
)

const (
	hostWorkspace = "/home/runner/work/shop/shop"
	hostTemp      = "/home/runner/work/_temp"
)

func TestPaths_HostAndContainer(t *testing.T) {
	t.Parallel()
	p := container(variables{}, hostWorkspace, hostTemp, newRunner...)
	for inside, outside := range map[string]string{
		"/github/workspace":                hostWorkspace,
		"/github/workspace/kube/config":    hostWorkspace + "/kube/config",
		"/github/home/kubemint-x/config":   hostTemp + "/_github_home/kubemint-x/config",
		"/github/workflow/event.json":      hostTemp + "/_github_workflow/event.json",
		"/github/file_commands/set_env_1":  hostTemp + "/_runner_file_commands/set_env_1",
		"/github/runner_temp/gha-creds":    hostTemp + "/gha-creds",
		"/etc/hosts":                       "/etc/hosts",
		"/github/workspaces/not-a-mount":   "/github/workspaces/not-a-mount",
		"/github":                          "/github",
		"relative/path":                    "relative/path",
		"":                                 "",
		"/github/workspace/a b/ü/$x/'q'/#": hostWorkspace + "/a b/ü/$x/'q'/#",
	} {
		if have := p.Outside(inside); have != outside {
			t.Errorf("%q is outside %q, not %q", inside, have, outside)
		}
		if have := p.Inside(outside); have != inside {
			t.Errorf("%q is inside %q, not %q", outside, have, inside)
		}
	}
	for _, path := range []string{hostWorkspace + "2/config", hostTemp + "orary", "/home/runner/work/shop"} {
		if have := p.Inside(path); have != path {
			t.Errorf("%q lies in no mount, but is taken for %q", path, have)
		}
	}
}

func TestHostPathsWithoutTheHelperInputs(t *testing.T) {
	t.Parallel()
	p := container(variables{"RUNNER_WORKSPACE": "/home/runner/work/shop", "GITHUB_REPOSITORY": "acme/shop"}, "", "", newRunner...)
	for inside, outside := range map[string]string{
		"/github/workspace/config":   hostWorkspace + "/config",
		"/github/home/config":        hostTemp + "/_github_home/config",
		"/github/runner_temp/config": hostTemp + "/config",
	} {
		if have := p.Outside(inside); have != outside {
			t.Errorf("%q is outside %q, not %q", inside, have, outside)
		}
	}
}

func TestPaths_OnTheHost(t *testing.T) {
	t.Parallel()
	p, _ := detect(step(t))
	for _, path := range []string{"/github/workspace/config", "/anywhere"} {
		if p.Inside(path) != path || p.Outside(path) != path || p.Visible(path) != nil {
			t.Errorf("%s is taken for another path, or refused", path)
		}
	}
}

func TestOutput_OutsideEveryMount(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		mounted []string
		path    string
		ok      bool
	}{
		"workspace":                 {oldRunner, "/github/workspace/config", true},
		"home":                      {oldRunner, "/github/home/kubemint-x/kubeconfig", true},
		"runner's temp":             {newRunner, "/github/runner_temp/config", true},
		"temp of an old runner":     {oldRunner, "/github/runner_temp/config", false},
		"container's own":           {newRunner, "/root/.kube/config", false},
		"next to a mount":           {newRunner, "/github/workspace2/config", false},
		"host path, not mapped":     {oldRunner, hostTemp + "/config", false},
		"the mounts' own parent":    {newRunner, "/github/config", false},
		"nothing mounted (strange)": {nil, "/github/workspace/config", false},
	} {
		p := container(variables{}, hostWorkspace, hostTemp, c.mounted...)
		err := p.Visible(p.Inside(c.path))
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && (problem.ExitCode(err) != int(problem.Config) || !strings.Contains(err.Error(), "vanish with the step")) {
			t.Errorf("%s: another error: %v", name, err)
		}
	}
}

func TestMask_OneCommand(t *testing.T) {
	t.Parallel()
	p, stdout := detect(step(t))
	if err := p.Mask(canary); err != nil {
		t.Fatal(err)
	}
	if want := "::add-mask::" + canary.Reveal() + "\n"; stdout.String() != want {
		t.Errorf("%q, not %q", stdout, want)
	}
}

func TestAnnotate_OneCommand(t *testing.T) {
	t.Parallel()
	p, stdout := detect(step(t))
	p.Annotate("100% wrong\r\n::set-output name=x::y")
	if want := "::error::100%25 wrong%0D%0A::set-output name=x::y\n"; stdout.String() != want {
		t.Errorf("%q, not %q", stdout, want)
	}
}

func TestPublish_RunnerFiles(t *testing.T) {
	t.Parallel()
	env := step(t)
	p, stdout := detect(env)
	for _, receipt := range []string{`{"first":1}`, `{"second":2}`} {
		if err := p.SaveState(receipt); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(p.Ready(), p.Publish(secretResult()), p.Summarize("### done\n")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]pair{
		"GITHUB_OUTPUT": {{"server", "https://cluster:6443"}, {"token", canary.Reveal()}},
		"GITHUB_ENV":    {{"KUBECONFIG", "/work/kubeconfig"}},
		"GITHUB_STATE":  {{"receipt", `{"first":1}`}, {"receipt", `{"second":2}`}}, // the runner takes the last
	} {
		have, err := asRunner(read(t, env[name]))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("%s (-want +have):\n%s", name, diff)
		}
	}
	if summary := read(t, env["GITHUB_STEP_SUMMARY"]); strings.TrimSpace(summary) != "### done" {
		t.Errorf("summary: %q", summary)
	}
	if stdout.Len() > 0 || p.EnvFile(secretResult()) != nil {
		t.Errorf("something is published elsewhere too: %q", stdout)
	}
	env["STATE_receipt"] = `{"second":2}`
	post := platform.Detect(platform.Environment{Getenv: func(name string) string { return env[name] }})
	if post.SavedState() != `{"second":2}` {
		t.Errorf("the post step finds %q", post.SavedState())
	}
}

// go-githubactions panics where a file cannot be written; that must be an error, and one that comes before anything is made.
func TestReady_UnwritableFiles(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_STATE"} {
		for what, path := range map[string]string{"unset": "", "missing": "/nonexistent/file", "a directory": t.TempDir()} {
			env := step(t)
			env[name] = path
			p, _ := detect(env)
			err := p.Ready()
			if problem.ExitCode(err) != int(problem.Publish) || !strings.Contains(err.Error(), "$"+name) {
				t.Errorf("%s is %s: %v", name, what, err)
			}
			if what == "missing" && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s is %s: the reason is lost: %v", name, what, err)
			}
			// And where it breaks later, it is an error and no panic.
			if err := errors.Join(p.SaveState("{}"), p.Publish(secretResult())); problem.ExitCode(err) != int(problem.Publish) {
				t.Errorf("%s is %s: publishing says %v", name, what, err)
			}
		}
	}
}

func TestSummaryFaults(t *testing.T) {
	t.Parallel()
	env := step(t)
	p, _ := detect(env)
	if err := p.Summarize(strings.Repeat("x", 1<<20+1)); err == nil || read(t, env["GITHUB_STEP_SUMMARY"]) != "" {
		t.Errorf("more than the runner takes was written: %v", err)
	}
	env["GITHUB_STEP_SUMMARY"] = t.TempDir()
	if err := p.Summarize("x"); problem.ExitCode(err) != int(problem.Publish) {
		t.Errorf("a summary that cannot be written: %v", err)
	}
	env["GITHUB_STEP_SUMMARY"] = ""
	if err := p.Summarize("x"); err != nil {
		t.Errorf("a runner without summaries: %v", err)
	}
}
