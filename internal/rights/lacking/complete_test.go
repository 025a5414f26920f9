package lacking_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/client/explain"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/owner"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rights"
	"github.com/kubemint/kubemint/internal/rights/lacking"
	"github.com/kubemint/kubemint/internal/rules"
	"github.com/kubemint/kubemint/internal/rules/syntax"
)

// What is printed to be pasted is the rules of a Role, and reads back as what it was.
func TestPasteRules_ReadBack(t *testing.T) {
	t.Parallel()
	want := parseRules(t, "get,list pods,secrets a:b,no,y\n* *.batch\nget,post /healthz")
	lines := explain.PasteRules(want)
	if got, err := syntax.ParseRules(strings.Join(lines, "\n")); err != nil || !rules.Equal(got.Rules, want) {
		t.Errorf("%q\n%v, %v", lines, got, err)
	}
	if len(lines) != len(want) {
		t.Errorf("%q is not a line each", lines)
	}
	for _, line := range lines {
		if !strings.HasPrefix(line, "- {apiGroups: [") && !strings.HasPrefix(line, "- {nonResourceURLs: [") {
			t.Error(line)
		}
	}
	if got := explain.PasteRules(nil); len(got) != 0 {
		t.Errorf("of nothing: %q", got)
	}
}

// newRunner is a runner's identity that has some rights in each namespace, and a run of it that
// declares pods in two.
func newRunner(
	t *testing.T, has map[string][]rbacv1.PolicyRule, code int,
) (*runner, func() (asked []string)) {
	t.Helper()
	var mu sync.Mutex
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review authorizationv1.SelfSubjectRulesReview
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			t.Error(err)
		}
		mu.Lock()
		asked = append(asked, r.URL.Path+" "+review.Spec.Namespace)
		mu.Unlock()
		for _, rule := range has[review.Spec.Namespace] {
			review.Status.ResourceRules = append(review.Status.ResourceRules, authorizationv1.ResourceRule{
				Verbs: rule.Verbs, APIGroups: rule.APIGroups, Resources: rule.Resources,
				ResourceNames: rule.ResourceNames,
			})
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(review)
	}))
	t.Cleanup(server.Close)
	client, err := client.New(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	declared := config.Access{
		ServiceAccount: types.NamespacedName{Namespace: "shop", Name: "ci"},
		Namespaces:     []string{"shop", "web"},
		Namespaced:     config.Grants{Rules: parseRules(t, "get pods")},
	}
	needed := rights.LeastRights(
		access.Desire(declared, owner.Marks{}), config.Token{Lifetime: config.Lifetime{Duration: 1}},
		config.Expect{}, false,
	)
	return &runner{client, needed}, func() []string { mu.Lock(); defer mu.Unlock(); return asked }
}

// runner is an identity, and what a first run takes of it.
type runner struct {
	client *client.Client
	needs  []rights.Need
}

func (r *runner) refused(ctx context.Context, err error) error {
	return lacking.CompleteRefusal(ctx, r.client, r.needs, err)
}

func refused(namespace, verb, resource string) error {
	return problem.New(problem.Rights, "read Role "+namespace+"/x", &explain.Denial{
		User: "jane", Verb: verb, Resource: resource, Group: "rbac.authorization.k8s.io",
		Namespace: namespace,
	}).
		Hint("give the runner's identity this rule:  {…}").Hint(
		"or see whether namespace %s exists", namespace,
	)
}

const (
	allOfIt = "hint: give the runner's identity all that it lacks for a first run (the API server " +
		"names one right at a time):"
	more = "hint: for a first run of this configuration it also lacks (the API server names one " +
		"right at a time):"
	give    = "hint: give the runner's identity this rule:  {…}\n"
	byAdmin = "hint: an administrator can give it all that this configuration takes:  kubemint " +
		"bootstrap --subject user:jane | kubectl apply -f -\n"
)

