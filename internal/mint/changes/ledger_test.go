package changes

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/kube"
)

func TestLedger_Result(t *testing.T) {
	t.Parallel()
	change := func(verb access.Verb, name string) access.Change {
		return access.Change{Verb: verb, Ref: kube.Ref{Kind: "Role", Namespace: "shop", Name: name}}
	}
	for name, tt := range map[string]struct {
		failed bool
		want   string
	}{
		"of a run that went well": {false, `created    Role shop/made
configured Role shop/remade
unchanged  1 object
`},
		"of one that failed": {true, `created    Role shop/made
configured Role shop/remade
not done   Role shop/refused
uncertain  Role shop/unanswered
not done   Role shop/left
unchanged  1 object
`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			ledger, plan := NewLedger(), access.Plan{}
			plan.Changes = []access.Change{change(access.Created, "made"), change(access.Configured, "remade"), change(access.Unchanged, "same")}
			if tt.failed {
				plan.Changes = append(plan.Changes, change(access.Created, "refused"), change(access.Configured, "unanswered"))
			}
			plan.Changes = append(plan.Changes, change(access.Deleted, "left"))
			ledger.outcome.Did(change(access.Created, "made"))
			ledger.outcome.Did(change(access.Deleted, "remade")) // the old one, before
			ledger.outcome.Did(change(access.Configured, "remade"))
			ledger.outcome.Failed(change(access.Created, "refused").Ref, true)
			ledger.outcome.Failed(change(access.Configured, "unanswered").Ref, false)
			console.New(&log).ShowChanges(ledger.Result(plan, tt.failed))
			if diff := cmp.Diff(tt.want, log.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A binding with another roleRef is deleted and recreated: where only the first came to pass, that is said.
func TestLedger_BindingNotRecreated(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	ledger, plan := NewLedger(), access.Plan{}
	ref := kube.Ref{Kind: "RoleBinding", Namespace: "shop", Name: "x"}
	plan.Changes = []access.Change{{Verb: access.Configured, Ref: ref, Remarks: access.Remarks{Details: []string{"+ roleRef ClusterRole edit"}}}}
	ledger.outcome.Did(access.Change{Verb: access.Deleted, Ref: ref})
	ledger.outcome.Failed(ref, false)
	console.New(&log).ShowChanges(ledger.Result(plan, true))
	if want := "deleted    RoleBinding shop/x\n"; log.String() != want {
		t.Errorf("got %q, want %q", log.String(), want)
	}
}
