// Package learn closes the loop: what kubemint learn prints for a deployment is enough for the same deployment,
// and no rule of it is too much.
package learn

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kubemint/kubemint/internal/command/child"
	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// deployments are scripts that deploy the manifests to the context's namespace, each of them twice: what an
// update asks for is part of what a deployer needs.
var deployments = map[string]struct{ manifests, script, between, tool string }{
	"a Deployment with Service and Ingress": {
		manifests: app,
		script:    "kubectl apply -f app.yaml\nsed -i s/:1/:2/ app.yaml\nkubectl apply -f app.yaml\n",
	},
	"server-side apply": {
		manifests: app, tool: "server-side",
		script: "kubectl apply --server-side -f app.yaml\nsed -i s/:1/:2/ app.yaml\nkubectl apply --server-side -f app.yaml\n",
	},
	"a rollout with its status": {
		manifests: app,
		script: "kubectl apply -f app.yaml\nkubectl rollout status deployment/web --timeout=20s\n" +
			"kubectl set image deployment/web web=registry.example/web:2\nkubectl rollout status deployment/web --timeout=20s\n",
	},
	"a Role and its binding": {
		manifests: role,
		script:    "kubectl apply -f app.yaml\nsed -i 's/team: a/team: b/' app.yaml\nkubectl apply -f app.yaml\n",
	},
	"a custom resource and its definition": {
		manifests: definition,
		script: "sed '/^---$/,$d' app.yaml | kubectl apply -f -\n" +
			"kubectl wait --for=condition=Established crd/boats.NAME.acme.io --timeout=20s\n" +
			"sed '1,/^---$/d' app.yaml | kubectl apply -f -\n",
		between: "kubectl delete crd boats.NAME.acme.io",
	},
}

const app = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "registry.example/web:1"}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, annotations: {image: ":1"}}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, annotations: {image: ":1"}}
spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}
`

const role = `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, labels: {team: a}}
rules: [{apiGroups: [""], resources: [pods], verbs: [get, list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, labels: {team: a}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: default}]
`

const definition = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: boats.NAME.acme.io}
spec:
  group: NAME.acme.io
  scope: Namespaced
  names: {kind: Boat, plural: boats, singular: boat}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
---
apiVersion: NAME.acme.io/v1
kind: Boat
metadata: {name: a}
`

// deployer runs one deployment again and again, each time in a fresh namespace.
type deployer struct {
	name              string
	cluster           *kubetest.ControlPlane
	manifests, script string
	between           string // what takes away that a run leaves outside its namespace: a kubectl command
	tool              string // how kubemint rules calls what the script deploys with; "" is its default
	render            string // a command that prints the manifests, where they are no file
	node              string // that its pods run on; where it is empty there are none
	tools             string // a directory of programs that the script calls, in PATH
}

// run runs kubemint with the script, and returns its exit code and what it printed.
func (d deployer) run(t *testing.T, env []string, args ...string) (code int, printed string) {
	t.Helper()
	namespace, err := d.cluster.CreateNamespace(t.Context(), "learn-")
	if err != nil {
		t.Fatal(err)
	}
	defer controller{d.cluster.Admin, namespace, d.node}.play(t)()
	dir := t.TempDir()
	harness.WriteFile(t, filepath.Join(dir, "app.yaml"), []byte(d.manifests))
	harness.WriteFile(t, filepath.Join(dir, "source"), d.cluster.AdminKubeconfig())
	env = append([]string{
		"PATH=" + d.path(), "HOME=" + dir,
		"KUBECONFIG=" + filepath.Join(dir, "source"), "KUBEMINT_NAMESPACE=" + namespace, "KUBEMINT_TIMEOUT=20s",
	}, env...)
	command, stderr := harness.Command(t, dir, env, append(args, "--", "sh", "-ec", d.script)...)
	out, _ := command.Output()
	t.Logf("%s", stderr)
	return command.ProcessState.ExitCode(), string(out)
}

// path is where the script's programs are.
func (d deployer) path() string {
	return strings.Join([]string{filepath.Dir(d.cluster.Kubectl()), os.Getenv("PATH"), d.tools}, ":")
}

// reset takes away what a run leaves outside its namespace.
func (d deployer) reset(t *testing.T) {
	t.Helper()
	if d.between == "" {
		return
	}
	words := strings.Fields(d.between)
	if out, err := harness.RunKubectlAsAdmin(t, d.cluster, "", words[1:]...); err != nil && !strings.Contains(err.Error(), "not found") {
		t.Fatal(err, out)
	}
}

// readReport returns the rules of a report.
func readReport(printed string) (all []string) {
	_, report, _ := strings.Cut(printed, "# what the command asked of the API server, as rules\n")
	return ruleLines(report)
}

// ruleLines are the lines that are no comments.
func ruleLines(printed string) (all []string) {
	for line := range strings.Lines(printed) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			all = append(all, line)
		}
	}
	return all
}

