package proof_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kubemint/kubemint/internal/client/review"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/proof"
	"github.com/kubemint/kubemint/internal/rules"
	"github.com/kubemint/kubemint/internal/rules/syntax"
)

// authorizer answers a rules review by what it lists, which may change with time, and an access review by what it allows.
type authorizer struct {
	t          *testing.T
	start      time.Time
	lists      func(after time.Duration) string // shorthand
	evaluation func(after time.Duration) string
	incomplete bool
	allows     func(asked string, after time.Duration) (reason string, err error) // "" is a refusal

	mu      sync.Mutex
	reviews int
	asked   []string // each access review, as it was sent
}

func (a *authorizer) Create(ctx context.Context, o kube.Object) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.start.IsZero() {
		a.start = time.Now()
	}
	after := time.Since(a.start)
	switch review := o.(type) {
	case *authorizationv1.SelfSubjectRulesReview:
		a.reviews++
		review.Status.Incomplete = a.incomplete
		if a.evaluation != nil {
			review.Status.EvaluationError = a.evaluation(after)
		}
		if a.lists == nil {
			return nil
		}
		for _, rule := range parse(a.t, a.lists(after)) {
			if len(rule.NonResourceURLs) > 0 {
				review.Status.NonResourceRules = append(review.Status.NonResourceRules, authorizationv1.NonResourceRule{Verbs: rule.Verbs, NonResourceURLs: rule.NonResourceURLs})
				continue
			}
			review.Status.ResourceRules = append(review.Status.ResourceRules, authorizationv1.ResourceRule{
				Verbs: rule.Verbs, APIGroups: rule.APIGroups, Resources: rule.Resources, ResourceNames: rule.ResourceNames,
			})
		}
	case *authorizationv1.SelfSubjectAccessReview:
		if got := review.GroupVersionKind().String(); got != "authorization.k8s.io/v1, Kind=SelfSubjectAccessReview" {
			a.t.Errorf("it is a %s", got)
		}
		asked := sent(review.Spec)
		a.asked = append(a.asked, asked)
		if a.allows == nil {
			return nil
		}
		reason, err := a.allows(asked, after)
		review.Status = authorizationv1.SubjectAccessReviewStatus{Allowed: reason != "", Reason: reason}
		return err
	default:
		a.t.Errorf("asked for a %T", o)
	}
	return nil
}

// sent returns what an access review asks: namespace, verb, group, resource, subresource and name, or verb and path.
func sent(spec authorizationv1.SelfSubjectAccessReviewSpec) string {
	switch r, u := spec.ResourceAttributes, spec.NonResourceAttributes; {
	case u != nil && r == nil:
		return u.Verb + " path " + u.Path
	case r != nil && u == nil && *r == (authorizationv1.ResourceAttributes{Namespace: r.Namespace, Verb: r.Verb, Group: r.Group, Resource: r.Resource, Subresource: r.Subresource, Name: r.Name}):
		return fmt.Sprintf("%q: %s group %q resource %q subresource %q name %q", r.Namespace, r.Verb, r.Group, r.Resource, r.Subresource, r.Name)
	}
	return fmt.Sprintf("more than is to be asked: %v", spec)
}

func parse(t *testing.T, shorthand string) []rbacv1.PolicyRule {
	t.Helper()
	if shorthand == "" {
		return nil
	}
	parsed, err := syntax.ParseRules(shorthand)
	if err != nil {
		t.Error(err)
	}
	return parsed.Rules
}

func always(text string) func(time.Duration) string {
	return func(time.Duration) string { return text }
}

// until says one thing before a moment, and another from it on.
func until(moment time.Duration, before, then string) func(time.Duration) string {
	return func(after time.Duration) string {
		if after < moment {
			return before
		}
		return then
	}
}

