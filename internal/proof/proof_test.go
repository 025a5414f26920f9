package proof_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/client/discovery"
	"github.com/kubemint/kubemint/internal/client/explain"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/proof"
)

const me = "system:serviceaccount:shop:ci"

func unserved(resource string) error {
	return &discovery.UnservedError{GroupVersionResource: schema.GroupVersionResource{Group: "authentication.k8s.io", Version: "v1", Resource: resource}}
}

func refusedTo(user string) error {
	return apierrors.NewForbidden(schema.GroupResource{Group: "authorization.k8s.io", Resource: "selfsubjectrulesreviews"}, "",
		errors.New(`User "`+user+`" cannot create resource "selfsubjectrulesreviews" in API group "authorization.k8s.io" at the cluster scope`))
}

func refuses401() error { return apierrors.NewUnauthorized("Unauthorized") }

// server answers the question for its root.
type server struct{ err error }

func (s server) ReadRoot(context.Context) error { return s.err }

func proofOf(good, broken error) *proof.Proof {
	return &proof.Proof{
		Account: types.NamespacedName{Namespace: "shop", Name: "ci"}, Good: server{good},
		Broken: func() (proof.Server, func(), error) { return server{broken}, func() {}, nil },
	}
}

func TestIdentify(t *testing.T) {
	t.Parallel()
	const stays = "unproven: that the token is shop/ci's (this API server does not serve selfsubjectreviews (authentication.k8s.io/v1)); " +
		"what is proven: the API server takes the token, and refuses a broken one"
	fault := errors.New("connection reset")
	for name, tt := range map[string]struct {
		review, good, broken error
		want, unproven       string // parts of the error
	}{
		"the review is there":                    {nil, fault, fault, "", ""},
		"the review is refused to the account":   {refusedTo(me), fault, fault, "", ""},
		"it is refused to another one":           {refusedTo("system:serviceaccount:shop:other"), nil, nil, `takes it for "system:serviceaccount:shop:other", not for "` + me, ""},
		"to one whose name only begins the same": {refusedTo(me + "2"), nil, nil, `takes it for "` + me + `2"`, ""},
		"to nobody":                              {refusedTo("system:anonymous"), nil, nil, "system:anonymous", ""},
		"another fault":                          {fault, nil, nil, "connection reset", ""},
		"no review, and the token is accepted":   {unserved("selfsubjectreviews"), nil, refuses401(), "", stays},
		"no review, and the root is refused":     {unserved("selfsubjectreviews"), refusedTo(me), fault, "", ""},
		"no review, and somebody else":           {unserved("selfsubjectreviews"), refusedTo("u"), nil, `takes it for "u"`, ""},
		"no review, and the token is refused":    {unserved("selfsubjectreviews"), refuses401(), nil, "refuses the token that it has just issued", ""},
		"no review, and a broken one is taken":   {unserved("selfsubjectreviews"), nil, nil, "takes a token with a broken signature as well", ""},
		"no review, and it is only forbidden":    {unserved("selfsubjectreviews"), nil, refusedTo("u"), "takes a token with a broken signature as well", ""},
		"no review, and no answer":               {unserved("selfsubjectreviews"), fault, nil, "connection reset", ""},
		"no review, and none for the broken one": {unserved("selfsubjectreviews"), nil, fault, "connection reset", ""},
	} {
		p := proofOf(tt.good, tt.broken)
		err := p.Identify(t.Context(), func(context.Context) error { return tt.review })
		if (err == nil) != (tt.want == "") || (err != nil && !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
		if err == nil && p.DescribeUnproven() != tt.unproven {
			t.Errorf("%s: %q stays unproven, want %q", name, p.DescribeUnproven(), tt.unproven)
		}
	}
}

func TestReview(t *testing.T) {
	t.Parallel()
	forbids := []rbacv1.PolicyRule{{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"secrets"}}}
	const mayNot = "ServiceAccount shop/ci may not ask the API server what it may do"
	for name, tt := range map[string]struct {
		review         error
		mustNot        []rbacv1.PolicyRule
		want, unproven string
	}{
		"it is there":                           {nil, forbids, "", ""},
		"it disproves something":                {errors.New("not in effect"), nil, "not in effect", ""},
		"it is missing":                         {unserved("x"), nil, "", "unproven: that its access is in effect (this API server does not serve x (authentication.k8s.io/v1))"},
		"the account may not send it":           {refusedTo(me), nil, "", "unproven: that its access is in effect (" + mayNot + ")"},
		"it is missing, and something must not": {unserved("x"), forbids, "does not serve x (authentication.k8s.io/v1), so what the credential may not do stays unproven", ""},
		"it may not be sent, the same":          {refusedTo(me), forbids, mayNot + ", so what", ""},
		"another user is refused":               {refusedTo("u"), nil, `takes it for "u", not for "system:serviceaccount:shop:ci"`, ""},
		"nobody is refused":                     {refusedTo("system:anonymous"), nil, `User "system:anonymous" cannot`, ""},
	} {
		p := proofOf(nil, refuses401())
		err := p.Review(t.Context(), tt.mustNot, func(context.Context) error { return tt.review })
		if (err == nil) != (tt.want == "") || (err != nil && !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
		if _, denied := errors.AsType[*explain.Denial](err); denied {
			t.Errorf("%s: the error asks for a right of the runner's", name)
		}
		if len(tt.mustNot) > 0 && err != nil && problem.ExitCode(err) != 5 {
			t.Errorf("%s: exit code %d", name, problem.ExitCode(err))
		}
		if p.DescribeUnproven() != tt.unproven {
			t.Errorf("%s: %q stays unproven, want %q", name, p.DescribeUnproven(), tt.unproven)
		}
	}
}

// Where the declared access has the reviews in it, a refusal can be one that came too early.
func TestReview_DeclaredIsRetried(t *testing.T) {
	t.Parallel()
	for asked, want := range map[int]string{3: "", 1 << 20: "may not ask"} {
		synctest.Test(t, func(t *testing.T) {
			p := proofOf(nil, nil)
			p.Declared = true
			n := 0
			err := p.Review(t.Context(), nil, func(context.Context) error {
				if n++; n < asked {
					return refusedTo(me)
				}
				return nil
			})
			if err != nil || (want == "") != (p.DescribeUnproven() == "") || !strings.Contains(p.DescribeUnproven(), want) {
				t.Errorf("after %d: %v, %q", n, err, p.DescribeUnproven())
			}
			if asked == 3 && n != 3 {
				t.Errorf("asked %d times", n)
			}
		})
	}
}
