package outlive

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/rules"
)

// Warn returns a warning if the declared access lets the credential go on after its token has
// ended, else "". Only access to the ServiceAccount's own namespace counts: its lease, its tokens
// and the pods that run as it are there. Of the bound roles it knows those that could be read.
func Warn(desired access.Desired, observed access.Observed) string {
	account := desired.Access.ServiceAccount
	everywhere := desired.GrantedIn("", observed)
	home := slices.Clone(everywhere)
	if slices.Contains(desired.Access.Namespaces, account.Namespace) {
		home = append(home, desired.GrantedIn(account.Namespace, observed)...)
	}
	if desired.IsEphemeral() { // its account is deleted, which leaves what it does as somebody else
		if others := describeImpersonation(everywhere, everywhere); others != "" {
			return formatOutliving(account.Namespace, []string{others}, []string{leaveOut})
		}
		return ""
	}
	can := findEscapes(home, account.Name)
	if others := describeImpersonation(home, everywhere); others != "" {
		can = append(can, others)
	}
	if len(can) == 0 {
		return ""
	}
	ways := []string{
		"give the account a namespace of its own " +
			"(`service_account: " + suggestAccount(desired.Access) + "`)",
	}
	if len(findEscapes(everywhere, account.Name)) > 0 {
		ways = []string{"grant it in namespaces, and not in that of the account"}
	}
	ways = append(
		ways,
		"or set `ephemeral: true`: that account is deleted at the end, and with it all its tokens",
	)
	if describeImpersonation(everywhere, everywhere) != "" {
		ways = append(ways, leaveOut)
	}
	return formatOutliving(account.Namespace, can, ways)
}

// leaveOut is the only remedy for what is done under another name.
const leaveOut = "leave `impersonate` at cluster scope out of what is declared"

func formatOutliving(namespace string, can, ways []string) string {
	return fmt.Sprintf(
		"from namespace %s, where its ServiceAccount is, the credential can %s; revoking it does not undo that: %s",
		namespace, strings.Join(can, ", "), strings.Join(ways, "; "),
	)
}

// suggestAccount is an account of the same purpose in a namespace in which nothing is declared.
func suggestAccount(declared config.Access) string {
	account := declared.ServiceAccount
	namespace := "kubemint"
	for account.Namespace == namespace || slices.Contains(declared.Namespaces, namespace) {
		namespace += "-accounts"
	}
	return namespace + "/" + account.Namespace + "-" + account.Name
}

// findEscapes lists how the rules in the account's namespace let its access go on without the
// token.
func findEscapes(home []rbacv1.PolicyRule, account string) (can []string) {
	if grantsAny(home, rules.NewRule("", "serviceaccounts/token", account, "create")) {
		can = append(can, "mint tokens for itself (create serviceaccounts/token)")
	}
	if makesTokenSecrets(home) {
		can = append(can, "make a token Secret for itself and read it (create and get secrets)")
	}
	if changesOwn(home) {
		can = append(can, "change its own lease or Secret (update or patch them, or delete leases)")
	}
	if startsPods(home) {
		can = append(can, "start pods that run as it (create or change pods, deployments and such)")
	}
	return can
}

func grantsAny(have []rbacv1.PolicyRule, wanted ...rbacv1.PolicyRule) bool {
	return len(rules.Overlap(have, wanted)) > 0
}

// makesTokenSecrets says whether rules let a Secret of type kubernetes.io/service-account-token be
// made and read. A POST shows the authorizer no name, so a named Secret can be made by apply alone,
// which asks for patch and create.
func makesTokenSecrets(home []rbacv1.PolicyRule) bool {
	secrets := func(verbs ...string) []rbacv1.PolicyRule {
		return rules.Overlap(home, []rbacv1.PolicyRule{rules.NewRule("", "secrets", "", verbs...)})
	}
	reads := secrets("get", "list", "watch")
	for _, made := range secrets("create") {
		if len(made.ResourceNames) == 0 && len(reads) > 0 {
			return true
		}
		for _, name := range made.ResourceNames {
			named := rules.NewRule("", "secrets", name, "get", "list", "watch")
			if grantsAny(secrets("patch"), rules.NewRule("", "secrets", name, "patch")) &&
				grantsAny(reads, named) {
				return true
			}
		}
	}
	return false
}

// changesOwn says whether rules let the credential keep its Secret when its lease ends: a
// finalizer, owner references that are taken off, a lease deleted without what it owns. The names
// are random, so rules with names do not count.
func changesOwn(home []rbacv1.PolicyRule) bool {
	nameless := slices.DeleteFunc(
		slices.Clone(home), func(r rbacv1.PolicyRule) bool { return len(r.ResourceNames) > 0 },
	)
	return grantsAny(
		nameless,
		rules.NewRule("", "secrets", "", "update", "patch"),
		rules.NewRule(
			"coordination.k8s.io", "leases", "", "update", "patch", "delete", "deletecollection",
		),
	)
}

// startsPods says whether rules let pods be started that run as the account: the kubelet renews the
// tokens of a pod for as long as it runs.
func startsPods(home []rbacv1.PolicyRule) bool {
	var wanted []rbacv1.PolicyRule
	for group, resources := range podMakers {
		for _, resource := range resources {
			wanted = append(wanted, rules.NewRule(group, resource, "", "create", "update", "patch"))
		}
	}
	wanted = append(
		wanted, rules.NewRule("", "pods", "", "create"), rules.NewRule("batch", "jobs", "", "create"),
	)
	return grantsAny(home, wanted...)
}

// podMakers have a template of pods, which names their ServiceAccount. That of a pod or a job that
// is there already cannot be changed.
var podMakers = map[string][]string{
	"":      {"replicationcontrollers"},
	"apps":  {"daemonsets", "deployments", "replicasets", "statefulsets"},
	"batch": {"cronjobs"},
}

// describeImpersonation names what may be impersonated: ServiceAccounts of the account's namespace,
// users and groups where it is granted at cluster scope, as the API server asks for those without a
// namespace.
func describeImpersonation(home, everywhere []rbacv1.PolicyRule) string {
	verbs := []string{"impersonate", "impersonate:user-info", "impersonate:serviceaccount"}
	var kinds []string
	for _, kind := range []string{"serviceaccounts", "users", "groups"} {
		rs := everywhere
		if kind == "serviceaccounts" {
			rs = home
		}
		if grantsAny(
			rs, rules.NewRule(corev1.GroupName, kind, "", verbs...),
			rules.NewRule("authentication.k8s.io", kind, "", verbs...),
		) {
			kinds = append(kinds, kind)
		}
	}
	if len(kinds) == 0 {
		return ""
	}
	return "impersonate others (impersonate " + strings.Join(kinds, ", ") + ")"
}
