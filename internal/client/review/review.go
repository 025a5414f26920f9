package review

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/rules"
)

// Asker sends reviews as the identity that they are about.
type Asker interface {
	Create(ctx context.Context, o kube.Object) error
}

// EveryNamespace asks for the cluster-wide rules: no namespace can have this name, so the API
// server answers with those only.
const EveryNamespace = "-"

// Review has the API server's answer about the asking identity's access in a namespace.
type Review struct {
	Granted []rbacv1.PolicyRule
	// Incomplete says that another authorizer decides too, and cannot list its rules (webhooks: EKS,
	// GKE; the node authorizer, of a node).
	Incomplete bool
	Evaluation string // what the API server could not resolve, such as a role that is missing

	api       Asker
	namespace string
}

// Ask asks for all that the identity may do in a namespace.
func Ask(ctx context.Context, api Asker, namespace string) (*Review, error) {
	asked := &authorizationv1.SelfSubjectRulesReview{
		TypeMeta: kube.TypeMeta("SelfSubjectRulesReview"),
		Spec:     authorizationv1.SelfSubjectRulesReviewSpec{Namespace: namespace},
	}
	if err := api.Create(ctx, asked); err != nil {
		return nil, err //nolint:wrapcheck // callers say what for
	}
	r := &Review{
		api: api, namespace: namespace, Incomplete: asked.Status.Incomplete,
		Evaluation: strings.Join(strings.Fields(asked.Status.EvaluationError), " "),
	}
	for _, rule := range asked.Status.ResourceRules {
		r.Granted = append(r.Granted, rbacv1.PolicyRule{
			Verbs: rule.Verbs, APIGroups: rule.APIGroups, Resources: rule.Resources,
			ResourceNames: rule.ResourceNames,
		})
	}
	for _, rule := range asked.Status.NonResourceRules {
		r.Granted = append(
			r.Granted, rbacv1.PolicyRule{Verbs: rule.Verbs, NonResourceURLs: rule.NonResourceURLs},
		)
	}
	return r, nil
}

// FindLacking returns what the asking identity may not do of want in a namespace.
func FindLacking(
	ctx context.Context, api Asker, namespace string, want []rbacv1.PolicyRule,
) ([]rbacv1.PolicyRule, error) {
	r, err := Ask(ctx, api, namespace)
	if err != nil {
		return nil, err
	}
	return r.FindLacking(ctx, want)
}

// FindLacking returns what the asking identity may not do of want.
func (r *Review) FindLacking(
	ctx context.Context, want []rbacv1.PolicyRule,
) ([]rbacv1.PolicyRule, error) {
	missing := rules.Covers(r.Granted, want)
	if !r.Incomplete {
		return missing, nil
	}
	answers, err := r.askEach(ctx, rules.ListQuestions(missing, false))
	return asRules(answers, false), err
}

// FindAllowed returns the forbidden rights that the asking identity has. Where another
// authorizer decides too, each verb is asked for, since it need not know what * means.
func (r *Review) FindAllowed(
	ctx context.Context, forbidden []rbacv1.PolicyRule,
) ([]rbacv1.PolicyRule, error) {
	breach := rules.Overlap(r.Granted, forbidden)
	if !r.Incomplete {
		return breach, nil
	}
	answers, err := r.askEach(ctx, rules.ListQuestions(forbidden, true))
	return append(breach, asRules(answers, true)...), err
}

// answer is the answer to one SelfSubjectAccessReview.
type answer struct {
	question rules.Question
	allowed  bool
	reason   string // RBAC: allowed by RoleBinding "b/ns" of Role "r" to ServiceAccount "a/ns"
}

// Grant has the rights that the API server allows, or refuses, for the same reason.
type Grant struct {
	Rules   []rbacv1.PolicyRule
	Allowed bool
	Reason  string // RBAC names the binding and the role; "" where the authorizer gives none
}

// Attribute asks for each right by itself, and returns them by the reason of the answer.
func (r *Review) Attribute(ctx context.Context, rs []rbacv1.PolicyRule) (grants []Grant, err error) {
	answers, err := r.askEach(ctx, rules.ListQuestions(rs, false))
	for _, a := range answers {
		i := slices.IndexFunc(grants, func(g Grant) bool {
			return g.Allowed == a.allowed && g.Reason == a.reason
		})
		if i < 0 {
			i = len(grants)
			grants = append(grants, Grant{Allowed: a.allowed, Reason: a.reason})
		}
		grants[i].Rules = append(grants[i].Rules, a.question.Rule())
	}
	return grants, err
}

// AskAnything asks whether the identity may do anything: every verb on every resource.
func AskAnything(ctx context.Context, api Asker) (Grant, error) {
	everywhere := &Review{api: api, namespace: EveryNamespace}
	answers, err := everywhere.askEach(ctx, []rules.Question{{Verb: "*", Group: "*", Resource: "*"}})
	return Grant{
		Rules: asRules(answers, answers[0].allowed), Allowed: answers[0].allowed, Reason: answers[0].reason,
	}, err
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
func (r *Review) askEach(ctx context.Context, questions []rules.Question) ([]answer, error) {
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
			errs[i] = r.api.Create(ctx, asked)
			answers[i] = answer{
				question: question, allowed: asked.Status.Allowed, reason: asked.Status.Reason,
			}
		})
	}
	group.Wait()
	return answers, errors.Join(errs...)
}

func (r *Review) accessReview(q rules.Question) *authorizationv1.SelfSubjectAccessReview {
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

// FormatRules prints declared rules as they were declared for this place.
func (r *Review) FormatRules(rs []rbacv1.PolicyRule) []string {
	if r.namespace == EveryNamespace {
		return rules.FormatCluster(rs)
	}
	return rules.Format(rs)
}

// DescribePlace completes "may do it …".
func (r *Review) DescribePlace() string {
	if r.namespace == EveryNamespace {
		return "cluster-wide"
	}
	return "in namespace " + r.namespace
}
