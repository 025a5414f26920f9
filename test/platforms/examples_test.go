package platforms

import (
	"context"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// workflow has the parts that a runner reads of a workflow of examples/github.
type workflow struct {
	Env  map[string]string
	Jobs map[string]struct {
		Steps []struct {
			Run string
			Env map[string]string
		}
	}
}

// readExample returns the one command of a workflow, and its variables.
func readExample(t *testing.T, name string) (run string, env map[string]string) {
	t.Helper()
	var w workflow
	if err := yaml.Unmarshal([]byte(harness.ReadFile(t, filepath.Join("examples", "github", name))), &w); err != nil {
		t.Fatal(err)
	}
	env = maps.Clone(w.Env)
	if env == nil {
		env = map[string]string{}
	}
	for _, job := range w.Jobs {
		for _, step := range job.Steps {
			if step.Run == "" {
				continue
			}
			if run != "" {
				t.Fatalf("%s has two commands", name)
			}
			run = step.Run
			maps.Copy(env, step.Env)
		}
	}
	return run, env
}

// runExample runs a command as GitHub's runner does where no shell is given, and returns its exit code and what it says.
func runExample(t *testing.T, kubectl, dir, run string, env map[string]string) (code int, said string) {
	t.Helper()
	step := exec.CommandContext(t.Context(), "bash", "-e", "-c", run)
	step.Dir = dir
	step.Env = []string{"PATH=" + filepath.Dir(kubectl) + ":" + os.Getenv("PATH"), "HOME=" + dir, harness.StateIn(dir)}
	for name, value := range env {
		step.Env = append(step.Env, name+"="+value)
	}
	out, _ := step.CombinedOutput()
	return step.ProcessState.ExitCode(), string(out)
}

// A pull request that needs a right more than the workflow declares fails, and is told which.
func TestExample_CheckRules(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t) // for its kubectl: the check asks no cluster
	run, env := readExample(t, "check-rules.yml")
	dir := t.TempDir()
	write := func(name, content string) {
		harness.WriteFile(t, filepath.Join(dir, "deploy", "production", name), []byte(content))
	}
	write("web.yaml", "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}}\n---\n"+
		"{apiVersion: v1, kind: Service, metadata: {name: web}}\n---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: web}}\n")
	write("kustomization.yaml", "resources: [web.yaml]")
	if code, said := runExample(t, cluster.Kubectl(), dir, run, env); code != 0 {
		t.Errorf("exit code %d: %s", code, said)
	}
	write("more.yaml", "{apiVersion: batch/v1, kind: CronJob, metadata: {name: tidy}, spec: {schedule: 1 1 1 1 1}}")
	write("kustomization.yaml", "resources: [web.yaml, more.yaml]")
	code, said := runExample(t, cluster.Kubectl(), dir, run, env)
	if code != 5 {
		t.Errorf("exit code %d: %s", code, said)
	}
	harness.AssertSays(t, said, `^get,create,patch  cronjobs\.batch$`)
	harness.AssertSaysNot(t, said, "configmaps")
}

// The job that takes longer than a token creates a Job, and waits for its end with no more rights than it declares.
func TestExample_LongJob(t *testing.T) {
	t.Parallel()
	cluster, namespace := harness.NewNamespace(t)
	run, env := readExample(t, "long-job.yml")
	accounts := namespace + "-accounts"
	if err := cluster.Apply(t.Context(), "{apiVersion: v1, kind: Namespace, metadata: {name: "+accounts+"}}"); err != nil {
		t.Fatal(err)
	}
	env["KUBEMINT_NAMESPACE"] = namespace
	env["KUBEMINT_SERVICE_ACCOUNT"] = strings.Replace(env["KUBEMINT_SERVICE_ACCOUNT"], "kubemint/", accounts+"/", 1)
	env["KUBEMINT_KUBECONFIG"] = string(cluster.AdminKubeconfig())
	ended := make(chan error, 1)
	go func() { ended <- endJob(t.Context(), cluster, "/apis/batch/v1/namespaces/"+namespace+"/jobs/migrate") }()
	code, said := runExample(t, cluster.Kubectl(), t.TempDir(), run, env)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, said)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	harness.AssertSays(t, said, `^job\.batch/migrate condition met$`)
	if live := harness.CountLeases(t, cluster, accounts); live != 0 {
		t.Errorf("%d leases remain", live)
	}
}

// endJob waits for a Job, and says that it has succeeded: there is no controller that would.
func endJob(ctx context.Context, cluster *kubetest.ControlPlane, path string) error {
	var job batchv1.Job
	for cluster.Admin.Do(ctx, http.MethodGet, path, nil, &job) != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		time.Sleep(50 * time.Millisecond)
	}
	now := metav1.Now()
	job.Status.StartTime = &now
	job.Status.CompletionTime = &now
	for _, condition := range []batchv1.JobConditionType{batchv1.JobSuccessCriteriaMet, batchv1.JobComplete} {
		job.Status.Conditions = append(job.Status.Conditions, batchv1.JobCondition{
			Type: condition, Status: corev1.ConditionTrue, LastTransitionTime: now,
		})
	}
	return cluster.Admin.Do(ctx, http.MethodPut, path+"/status", &job, nil)
}
