package docs

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

const auditPage = "../audit.md"

// agentOf is the form of a User-Agent; its version is that of the build.
var agentOf = regexp.MustCompile(`^kubemint/\S* \(github:acme/shop run (\d+) job deploy/release\)$`)

// runOf is the run that a User-Agent names, "" where it names none.
func runOf(agent string) string {
	if found := agentOf.FindStringSubmatch(agent); found != nil {
		return found[1]
	}
	return ""
}

// Two runs of one pipeline change the same Deployment with tokens of the same ServiceAccount. The page's queries tell
// which was which.
func TestAudit_LeadsFromTheChangeToTheRun(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("jq"); err != nil && os.Getenv("CI") == "" {
		t.Skip("jq is not here: CI installs it")
	}
	jobs, dir := newAuditedJobs(t)
	jobs.runJob(t, "42", "exec", "--", "kubectl", "create", "deployment", "web", "--image=web:1")
	jobs.runJob(t, "43", "exec", "--", "kubectl", "scale", "deployment", "web", "--replicas=3")

	r := harness.NewReader(t, jobs.cluster, auditPage)
	r.Dir = dir
	changes := runQuery(t, r, "", "change")
	if len(changes) != 2 || changes[0]["credential"] == changes[1]["credential"] {
		t.Fatalf("two runs changed it, with a credential each: %v", changes)
	}
	for i, run := range []string{"42", "43"} {
		if changes[i]["user"] != "system:serviceaccount:kubemint:shop-deployer" {
			t.Errorf("changed by %v", changes[i])
		}
		issued := runQuery(t, r, "CREDENTIAL="+changes[i]["credential"], "issued")
		if len(issued) != 1 || runOf(issued[0]["userAgent"]) != run || issued[0]["runner"] != "admin" ||
			issued[0]["account"] != "kubemint/shop-deployer" {
			t.Fatalf("change %d was by %v, want one by run %s", i, issued, run)
		}
		leases := runQuery(t, r, "AGENT='"+issued[0]["userAgent"]+"'", "lease")
		if len(leases) != 2 || leases[0]["verb"] != "create" || leases[1]["verb"] != "delete" ||
			leases[0]["lease"] != leases[1]["lease"] || !strings.HasPrefix(leases[0]["lease"], "kubemint-") {
			t.Errorf("run %s: the lease's life is %v", run, leases)
		}
	}
}

// Every command says for whom it asks, as the runner and as the new credential.
func TestAudit_EveryRequestNamesTheRun(t *testing.T) {
	t.Parallel()
	jobs, dir := newAuditedJobs(t)
	for _, args := range [][]string{
		{"2", "plan"},
		{"1", "mint"},
		{"3", "revoke", "--wait"},
		{"4", "sweep"},
		{"5", "prune"},
		{"6", "exec", "--", "kubectl", "get", "deployments"},
		{"7", "learn", "--", "kubectl", "create", "role", "reader", "--verb=get", "--resource=pods"},
	} {
		jobs.runJob(t, args[0], args[1:]...)
	}
	users := map[string]map[string]bool{} // by run
	for line := range strings.Lines(harness.ReadFile(t, filepath.Join(dir, "audit.log"))) {
		var event struct {
			UserAgent string
			User      struct{ Username string }
		}
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			t.Fatal(err)
		}
		run := runOf(event.UserAgent)
		switch program, _, _ := strings.Cut(event.UserAgent, "/"); {
		case program == "kubectl":
			run = program
		case program == "kubemint" && run == "":
			t.Errorf("a request does not name its run: %s", line)
		}
		if users[run] == nil {
			users[run] = map[string]bool{}
		}
		users[run][event.User.Username] = true
	}
	const account = "system:serviceaccount:kubemint:shop-deployer"
	for run, asNew := range map[string]bool{
		"1": true, "2": false, "3": true, "4": false, "5": false, "6": true,
		"7":       false, // learn itself reads the role that its command wrote
		"kubectl": true,  // learn hands its requests on as the runner's, exec's are the new credential's
	} {
		if !users[run]["admin"] || users[run][account] != asNew {
			t.Errorf("run %s asked as %v", run, users[run])
		}
	}
}

