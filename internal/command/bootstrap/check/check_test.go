package check

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rules/syntax"
)

// cluster answers reviews about one runner.
type cluster struct {
	t        *testing.T
	lists    map[string]string // rules by namespace; what it lists it allows
	unlisted []string          // rights of another authorizer, as "get secrets in shop"
	hides    bool              // that authorizer is there
	unbound  string            // a role of a binding is not there
	anything bool              // a member of system:masters, without a binding

	mu    sync.Mutex
	asked []string
}

func (c *cluster) Create(_ context.Context, o kube.Object) error {
	switch asked := o.(type) {
	case *authorizationv1.SelfSubjectRulesReview:
		asked.Status.Incomplete = c.hides
		asked.Status.EvaluationError = c.unbound
		for _, rule := range c.rulesIn(asked.Spec.Namespace) {
			asked.Status.ResourceRules = append(asked.Status.ResourceRules, authorizationv1.ResourceRule{
				Verbs: rule.Verbs, APIGroups: rule.APIGroups, Resources: rule.Resources,
				ResourceNames: rule.ResourceNames,
			})
		}
		return nil
	case *authorizationv1.SelfSubjectAccessReview:
		c.answerRight(asked)
		return nil
	}
	return errors.New("not a review")
}

func (c *cluster) rulesIn(namespace string) []rbacv1.PolicyRule {
	text := strings.Trim(c.lists["-"]+"\n"+c.lists[namespace], "\n")
	if text == "" {
		return nil
	}
	parsed, err := syntax.ParseRules(text)
	if err != nil {
		c.t.Fatal(err)
	}
	return parsed.Rules
}

func (c *cluster) answerRight(asked *authorizationv1.SelfSubjectAccessReview) {
	right := asked.Spec.ResourceAttributes
	where, namespace := " in "+right.Namespace, right.Namespace
	if namespace == "" {
		where, namespace = "", "-"
	}
	word := right.Verb + " " + strings.Trim(right.Resource+"/"+right.Subresource, "/") + where
	c.mu.Lock()
	c.asked = append(c.asked, word)
	c.mu.Unlock()
	asked.Status.Allowed = c.anything
	for _, rule := range c.rulesIn(namespace) {
		if rule.Verbs[0] == right.Verb && rule.Resources[0] == right.Resource {
			asked.Status.Allowed = true
			asked.Status.Reason = "RBAC: allowed by\nRoleBinding \"b\""
		}
	}
	for _, other := range c.unlisted {
		asked.Status.Allowed = asked.Status.Allowed || other == word
	}
}

// compareRights compares the runner with a configuration that needs `list pods` in shop and nothing
// in the cluster.
func compareRights(t *testing.T, c *cluster) (said string, code int) {
	t.Helper()
	c.t = t
	needed, err := syntax.ParseRules("list pods")
	if err != nil {
		t.Fatal(err)
	}
	places, err := comparePlaces(t.Context(), c, []*place{{}, {namespace: "shop", needed: needed.Rules}})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	log := console.New(&text)
	err = report(log, places, false)
	log.ReportError(err, func(string) {})
	return text.String(), problem.ExitCode(err)
}

