//go:build unix

package command

import (
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/internal/command/child"
	"github.com/kubemint/kubemint/internal/command/session"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/learn"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rules"
	"github.com/kubemint/kubemint/test/kubetest"
)

// A command that asks nothing through the proxy probably reads another kubeconfig: no rules are
// printed, which would look as if it needed none.
func TestLearn_CommandThatSendsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if code := w.run(t, "learn -- true"); code != 0 || w.stdout.String() != "" {
		t.Errorf("exit code %d, printed %q\n%s", code, w.stdout, w.stderr)
	}
	w.wantLog(t, "the command sent no request through kubemint: does it read KUBECONFIG?")
	w.noTrace(t)
}

// The exit code is the command's, and its kubeconfig leads to the proxy, never to the API server.
func TestLearn_CommandSeesTheProxyAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	code := w.runArgs(t, []string{"learn", "--", "sh", "-c", `cat "$KUBECONFIG"; exit 4`})
	if code != 4 || !strings.Contains(w.stdout.String(), "server: https://127.0.0.1:") {
		t.Errorf("exit code %d, printed %q\n%s", code, w.stdout, w.stderr)
	}
	if strings.Contains(w.stdout.String(), w.URL) || strings.Contains(w.stdout.String(), "runner-token") {
		t.Error("the command has the runner's own credential")
	}
	w.noTrace(t)
}

// With --declared the command runs with the minted credential, and what it did not use is printed.
func TestLearn_Declared(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if code := w.run(t, "learn --declared -- true"); code != 0 || !strings.Contains(w.stdout.String(), "pods") {
		t.Errorf("exit code %d, printed %q\n%s", code, w.stdout, w.stderr)
	}
	if w.credentials() != nil {
		t.Errorf("left %q", w.credentials())
	}
}

// A command that was not run has used nothing: that is no comparison.
func TestLearn_DeclaredThatCannotBeMinted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Forbid("^apply roles")
	if code := w.run(t, "learn --declared -- echo ran"); code != child.ExitOurs || w.stdout.String() != "" {
		t.Errorf("exit code %d, printed %q", code, w.stdout)
	}
	w.wantLog(t, "kubemint learn failed (code 4)")
}

// The rules may be incomplete, for each reason by itself.
func TestLearning_WarnsOfWhatIsMissing(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		count learn.Counts
		says  string
	}{
		"all is well":   {learn.Counts{Answered: 1}, ""},
		"no request":    {learn.Counts{}, "the command sent no request"},
		"no answer":     {learn.Counts{Unanswered: 2}, "the API server did not answer 2 requests"},
		"too many kept": {learn.Counts{Answered: 1, Lost: 3}, "3 are left out of the rules"},
	} {
		said := &kubetest.Lines{}
		(&learning{}).warn(session.New(session.Process{Streams: session.Streams{Stdout: said, Stderr: said}}), tt.count)
		if (tt.says == "") != (said.String() == "") || !strings.Contains(said.String(), tt.says) {
			t.Errorf("%s: %s", name, said)
		}
	}
}

// --check reads the rules of the declared roles on the cluster; one that does not exist grants
// nothing.
func TestRules_CheckOfARole(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		role string
		want problem.Code
	}{
		"the role has it":    {"deployer", 0},
		"the role lacks it":  {"viewer", problem.Mint},
		"there is no role":   {"deploier", problem.Rights},
		"the role is hidden": {"hidden", problem.Rights},
	} {
		w := newWorld(t)
		w.write(t, "checkout/manifest.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: shop}\n")
		for role, verbs := range map[string]string{"deployer": "*", "viewer": "list", "hidden": "*"} {
			w.Put(&rbacv1.ClusterRole{
				TypeMeta: kube.TypeMeta("ClusterRole"), ObjectMeta: metav1.ObjectMeta{Name: role},
				Rules: []rbacv1.PolicyRule{rules.NewRule("", "configmaps", "", verbs)},
			})
		}
		w.Forbid("^get clusterroles hidden")
		if code := w.run(t, "rules --check manifest.yaml", "KUBEMINT_RULES=", "KUBEMINT_ROLE="+tt.role); code != int(tt.want) {
			t.Errorf("%s: exit code %d\n%s", name, code, w.stderr)
		}
		if len(w.Writes()) > 0 {
			t.Errorf("%s: sent %q", name, w.Writes())
		}
	}
}
