package proof_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/proof"
)

func TestNewest(t *testing.T) {
	t.Parallel()
	object := func(kind, namespace, version string) kube.Object {
		meta := metav1.ObjectMeta{Namespace: namespace, Name: "kubemint:bots:ci", ResourceVersion: version}
		if kind == "Role" {
			return &rbacv1.Role{TypeMeta: kube.TypeMeta(kind), ObjectMeta: meta}
		}
		return &rbacv1.RoleBinding{TypeMeta: kube.TypeMeta(kind), ObjectMeta: meta}
	}
	wrote := func(kind, namespace, version string) access.Change {
		o := object(kind, namespace, version)
		return access.Change{Verb: access.Created, Ref: kube.RefOf(o), Apply: o}
	}
	same := func(kind, namespace string) access.Change {
		return access.Change{Verb: access.Unchanged, Ref: kube.RefOf(object(kind, namespace, ""))}
	}
	account := access.Change{Verb: access.Unchanged, Ref: kube.Ref{Kind: "ServiceAccount", Namespace: "bots", Name: "ci"}}
	narrowed := wrote("Role", "a", "5")
	narrowed.Removed = []rbacv1.PolicyRule{{Verbs: []string{"list"}}}
	replaced := wrote("RoleBinding", "a", "5")
	replaced.Delete = object("RoleBinding", "a", "4")
	for name, tt := range map[string]struct {
		changes []access.Change
		want    string
	}{
		"the last of each kind": {[]access.Change{
			account, wrote("Role", "a", "9"), wrote("Role", "b", "10"), wrote("RoleBinding", "a", "12"), wrote("RoleBinding", "b", "11"),
		}, "a b"},
		"both in one":                 {[]access.Change{wrote("Role", "a", "9"), wrote("Role", "b", "10"), wrote("RoleBinding", "b", "11")}, "b"},
		"some were there":             {[]access.Change{same("Role", "seen"), wrote("Role", "a", "9")}, "seen"},
		"unknown what was there":      {[]access.Change{same("Role", "unseen"), wrote("Role", "a", "9")}, "-"},
		"no version":                  {[]access.Change{wrote("Role", "a", ""), wrote("Role", "b", "9")}, "-"},
		"a version that is no number": {[]access.Change{wrote("Role", "a", "v9"), wrote("Role", "b", "9")}, "-"},
		"rules were taken away":       {[]access.Change{narrowed, wrote("Role", "b", "9")}, "-"},
		"a binding was replaced":      {[]access.Change{replaced, wrote("RoleBinding", "b", "9")}, "-"},
		"nothing but the account":     {[]access.Change{account}, ""},
	} {
		observed := access.Observed{Objects: map[kube.Ref]kube.Object{}}
		seen := object("Role", "seen", "100")
		observed.Objects[kube.RefOf(seen)] = seen
		namespaces, ok := proof.FindNewest(access.Plan{Changes: tt.changes}, observed)
		got := strings.Join(slices.Sorted(maps.Keys(namespaces)), " ")
		if !ok {
			got = "-"
		}
		if got != tt.want {
			t.Errorf("%s: %q, not %q", name, got, tt.want)
		}
	}
}
