package app

import (
	"fmt"
	"slices"
	"time"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/kube"
)

// summary is what the job summary says of this run.
func (m *minting) summary() console.Summary {
	declared := m.desired.Access
	reach := m.namespaces()
	var may []console.Access
	if !declared.Namespaced.Empty() {
		may = append(may, m.mayDo(reach, declared.Namespaced))
	}
	if !declared.Cluster.Empty() {
		may = append(may, m.mayDo(access.WholeCluster, declared.Cluster))
		reach = access.WholeCluster
	}
	if len(may) > 1 {
		reach = may[0].Where + " and " + reach
	}
	return console.Summary{
		Account: declared.ServiceAccount.String(),
		Plan:    m.plan,
		Access:  may,
		Facts: []console.Fact{
			{Name: "Cluster", Value: console.Code(m.written.Server)},
			{Name: "Access in", Value: reach},
			{Name: "Expires", Value: m.expires()},
			{Name: "Token id", Value: console.Code(m.minted.Claims.ID)},
			m.ending(),
			{Name: "Context", Value: console.Code(m.written.Name)},
		},
	}
}

// mayDo is what was granted in one place: the declared rules, and those of the bound roles that could be read.
func (m *minting) mayDo(where console.Markdown, granted config.Grants) console.Access {
	may := console.Access{Where: where, Rules: slices.Clone(granted.Rules)}
	for _, role := range granted.Roles {
		bound := console.Bound{Kind: role.Kind, Name: role.Name}
		for ref, object := range m.observed.Named {
			if ref.Kind == role.Kind && ref.Name == role.Name {
				may.Rules = append(may.Rules, kube.Rules(object)...)
				bound.Read = true
			}
		}
		may.Roles = append(may.Roles, bound)
	}
	return may
}

func (m *minting) namespaces() console.Markdown {
	declared := m.desired.Access
	const shown = 10
	names := declared.Namespaces
	if more := len(names) - shown; more > 0 {
		return console.Codes(names[:shown]) + console.Prose(" and "+console.Plural(more, "more namespace"))
	}
	return console.Codes(names)
}

func (m *minting) expires() console.Markdown {
	if m.minted.Permanent() {
		return "**never**: whoever reads the token keeps the access until its Secret is deleted"
	}
	lifetime := m.minted.ExpiresAt.Sub(m.minted.Claims.IssuedAt).Round(time.Minute)
	until := fmt.Sprintf("%s (in %s; asked", m.minted.ExpiresAt.Format("2006-01-02 15:04 MST"), console.Short(lifetime))
	return console.Markdown(until) + ": " + console.Code(m.cfg.Token.Asked) + ")"
}

// ending is how the credential ends before it expires.
func (m *minting) ending() console.Fact {
	switch {
	case m.lease != nil:
		advice := ": " + console.Prose(m.platform.RevokeAdvice(m.output.path))
		return console.Fact{Name: "Lease", Value: console.Code(m.lease.Namespace+"/"+m.lease.Name) + advice}
	case m.permanent != nil:
		secret := console.Code(m.permanent.Namespace + "/" + m.permanent.Name)
		if len(m.othersSecret()) > 0 {
			return console.Fact{Name: "Secret", Value: secret + ": somebody else made it, so kubemint leaves it; deleting it ends the token"}
		}
		return console.Fact{Name: "Secret", Value: secret + ": deleting it revokes the token (`kubemint revoke --permanent`)"}
	}
	return console.Fact{Name: "Lease", Value: "none: the token lives until it expires"}
}
