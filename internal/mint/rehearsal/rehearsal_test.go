package rehearsal

import (
	"fmt"
	"slices"
	"testing"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/kube"
)

// A dry run cannot ask about what lies in a namespace that is not there yet.
func TestAskable(t *testing.T) {
	t.Parallel()
	change := func(verb access.Verb, kind, namespace, name string) access.Change {
		return access.Change{Verb: verb, Ref: kube.Ref{Kind: kind, Namespace: namespace, Name: name}}
	}
	plan := access.Plan{Changes: []access.Change{
		change(access.Created, "Namespace", "", "new"), change(access.Unchanged, "Namespace", "", "old"),
		change(access.Created, "ServiceAccount", "new", "ci"), change(access.Created, "Role", "old", "x"),
		change(access.Unchanged, "RoleBinding", "old", "x"), change(access.Created, "Role", "new", "x"),
		change(access.Created, "ClusterRole", "", "new"), change(access.Deleted, "Role", "old", "y"),
	}}
	var got []string
	for _, change := range askable(plan, plannedRefs(plan)) {
		got = append(got, fmt.Sprint(change.Verb, " ", change.Ref))
	}
	want := []string{
		"created Namespace new", "created Role old/x", "created ClusterRole new", "deleted Role old/y",
	}
	if !slices.Equal(got, want) || len(plan.Changes) != 8 {
		t.Errorf("got %q, want %q; %d changes in the plan", got, want, len(plan.Changes))
	}
}