// One refusal in each of two namespaces is one error, and other missing rights are still listed
// below it.
func TestCompleteRefusal_NextRefusals(t *testing.T) {
	t.Parallel()
	m, asked := newRunner(t, map[string][]rbacv1.PolicyRule{
		"shop": parseRules(t, "get pods\nget,create serviceaccounts\ncreate serviceaccounts/token"),
		"web":  parseRules(t, "get pods\nget,create,patch rolebindings"),
	}, http.StatusCreated)
	err := m.refused(
		t.Context(), errors.Join(refused("shop", "get", "roles"), refused("web", "get", "roles")),
	)
	text, _ := reported(err)
	const name = `], verbs: [get, create, patch], resourceNames: ["kubemint:shop:ci"]}` + "\n"
	const role = `    - {apiGroups: ["rbac.authorization.k8s.io"], resources: [`
	const lease = `    - {apiGroups: ["coordination.k8s.io"], resources: ["leases"], `
	const lock = lease + "verbs: [list]}\n" + lease +
		`verbs: [get, create, patch], resourceNames: ["kubemint-ci"]}` + "\n"
	want := `error: read Role shop/x: user "jane" may not get roles.rbac.authorization.k8s.io in namespace shop` + "\n" +
		"    and the same in 1 more namespace: web\nhint: or see whether namespace shop exists\n" +
		byAdmin + allOfIt +
		"\n  in namespace shop:\n" + lock + role + `"rolebindings", "roles"` + name +
		"  in namespace web:\n" + role + `"roles"` + name
	if diff := cmp.Diff(want, text); diff != "" {
		t.Error(diff)
	}
	const path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews "
	if got := asked(); len(got) != 2 || got[0] == got[1] || !strings.HasPrefix(got[0], path) {
		t.Errorf("asked %q", got)
	}
	if problem.ExitCode(err) != int(problem.Rights) {
		t.Errorf("exit code %d", problem.ExitCode(err))
	}
}