// What another authorizer decides, and RBAC does not list, is asked for one by one: that and nothing else.
func TestReview_Incomplete(t *testing.T) {
	t.Parallel()
	const declared = "get,list pods\nget,update secrets b,a\npatch deployments.apps/scale\n* *.batch\nget *.*"
	const more = "\nget /healthz,/metrics"
	for name, tt := range map[string]struct {
		namespace, rules string
		want             []string
	}{
		"in a namespace": {"shop", declared, []string{
			`"shop": list group "" resource "pods" subresource "" name ""`,
			`"shop": update group "" resource "secrets" subresource "" name "a"`,
			`"shop": update group "" resource "secrets" subresource "" name "b"`,
			`"shop": get group "*" resource "*" subresource "" name ""`,
			`"shop": patch group "apps" resource "deployments" subresource "scale" name ""`,
			`"shop": * group "batch" resource "*" subresource "" name ""`,
		}},
		"cluster-wide": {review.EveryNamespace, declared + more, []string{
			`"": list group "" resource "pods" subresource "" name ""`,
			`"": update group "" resource "secrets" subresource "" name "a"`,
			`"": update group "" resource "secrets" subresource "" name "b"`,
			`"": get group "*" resource "*" subresource "" name ""`,
			`"": patch group "apps" resource "deployments" subresource "scale" name ""`,
			`"": * group "batch" resource "*" subresource "" name ""`,
			"get path /metrics",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := &authorizer{
				t: t, incomplete: true, lists: always("get pods\nget secrets\nget /healthz"),
				allows: func(string, time.Duration) (string, error) { return "by a webhook", nil },
			}
			if err := proof.Prove(t.Context(), a, proof.Claim{Namespace: tt.namespace, Rules: parse(t, tt.rules)}); err != nil {
				t.Error(err)
			}
			slices.Sort(a.asked)
			slices.Sort(tt.want)
			if diff := cmp.Diff(tt.want, a.asked); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Nothing is asked where RBAC has all of it, nor where RBAC alone decides.
func TestReview_NoNeedlessQuestion(t *testing.T) {
	t.Parallel()
	all := &authorizer{t: t, incomplete: true, lists: always("* *.*")}
	if lacks, err := review.FindLacking(t.Context(), all, "shop", parse(t, "get pods")); err != nil || lacks != nil || len(all.asked) > 0 {
		t.Errorf("lacks %v, %v; asked %q", lacks, err, all.asked)
	}
	alone := &authorizer{t: t, lists: always("get pods")}
	lacks, err := review.FindLacking(t.Context(), alone, "shop", parse(t, "get,list pods"))
	if diff := cmp.Diff([]string{"list  pods"}, rules.Format(lacks)); diff != "" || err != nil || len(alone.asked) > 0 {
		t.Errorf("%v; asked %q\n%s", err, alone.asked, diff)
	}
}

func TestLacks_NoAuthorizerAllows(t *testing.T) {
	t.Parallel()
	a := &authorizer{
		t: t, incomplete: true, lists: always("get pods"),
		allows: func(asked string, _ time.Duration) (string, error) {
			if strings.Contains(asked, ": create ") || strings.Contains(asked, `name "a"`) {
				return "by a webhook", nil
			}
			return "", nil
		},
	}
	lacks, err := review.FindLacking(t.Context(), a, "shop", parse(t, "get,create,patch pods\nget secrets a,b"))
	if diff := cmp.Diff([]string{"patch  pods", "get    secrets  b"}, rules.Format(lacks)); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

// A right that another authorizer grants late is waited for as one of RBAC is, and one that never comes is named.
func TestProveWaitsForAnotherAuthorizer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		late := func(asked string, after time.Duration) (string, error) {
			if after < 6*time.Millisecond || strings.Contains(asked, "secrets") {
				return "", nil
			}
			return "by a webhook", nil
		}
		a := &authorizer{t: t, incomplete: true, allows: late}
		claim := proof.Claim{Namespace: "shop", Rules: parse(t, "get pods")}
		if err := proof.Prove(t.Context(), a, claim); err != nil || a.reviews != 3 || len(a.asked) != 3 {
			t.Errorf("%v, after %d reviews and %q", err, a.reviews, a.asked)
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		a = &authorizer{t: t, incomplete: true, allows: late}
		claim.Rules = parse(t, "get pods,secrets")
		text := failure(t, proof.Prove(ctx, a, claim))
		if !strings.HasPrefix(text, "prove access: these rules are not in effect in namespace shop (context deadline exceeded):\n    get  secrets\n") {
			t.Error(text)
		}
	})
}

// Asks for each verb that must_not forbids: an authorizer that allows them one by one need not know *.
func TestMustNot_EachVerb(t *testing.T) {
	t.Parallel()
	const (
		verbs   = "get list watch create update patch delete deletecollection bind escalate impersonate approve sign attest use proxy"
		methods = "get post put patch delete head options"
	)
	a := &authorizer{t: t, incomplete: true}
	if err := proof.Prove(t.Context(), a, proof.Claim{Namespace: review.EveryNamespace, MustNot: parse(t, "* secrets a\n* /metrics\nget pods")}); err != nil {
		t.Error(err)
	}
	want := []string{`"": get group "" resource "pods" subresource "" name ""`}
	for verb := range strings.FieldsSeq(verbs) {
		want = append(want, fmt.Sprintf(`"": %s group "" resource "secrets" subresource "" name "a"`, verb))
	}
	for method := range strings.FieldsSeq(methods) {
		want = append(want, method+" path /metrics")
	}
	slices.Sort(want)
	slices.Sort(a.asked)
	if diff := cmp.Diff(want, a.asked); diff != "" {
		t.Error(diff)
	}
}

// Looks again for a second for access that must_not forbids, in case it has just been taken away. An error names the binding
// that still grants it.
func TestMustNot(t *testing.T) {
	t.Parallel()
	const (
		web  = `RBAC: allowed by RoleBinding "web/shop" of Role "web" to ServiceAccount "ci/bots"`
		all  = `RBAC: allowed by ClusterRoleBinding "all" of ClusterRole "edit" to Group "system:serviceaccounts"`
		hint = "\ntake the rule out of the role that grants it, or the subject out of the binding; " +
			"what a ServiceAccount was given beyond what is declared, another `service_account` does not have"
	)
	why := func(asked string, _ time.Duration) (string, error) {
		if strings.Contains(asked, "secrets") {
			return all, nil
		}
		return web, nil
	}
	for name, tt := range map[string]struct {
		namespace  string
		incomplete bool
		lists      func(time.Duration) string
		allows     func(string, time.Duration) (string, error)
		must, not  string
		want       string // "" is a pass
		asked      int
	}{
		"nothing of it":                     {"shop", false, always("get pods"), why, "", "delete pods", "", 0},
		"of it, and gone a moment later":    {"shop", false, until(999*time.Millisecond, "* *", "get pods"), why, "", "delete pods", "", 0},
		"gone before the declared is there": {"shop", false, until(time.Minute, "delete pods", "get pods"), why, "get pods", "delete pods", "", 0},
		"to another authorizer, and gone": {"shop", true, nil, func(_ string, after time.Duration) (string, error) {
			return until(500*time.Millisecond, "yes", "")(after), nil
		}, "", "delete pods", "", 9},
		"another object":                     {"shop", false, always("get secrets a"), why, "", "get secrets b", "", 0},
		"of it, and it stays: each a reason": {"shop", false, always("get,delete pods\nget secrets a\nlist configmaps"), why, "", "* pods,secrets\nget configmaps", "prove must_not: in namespace shop the credential may do what must_not forbids:\n    get,delete  pods\n        " + web + "\n    get  secrets  a\n        " + all + hint, 3},
		"cluster-wide":                       {review.EveryNamespace, false, always("* *.*"), why, "get nodes", "* secrets", "prove must_not: cluster-wide the credential may do what must_not forbids:\n    *  secrets\n        " + all + hint, 1},
		"to another authorizer alone": {"shop", true, always("get pods"), func(asked string, _ time.Duration) (string, error) {
			if strings.Contains(asked, ": delete ") {
				return "by a webhook", nil
			}
			return "", nil
		}, "", "* secrets", "prove must_not: in namespace shop the credential may do what must_not forbids:\n    delete  secrets\n        by a webhook" + hint, 16*10 + 1},
		"to both": {"shop", true, always("delete pods"), why, "", "delete pods", "prove must_not: in namespace shop the credential may do what must_not forbids:\n    delete  pods\n        " + web + hint, 10 + 1},
		// To a review of all, an authorizer need not say no to one.
		"to RBAC, in other words than asked": {"shop", true, always("get pods"), func(asked string, _ time.Duration) (string, error) {
			if strings.Contains(asked, "pods") {
				return web, nil
			}
			return "", nil
		}, "", "get *.*", "prove must_not: in namespace shop the credential may do what must_not forbids:\n    get  pods\n        " + web + hint, 10 + 1},
		"without a reason":     {"shop", false, always("delete pods"), nil, "", "delete pods", "prove must_not: in namespace shop the credential may do what must_not forbids:\n    delete  pods" + hint, 1},
		"declared, and it may": {"shop", false, always("delete pods"), why, "delete pods", "delete pods", "prove must_not: in namespace shop the credential may do what must_not forbids:\n    delete  pods\n        " + web + hint, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a, start := &authorizer{t: t, incomplete: tt.incomplete, lists: tt.lists, allows: tt.allows}, time.Now()
				err := proof.Prove(t.Context(), a, proof.Claim{Namespace: tt.namespace, Rules: parse(t, tt.must), MustNot: parse(t, tt.not)})
				got := ""
				if err != nil {
					got = failure(t, err)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Error(diff)
				}
				if took := time.Since(start); tt.want != "" && (took < time.Second || took > 2*time.Second) {
					t.Errorf("that is said after %s", took)
				}
				if len(a.asked) != tt.asked {
					t.Errorf("asked %d times: %q", len(a.asked), a.asked)
				}
			})
		})
	}
}