func TestLoop(t *testing.T) {
	t.Parallel()
	cluster := shareCluster(t)
	for name, c := range deployments {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			group := strings.ToLower(strings.NewReplacer(" ", "").Replace(name))
			named := strings.NewReplacer("NAME", group)
			d := deployer{
				name: name, cluster: cluster, manifests: named.Replace(c.manifests), script: named.Replace(c.script),
				between: named.Replace(c.between), tool: c.tool,
			}
			d.proveRules(t)
		})
	}
}

// shareCluster is the control plane that the deployments share.
func shareCluster(t *testing.T) *kubetest.ControlPlane {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a control plane: make test runs it")
	}
	cluster, err := harness.Shared()
	if err != nil {
		t.Fatal(err)
	}
	return cluster
}

// proveRules learns the rules of a deployment, runs it with exactly these, and with each single right less.
func (d deployer) proveRules(t *testing.T) {
	t.Helper()
	code, printed := d.run(t, nil, "learn")
	if code != 0 {
		t.Fatalf("as administrator: exit code %d\n%s", code, printed)
	}
	rules := readReport(printed)
	t.Logf("learned:\n%s", strings.Join(rules, "\n"))
	if d.manifests != "" || d.render != "" {
		d.compareDerived(t, rules)
	}
	d.reset(t)
	if code, said := d.run(t, declareRules(rules), "exec"); code != 0 {
		t.Fatalf("with the learned rules: exit code %d\n%s\n%s", code, strings.Join(rules, "\n"), said)
	}
	rights := divideRules(rules)
	for i, right := range rights {
		t.Run("without "+right, func(t *testing.T) {
			if d.between == "" { // what a run leaves is in its namespace
				t.Parallel()
			}
			d.reset(t)
			less := slices.Delete(slices.Clone(rights), i, i+1)
			switch code, said := d.run(t, declareRules(less), "exec"); code {
			case 0:
				assertExplained(t, "that it succeeds without  "+right, optional[right])
			case child.ExitOurs:
				t.Errorf("kubemint itself fails without  %s: %s", right, said)
			}
		})
	}
}

// divideRules divides rules into one verb on one resource and, where there are names, one name each.
func divideRules(rules []string) (all []string) {
	for _, rule := range rules {
		words := strings.Fields(rule)
		scope := ""
		if words[0] == "cluster" {
			scope, words = "cluster  ", words[1:]
		}
		for verb := range strings.SplitSeq(words[0], ",") {
			for resource := range strings.SplitSeq(words[1], ",") {
				single := scope + verb + "  " + resource
				if len(words) == 2 {
					all = append(all, single)
					continue
				}
				for name := range strings.SplitSeq(words[2], ",") {
					all = append(all, single+"  "+name)
				}
			}
		}
	}
	return all
}

func declareRules(rules []string) []string {
	return []string{"KUBEMINT_RULES=" + strings.Join(append(slices.Clone(rules), "get configmaps nothing"), "\n")}
}
