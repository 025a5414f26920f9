package learn

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kubemint/kubemint/test/harness"
)

// The sentences of docs/tasks/rules.md that explain why kubemint rules and kubemint learn print different rules for the
// same deployment.
const (
	updates = "`kubemint rules` prints what an update can take as well: `patch` for each object, and with Helm `delete` for " +
		"each object and for its release Secrets."
	waits = "`kubemint rules` prints `get`, `list` and `watch` for what `kubectl rollout status` and Helm's hooks wait for. A run " +
		"may take fewer: a client that watches from the start needs no `list`."
	rollouts = "A command that does not run `kubectl rollout status` takes none of the three."
	apart    = "`kubemint learn` sees what the command does apart from deploying: `kubectl wait`, `logs`, `exec`, `port-forward`."
	passed   = "`kubemint learn` also sees requests whose refusal the program passes over. After a 404 kubectl and Helm look " +
		"whether the namespace exists, for the sake of their error: `get namespaces` can be left out."
	again = "Where a server refuses the WebSocket of `kubectl exec` or `port-forward`, kubectl tries again with SPDY, which takes " +
		"`create` alone: `get pods/exec` and `get pods/portforward` can be left out."
	either = "`kubectl wait` watches, and lists where it cannot: one of the two may do."
)

// optional are rights that a deployment succeeds without, and the sentence that explains each.
var optional = map[string]string{
	"get  namespaces":       passed,
	"get  pods/exec":        again,
	"get  pods/portforward": again,
	"cluster  list  customresourcedefinitions.apiextensions.k8s.io":  either,
	"cluster  watch  customresourcedefinitions.apiextensions.k8s.io": either,
}

// explained are the differences, and the sentence that explains each. The key of a deployment's own ones is its name.
var explained = map[string]map[string]string{
	"a Deployment with Service and Ingress": {
		"learn alone: get  namespaces":         passed,
		"rules alone: list  deployments.apps":  rollouts,
		"rules alone: watch  deployments.apps": rollouts,
	},
	"server-side apply": {
		"rules alone: get  deployments.apps":   rollouts,
		"rules alone: list  deployments.apps":  rollouts,
		"rules alone: watch  deployments.apps": rollouts,
	},
	"a rollout with its status": {
		"learn alone: get  namespaces":                    passed,
		"rules alone: list  deployments.apps":             waits,
		"rules alone: patch  services":                    updates,
		"rules alone: patch  ingresses.networking.k8s.io": updates,
	},
	"a Role and its binding": {
		"learn alone: get  namespaces": passed,
	},
	"a custom resource and its definition": {
		"learn alone: get  namespaces": passed,
		"learn alone: cluster  list  customresourcedefinitions.apiextensions.k8s.io":  apart,
		"learn alone: cluster  watch  customresourcedefinitions.apiextensions.k8s.io": apart,
		"rules alone: cluster  patch  customresourcedefinitions.apiextensions.k8s.io": updates,
		"rules alone: patch  boats.acustomresourceanditsdefinition.acme.io":           updates,
	},
	"a rollout with status, logs and exec": {
		"learn alone: get  namespaces":          passed,
		"rules alone: list  deployments.apps":   waits,
		"learn alone: list  pods":               apart,
		"learn alone: get  pods/log":            apart,
		"learn alone: get  pods/exec":           apart,
		"learn alone: create  pods/exec":        apart,
		"learn alone: get  pods":                apart,
		"learn alone: get  pods/portforward":    apart,
		"learn alone: create  pods/portforward": apart,
	},
	"a chart with hooks and a Role": {
		"learn alone: get  namespaces":                                passed,
		"rules alone: list  jobs.batch":                               waits,
		"rules alone: delete  secrets":                                updates,
		"rules alone: delete  services":                               updates,
		"rules alone: delete  deployments.apps":                       updates,
		"rules alone: delete  roles.rbac.authorization.k8s.io":        updates,
		"rules alone: delete  rolebindings.rbac.authorization.k8s.io": updates,
	},
}

// isTimed reports whether a right is one that a run takes or not, by how fast the server is: a client that watches falls back to a list.
func isTimed(right string) bool {
	return strings.Contains(right, "list  ") || strings.Contains(right, "watch  ")
}

// compareDerived demands that what kubemint rules prints for the manifests of a deployment differs from what was learned only by
// what the page explains, and that no explanation is left over.
func (d deployer) compareDerived(t *testing.T, learned []string) {
	t.Helper()
	derived, learned := divideRules(d.deriveRules(t)), divideRules(learned)
	differ := append(listMissing("rules alone: ", derived, learned), listMissing("learn alone: ", learned, derived)...)
	for _, difference := range differ {
		assertExplained(t, difference, explained[d.name][difference])
	}
	for difference := range explained[d.name] {
		if !isTimed(difference) && !slices.Contains(differ, difference) {
			t.Errorf("it is no difference any more: %s", difference)
		}
	}
}

// assertExplained demands that the page has the sentence that explains something.
func assertExplained(t *testing.T, what, sentence string) {
	t.Helper()
	page := harness.ReadFile(t, filepath.Join("docs", "tasks", "rules.md"))
	if sentence == "" || !strings.Contains(strings.Join(strings.Fields(page), " "), sentence) {
		t.Errorf("docs/tasks/rules.md does not explain  %s  by the sentence %q", what, sentence)
	}
}

// listMissing lists the rights of one list that the other lacks.
func listMissing(prefix string, rights, without []string) (all []string) {
	for _, right := range rights {
		if !slices.Contains(without, right) {
			all = append(all, prefix+right)
		}
	}
	return all
}

// deriveRules runs kubemint rules on the manifests.
func (d deployer) deriveRules(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	render := d.render
	if render == "" {
		render = "cat app.yaml"
		harness.WriteFile(t, filepath.Join(dir, "app.yaml"), []byte(d.manifests))
	}
	tool := d.tool
	if tool == "" {
		tool = "apply"
	}
	command := exec.CommandContext(t.Context(), "sh", "-ec", render+" | kubemint rules --for "+tool+" -")
	command.Dir = dir
	command.Env = []string{"PATH=" + os.Getenv("PATH") + ":" + d.path(), "HOME=" + dir}
	printed, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	return ruleLines(string(printed))
}
