package learn

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// The API server goes away in the middle: the command is told so, decides its exit code itself, and what was learned until
// then is printed with a warning.
func TestLearn_ServerGoesAway(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs a control plane: make test runs it")
	}
	cluster := kubetest.New(t, kubetest.Options{NoControllers: true})
	dir := t.TempDir()
	harness.WriteFile(t, filepath.Join(dir, "source"), cluster.AdminKubeconfig())
	harness.WriteFile(t, filepath.Join(dir, "role.yaml"), []byte(role))
	kubectl := t.TempDir() // the control plane's own goes with it
	program, err := os.Readlink(cluster.Kubectl())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(program, filepath.Join(kubectl, "kubectl")); err != nil {
		t.Fatal(err)
	}
	env := []string{
		"PATH=" + kubectl + ":" + os.Getenv("PATH"), "HOME=" + dir, "KUBECONFIG=source", "KUBEMINT_TIMEOUT=20s",
	}
	script := "kubectl create -f role.yaml; touch here; until [ -e away ]; do sleep 0.1; done; kubectl get secrets; exit 4"
	command, stderr := harness.Command(t, dir, env, "learn", "--", "sh", "-c", script)
	var stdout bytes.Buffer
	command.Stdout = &stdout
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	harness.AwaitTrue(t, func() (bool, error) {
		_, err := os.Stat(filepath.Join(dir, "here"))
		return err == nil, err
	})
	cluster.Close()
	harness.WriteFile(t, filepath.Join(dir, "away"), nil)
	_ = command.Wait()
	if code := command.ProcessState.ExitCode(); code != 4 {
		t.Errorf("exit code %d", code)
	}
	harness.AssertSays(t, stderr.String(),
		`kubemint learn: the API server did not answer`,
		`^warning: the API server did not answer \d+ requests, so the rules may lack something: .*connection refused`)
	harness.AssertSays(t, stdout.String(), `^create  roles\.rbac\.authorization\.k8s\.io$`,
		`^# note: roles were written in namespace default, and could not be read \(.*\): whoever writes a role has to hold its rules$`)
}
