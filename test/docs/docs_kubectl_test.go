package docs

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/internal/rules"
	"github.com/kubemint/kubemint/internal/rules/syntax"
	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// Manifests that docs/tasks/kubectl.md speaks of.
const (
	appConfig = `apiVersion: v1
kind: ConfigMap
metadata: {name: web, labels: {app: web}}
data: {a: "1"}
`
	appRest = `---
apiVersion: v1
kind: Service
metadata: {name: web, labels: {app: web}}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web}]}
`
	appPod = `apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {nodeName: nowhere, automountServiceAccountToken: false, containers: [{name: web, image: web}]}
`
	appRelease = `apiVersion: v1
kind: Secret
metadata: {name: sh.helm.release.v1.web.v1, labels: {owner: helm}}
type: helm.sh/release.v1
`
	appReady = `{"status": {"observedGeneration": 9, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1,
		"availableReplicas": 1, "conditions": [{"type": "Available", "status": "True"}]}}`
)

// task is how a command of the page is tried: what is there before, and what happens while it runs.
type task struct {
	there   string   // manifests
	steps   []string // the commands, where they are others than the page's
	twice   bool     // the page's command is run again with another app.yaml
	ready   bool     // after a second the Deployment is ready
	revised bool     // the Deployment has two revisions
	ends    string   // where it cannot succeed for lack of a node: what kubectl says of that
	spared  []string // verb and resource that kubectl does without, as the page explains
}

var (
	oldApp = strings.ReplaceAll(appConfig+appRest, "name: web,", "name: old,")
	either = []string{"list deployments", "watch deployments"}
)

var tasks = map[string]task{
	"apply -f app.yaml":               {twice: true},
	"apply --server-side -f app.yaml": {twice: true},
	"apply -f app.yaml --prune -l app=web --prune-allowlist=core/v1/ConfigMap --prune-allowlist=apps/v1/Deployment": {
		there: oldApp, twice: true,
	},
	"diff -f app.yaml": {
		there: appConfig + appRest, steps: []string{"change", "diff -f app.yaml", "diff -f old.yaml"},
	},
	"rollout restart deployment/web": {there: appRest},
	"rollout status deployment/web": {
		there: appRest, ready: true, spared: either, steps: []string{"rollout status deployment/web --timeout=15s"},
	},
	"rollout undo deployment/web": {there: appRest, revised: true},
	"wait --for=condition=Available deployment/web": {
		there: appRest, ready: true, spared: either,
		steps: []string{"wait --for=condition=Available deployment/web --timeout=15s"},
	},
	"scale deployment/web --replicas=2":  {there: appRest},
	"set image deployment/web web=web:2": {there: appRest},
	"logs web":                           {there: appPod, ends: "nowhere"},
	"logs deployment/web":                {there: appPod + appRest, ends: "nowhere"},
	"exec web -- true":                   {there: appPod, ends: "nowhere", spared: []string{"get pods/exec"}},
	"port-forward web 8080:80": {
		there: appPod, ends: "nowhere", spared: []string{"get pods/portforward"},
		steps: []string{"port-forward web :80"}, // a port that is free
	},
	"delete deployment web": {there: appRest},
	// Helm's requests, by kubectl: an installation, then an upgrade that drops an object and an old release.
	"helm upgrade --install web ./chart": {there: oldApp + "---\n" + appRelease, steps: []string{
		"get secrets -l owner=helm", "get secret sh.helm.release.v1.web.v1", "create -f release.yaml",
		"replace -f release.yaml", "apply -f app.yaml", "change", "apply -f app.yaml",
		"delete secret sh.helm.release.v1.web.v1 --wait=false", "delete -f old.yaml --wait=false",
	}},
}

// pageRules are the commands of a page's headings with the lines below them.
func pageRules(t *testing.T, page string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	sections := regexp.MustCompile("(?s)\n## `(?:kubectl )?([^`]+)`\n(.*?)\n```\n(.*?)```")
	for _, section := range sections.FindAllStringSubmatch(string(text), -1) {
		if strings.Contains(section[2], "\n## ") {
			t.Fatalf("%s: %s has no lines", page, section[1])
		}
		found[section[1]] = section[3]
	}
	return found
}