func TestRefusedLeavesOtherErrorsAlone(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tt := range map[string]struct {
		ctx  context.Context
		err  error
		code int
		want string
	}{
		"none": {t.Context(), nil, http.StatusCreated, ""},
		"no refusal": {
			t.Context(), problem.Newf(problem.Mint, "a", "b"), http.StatusCreated, "error: a: b\n",
		},
		"the time is over":     {ended, refused("shop", "get", "roles"), http.StatusCreated, "error: read Role shop/x: user \"jane\" may not get roles.rbac.authorization.k8s.io in namespace shop\n" + give + "hint: or see whether namespace shop exists\n"},
		"nothing can be asked": {t.Context(), refused("shop", "get", "roles"), http.StatusForbidden, "error: read Role shop/x: user \"jane\" may not get roles.rbac.authorization.k8s.io in namespace shop\n" + give + "hint: or see whether namespace shop exists\n" + byAdmin},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, _ := newRunner(t, nil, tt.code)
			text, _ := reported(m.refused(tt.ctx, tt.err))
			if diff := cmp.Diff(tt.want, text); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Where one right is refused, its rule is not repeated below what else is missing.
func TestCompleteRefusal_ShowsEachRuleOnce(t *testing.T) {
	t.Parallel()
	m, _ := newRunner(t, map[string][]rbacv1.PolicyRule{
		"shop": parseRules(t, "* *\n* leases\nget,create,patch rolebindings"), "web": parseRules(t, "* *.*"),
	}, http.StatusCreated)
	text, _ := reported(m.refused(t.Context(), refused("shop", "get", "roles")))
	want := `error: read Role shop/x: user "jane" may not get roles.rbac.authorization.k8s.io in namespace shop` + "\n" +
		give + "hint: or see whether namespace shop exists\n" + byAdmin + more + "\n  in namespace shop:\n" +
		`    - {apiGroups: ["rbac.authorization.k8s.io"], resources: ["roles"], verbs: [create, patch], resourceNames: ["kubemint:shop:ci"]}` + "\n"
	if diff := cmp.Diff(want, text); diff != "" {
		t.Error(diff)
	}
	if hints := strings.Count(text, "\n") - 1; hints > 6 {
		t.Errorf("%d lines of hints for one right", hints)
	}
}

// The account of a single run has another name in the next: a rule with that name would not help it. Any other
// account is named, whatever its name looks like.
func TestCompleteRefusal_AccountOfASingleRun(t *testing.T) {
	t.Parallel()
	for ephemeral, want := range map[bool]string{
		true:  `{apiGroups: [""], resources: ["serviceaccounts/token"], verbs: [create]}`,
		false: `{apiGroups: [""], resources: ["serviceaccounts/token"], verbs: [create], resourceNames: ["shop-production"]}`,
	} {
		m, _ := newRunner(t, map[string][]rbacv1.PolicyRule{"shop": parseRules(t, "get pods")}, http.StatusCreated)
		m.needs = rights.LeastRights(access.Desire(config.Access{
			ServiceAccount: types.NamespacedName{Namespace: "shop", Name: "shop"}, Provisioning: config.Provisioning{Ephemeral: ephemeral},
		}, owner.Marks{}), config.Token{Lifetime: config.Lifetime{Duration: 1}}, config.Expect{}, false)
		denied := &explain.Denial{
			User: "jane", Verb: "create", Resource: "serviceaccounts/token", Namespace: "shop", Name: "shop-production",
		}
		err := problem.New(problem.Rights, "mint token", denied, explain.AdviseRule(denied))
		text, _ := reported(m.refused(t.Context(), err))
		if !strings.Contains(text, "give the runner's identity this rule:  "+want+"\n") {
			t.Errorf("ephemeral %t: %s", ephemeral, text)
		}
		if repeated := strings.Count(text, `"serviceaccounts/token"`) > 1; ephemeral && repeated {
			t.Errorf("the rule is there twice: %s", text)
		}
	}
}

// Where the refusal is all that is missing, nothing more is listed.
func TestCompleteRefusal_NoRepetition(t *testing.T) {
	t.Parallel()
	all, butRoles := parseRules(t, "* *.*"), parseRules(
		t, "* *\n* leases\nget,create,patch rolebindings\nget roles",
	)
	for name, shop := range map[string][]rbacv1.PolicyRule{"granted meanwhile": all, "one of two": butRoles} {
		m, _ := newRunner(t, map[string][]rbacv1.PolicyRule{"shop": shop, "web": all}, http.StatusCreated)
		text, _ := reported(m.refused(t.Context(), refused("shop", "patch", "roles")))
		if strings.Contains(text, "one right at a time") || !strings.HasSuffix(text, byAdmin) {
			t.Errorf("%s: %s", name, text)
		}
	}
}

// Rights that bootstrap does not print are not blamed on bootstrap. A runner that may not bind a
// role learns all that is missing.
func TestCompleteRefusal_Remedy(t *testing.T) {
	t.Parallel()
	m, _ := newRunner(
		t, map[string][]rbacv1.PolicyRule{"shop": parseRules(t, "* *.*"), "web": parseRules(t, "* *.*")},
		http.StatusCreated,
	)
	text, _ := reported(m.refused(t.Context(), refused("shop", "delete", "roles")))
	if strings.Contains(text, "bootstrap --subject") ||
		!strings.Contains(text, "hint: or have an administrator run kubemint with these inputs once") {
		t.Error(text)
	}
	m, _ = newRunner(t, map[string][]rbacv1.PolicyRule{
		"shop": parseRules(t, "* *.rbac.authorization.k8s.io"), "web": parseRules(t, "* *.*"),
	}, http.StatusCreated)
	escalated := problem.New(
		problem.Rights, "apply Role shop/x",
		&explain.Escalated{User: "jane", Rules: parseRules(t, "get pods")},
	)
	text, _ = reported(m.refused(t.Context(), escalated))
	if !strings.Contains(text, more) ||
		!strings.Contains(text, `resources: ["serviceaccounts/token"]`) || !strings.Contains(text, byAdmin) {
		t.Error(text)
	}
}

// reported returns what the log says of a failure.
func reported(err error) (lines string, beside []string) {
	var written bytes.Buffer
	console.New(&written).ReportError(err, func(message string) { beside = append(beside, message) })
	return written.String(), beside
}

func parseRules(t *testing.T, shorthand string) []rbacv1.PolicyRule {
	t.Helper()
	parsed, err := syntax.ParseRules(shorthand)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Rules
}
