// Package learn closes the loop: what kubemint learn prints for a deployment is enough for the same deployment,
// and no rule of it is too much.
package learn

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// deployments are scripts that deploy the manifests to the context's namespace, each of them twice: what an
// update asks for is part of what a deployer needs.
var deployments = map[string]struct{ manifests, script, between string }{
	"a Deployment with Service and Ingress": {
		manifests: app,
		script:    "kubectl apply -f app.yaml\nsed -i s/:1/:2/ app.yaml\nkubectl apply -f app.yaml\n",
	},
	"server-side apply": {
		manifests: app,
		script:    "kubectl apply --server-side -f app.yaml\nsed -i s/:1/:2/ app.yaml\nkubectl apply --server-side -f app.yaml\n",
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
		script: "kubectl apply -f app.yaml\nkubectl wait --for=condition=Established crd/boats.NAME.acme.io --timeout=20s\n" +
			"echo '{apiVersion: NAME.acme.io/v1, kind: Boat, metadata: {name: a}}' | kubectl apply -f -\n",
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
`

// deployer runs one deployment again and again, each time in a fresh namespace.
type deployer struct {
	cluster                    *kubetest.ControlPlane
	manifests, script, between string
}

// run runs kubemint with the script, and returns its exit code and what it printed.
func (d deployer) run(t *testing.T, env []string, args ...string) (code int, printed string) {
	t.Helper()
	namespace, err := d.cluster.CreateNamespace(t.Context(), "learn-")
	if err != nil {
		t.Fatal(err)
	}
	defer playController(t, d.cluster, namespace)()
	dir := t.TempDir()
	harness.WriteFile(t, filepath.Join(dir, "app.yaml"), []byte(d.manifests))
	harness.WriteFile(t, filepath.Join(dir, "source"), d.cluster.AdminKubeconfig())
	env = append([]string{
		"PATH=" + filepath.Dir(d.cluster.Kubectl()) + ":" + os.Getenv("PATH"), "HOME=" + dir,
		"KUBECONFIG=" + filepath.Join(dir, "source"), "KUBEMINT_NAMESPACE=" + namespace, "KUBEMINT_TIMEOUT=20s",
	}, env...)
	command, stderr := harness.Command(t, dir, env, append(args, "--", "sh", "-ec", d.script)...)
	out, _ := command.Output()
	t.Logf("%s", stderr)
	return command.ProcessState.ExitCode(), string(out)
}

// playController observes Deployments, as the controller does that the control plane of the tests lacks. It
// returns what ends it.
func playController(t *testing.T, cluster *kubetest.ControlPlane, namespace string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	path := "/apis/apps/v1/namespaces/" + namespace + "/deployments"
	go func() {
		defer close(done)
		for ; ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
			var list appsv1.DeploymentList
			if cluster.Admin.Do(ctx, http.MethodGet, path, nil, &list) != nil {
				continue
			}
			for _, deployment := range list.Items {
				deployment.Status.ObservedGeneration = deployment.Generation
				_ = cluster.Admin.Do(ctx, http.MethodPut, path+"/"+deployment.Name+"/status", &deployment, nil)
			}
		}
	}()
	return func() { cancel(); <-done }
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

// rulesOf are the printed lines that are rules.
func rulesOf(printed string) (all []string) {
	_, report, _ := strings.Cut(printed, "# what the command asked of the API server, as rules\n")
	for line := range strings.Lines(report) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			all = append(all, line)
		}
	}
	return all
}

// optional are rules for requests whose refusal kubectl passes over: docs/tasks/rules.md names them. After a
// 404 it looks whether the namespace is there, for the sake of its error.
var optional = []string{"get  namespaces"}

func TestLoop(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs a control plane: make test runs it")
	}
	cluster, err := harness.Shared()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range deployments {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			group := strings.ToLower(strings.NewReplacer(" ", "").Replace(name))
			named := strings.NewReplacer("NAME", group)
			d := deployer{cluster, named.Replace(c.manifests), named.Replace(c.script), named.Replace(c.between)}
			code, printed := d.run(t, nil, "learn")
			if code != 0 {
				t.Fatalf("as administrator: exit code %d\n%s", code, printed)
			}
			rules := rulesOf(printed)
			t.Logf("learned:\n%s", strings.Join(rules, "\n"))
			d.reset(t)
			if code, said := d.run(t, declared(rules), "exec"); code != 0 {
				t.Fatalf("with the learned rules: exit code %d\n%s\n%s", code, strings.Join(rules, "\n"), said)
			}
			for i, rule := range rules {
				d.reset(t)
				less := slices.Delete(slices.Clone(rules), i, i+1)
				if code, _ := d.run(t, declared(less), "exec"); code == 0 && !slices.Contains(optional, rule) {
					t.Errorf("it succeeds without  %s", rule)
				}
			}
		})
	}
}

func declared(rules []string) []string {
	return []string{"KUBEMINT_RULES=" + strings.Join(append(rules, "get configmaps nothing"), "\n")}
}
