package proof

import (
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/rules"
)

// DeclaresReviews says whether the declared access lets the account send reviews.
func DeclaresReviews(desired access.Desired) bool {
	var reviews []rbacv1.PolicyRule
	for _, kind := range []string{"SelfSubjectReview", "SelfSubjectRulesReview"} {
		r := kube.Resources[kind]
		reviews = append(reviews, rbacv1.PolicyRule{
			Verbs: []string{"create"}, APIGroups: []string{r.Group}, Resources: []string{r.Resource},
		})
	}
	return len(rules.Overlap(desired.Access.Place("").Rules, reviews)) > 0
}
