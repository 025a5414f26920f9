package token

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rules"
)

// Reviewer asks the API server about the credential itself.
type Reviewer interface {
	Create(ctx context.Context, o access.Object) error
}

// Claim is access that has to be in effect in a namespace before the credential is handed out.
type Claim struct {
	Namespace string // EveryNamespace for cluster-wide access
	Rules     []rbacv1.PolicyRule
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
	review := &authenticationv1.SelfSubjectReview{
		TypeMeta: metav1.TypeMeta{APIVersion: authenticationv1.SchemeGroupVersion.String(), Kind: "SelfSubjectReview"},
	}
	if err := ask(ctx, api, review); err != nil {
		return err
	}
	if want := "system:serviceaccount:" + account.Namespace + ":" + account.Name; review.Status.UserInfo.Username != want {
		return problem.Newf(problem.Mint, "prove token", "the API server takes it for %q, not for %q", review.Status.UserInfo.Username, want)
	}
	return nil
}

// ask sends a review. A 401 is asked again for a while: another API server may not know the ServiceAccount yet.
func ask(ctx context.Context, api Reviewer, review access.Object) error {
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
		review := &authenticationv1.SelfSubjectReview{
			TypeMeta: metav1.TypeMeta{APIVersion: authenticationv1.SchemeGroupVersion.String(), Kind: "SelfSubjectReview"},
		}
		err := api.Create(ctx, review)
		if apierrors.IsUnauthorized(err) {
			return nil
		}
		if !sleep(ctx, &wait) {
			return context.Cause(ctx)
		}
	}
}

// refused explains a 401. ended is why nothing more is tried before time, nil where it was tried long enough.
func refused(ended error) error {
	cause := errors.New("the API server refuses the token that it has just issued (401 Unauthorized)")
	if ended != nil {
		cause = fmt.Errorf("%w: %w", cause, ended)
	}
	return problem.New(problem.Mint, "prove token", cause).
		Hint("if `audiences` is set, one of them has to be the API server's own").
		Hint("a proxy in front of the cluster may take no ServiceAccount tokens (Rancher, GKE's DNS endpoint, GitLab's agent): " +
			"use the API server's direct address").
		Hint("or the ServiceAccount was deleted or recreated meanwhile: run again")
}

// InEffect waits until the claim's rules are in effect for the credential: RBAC reaches each API server by its own
// watch, a little after it was written. It ends with the context, and then names what is missing.
func InEffect(ctx context.Context, api Reviewer, claim Claim) error {
	wait := firstLook
	for {
		review := &authorizationv1.SelfSubjectRulesReview{
			TypeMeta: metav1.TypeMeta{APIVersion: authorizationv1.SchemeGroupVersion.String(), Kind: "SelfSubjectRulesReview"},
			Spec:     authorizationv1.SelfSubjectRulesReviewSpec{Namespace: claim.Namespace},
		}
		if err := ask(ctx, api, review); err != nil {
			return err
		}
		missing := rules.Covers(granted(review.Status), claim.Rules)
		if len(missing) == 0 {
			return nil
		}
		if !sleep(ctx, &wait) {
			return notInEffect(ctx, claim, missing, review.Status.EvaluationError)
		}
	}
}

func notInEffect(ctx context.Context, claim Claim, missing []rbacv1.PolicyRule, evaluation string) error {
	place := "in namespace " + claim.Namespace
	if claim.Namespace == EveryNamespace {
		place = "cluster-wide"
	}
	cause := fmt.Errorf("these rules are not in effect %s (%w):\n    %s",
		place, context.Cause(ctx), strings.Join(rules.Format(missing), "\n    "))
	p := problem.New(problem.Mint, "prove access", cause)
	if evaluation != "" {
		p.Hint("the API server says: %s", strings.Join(strings.Fields(evaluation), " "))
	}
	return p.Hint("raise `timeout`, or see whether somebody deletes the bindings again")
}

// granted are the rules of a review as rules of a role.
func granted(status authorizationv1.SubjectRulesReviewStatus) []rbacv1.PolicyRule {
	all := make([]rbacv1.PolicyRule, 0, len(status.ResourceRules)+len(status.NonResourceRules))
	for _, r := range status.ResourceRules {
		all = append(all, rbacv1.PolicyRule{Verbs: r.Verbs, APIGroups: r.APIGroups, Resources: r.Resources, ResourceNames: r.ResourceNames})
	}
	for _, r := range status.NonResourceRules {
		all = append(all, rbacv1.PolicyRule{Verbs: r.Verbs, NonResourceURLs: r.NonResourceURLs})
	}
	return all
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
