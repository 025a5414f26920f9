package proof_test

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/client/review"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/proof"
)

var (
	account      = types.NamespacedName{Namespace: "bots", Name: "ci"}
	unauthorized = apierrors.NewUnauthorized("Unauthorized")
	forbidden    = apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "x", errors.New("no"))
	getPods      = rbacv1.PolicyRule{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"pods"}}
	useSecret    = rbacv1.PolicyRule{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{"a"}}
	getHealthz   = rbacv1.PolicyRule{Verbs: []string{"get"}, NonResourceURLs: []string{"/healthz"}}
)

// reviewer answers each review by the next line of its script; the last line counts for all that follow.
type reviewer struct {
	script []any // an error, a user's name, or rules
	note   string
	asked  []string // kind and namespace of each review
}

func (r *reviewer) Create(ctx context.Context, o kube.Object) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	answer := r.script[min(len(r.asked), len(r.script)-1)]
	version, kind := o.GetObjectKind().GroupVersionKind().ToAPIVersionAndKind()
	r.asked = append(r.asked, version+" "+kind)
	if review, ok := o.(*authorizationv1.SelfSubjectRulesReview); ok {
		r.asked[len(r.asked)-1] += " in " + review.Spec.Namespace
	}
	if err, failed := answer.(error); failed {
		return err
	}
	switch review := o.(type) {
	case *authenticationv1.SelfSubjectReview:
		review.Status.UserInfo.Username = answer.(string)
	case *authorizationv1.SelfSubjectRulesReview:
		review.Status.EvaluationError = r.note
		for _, rule := range answer.([]rbacv1.PolicyRule) {
			if len(rule.NonResourceURLs) > 0 {
				review.Status.NonResourceRules = append(review.Status.NonResourceRules, authorizationv1.NonResourceRule{Verbs: rule.Verbs, NonResourceURLs: rule.NonResourceURLs})
				continue
			}
			review.Status.ResourceRules = append(review.Status.ResourceRules, authorizationv1.ResourceRule{
				Verbs: rule.Verbs, APIGroups: rule.APIGroups, Resources: rule.Resources, ResourceNames: rule.ResourceNames,
			})
		}
	}
	return nil
}

// failure is an error with its details and hints, a line each.
func failure(t *testing.T, err error) string {
	t.Helper()
	var p *problem.Error
	if !errors.As(err, &p) || p.Code != problem.Mint {
		t.Fatalf("got %v, want an error of code %d", err, problem.Mint)
	}
	lines := []string{p.Error()}
	if len(p.Details) > 0 {
		lines = []string{p.Headline() + ":"}
	}
	for _, detail := range p.Details {
		lines = append(lines, "    "+detail)
	}
	return strings.Join(append(lines, p.Hints...), "\n")
}

const refusal = "prove token: the API server refuses the token that it has just issued (401 Unauthorized)"

func TestWhoAmI(t *testing.T) {
	t.Parallel()
	const me = "system:serviceaccount:bots:ci"
	for name, tt := range map[string]struct {
		script []any
		asked  int
	}{
		"at once":                       {[]any{me}, 1},
		"as soon as it is known":        {[]any{unauthorized, unauthorized, unauthorized, me}, 4},
		"a replica that lags for a bit": {append(times(15, unauthorized), me), 16},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				api := &reviewer{script: tt.script}
				if err := proof.WhoAmI(t.Context(), api, account); err != nil {
					t.Fatal(err)
				}
				if len(api.asked) != tt.asked || api.asked[0] != "authentication.k8s.io/v1 SelfSubjectReview" {
					t.Errorf("asked %d times: %q", len(api.asked), api.asked)
				}
			})
		})
	}
}

func times(n int, err error) (all []any) {
	for range n {
		all = append(all, err)
	}
	return all
}

func TestWhoAmIRefusesAnotherIdentity(t *testing.T) {
	t.Parallel()
	for _, user := range []string{"system:anonymous", "system:serviceaccount:bots:cd", "system:serviceaccount:other:ci", ""} {
		err := proof.WhoAmI(t.Context(), &reviewer{script: []any{user}}, account)
		want := `prove token: the API server takes it for "` + user + `", not for "system:serviceaccount:bots:ci"` +
			"\nsomething before the API server may log in as that user: give the API server's own address as `server`"
		if got := failure(t, err); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// A reviewer that keeps refusing is asked for some 5 s, less and less often, and then the 401 is explained.
func TestWhoAmI_Persistent401(t *testing.T) {
	t.Parallel()
	for name, prove := range map[string]func(ctx context.Context, api proof.Reviewer) error{
		"WhoAmI": func(ctx context.Context, api proof.Reviewer) error { return proof.WhoAmI(ctx, api, account) },
		"Prove": func(ctx context.Context, api proof.Reviewer) error {
			return proof.Prove(ctx, api, proof.Claim{Namespace: "shop"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				api, start := &reviewer{script: []any{unauthorized}}, time.Now()
				text := failure(t, prove(ctx, api))
				if took := time.Since(start); took < 5*time.Second || took > 6*time.Second {
					t.Errorf("gave up after %s", took)
				}
				if n := len(api.asked); n < 10 || n > 20 {
					t.Errorf("asked %d times", n)
				}
				if first, _, _ := strings.Cut(text, "\n"); first != refusal {
					t.Errorf("got %q", first)
				}
				for _, remedy := range []string{"audiences", "Rancher", "GKE's DNS endpoint", "GitLab's agent", "recreated"} {
					if !strings.Contains(text, remedy) {
						t.Errorf("it does not speak of %s:\n%s", remedy, text)
					}
				}
			})
		})
	}
}

// An interruption while waiting keeps its exit code.
func TestA401EndsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(problem.Interrupted{Signal: syscall.SIGTERM, Number: 15}) })
		start := time.Now()
		err := proof.WhoAmI(ctx, &reviewer{script: []any{unauthorized}}, account)
		if took := time.Since(start); took != time.Second {
			t.Errorf("ended after %s", took)
		}
		if problem.ExitCode(err) != 143 || !strings.HasPrefix(failure(t, err), refusal+": interrupted by terminated\n") {
			t.Errorf("exit code %d: %v", problem.ExitCode(err), err)
		}
	})
}

