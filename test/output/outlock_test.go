package output

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/kubemint/kubemint/test/harness"
)

// writer is one of several runs that write the same output at once.
type writer struct {
	code int
	said string
}

// writeAtOnce starts a run for each of the environments, all at once.
func writeAtOnce(t *testing.T, dir string, envs [][]string) []writer {
	t.Helper()
	writers := make([]writer, len(envs))
	var all sync.WaitGroup
	for i, env := range envs {
		command, stderr := harness.Command(t, dir, env)
		all.Go(func() {
			_ = command.Run()
			writers[i] = writer{command.ProcessState.ExitCode(), stderr.String()}
		})
	}
	all.Wait()
	return writers
}

// One file holds one credential: of several runs that write it at once, those that come too early are refused and make
// nothing, and no lease is left without a file.
func TestOutput_ManyAtOnce(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t)
	for name, tt := range map[string]struct {
		output   string   // "" is the platform's own
		accounts bool     // one for each run, else all the same
		platform []string // DIR is replaced
	}{
		"in the workspace":      {},
		"of several accounts":   {accounts: true},
		"outside of it":         {output: "DIR-outside/deep/er/kubeconfig"},
		"in a directory to be":  {output: "made/for/it/kubeconfig"},
		"Jenkins's parallel":    {accounts: true, platform: []string{"JENKINS_URL=https://j/", "JOB_NAME=shop/main", "BRANCH_NAME=main", "BUILD_URL=https://j/7/", "WORKSPACE=DIR", "WORKSPACE_TMP=DIR@tmp"}},
		"GitLab's, in one job":  {accounts: true, platform: []string{"GITLAB_CI=true", "CI_PROJECT_DIR=DIR", "CI_PROJECT_PATH=g/shop", "CI_JOB_NAME=deploy", "CI_JOB_URL=https://gl/x"}},
		"with a late directory": {output: "DIR-late/kubeconfig", accounts: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			namespace, err := cluster.CreateNamespace(t.Context(), "at-once-")
			if err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(t.TempDir(), "work")
			if err := os.MkdirAll(dir+"@tmp", 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			source := filepath.Join(t.TempDir(), "source")
			if err := os.WriteFile(source, cluster.AdminKubeconfig(), 0o600); err != nil {
				t.Fatal(err)
			}
			env := []string{"KUBECONFIG=" + source, "KUBEMINT_NAMESPACE=" + namespace}
			for _, variable := range tt.platform {
				env = append(env, strings.ReplaceAll(variable, "DIR", dir))
			}
			if tt.output != "" {
				env = append(env, "KUBEMINT_OUTPUT="+strings.ReplaceAll(tt.output, "DIR", dir))
			}
			before := tree(t, filepath.Dir(dir))
			var envs [][]string
			for i := range 6 {
				account := "ci"
				if tt.accounts {
					account = fmt.Sprintf("ci-%d", i)
				}
				envs = append(envs, append([]string{"KUBEMINT_SERVICE_ACCOUNT=" + account}, env...))
			}
			var last []string
			succeeded := 0
			for i, w := range writeAtOnce(t, dir, envs) {
				switch {
				case w.code == 0:
					succeeded++
					last = envs[i]
				case w.code != 2 || !strings.Contains(w.said, "error: write ") || !strings.Contains(w.said, "hint: ") ||
					!strings.Contains(w.said, "name another"):
					t.Errorf("exit code %d:\n%s", w.code, w.said)
				}
			}
			if succeeded == 0 || (tt.accounts && succeeded > 1) {
				t.Errorf("%d runs succeeded", succeeded)
			}
			if have := harness.CountLeases(t, cluster, namespace); have != 1 {
				t.Errorf("%d leases", have)
			}
			harness.RunProgram(t, dir, last, "revoke")
			if have := harness.CountLeases(t, cluster, namespace); have != 0 {
				t.Errorf("%d leases after revoke", have)
			}
			if after := tree(t, filepath.Dir(dir)); after != before {
				t.Errorf("left are\n%s\nwhere there was\n%s", after, before)
			}
		})
	}
}

// tree lists the files below a directory, and what the locks and receipts of an output would be. Directories without a file do not
// count: those that a refused run made stay if another run's lock lay in them.
func tree(t *testing.T, root string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "find", root, "-not", "-path", "*-state/*", "-not", "-name", "*-state",
		"-not", "-type", "d").Output()
	if err != nil {
		t.Fatal(err)
	}
	state, _ := exec.CommandContext(t.Context(), "find", root, "-path", "*-state/kubemint*").Output()
	return string(out) + string(state)
}

// While a run holds its output, a second one and a revoke see that; a plan does not care, and makes no lock.
func TestOutput_HeldByAnother(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t)
	l := harness.NewJob(t, cluster, false)
	v := l.NewRun(t, "held", 3, false)
	held, _ := harness.Command(t, v.Dir, v.Env)
	if err := held.Start(); err != nil {
		t.Fatal(err)
	}
	<-v.Reached
	before := v.CountLeases(t)
	refused, stderr := harness.Command(t, v.Dir, v.Env)
	_ = refused.Run()
	if code := refused.ProcessState.ExitCode(); code != 2 {
		t.Errorf("exit code %d", code)
	}
	harness.AssertSays(t, stderr.String(), `^error: write \S+/kubemint\.kubeconfig: another run of kubemint is writing or revoking it$`,
		"^hint: one file holds one credential: name another `output` for each of the runs$")
	if after := v.CountLeases(t); after > max(before, 1) {
		t.Errorf("%d leases", after)
	}
	planned, stderr := harness.Command(t, v.Dir, v.Env, "plan")
	if err := planned.Run(); err != nil {
		t.Errorf("plan: %v: %s", err, stderr)
	}
	// The holder is killed: the kernel releases the lock, and the next run takes it.
	_ = held.Process.Kill()
	_ = held.Wait()
	harness.RunProgram(t, v.Dir, v.Env)
	harness.RunProgram(t, v.Dir, v.Env, "revoke")
	assertNoFiles(t, v.Dir+"-state")
	v.AssertNothingLeft(t)
}

// assertNoFiles demands that no file is below a directory.
func assertNoFiles(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			t.Errorf("%s is left", path)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
