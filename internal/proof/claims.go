package proof

import (
	"slices"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/access/naming"
	"github.com/kubemint/kubemint/internal/client/review"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/rules"
)

// Claims holds what is claimed of a credential with ensured access. Plan has the changes made.
type Claims struct {
	Desired  access.Desired
	Plan     access.Plan
	Observed access.Observed
}

// Empty says whether nothing has to be proved.
func (claim Claim) Empty() bool {
	return len(claim.Rules)+len(claim.MustNot)+len(claim.Unread)+len(claim.Gone) == 0 && !claim.Fresh
}

// For returns what has to be proved in a namespace. "" is the cluster scope.
func (c Claims) For(namespace string) Claim {
	claim := Claim{Namespace: namespace}
	c.addGranted(&claim)
	c.addGone(&claim)
	if namespace == "" {
		claim.Namespace = review.EveryNamespace
		claim.MustNot = c.Desired.Access.AllMustNot()
		return claim
	}
	claim.Rules = rules.InNamespace(claim.Rules)
	claim.MustNot = rules.InNamespace(c.Desired.Access.MustNot)
	return claim
}

// addGone adds the access that the run has removed: the credential must not have it any more when
// it is handed out. Where a binding of a role that is not declared was deleted, nothing says what
// that role grants: time has to tell.
func (c Claims) addGone(claim *Claim) {
	still := slices.Concat(claim.Rules, c.Desired.Access.Cluster.Rules)
	for _, change := range c.Plan.Changes {
		if change.Ref.Namespace != claim.Namespace {
			continue
		}
		claim.Gone = append(claim.Gone, rules.Covers(still, change.Removed)...)
		if change.Delete != nil && kube.IsBinding(change.Delete) {
			other := kube.RoleOf(change.Delete).Name != naming.ObjectName(c.Desired.Access.ServiceAccount)
			claim.Fresh = claim.Fresh || other
		}
	}
}

// addGranted adds what the declared access grants in that place: the declared rules, and those of
// the bound roles that could be read. An object that an administrator asked to leave alone proves
// nothing.
func (c Claims) addGranted(claim *Claim) {
	fresh := map[kube.Ref]bool{} // roles of bindings that this run has written
	held := map[string]bool{}    // names of our role and bindings
	for _, change := range c.Plan.Changes {
		if change.Ref.Namespace != claim.Namespace {
			continue
		}
		held[change.Ref.Name] = held[change.Ref.Name] || change.Held != ""
		if change.Apply != nil {
			fresh[kube.RoleOf(change.Apply)] = true
		}
	}
	account := c.Desired.Access.ServiceAccount
	declared := c.Desired.Access.Place(claim.Namespace)
	if !held[naming.ObjectName(account)] {
		claim.Rules = slices.Clone(declared.Rules)
	}
	for _, role := range declared.Roles {
		if held[naming.BindingName(account, role.Kind, role.Name)] {
			continue
		}
		ref := naming.RoleRef(role, claim.Namespace)
		if role := c.Observed.Named[ref]; role != nil {
			claim.Rules = append(claim.Rules, kube.RulesOf(role)...)
			continue
		}
		claim.Unread = append(claim.Unread, ref.Name)
		claim.Fresh = claim.Fresh || fresh[ref]
	}
}