func TestWhoAmI_OtherErrors(t *testing.T) {
	t.Parallel()
	api := &reviewer{script: []any{forbidden}}
	if err := proof.WhoAmI(t.Context(), api, account); !apierrors.IsForbidden(err) {
		t.Error(err)
	}
	if err := proof.Prove(t.Context(), api, proof.Claim{Namespace: "shop"}); !apierrors.IsForbidden(err) {
		t.Error(err)
	}
	if len(api.asked) != 2 {
		t.Errorf("asked %q", api.asked)
	}
}

func TestProve(t *testing.T) {
	t.Parallel()
	claim := []rbacv1.PolicyRule{getPods, useSecret, getHealthz}
	none, part := []rbacv1.PolicyRule{}, []rbacv1.PolicyRule{getPods}
	for name, tt := range map[string]struct {
		claim  []rbacv1.PolicyRule
		script []any
		asked  int
		took   time.Duration
	}{
		"nothing to claim":                {nil, []any{none}, 1, 0},
		"at once":                         {claim, []any{claim}, 1, 0},
		"covered by more":                 {claim, []any{[]rbacv1.PolicyRule{{Verbs: []string{"*"}, APIGroups: []string{"*"}, Resources: []string{"*"}}, {Verbs: []string{"*"}, NonResourceURLs: []string{"*"}}}}, 1, 0},
		"after 2 ms":                      {claim, []any{none, claim}, 2, 2 * time.Millisecond},
		"piece by piece":                  {claim, []any{none, part, part, claim}, 4, 14 * time.Millisecond},
		"lost again, and there at last":   {claim, []any{part, none, claim}, 3, 6 * time.Millisecond},
		"from a replica that lags behind": {claim, []any{unauthorized, none, unauthorized, claim}, 4, 6 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				api, start := &reviewer{script: tt.script}, time.Now()
				if err := proof.Prove(t.Context(), api, proof.Claim{Namespace: "shop", Rules: tt.claim}); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(start); len(api.asked) != tt.asked || took != tt.took {
					t.Errorf("asked %d times in %s", len(api.asked), took)
				}
				if api.asked[0] != "authorization.k8s.io/v1 SelfSubjectRulesReview in shop" {
					t.Errorf("asked %q", api.asked[0])
				}
			})
		})
	}
}

func TestProve_Timeout(t *testing.T) {
	t.Parallel()
	const hint = "raise `timeout`, or see whether somebody deletes the bindings again, or the namespace"
	for name, tt := range map[string]struct {
		namespace, note, want string
	}{
		"in a namespace": {
			"shop", "", "prove access: these rules are not in effect in namespace shop (context deadline exceeded):\n" +
				"    get secrets a\n    get /healthz\n" + hint,
		},
		"cluster-wide": {
			review.EveryNamespace, "roles.rbac \"x\"\n not found", "prove access: these rules are not in effect cluster-wide (context deadline exceeded):\n" +
				"    cluster get secrets a\n    cluster get /healthz\nthe API server says: roles.rbac \"x\" not found\n" + hint,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute+time.Millisecond)
				defer cancel()
				api, start := &reviewer{script: []any{[]rbacv1.PolicyRule{getPods}}, note: tt.note}, time.Now()
				err := proof.Prove(ctx, api, proof.Claim{Namespace: tt.namespace, Rules: []rbacv1.PolicyRule{getPods, useSecret, getHealthz}})
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("the reason is lost: %v", err)
				}
				if diff := cmp.Diff(strings.Fields(tt.want), strings.Fields(failure(t, err))); diff != "" {
					t.Error(diff)
				}
				// Twice a second at most, once the first few are over.
				if took, n := time.Since(start), len(api.asked); took != time.Minute+time.Millisecond || n < 120 || n > 130 {
					t.Errorf("asked %d times in %s", n, took)
				}
			})
		})
	}
}
