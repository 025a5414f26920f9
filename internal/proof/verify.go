package proof

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/problem"
)

// Reviewer asks the API server about the credential itself.
type Reviewer interface {
	Create(ctx context.Context, o kube.Object) error
}

const (
	// fresh RBAC is usually in effect at the first look, and 6 ms later nearly always.
	firstLook = 2 * time.Millisecond
	slowLook  = 500 * time.Millisecond
	// a token outlives its lease by milliseconds or, in a cache, by ten seconds.
	firstDeath = 100 * time.Millisecond
	// another API server may learn of the ServiceAccount a moment later; a 401 after that is an
	// answer.
	refusedFor = 5 * time.Second
)

// newDelay returns the pauses between two looks: from first on, each twice as long as the one
// before.
func newDelay(first time.Duration) wait.DelayFunc {
	return wait.Backoff{Duration: first, Factor: 2, Steps: math.MaxInt32, Cap: slowLook}.DelayFunc()
}

// WhoAmI proves that the credential is accepted and is the ServiceAccount it was minted for.
func WhoAmI(ctx context.Context, api Reviewer, account types.NamespacedName) error {
	review := &authenticationv1.SelfSubjectReview{TypeMeta: kube.TypeMeta("SelfSubjectReview")}
	if err := sendPatiently(ctx, api, review); err != nil {
		return err
	}
	return compareUser(review, account)
}

// CheckAccepted asks once whether the API server accepts the credential as the ServiceAccount's; a
// 401 is an answer.
func CheckAccepted(ctx context.Context, api Reviewer, account types.NamespacedName) error {
	review := &authenticationv1.SelfSubjectReview{TypeMeta: kube.TypeMeta("SelfSubjectReview")}
	if err := api.Create(ctx, review); err != nil {
		return err
	}
	return compareUser(review, account)
}

func compareUser(review *authenticationv1.SelfSubjectReview, account types.NamespacedName) error {
	if user := review.Status.UserInfo.Username; user != UserOf(account) {
		return NewMistaken(user, account)
	}
	return nil
}

// UserOf is the user that a ServiceAccount is to the API server.
func UserOf(account types.NamespacedName) string {
	return "system:serviceaccount:" + account.Namespace + ":" + account.Name
}

// NewMistaken is the error for a credential that the API server takes for another user's.
func NewMistaken(user string, account types.NamespacedName) error {
	return problem.Newf(
		problem.Mint, "prove token", "the API server takes it for %q, not for %q", user, UserOf(account),
	).
		Hint(
			"something before the API server may log in as that user: give the API server's own address as `server`",
		)
}

// patient asks as [sendPatiently] does.
type patient struct{ api Reviewer }

func (p patient) Create(ctx context.Context, o kube.Object) error {
	return sendPatiently(ctx, p.api, o)
}

// sendPatiently sends a review. After a 401 it asks again for a while: another API server may not
// know the ServiceAccount yet.
func sendPatiently(ctx context.Context, api Reviewer, review kube.Object) error {
	start := time.Now()
	var err error
	_ = newDelay(firstLook).Until(ctx, true, true, func(ctx context.Context) (bool, error) {
		err = api.Create(ctx, review)
		return !apierrors.IsUnauthorized(err) || time.Since(start) > refusedFor, nil
	})
	if apierrors.IsUnauthorized(err) {
		return explainRefused(context.Cause(ctx))
	}
	return err
}

// AwaitDeath asks with the token until the API server refuses it. It ends with the context, whose
// cause is the error.
func AwaitDeath(ctx context.Context, api Reviewer) error {
	ended := newDelay(firstDeath).Until(ctx, true, true, func(ctx context.Context) (bool, error) {
		review := &authenticationv1.SelfSubjectReview{TypeMeta: kube.TypeMeta("SelfSubjectReview")}
		return apierrors.IsUnauthorized(api.Create(ctx, review)), nil
	})
	if ended != nil {
		return context.Cause(ctx)
	}
	return nil
}

// ErrRefused is a 401 for the new token, at last.
var ErrRefused = errors.New(
	"the API server refuses the token that it has just issued (401 Unauthorized)",
)

// explainRefused explains a 401. ended is why nothing more is tried before time, nil where it was
// tried long enough.
func explainRefused(ended error) error {
	cause := ErrRefused
	if ended != nil {
		cause = fmt.Errorf("%w: %w", cause, ended)
	}
	return problem.New(problem.Mint, "prove token", cause).
		Hint("if `audiences` is set, one of them has to be the API server's own").
		Hint("a proxy in front of the cluster may take no ServiceAccount tokens (Rancher, GKE's DNS " +
			"endpoint, GitLab's agent): " +
			"give the API server's direct address as `server`, and its `certificate_authority`; the " +
			"kubeconfig stays the source").
		Hint("or the ServiceAccount was deleted or recreated meanwhile, or its namespace was: run again")
}
