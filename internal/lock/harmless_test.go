package lock_test

import (
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/lock"
)

// What gives nobody anything is a new account, and a new role that nothing binds.
func TestHarmless(t *testing.T) {
	t.Parallel()
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "shop", Name: name} }
	role := func(name string) access.Object {
		return &rbacv1.Role{TypeMeta: access.TypeMeta("Role"), ObjectMeta: meta(name)}
	}
	binding := func(name, role string) access.Object {
		ref := rbacv1.RoleRef{Kind: "Role", Name: role}
		return &rbacv1.RoleBinding{TypeMeta: access.TypeMeta("RoleBinding"), ObjectMeta: meta(name), RoleRef: ref}
	}
	account := &metav1.PartialObjectMetadata{TypeMeta: access.TypeMeta("ServiceAccount"), ObjectMeta: meta("ci")}
	there := binding("left", "bound-already")
	var plan access.Plan
	for verb, objects := range map[access.Verb][]access.Object{
		access.Created:    {account, role("new"), role("bound-already"), role("bound-by-changed"), binding("b", "new")},
		access.Configured: {role("widened"), binding("c", "bound-by-changed")},
	} {
		for _, o := range objects {
			plan.Changes = append(plan.Changes, access.Change{Verb: verb, Ref: access.RefOf(o), Apply: o})
		}
	}
	observed := access.Observed{Objects: map[access.Ref]access.Object{access.RefOf(there): there}}
	var got []string
	for _, change := range lock.Harmless(plan, observed) {
		got = append(got, change.Ref.String())
	}
	if have := strings.Join(got, ", "); have != "ServiceAccount shop/ci, Role shop/new" {
		t.Error(have)
	}
}
