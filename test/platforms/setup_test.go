package platforms

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubemint/kubemint/test/harness"
)

// deployment needs what the later step's rules grant, and learns that.
const deployment = `
apiVersion: v1
kind: ConfigMap
metadata: {name: app}
`

// The setup action puts the program on PATH, and the steps after it call it in run: as docs/setup.md does.
func TestSetupAction(t *testing.T) {
	t.Parallel()
	cluster, namespace := harness.NewNamespace(t)
	j := newRunner(t).job(t)
	setup, stdout, stderr := j.step(t, "../setup/main.js")
	if err := setup.Run(); err != nil {
		t.Fatalf("%v: %s%s", err, stdout, stderr)
	}
	onPath := strings.TrimSpace(harness.ReadFile(t, j.commands("PATH")))
	program := filepath.Join(onPath, "kubemint")
	want := "version=0.0.0-test\npath=" + program + "\n"
	if outputs := harness.ReadFile(t, j.commands("OUTPUT")); outputs != want || filepath.Dir(onPath) != j.temp {
		t.Errorf("outputs %q, not %q", outputs, want)
	}

	harness.WriteFile(t, filepath.Join(j.workspace, "app.yaml"), []byte(deployment))
	harness.WriteFile(t, filepath.Join(j.temp, "source"), cluster.AdminKubeconfig())
	run := func(script string, env ...string) (said string, err error) {
		step := exec.CommandContext(t.Context(), "sh", "-e", "-c", script)
		step.Dir = j.workspace
		step.Env = append([]string{
			"PATH=" + onPath + ":" + filepath.Dir(cluster.Kubectl()) + ":" + os.Getenv("PATH"), "HOME=" + j.workspace,
			"GITHUB_ACTIONS=true", "GITHUB_REPOSITORY=acme/shop", "GITHUB_WORKSPACE=" + j.workspace, "RUNNER_TEMP=" + j.temp,
			"KUBEMINT_KUBECONFIG=" + filepath.Join(j.temp, "source"),
			"KUBEMINT_NAMESPACE=" + namespace,
		}, env...)
		for _, command := range []string{"OUTPUT", "ENV", "STATE", "STEP_SUMMARY"} {
			step.Env = append(step.Env, "GITHUB_"+command+"="+j.commands(command))
		}
		out, err := step.CombinedOutput()
		return string(out), err
	}
	rules := "KUBEMINT_RULES=get,create,patch configmaps"
	for script, says := range map[string]string{
		"kubemint rules app.yaml":                                             `^get,create,patch  configmaps$`,
		"kubemint rules --check app.yaml":                                     `^the declared access is enough for 1 object$`,
		"kubemint plan":                                                       `^dry run: nothing was changed and nothing minted$`,
		"kubemint exec -- kubectl apply -f app.yaml":                          `^configmap/app (created|unchanged|configured)$`,
		"kubemint learn -- kubectl get configmaps":                            `^list  configmaps$`,
		"kubemint learn --declared -- kubectl get configmap kube-root-ca.crt": `^# declared, and never used: .*`,
		"kubemint sweep --dry-run":                                            ``,
	} {
		said, err := run(script, rules)
		if err != nil {
			t.Errorf("%s: %v: %s", script, err, said)
		}
		harness.AssertSays(t, said, says)
	}
	if summary := harness.ReadFile(t, j.commands("STEP_SUMMARY")); !strings.Contains(summary, "### kubemint learn") {
		t.Errorf("the job's summary lacks the comparison: %q", summary)
	}
	if said, err := run("kubemint rules --check app.yaml", "KUBEMINT_RULES=get configmaps"); err == nil {
		t.Errorf("it checks nothing: %s", said)
	} else {
		harness.AssertSays(t, said, `^create,patch  configmaps$`)
	}
	if live := harness.CountLeases(t, cluster, namespace); live != 0 {
		t.Errorf("%d leases remain", live)
	}
}