// auditedJobs are runs of one pipeline.
type auditedJobs struct {
	cluster *kubetest.ControlPlane
	dir     string
}

// newAuditedJobs starts a cluster with the page's audit policy, whose log is audit.log in the directory.
func newAuditedJobs(t *testing.T) (jobs auditedJobs, dir string) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a control plane: make test-rest runs it")
	}
	dir = t.TempDir()
	policy := filepath.Join(dir, "policy.yaml")
	harness.WriteFile(t, policy, []byte(harness.ReadBlock(t, auditPage, "yaml policy")))
	jobs.dir = t.TempDir()
	jobs.cluster = kubetest.New(t, kubetest.Options{APIServerArgs: []string{
		"--audit-policy-file=" + policy, "--audit-log-path=" + filepath.Join(dir, "audit.log"),
	}})
	for _, namespace := range []string{"shop", "kubemint"} {
		if _, err := jobs.cluster.CreateNamespace(t.Context(), namespace); err != nil {
			t.Fatal(err)
		}
	}
	return jobs, dir
}

// runJob runs kubemint in a job of GitHub Actions.
func (j auditedJobs) runJob(t *testing.T, run string, args ...string) {
	t.Helper()
	harness.WriteFile(t, filepath.Join(j.dir, "source"), j.cluster.AdminKubeconfig())
	env := []string{
		"HOME=" + j.dir, "PATH=" + filepath.Dir(j.cluster.Kubectl()) + string(os.PathListSeparator) + os.Getenv("PATH"),
		"KUBECONFIG=" + filepath.Join(j.dir, "source"), "KUBEMINT_NAMESPACE=shop",
		"KUBEMINT_SERVICE_ACCOUNT=kubemint/shop-deployer", "KUBEMINT_RULES=* deployments,deployments/scale",
		"GITHUB_ACTIONS=true", "GITHUB_REPOSITORY=acme/shop", "GITHUB_REPOSITORY_ID=1234", "GITHUB_RUN_ID=" + run,
		"GITHUB_WORKFLOW=deploy", "GITHUB_JOB=release", "GITHUB_SERVER_URL=https://github.com",
		"GITHUB_WORKSPACE=" + j.dir, "RUNNER_TEMP=" + j.dir,
	}
	state := filepath.Join(j.dir, "state")
	if saved, err := os.ReadFile(state); err == nil { // as the runner does for a post step
		if found := regexp.MustCompile(`(?s)^.*receipt<<\S+\n(.*)\n\S+\n$`).FindSubmatch(saved); found != nil {
			env = append(env, "STATE_receipt="+string(found[1]))
		}
	}
	for _, name := range []string{"OUTPUT", "ENV", "STATE", "STEP_SUMMARY"} {
		file := filepath.Join(j.dir, strings.ToLower(name))
		harness.WriteFile(t, file, nil)
		env = append(env, "GITHUB_"+name+"="+file)
	}
	harness.RunProgram(t, j.dir, env, args...)
}

// runQuery runs a query of the page, and returns what it prints, a line each.
func runQuery(t *testing.T, r *harness.Reader, typed, block string) (rows []map[string]string) {
	t.Helper()
	said, err := r.RunShell(t, typed+"\n"+r.ReadBlock(t, "sh "+block))
	if err != nil {
		t.Fatalf("block %q: %v\n%s", block, err, said)
	}
	for line := range strings.Lines(said) {
		var columns map[string]any
		if err := json.Unmarshal([]byte(line), &columns); err != nil {
			t.Fatalf("block %q: %v\n%s", block, err, said)
		}
		row := map[string]string{}
		for name, value := range columns {
			row[name], _ = value.(string)
		}
		rows = append(rows, row)
	}
	return rows
}