// Each command of docs/tasks/kubectl.md works with its lines, and is refused if any line, or any verb for any resource, is
// missing. The exceptions are those where the page says that kubectl finds a way around.
func TestDocs_KubectlTasks(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t)
	page := pageRules(t, "docs/tasks/kubectl.md")
	if len(page) != len(tasks) {
		t.Errorf("the page has %d commands, and the test %d", len(page), len(tasks))
	}
	for command, lines := range page {
		tried, known := tasks[command]
		if !known {
			t.Errorf("the page has %q, and the test does not", command)
			continue
		}
		if len(tried.steps) == 0 {
			tried.steps = []string{command}
		}
		if tried.twice {
			tried.steps = append(tried.steps, "change", command)
		}
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			tried.hold(t, cluster, lines)
		})
	}
}

// The rules of README and of the examples let the commands in the same file work.
func TestDocs_RulesLetTheirCommandsWork(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t)
	files := []string{"README.md"}
	for _, pattern := range []string{"examples/*/*", "examples/*/*/.gitlab-ci.yml"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	tried := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // a directory
		}
		block := regexp.MustCompile(`(?m)^ +rules: \|\n((?: +[a-z,]+ +[a-z,/]+\n)+)`).FindSubmatch(text)
		kubectl := regexp.MustCompile(`(\| )?kubectl (?:--kubeconfig \S+ )?((?:rollout|apply|get) [^'"\n#&]+)`)
		commands := kubectl.FindAllSubmatch(text, -1)
		if block == nil || len(commands) == 0 {
			continue
		}
		tried++
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			declared, err := syntax.ParseRules(string(block[1]))
			if err != nil {
				t.Fatal(err)
			}
			job := task{there: appRest, ready: true}
			for _, command := range commands {
				if len(command[1]) == 0 { // what kubemint printed is for an administrator to apply
					job.steps = append(job.steps, strings.TrimSpace(string(command[2])))
				}
			}
			if said, ok := job.try(t, cluster, rules.ListQuestions(declared.Rules, false)); !ok {
				t.Error(said)
			}
		})
	}
	if tried < 8 {
		t.Errorf("only %d files have rules and commands", tried)
	}
}

// hold tries the task with all its rules, then without each of the requests that they allow.
func (k task) hold(t *testing.T, cluster *kubetest.ControlPlane, lines string) {
	t.Helper()
	declared, err := syntax.ParseRules(lines)
	if err != nil {
		t.Fatal(err)
	}
	questions := rules.ListQuestions(declared.Rules, false)
	if said, ok := k.try(t, cluster, questions); !ok {
		t.Fatalf("with all its lines: %s", said)
	}
	for i, without := range questions {
		word := strings.TrimSuffix(without.Verb+" "+without.Resource+"/"+without.Subresource, "/")
		rest := slices.Delete(slices.Clone(questions), i, i+1)
		k.refused(t, cluster, word, rest, slices.Contains(k.spared, word))
	}
	all := strings.Split(strings.TrimSpace(lines), "\n")
	for i, line := range all {
		rest, _ := syntax.ParseRules(strings.Join(slices.Delete(slices.Clone(all), i, i+1), "\n")) // of no line there are no rules
		k.refused(t, cluster, "the line "+line, rules.ListQuestions(rest.Rules, false), false)
	}
}

// refused tries the task without some right, and demands that it is refused, or spared.
func (k task) refused(t *testing.T, cluster *kubetest.ControlPlane, without string, granted []rules.Question, spared bool) {
	t.Helper()
	said, ok := k.try(t, cluster, granted)
	switch {
	case ok && !spared:
		t.Errorf("it works without %s, too", without)
	case !ok && spared:
		t.Errorf("it takes %s, and the page says that it does not: %s", without, said)
	case !ok && !strings.Contains(said, "orbidden") && !strings.Contains(said, "cannot "):
		t.Errorf("without %s it is not refused, but fails: %s", without, said)
	}
}

