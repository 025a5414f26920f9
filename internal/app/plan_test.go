package app

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/rules"
)

func parse(t *testing.T, shorthand string) []rbacv1.PolicyRule {
	t.Helper()
	parsed, err := rules.Parse(shorthand)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Rules
}

// A dry run cannot ask about what lies in a namespace that is not there yet.
func TestAskable(t *testing.T) {
	t.Parallel()
	change := func(verb access.Verb, kind, namespace, name string) access.Change {
		return access.Change{Verb: verb, Ref: kube.Ref{Kind: kind, Namespace: namespace, Name: name}}
	}
	m := &minting{planned: map[kube.Ref]bool{{Kind: "Namespace", Name: "new"}: true}, plan: access.Plan{Changes: []access.Change{
		change(access.Created, "Namespace", "", "new"), change(access.Unchanged, "Namespace", "", "old"),
		change(access.Created, "ServiceAccount", "new", "ci"), change(access.Created, "Role", "old", "x"), change(access.Unchanged, "RoleBinding", "old", "x"),
		change(access.Created, "Role", "new", "x"), change(access.Created, "ClusterRole", "", "new"), change(access.Deleted, "Role", "old", "y"),
	}}}
	var got []string
	for _, change := range m.askable() {
		got = append(got, fmt.Sprint(change.Verb, " ", change.Ref))
	}
	if diff := cmp.Diff([]string{"created Namespace new", "created Role old/x", "created ClusterRole new", "deleted Role old/y"}, got); diff != "" {
		t.Error(diff)
	}
	if last := m.plan.Changes[7].Ref.Name; last != "y" {
		t.Error("the plan itself has lost changes")
	}
}
