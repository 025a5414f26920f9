package lock_test

import (
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/lease/lock"
)

// What gives nobody anything is a new account, and a new role that nothing binds.
func TestHarmless(t *testing.T) {
	t.Parallel()
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "shop", Name: name} }
	role := func(name string) kube.Object {
		return &rbacv1.Role{TypeMeta: kube.TypeMeta("Role"), ObjectMeta: meta(name)}
	}
	binding := func(name, role string) kube.Object {
		ref := rbacv1.RoleRef{Kind: "Role", Name: role}
		return &rbacv1.RoleBinding{TypeMeta: kube.TypeMeta("RoleBinding"), ObjectMeta: meta(name), RoleRef: ref}
	}
	account := &metav1.PartialObjectMetadata{TypeMeta: kube.TypeMeta("ServiceAccount"), ObjectMeta: meta("ci")}
	there := binding("left", "bound-already")
	var plan access.Plan
	for verb, objects := range map[access.Verb][]kube.Object{
		access.Created:    {account, role("new"), role("bound-already"), role("bound-by-changed"), binding("b", "new")},
		access.Configured: {role("widened"), binding("c", "bound-by-changed")},
	} {
		for _, o := range objects {
			plan.Changes = append(plan.Changes, access.Change{Verb: verb, Ref: kube.RefOf(o), Apply: o})
		}
	}
	observed := access.Observed{Objects: map[kube.Ref]kube.Object{kube.RefOf(there): there}}
	var got []string
	for _, change := range lock.SelectHarmless(plan, observed) {
		got = append(got, change.Ref.String())
	}
	if have := strings.Join(got, ", "); have != "ServiceAccount shop/ci, Role shop/new" {
		t.Error(have)
	}
}
