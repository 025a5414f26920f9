package app

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/kube"
)

func TestShowDone(t *testing.T) {
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
			m := &minting{run: &run{log: console.New(&log)}}
			m.plan.Changes = []access.Change{change(access.Created, "made"), change(access.Configured, "remade"), change(access.Unchanged, "same")}
			if tt.failed {
				m.plan.Changes = append(m.plan.Changes, change(access.Created, "refused"), change(access.Configured, "unanswered"))
			}
			m.plan.Changes = append(m.plan.Changes, change(access.Deleted, "left"))
			m.outcome.Did(change(access.Created, "made"))
			m.outcome.Did(change(access.Deleted, "remade")) // the old one, before
			m.outcome.Did(change(access.Configured, "remade"))
			m.outcome.Failed(change(access.Created, "refused").Ref, true)
			m.outcome.Failed(change(access.Configured, "unanswered").Ref, false)
			m.showDone(tt.failed)
			if diff := cmp.Diff(tt.want, log.String()); diff != "" {
				t.Error(diff)
			}
			if changes, err := changesJSON(m.plan); !tt.failed && (err != nil ||
				changes != `{"configured":["Role shop/remade"],"created":["Role shop/made"],"deleted":[],"unchanged":["Role shop/same"]}`) {
				t.Error(changes, err)
			}
		})
	}
}

// A binding with another roleRef is deleted and recreated: where only the first came to pass, that is said.
func TestShowDone_BindingNotRecreated(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	m := &minting{run: &run{log: console.New(&log)}}
	ref := kube.Ref{Kind: "RoleBinding", Namespace: "shop", Name: "x"}
	m.plan.Changes = []access.Change{{Verb: access.Configured, Ref: ref, Details: []string{"+ roleRef ClusterRole edit"}}}
	m.outcome.Did(access.Change{Verb: access.Deleted, Ref: ref})
	m.outcome.Failed(ref, false)
	m.showDone(true)
	if want := "deleted    RoleBinding shop/x\n"; log.String() != want {
		t.Errorf("got %q, want %q", log.String(), want)
	}
}
