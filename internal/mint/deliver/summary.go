package deliver

import (
	"fmt"
	"slices"
	"time"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/access/reach"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/kube"
)

// FormatChanges returns the output `changes`. It always has every list, so that a pipeline can ask
// for its length.
func FormatChanges(plan access.Plan) (string, error) {
	lists := map[access.Verb][]string{
		access.Created: {}, access.Configured: {}, access.Unchanged: {}, access.Deleted: {},
	}
	for _, change := range plan.Changes {
		lists[change.Verb] = append(lists[change.Verb], change.Ref.String())
	}
	return console.EncodeJSON(lists)
}

// summarize returns the job summary of a run. ending says how its lease ends.
func summarize(d Delivery, ending string) console.Summary {
	declared := d.Desired.Access
	where := describeNamespaces(declared.Namespaces)
	var may []console.Access
	if !declared.Namespaced.Empty() {
		may = append(may, describeAccess(d.Observed, where, declared.Namespaced))
	}
	if !declared.Cluster.Empty() {
		may = append(may, describeAccess(d.Observed, reach.WholeCluster, declared.Cluster))
		where = reach.WholeCluster
	}
	if len(may) > 1 {
		where = may[0].Where + " and " + where
	}
	return console.Summary{
		Account: declared.ServiceAccount.String(),
		Plan:    d.Plan,
		Access:  may,
		Facts: []console.Fact{
			{Name: "Cluster", Value: console.CodeSpan(d.Rendered.Written.Server)},
			{Name: "Access in", Value: where},
			{Name: "Expires", Value: describeExpiry(d)},
			{Name: "Token id", Value: console.CodeSpan(d.Issued.Claims.ID)},
			describeEnding(d, ending),
			{Name: "Context", Value: console.CodeSpan(d.Rendered.Written.Name)},
		},
	}
}

// describeAccess lists what was granted in one place: the declared rules, and those of the bound
// roles that could be read.
func describeAccess(
	observed access.Observed, where console.Markdown, granted config.Grants,
) console.Access {
	may := console.Access{Where: where, Rules: slices.Clone(granted.Rules)}
	for _, role := range granted.Roles {
		bound := console.Bound{Kind: role.Kind, Name: role.Name}
		for ref, object := range observed.Named {
			if ref.Kind == role.Kind && ref.Name == role.Name {
				may.Rules = append(may.Rules, kube.RulesOf(object)...)
				bound.Read = true
			}
		}
		may.Roles = append(may.Roles, bound)
	}
	return may
}

func describeNamespaces(names []string) console.Markdown {
	const shown = 10
	if more := len(names) - shown; more > 0 {
		return console.CodeSpans(names[:shown]) + console.ProseOrCode(
			" and "+console.Plural(more, "more namespace"),
		)
	}
	return console.CodeSpans(names)
}

func describeExpiry(d Delivery) console.Markdown {
	if d.Issued.IsPermanent() {
		return "**never**: whoever reads the token keeps the access until its Secret is deleted"
	}
	lifetime := d.Issued.ExpiresAt.Sub(d.Issued.Claims.IssuedAt).Round(time.Minute)
	until := fmt.Sprintf(
		"%s (in %s; asked", d.Issued.ExpiresAt.Format("2006-01-02 15:04 MST"),
		console.FormatDuration(lifetime),
	)
	return console.Markdown(until) + ": " + console.CodeSpan(d.Config.Token.Asked) + ")"
}

// describeEnding says how the credential ends before it expires.
func describeEnding(d Delivery, ending string) console.Fact {
	switch its := d.Issued.Tether.Lease; {
	case its != nil:
		return console.Fact{
			Name:  "Lease",
			Value: console.CodeSpan(its.Namespace+"/"+its.Name) + ": " + console.ProseOrCode(ending),
		}
	case d.Issued.Secret != nil:
		secret := console.CodeSpan(d.Issued.Secret.Namespace + "/" + d.Issued.Secret.Name)
		if len(d.Issued.Theirs(d.Desired.Access.ServiceAccount)) > 0 {
			return console.Fact{
				Name:  "Secret",
				Value: secret + ": somebody else made it, so kubemint leaves it; deleting it ends the token",
			}
		}
		return console.Fact{
			Name:  "Secret",
			Value: secret + ": deleting it revokes the token (`kubemint revoke --permanent`)",
		}
	}
	return console.Fact{Name: "Lease", Value: "none: the token lives until it expires"}
}