// try runs the steps as a user with these rights, in a namespace of its own.
func (k task) try(t *testing.T, cluster *kubetest.ControlPlane, granted []rules.Question) (said string, ok bool) {
	t.Helper()
	namespace, err := cluster.CreateNamespace(t.Context(), "task-")
	if err != nil {
		t.Fatal(err)
	}
	admin := func(stdin string, args ...string) {
		if _, err := harness.RunKubectlAsAdmin(t, cluster, stdin, append(args, "-n", namespace)...); err != nil {
			t.Fatal(err)
		}
	}
	if k.there != "" {
		admin(k.there, "apply", "-f", "-")
	}
	if strings.HasPrefix(k.there, appPod) {
		admin("", "patch", "pod", "web", "--subresource=status", "-p", `{"status": {"phase": "Running"}}`)
	}
	if k.revised {
		addRevisions(t, cluster, namespace)
	}
	kubectl := limitKubectl(t, cluster, namespace, granted)
	if k.ready {
		defer time.AfterFunc(time.Second, func() {
			_, _ = cluster.RunKubectl(context.WithoutCancel(t.Context()), cluster.AdminKubeconfig(), "",
				"patch", "deployment", "web", "-n", namespace, "--subresource=status", "--type=merge", "-p", appReady)
		}).Stop()
	}
	for _, step := range k.steps {
		if step == "change" {
			changed := strings.ReplaceAll(appConfig+appRest, "labels: {app: web}}", `labels: {app: web, changed: "yes"}}`)
			kubectl.write(t, "app.yaml", changed)
			continue
		}
		said, ok = kubectl.run(t, step)
		if k.ends != "" {
			ok = strings.Contains(said, k.ends) && !strings.Contains(said, "orbidden")
		}
		if !ok {
			return step + ": " + said, false
		}
	}
	return said, ok
}

// addRevisions makes the ReplicaSets that the Deployment's controller would have made.
func addRevisions(t *testing.T, cluster *kubetest.ControlPlane, namespace string) {
	t.Helper()
	uid, err := harness.RunKubectlAsAdmin(t, cluster, "", "get", "deployment", "web", "-n", namespace, "-o", "jsonpath={.metadata.uid}")
	if err != nil {
		t.Fatal(err)
	}
	var sets []string
	for revision := 1; revision <= 2; revision++ {
		sets = append(sets, fmt.Sprintf(`apiVersion: apps/v1
kind: ReplicaSet
metadata:
  name: web-%[1]d
  namespace: %[2]s
  labels: {app: web}
  annotations: {deployment.kubernetes.io/revision: "%[1]d"}
  ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: web, uid: %[3]s, controller: true}]
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: "web:%[1]d"}]}}
`, revision, namespace, uid))
	}
	if err := cluster.Apply(t.Context(), strings.Join(sets, "---\n")); err != nil {
		t.Fatal(err)
	}
}

// limitedKubectl is kubectl as a user with few rights, in a directory with the manifests.
type limitedKubectl struct {
	program, dir, namespace string
}

func limitKubectl(t *testing.T, cluster *kubetest.ControlPlane, namespace string, granted []rules.Question) limitedKubectl {
	t.Helper()
	user := "user-" + namespace
	role := rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "granted", Namespace: namespace}}
	for _, q := range granted {
		role.Rules = append(role.Rules, q.Rule())
	}
	binding := rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "granted", Namespace: namespace},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: user}},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "granted"},
	}
	path := "/apis/rbac.authorization.k8s.io/v1/namespaces/" + namespace
	for resource, object := range map[string]any{"/roles": role, "/rolebindings": binding} {
		if err := cluster.Admin.Do(t.Context(), http.MethodPost, path+resource, object, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, q := range granted {
		harness.AwaitTrue(t, func() (bool, error) { return harness.IsAllowed(t.Context(), cluster, namespace, user, q) })
	}
	kubeconfig, err := cluster.ClientKubeconfig(user)
	if err != nil {
		t.Fatal(err)
	}
	kubectl := limitedKubectl{program: cluster.Kubectl(), dir: t.TempDir(), namespace: namespace}
	for name, text := range map[string]string{
		"kubeconfig": string(kubeconfig), "old.yaml": oldApp,
		"app.yaml": appConfig + appRest, "manifests/app.yaml": appConfig + appRest, "deploy/app.yaml": appConfig + appRest,
		"release.yaml": strings.ReplaceAll(appRelease, "web.v1", "web.v2"),
	} {
		kubectl.write(t, name, text)
	}
	return kubectl
}

func (k limitedKubectl) write(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join(k.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// run runs a command; a diff that finds something ends with 1.
func (k limitedKubectl) run(t *testing.T, command string) (said string, ok bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
	defer cancel()
	args := append([]string{"-n", k.namespace}, strings.Fields(command)...)
	process := exec.CommandContext(ctx, k.program, args...)
	process.Dir = k.dir
	process.Env = []string{"HOME=" + k.dir, "KUBECONFIG=" + filepath.Join(k.dir, "kubeconfig"), "PATH=" + os.Getenv("PATH")}
	var output bytes.Buffer
	process.Stdout, process.Stderr = &output, &output
	err := process.Run()
	code := process.ProcessState.ExitCode()
	found := strings.HasPrefix(command, "diff ") && code == 1 && !strings.Contains(output.String(), "orbidden")
	return strings.TrimSpace(output.String()), err == nil || found
}