// Whether a role exists that the runner's identity may not read is for the API server to say, a moment later.
func TestProve_UnreadableRole(t *testing.T) {
	t.Parallel()
	const (
		missing = "clusterroles.rbac.authorization.k8s.io \"edti\" \n not found"
		says    = "bind role edti: no such role: the API server says: clusterroles.rbac.authorization.k8s.io \"edti\" not found\n" +
			"see whether `role` is spelt right; a bare name is a ClusterRole, `role/edti` a Role of the namespace"
	)
	for name, tt := range map[string]struct {
		claim      proof.Claim
		evaluation func(time.Duration) string
		want       string
		least      time.Duration
	}{
		"of old, and there":             {proof.Claim{Unread: []string{"edti"}}, always(""), "", 0},
		"of old, and missing":           {proof.Claim{Unread: []string{"edti"}}, always(missing), says, 0},
		"another role is missing":       {proof.Claim{Unread: []string{"edt", "dti", "edit"}}, always(missing), "", 0},
		"of this run, and there":        {proof.Claim{Unread: []string{"edti"}, Fresh: true}, always(""), "", time.Second},
		"of this run, and missing":      {proof.Claim{Unread: []string{"x", "edti"}, Fresh: true}, until(300*time.Millisecond, "", missing), says, 300 * time.Millisecond},
		"missing, and rules not there":  {proof.Claim{Unread: []string{"edti"}, Rules: []rbacv1.PolicyRule{getPods}}, until(time.Minute, "", missing), says, time.Minute},
		"missing, and none is declared": {proof.Claim{}, always(missing), "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tt.claim.Namespace = "shop"
				start := time.Now()
				err := proof.Prove(t.Context(), &authorizer{t: t, evaluation: tt.evaluation}, tt.claim)
				got := ""
				if p, ok := errors.AsType[*problem.Error](err); ok {
					got = strings.Join(append([]string{p.Error()}, p.Hints...), "\n")
				}
				if diff := cmp.Diff(tt.want, got); diff != "" || err != nil && problem.ExitCode(err) != int(problem.Rights) {
					t.Errorf("%v\n%s", err, diff)
				}
				if took := time.Since(start); took < tt.least || took > tt.least+time.Second {
					t.Errorf("that is known after %s", took)
				}
			})
		})
	}
}

