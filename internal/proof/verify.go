package proof

import (
	"context"
	"errors"
	"fmt"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/problem"
)

// Reviewer asks the API server about the credential itself.
type Reviewer interface {
	Create(ctx context.Context, o kube.Object) error
}

// EveryNamespace asks for what holds in a namespace of which nothing is known: no namespace can have this name, so that
// the API server answers with the cluster-wide rules alone.
const EveryNamespace = "-"

const (
	firstLook  = 2 * time.Millisecond // fresh RBAC is mostly there at the first look, and 6 ms later nearly always
	slowLook   = 500 * time.Millisecond
	refusedFor = 5 * time.Second // another API server may learn of the ServiceAccount a moment later; after that, 401 is an answer
)

// WhoAmI proves that the credential is accepted and is the ServiceAccount it was minted for.
func WhoAmI(ctx context.Context, api Reviewer, account types.NamespacedName) error {
	review := &authenticationv1.SelfSubjectReview{TypeMeta: kube.TypeMeta("SelfSubjectReview")}
	if err := ask(ctx, api, review); err != nil {
		return err
	}
	return compare(review, account)
}

// Accepted asks once whether the API server accepts the credential as the ServiceAccount's; a 401 is an answer.
func Accepted(ctx context.Context, api Reviewer, account types.NamespacedName) error {
	review := &authenticationv1.SelfSubjectReview{TypeMeta: kube.TypeMeta("SelfSubjectReview")}
	if err := api.Create(ctx, review); err != nil {
		return err
	}
	return compare(review, account)
}

func compare(review *authenticationv1.SelfSubjectReview, account types.NamespacedName) error {
	if user := review.Status.UserInfo.Username; user != UserOf(account) {
		return Mistaken(user, account)
	}
	return nil
}

// UserOf is the user that a ServiceAccount is to the API server.
func UserOf(account types.NamespacedName) string {
	return "system:serviceaccount:" + account.Namespace + ":" + account.Name
}

// Mistaken is the error for a credential that the API server takes for another user's.
func Mistaken(user string, account types.NamespacedName) error {
	return problem.Newf(problem.Mint, "prove token", "the API server takes it for %q, not for %q", user, UserOf(account)).
		Hint("something before the API server may log in as that user: give the API server's own address as `server`")
}

// ask sends a review. A 401 is asked again for a while: another API server may not know the ServiceAccount yet.
func ask(ctx context.Context, api Reviewer, review kube.Object) error {
	start, wait := time.Now(), firstLook
	for {
		err := api.Create(ctx, review)
		if !apierrors.IsUnauthorized(err) {
			return err
		}
		if time.Since(start) > refusedFor || !sleep(ctx, &wait) {
			return refused(context.Cause(ctx))
		}
	}
}

// AwaitDeath asks with the token until the API server refuses it. It ends with the context.
func AwaitDeath(ctx context.Context, api Reviewer) error {
	for wait := 100 * time.Millisecond; ; {
		err := api.Create(ctx, &authenticationv1.SelfSubjectReview{TypeMeta: kube.TypeMeta("SelfSubjectReview")})
		if apierrors.IsUnauthorized(err) {
			return nil
		}
		if !sleep(ctx, &wait) {
			return context.Cause(ctx)
		}
	}
}

// ErrRefused is a 401 for the new token, at last.
var ErrRefused = errors.New("the API server refuses the token that it has just issued (401 Unauthorized)")

// refused explains a 401. ended is why nothing more is tried before time, nil where it was tried long enough.
func refused(ended error) error {
	cause := ErrRefused
	if ended != nil {
		cause = fmt.Errorf("%w: %w", cause, ended)
	}
	return problem.New(problem.Mint, "prove token", cause).
		Hint("if `audiences` is set, one of them has to be the API server's own").
		Hint("a proxy in front of the cluster may take no ServiceAccount tokens (Rancher, GKE's DNS endpoint, GitLab's agent): " +
			"give the API server's direct address as `server`, and its `certificate_authority`; the kubeconfig stays the source").
		Hint("or the ServiceAccount was deleted or recreated meanwhile, or its namespace was: run again")
}

// sleep waits, and longer the next time. It says whether the context still runs.
func sleep(ctx context.Context, wait *time.Duration) bool {
	timer := time.NewTimer(*wait)
	defer timer.Stop()
	*wait = min(2**wait, slowLook)
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
