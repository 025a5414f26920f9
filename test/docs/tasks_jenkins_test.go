package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/kubemint/kubemint/test/harness"
)

// Seed 003: the pipeline of the page, with the rules of the page's file, by the rights that its first step
// grants.
func TestTask_Jenkins(t *testing.T) {
	t.Parallel()
	cluster, namespace := harness.NewNamespace(t)
	accounts, runner := namespace+"-accounts", "jenkins-"+namespace
	r := harness.NewReader(t, cluster, "jenkins.md", "create namespace kubemint", "create namespace "+accounts,
		"kubemint/jenkins", accounts+"/jenkins", "jenkins-runner", runner,
		"KUBEMINT_NAMESPACE=default", "KUBEMINT_NAMESPACE="+namespace, "= 'default'", "= '"+namespace+"'")
	r.LogInAsAdmin(t)
	r.WriteFile(t, filepath.Join(r.Dir, "jenkins-rules.yaml"), r.ReadBlock(t, "yaml"), 0o600)
	r.TypeBlock(t, "sh rights")
	credential, err := cluster.ClientKubeconfig(runner)
	if err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(t.TempDir(), "workload-cluster")
	r.WriteFile(t, secret, string(credential), 0o600)
	for _, stage := range readStages(t, r, secret) {
		if said, err := r.RunShell(t, stage); err != nil {
			t.Errorf("%s: %v\n%s", stage, err, said)
		}
	}
	if left, err := os.ReadDir(filepath.Join(r.Dir+"@tmp", "kubemint")); err == nil {
		t.Errorf("left: %v", left)
	}
	args := []string{"delete", "clusterrole,clusterrolebinding", "-l", "kubemint/service-account=" + accounts + ".jenkins"}
	if _, err := cluster.RunKubectl(t.Context(), cluster.AdminKubeconfig(), "", args...); err != nil {
		t.Error(err)
	}
}

// readStages are the lines of the pipeline as Jenkins runs them: with the variables of the build, those that
// the mint stage declares, and the credential where it is bound. Between them the test asks what the
// credential may do.
func readStages(t *testing.T, r *harness.Reader, secret string) []string {
	t.Helper()
	pipeline, temp := r.ReadBlock(t, "groovy"), r.Dir+"@tmp"
	r.Env = append(r.Env, "JENKINS_URL=https://jenkins.example.com/", "JOB_NAME=deploy",
		"WORKSPACE="+r.Dir, "WORKSPACE_TMP="+temp)
	bound := "export KUBEMINT_KUBECONFIG=" + secret + "\n"
	declared := ""
	for _, found := range regexp.MustCompile(`(?m)^ +(KUBEMINT_\w+) = ('[^']*')$`).FindAllStringSubmatch(pipeline, -1) {
		declared += "export " + found[1] + "=" + found[2] + "\n"
	}
	lines := regexp.MustCompile(`(?m)^ +sh '([^']*)'$`).FindAllStringSubmatch(pipeline, -1)
	if len(lines) != 3 {
		t.Fatalf("the pipeline has the lines %q", lines)
	}
	minted := "export KUBECONFIG=" + temp + "/kubemint/kubeconfig\n"
	return []string{
		bound + declared + lines[0][1],
		minted + lines[1][1],
		minted + "kubectl get secrets -A",
		minted + "! kubectl get nodes",
		bound + lines[2][1],
	}
}