const (
	limits = "note: not looked at: RBAC in other namespaces, admission policies, " +
		"and what a cloud lets the runner do outside of this API server\n"
	others = "note: an authorizer besides RBAC decides too, and cannot list what it allows: " +
		"only the rights that matter most were asked for, one by one\n"
	exact  = "the runner's rights are those that kubemint bootstrap prints, and no more\n"
	unsure = "the runner has the rights that kubemint bootstrap prints; no other was found, but " +
		"not all could be asked for: see the notes\n"
	tooMuch = "error: check rights: the runner may do more than this configuration needs:\n"
	wayBack = "hint: have an administrator apply what  kubemint bootstrap --subject KIND:NAME  " +
		"prints, and take the runner out of the bindings named above\n"
	unbound = "hint: where no binding is named, the runner may be a member of system:masters, " +
		"which no binding limits: give it another identity\n"
	addition = "hint: docs/rights.md lists the rights that are worth adding, and what for\n"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		of   *cluster
		want string
		code int
	}{
		"exactly": {&cluster{lists: map[string]string{
			"-": "create selfsubjectreviews.authentication.k8s.io; get,list,watch " +
				"clustertrustbundles.certificates.k8s.io",
			"shop": "list pods",
		}}, limits + exact, 0},
		"held everywhere": {
			&cluster{lists: map[string]string{"-": "list pods"}},
			limits + tooMuch +
				"    more, at cluster scope:\n      cluster  list  pods\n          RBAC: allowed by " +
				"RoleBinding \"b\"\n" + wayBack + addition, 5,
		},
		"more and less": {
			&cluster{lists: map[string]string{"shop": "delete pods"}},
			limits + strings.Replace(tooMuch, "needs:", "needs, and lacks some of what it needs:", 1) +
				"    more, in namespace shop:\n      delete  pods\n          RBAC: allowed by RoleBinding \"b\"\n" +
				"    missing, in namespace shop:\n      list  pods\n" + wayBack + addition +
				"hint: an administrator gives it what is missing:  kubemint bootstrap --subject KIND:NAME | " +
				"kubectl apply -f -\n", 5,
		},
		"system:masters, whose binding was deleted": {
			&cluster{anything: true},
			limits + tooMuch + "    more, at cluster scope:\n      cluster  *  *.*\n" + wayBack + unbound +
				addition, 5,
		},
		"a webhook that allows what is needed": {
			&cluster{hides: true, unlisted: []string{"list pods in shop"}}, others + limits + unsure, 0,
		},
		"a webhook that allows to read secrets by a watch": {
			&cluster{
				hides: true, unlisted: []string{"watch secrets in shop"},
				lists: map[string]string{"shop": "list pods"},
			},
			others + limits + tooMuch + "    more, in namespace shop:\n      watch  secrets\n" + wayBack +
				addition, 5,
		},
		"a binding whose role cannot be read": {
			&cluster{unbound: `clusterrole "x" not found`, lists: map[string]string{"shop": "list pods"}},
			"note: the API server could not resolve everything: clusterrole \"x\" not found\n" + limits +
				unsure, 0,
		},
		"a webhook that allows more": {
			&cluster{
				hides: true, unlisted: []string{"get secrets in shop", "impersonate users"},
				lists: map[string]string{"shop": "list pods"},
			},
			others + limits + tooMuch + "    more, at cluster scope:\n      cluster  impersonate  users\n" +
				"    more, in namespace shop:\n      get  secrets\n" + wayBack + unbound + addition, 5,
		},
		"a webhook that allows all": {
			&cluster{hides: true, anything: true},
			others + limits + tooMuch + "    more, at cluster scope:\n      cluster  *  *.*\n" + wayBack +
				unbound + addition, 5,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said, code := compareRights(t, tt.of)
			if diff := cmp.Diff(tt.want, said); diff != "" || code != tt.code {
				t.Errorf("exit code %d: %s", code, diff)
			}
		})
	}
}

// A rule that seems to grant something where it stands, and does not, is no right.
func TestCheck_WhatIsListedAndRefused(t *testing.T) {
	t.Parallel()
	c := &cluster{lists: map[string]string{"shop": "list pods; delete nodes"}}
	refusing := refuser{c}
	c.t = t
	needed, err := syntax.ParseRules("list pods")
	if err != nil {
		t.Fatal(err)
	}
	places, err := comparePlaces(
		t.Context(), refusing, []*place{{}, {namespace: "shop", needed: needed.Rules}},
	)
	if err != nil || len(places[1].more) > 0 {
		t.Errorf("%v, %v", places[1].more, err)
	}
}

// refuser lists rules, and allows nothing.
type refuser struct{ *cluster }

func (r refuser) Create(ctx context.Context, o kube.Object) error {
	if _, right := o.(*authorizationv1.SelfSubjectAccessReview); right {
		return nil
	}
	return r.cluster.Create(ctx, o)
}
