package bootstrap

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/access/reach"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/lease/leasename"
	"github.com/kubemint/kubemint/internal/lease/lock"
)

// holder has the rights that bootstrap prints.
type holder struct {
	access.Desired
	token  config.Token
	steady bool
}

// listWorst lists what the holder could do with the rights beyond what kubemint does with them: RBAC
// confines neither the fields of what is made, nor the names of what a POST makes.
// TestWhatBootstrapSaysAtWorst shows each line on an API server.
func (h holder) listWorst() []string {
	var can []string
	can = append(can, h.tokenPowers()...)
	can = append(can, h.secretPowers()...)
	if h.leasePowers() {
		can = append(can, "make and delete any Lease in "+h.describeHome()+
			": end other jobs' credentials, and the leadership of controllers")
	}
	if !h.steady {
		can = append(can, h.lockPowers()...)
		can = append(can, h.objectPowers()...)
	}
	return can
}

func (h holder) isPermanent() bool { return h.token.Lifetime.Permanent }
func (h holder) leasePowers() bool { return h.token.Revoke && !h.isPermanent() }

// isEverywhere says whether the rights are on the whole cluster, for the sake of namespaces that
// are not there yet.
func (h holder) isEverywhere() bool { return h.Access.CreateNamespace && !h.steady }

// describeHome is where the ServiceAccount is, as far as the rights reach.
func (h holder) describeHome() string {
	if h.isEverywhere() {
		return "every namespace"
	}
	return "namespace " + h.Access.ServiceAccount.Namespace
}

func (h holder) tokenPowers() []string {
	account := h.Access.ServiceAccount
	whose := "ServiceAccount " + account.String()
	switch {
	case h.isPermanent() && h.steady:
		return []string{
			"read the token in Secret " + account.Namespace + "/" + h.tokenSecret() + ", which never expires",
		}
	case h.isPermanent():
		return []string{
			"be any ServiceAccount of " + h.describeHome() + ": make Secret " + h.tokenSecret() + " for it, " +
				"and read the token, which never expires",
		}
	case h.Access.Ephemeral:
		whose = "any ServiceAccount of " + h.describeHome()
	case h.isEverywhere():
		whose = "the ServiceAccount " + account.Name + " of every namespace"
	}
	return []string{
		"mint tokens of " + whose + " that no lease ends, for years: they die with the account",
	}
}

func (h holder) secretPowers() []string {
	if !h.leasePowers() {
		return nil
	}
	can := []string{
		"make any Secret in " + h.describeHome() + ", also one that a controller there obeys",
	}
	made := "make a token Secret for any ServiceAccount of " + h.describeHome()
	near := reach.GrantsNear(h.Access, h.isEverywhere())
	switch {
	case slices.ContainsFunc(near.Rules, readsSecrets):
		can = append(can, made+", read it by the declared rules, and so be that account")
	case len(near.Roles) > 0:
		can = append(
			can, made+", and be that account if a bound role can read Secrets (edit and admin can)",
		)
	default:
		can = append(can, made+", which these rights do not let it read")
	}
	if h.isEverywhere() || h.Access.ServiceAccount.Namespace == metav1.NamespaceSystem {
		can = append(can, "make bootstrap tokens in kube-system: "+
			"where the API server takes them, a credential with which nodes join")
	}
	return can
}

// lockPowers lists what a first run may do with the lock of the account's access, and with the leases
// that show whose credentials are live.
func (h holder) lockPowers() []string {
	if h.Access.Ephemeral || (!h.Access.Grants() && !h.Access.CreateServiceAccount) {
		return nil
	}
	can := []string{
		"change the Lease " + lock.NameOf(h.Access.ServiceAccount.Name) + " in " + h.describeHome() +
			": hold other runs up, or have access change under a live credential",
	}
	if h.Access.Grants() {
		can = append(
			can,
			"read every Lease in "+h.describeHome()+": which jobs have a credential, and which controllers run",
		)
	}
	return can
}

// objectPowers lists what a first run makes or changes.
func (h holder) objectPowers() []string {
	var can []string
	where := reach.Describe(h.Access)
	if h.isEverywhere() {
		where = reach.WholeCluster
	}
	if h.Access.Grants() {
		can = append(can, "hold the declared rules and roles itself, "+
			"and give them and these rights to anyone, in "+where)
	}
	if h.Access.Ephemeral {
		can = append(can, "change and delete any ServiceAccount of "+h.describeHome())
		if h.Access.Grants() {
			can = append(can, "read, change and delete any role and binding in "+where+
				", without adding rights that it lacks")
		}
	} else if h.Access.CreateServiceAccount {
		can = append(can, "change the ServiceAccount, "+
			"also the annotations with which clouds give identities to its pods, and have it deleted")
	}
	if h.Access.CreateNamespace {
		can = append(can, "change the labels of the declared namespaces, Pod Security's among them, "+
			"and have the namespaces deleted")
	}
	return can
}

// readsSecrets says whether a rule has some Secret read. A token Secret can have whatever name the
// rule allows.
func readsSecrets(rule rbacv1.PolicyRule) bool {
	reads := slices.ContainsFunc(rule.Verbs, func(verb string) bool {
		return slices.Contains([]string{"get", "list", "watch", "*"}, verb)
	})
	return reads && reachesSecrets(rule)
}

// listExclusions lists what the rights leave out on purpose, where nothing that is declared adds it
// again.
func (h holder) listExclusions() []string {
	// it can be accounts that may have more
	others := h.Access.Ephemeral || h.isPermanent() || h.isEverywhere()
	if others || len(h.Access.Cluster.Roles)+len(h.Access.Namespaced.Roles) > 0 ||
		slices.ContainsFunc(h.Access.AllRules(), reachesSecrets) {
		return nil
	}
	return []string{"It can neither read, change nor delete a Secret, nor give away other rights."}
}

func reachesSecrets(rule rbacv1.PolicyRule) bool {
	has := func(list []string, word string) bool {
		return slices.Contains(list, word) || slices.Contains(list, "*")
	}
	return has(rule.APIGroups, corev1.GroupName) && has(rule.Resources, "secrets")
}

// tokenSecret is the name of the Secret of a permanent token.
func (h holder) tokenSecret() string { return leasename.PermanentSecret(h.Access.ServiceAccount.Name) }
