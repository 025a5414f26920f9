package proof

import (
	"context"
	"errors"
	"strings"
	"sync"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/rules"
)

// review has the API server's answer about the asking identity's access in a namespace.
type review struct {
	api       Reviewer
	namespace string
	granted   []rbacv1.PolicyRule
	// another authorizer decides too, and cannot list its rules (webhooks: EKS, GKE)
	incomplete bool
	evaluation string // what the API server could not resolve, such as a role that is missing
}

func newReview(ctx context.Context, api Reviewer, namespace string) (*review, error) {
	asked := &authorizationv1.SelfSubjectRulesReview{
		TypeMeta: kube.TypeMeta("SelfSubjectRulesReview"),
		Spec:     authorizationv1.SelfSubjectRulesReviewSpec{Namespace: namespace},
	}
	if err := sendPatiently(ctx, api, asked); err != nil {
		return nil, err
	}
	r := &review{
		api: api, namespace: namespace, incomplete: asked.Status.Incomplete,
		evaluation: strings.Join(strings.Fields(asked.Status.EvaluationError), " "),
	}
	for _, rule := range asked.Status.ResourceRules {
		r.granted = append(r.granted, rbacv1.PolicyRule{
			Verbs: rule.Verbs, APIGroups: rule.APIGroups, Resources: rule.Resources,
			ResourceNames: rule.ResourceNames,
		})
	}
	for _, rule := range asked.Status.NonResourceRules {
		r.granted = append(
			r.granted, rbacv1.PolicyRule{Verbs: rule.Verbs, NonResourceURLs: rule.NonResourceURLs},
		)
	}
	return r, nil
}

// FindLacking returns what the asking identity may not do of want in a namespace.
func FindLacking(
	ctx context.Context, api Reviewer, namespace string, want []rbacv1.PolicyRule,
) ([]rbacv1.PolicyRule, error) {
	r, err := newReview(ctx, api, namespace)
	if err != nil {
		return nil, err
	}
	return r.findLacking(ctx, want)
}

func (r *review) findLacking(
	ctx context.Context, want []rbacv1.PolicyRule,
) ([]rbacv1.PolicyRule, error) {
	missing := rules.Covers(r.granted, want)
	if !r.incomplete {
		return missing, nil
	}
	answers, err := r.askEach(ctx, rules.ListQuestions(missing, false))
	return asRules(answers, false), err
}

// findAllowed returns what the asking identity may do of what is forbidden. Where another
// authorizer decides too, each verb is asked for, since it need not know what * means.
func (r *review) findAllowed(
	ctx context.Context, forbidden []rbacv1.PolicyRule,
) ([]rbacv1.PolicyRule, error) {
	breach := rules.Overlap(r.granted, forbidden)
	if !r.incomplete {
		return breach, nil
	}
	answers, err := r.askEach(ctx, rules.ListQuestions(forbidden, true))
	return append(breach, asRules(answers, true)...), err
}

// answer is that to one SelfSubjectAccessReview.
type answer struct {
	question rules.Question
	allowed  bool
	reason   string // RBAC: allowed by RoleBinding "b/ns" of Role "r" to ServiceAccount "a/ns"
}

func asRules(answers []answer, allowed bool) (all []rbacv1.PolicyRule) {
	for _, a := range answers {
		if a.allowed == allowed {
			all = append(all, a.question.Rule())
		}
	}
	return all
}

// askEach asks for each right by itself, some at once.
func (r *review) askEach(ctx context.Context, questions []rules.Question) ([]answer, error) {
	const atOnce = 16
	answers := make([]answer, len(questions))
	errs := make([]error, len(questions))
	slots := make(chan struct{}, atOnce)
	var group sync.WaitGroup
	for i, question := range questions {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			asked := r.accessReview(question)
			errs[i] = sendPatiently(ctx, r.api, asked)
			answers[i] = answer{
				question: question, allowed: asked.Status.Allowed, reason: asked.Status.Reason,
			}
		})
	}
	group.Wait()
	return answers, errors.Join(errs...)
}

func (r *review) accessReview(q rules.Question) *authorizationv1.SelfSubjectAccessReview {
	asked := &authorizationv1.SelfSubjectAccessReview{
		TypeMeta: kube.TypeMeta("SelfSubjectAccessReview"),
	}
	if q.URL != "" {
		asked.Spec.NonResourceAttributes = &authorizationv1.NonResourceAttributes{
			Path: q.URL, Verb: q.Verb,
		}
		return asked
	}
	namespace := r.namespace
	if namespace == EveryNamespace {
		namespace = "" // all of them
	}
	asked.Spec.ResourceAttributes = &authorizationv1.ResourceAttributes{
		Namespace: namespace, Verb: q.Verb, Group: q.Group, Resource: q.Resource,
		Subresource: q.Subresource, Name: q.Name,
	}
	return asked
}

// formatRules prints declared rules as they were declared for this place.
func (r *review) formatRules(rs []rbacv1.PolicyRule) []string {
	if r.namespace == EveryNamespace {
		return rules.FormatCluster(rs)
	}
	return rules.Format(rs)
}

// describePlace completes "may do it …".
func (r *review) describePlace() string {
	if r.namespace == EveryNamespace {
		return "cluster-wide"
	}
	return "in namespace " + r.namespace
}