// One question that fails is a failure, and never a no.
func TestReview_FailingAccessReview(t *testing.T) {
	t.Parallel()
	fails := func(asked string, _ time.Duration) (string, error) {
		if strings.Contains(asked, ": watch ") {
			return "", forbidden
		}
		return "by a webhook", nil
	}
	unlisted := &authorizer{t: t, incomplete: true, allows: fails}
	if _, err := review.FindLacking(t.Context(), unlisted, "shop", parse(t, "get,list,watch pods")); !apierrors.IsForbidden(err) {
		t.Errorf("lacks: %v", err)
	}
	for name, claim := range map[string]proof.Claim{
		"declared": {Namespace: "shop", Rules: parse(t, "get,list,watch pods")},
		"must not": {Namespace: "shop", MustNot: parse(t, "* pods")},
	} {
		if err := proof.Prove(t.Context(), unlisted, claim); !apierrors.IsForbidden(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	synctest.Test(t, func(t *testing.T) { // when asked why
		listed := &authorizer{t: t, lists: always("get,watch pods"), allows: fails}
		if err := proof.Prove(t.Context(), listed, proof.Claim{Namespace: "shop", MustNot: parse(t, "* pods")}); !apierrors.IsForbidden(err) || len(listed.asked) != 2 {
			t.Errorf("why: %v; asked %q", err, listed.asked)
		}
	})
}

func TestReview_BoundedParallelQuestions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		running, most := 0, 0
		api := create(func(_ context.Context, o kube.Object) error {
			review, ok := o.(*authorizationv1.SelfSubjectRulesReview)
			if ok {
				review.Status.Incomplete = true
				return nil
			}
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			time.Sleep(time.Millisecond)
			mu.Lock()
			running--
			mu.Unlock()
			return nil
		})
		lacks, err := review.FindLacking(t.Context(), api, "shop", parse(t, "get,list,watch,create,update,patch,delete pods,secrets,services,configmaps,endpoints"))
		if err != nil || len(lacks) == 0 || most != 16 {
			t.Errorf("%v, %v; %d at once", lacks, err, most)
		}
	})
}

type create func(ctx context.Context, o kube.Object) error

func (f create) Create(ctx context.Context, o kube.Object) error { return f(ctx, o) }

// Where all is in effect and only the settling is left, a context that ends leaves it unproven, and nothing is called missing.
func TestProve_EndsWhileSettling(t *testing.T) {
	t.Parallel()
	const want = "prove access: too early to say what is in effect in namespace shop: "
	for name, claim := range map[string]proof.Claim{
		"an unread role":          {Namespace: "shop", Unread: []string{"edit"}, Fresh: true},
		"what may be gone by now": {Namespace: "shop", MustNot: []rbacv1.PolicyRule{getPods}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := &authorizer{t: t, lists: always("get pods")}
				ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
				defer cancel()
				err := proof.Prove(ctx, a, claim)
				if got := failure(t, err); got != want+"context deadline exceeded\nraise `timeout`" || !errors.Is(err, context.DeadlineExceeded) {
					t.Error(got)
				}

				interrupted, stop := context.WithCancelCause(t.Context())
				time.AfterFunc(200*time.Millisecond, func() { stop(problem.Interrupted{Signal: syscall.SIGINT, Number: 2}) })
				err = proof.Prove(interrupted, a, claim)
				if got := failure(t, err); !strings.HasPrefix(got, want+"interrupted by interrupt\n") || problem.ExitCode(err) != 130 {
					t.Errorf("exit code %d: %s", problem.ExitCode(err), got)
				}
			})
		})
	}
}
