package guard

import (
	"encoding/json"
	"fmt"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/kube"
)

// accounts confines ServiceAccounts to the declared one, which no pod finds mounted.
func (n names) accounts() policy {
	p := policy{
		kind: "accounts", resources: []string{"serviceaccounts"}, operations: write,
		about: "ServiceAccounts: the declared one, without mounted tokens, Secrets or identities of clouds.",
		checks: []check{
			{
				"ServiceAccount " + n.declared.ServiceAccount.String() + " of kubemint",
				n.isAccount("variables.it.metadata.name") + " &&\n" + n.atHome() +
					" &&\n" + ours,
			},
			{
				"automountServiceAccountToken: false, and no further Secrets",
				`request.operation == "DELETE" || (variables.it.?automountServiceAccountToken.orValue(true) == false &&
variables.it.?secrets.orValue([]) ==
(request.operation == "UPDATE" ? oldObject.?secrets.orValue([]) : []) &&
variables.it.?imagePullSecrets.orValue([]) ==
(request.operation == "UPDATE" ? oldObject.?imagePullSecrets.orValue([]) : []) &&
` + unheld + ")",
			},
			{knownOnly, known},
			{"objects of this owner", n.adoption()},
		},
	}
	p.checks = append(p.checks, n.keepExpiry()...)
	return p
}

// keepExpiry is whether an object that lasts gets no expiry: a sweep deletes what has expired, and
// prune leaves alone what is to expire.
func (n names) keepExpiry() []check {
	if n.declared.Ephemeral {
		return nil
	}
	at := "metadata.?annotations[?" + quote(kube.AnnotationExpiresAt) + "]"
	return []check{{"no expiry: a sweep deletes what has expired", `request.operation == "DELETE" ||
object.` + at + ` == (request.operation == "UPDATE" ? oldObject.` + at + " : optional.none())"}}
}

// adoption is whether an object is this owner's, and was before: unless the configuration takes
// objects over.
func (n names) adoption() string {
	after := `request.operation == "DELETE" || (` + n.owned("variables.it") + ")"
	before := wasOurs + " &&\n(" + n.wasOwned() + ")"
	if n.declared.TakeOwnership {
		return after
	}
	return "(" + after + ") &&\n" + `(request.operation == "CREATE" || (` + before + "))"
}

// aboutRBAC says for a reviewer what each policy of roles and bindings allows.
var aboutRBAC = map[string]string{
	"roles":               "Roles: those of this ServiceAccount, with declared rules.",
	"rolebindings":        "RoleBindings: of this ServiceAccount alone, to declared roles and its own.",
	"clusterroles":        "ClusterRoles: those of this ServiceAccount, with rules declared for the cluster.",
	"clusterrolebindings": "ClusterRoleBindings: of this ServiceAccount alone, to declared roles and its own.",
}

// roles confines roles and bindings, one policy a kind.
func (n names) roles() (all []policy) {
	for _, kind := range []string{"roles", "rolebindings", "clusterroles", "clusterrolebindings"} {
		p := policy{
			kind: kind, group: rbacv1.GroupName, resources: []string{kind}, operations: write,
			about: aboutRBAC[kind],
			checks: []check{
				{
					"what kubemint makes for ServiceAccount " + n.declared.ServiceAccount.String(),
					`(request.operation == "DELETE" || ` + matches("object.metadata.name", n.rbacPattern()) +
						") &&\n" + ours + " &&\n" + unheld,
				},
				{"objects of this owner", n.adoption()},
				{knownOnly, known},
			},
		}
		p.checks = append(p.checks, n.keepExpiry()...)
		if !strings.HasSuffix(kind, "bindings") {
			p.checks = append(p.checks, check{"the declared rules", n.declaredRules(kind)})
		}
		if strings.HasSuffix(kind, "bindings") {
			p.checks = append(p.checks, check{"this ServiceAccount as the one subject", n.onlySubject()},
				check{"the declared roles", n.declaredRoleRef(kind)})
		}
		if !strings.HasPrefix(kind, "cluster") && n.declared.CreateNamespace {
			p.checks = append(p.checks, check{
				"the declared namespaces", `request.operation == "DELETE" || ` + n.inDeclaredNamespaces(),
			})
		}
		all = append(all, p)
	}
	return all
}

// inDeclaredNamespaces is whether an object is in a namespace that is declared.
func (n names) inDeclaredNamespaces() string {
	var all []string
	for _, namespace := range n.declared.Namespaces {
		all = append(all, quote(namespace))
	}
	return "request.namespace in [" + strings.Join(all, ", ") + "]"
}

// declaredRules is whether a role grants declared rules alone. The runner holds more, and RBAC
// would let it give that to the account, which no guard confines.
func (n names) declaredRules(kind string) string {
	granted := n.declared.Namespaced.Rules
	if kind == "clusterroles" {
		granted = n.declared.Cluster.Rules
	}
	var all []string
	for _, rule := range granted {
		text, err := json.Marshal(rule) // JSON is a literal of CEL
		if err == nil {                 // it consists of strings
			all = append(all, string(text))
		}
	}
	return `request.operation == "DELETE" || variables.it.?rules.orValue([]).all(r, r in [` +
		strings.Join(all, ",\n") + "])"
}

// onlySubject is whether a binding binds the account alone.
func (n names) onlySubject() string {
	return fmt.Sprintf(`request.operation == "DELETE" || (size(variables.it.?subjects.orValue([])) == 1 &&
variables.it.subjects[0].kind == "ServiceAccount" &&
variables.it.subjects[0].?namespace.orValue("") == %s &&
%s)`, quote(n.declared.ServiceAccount.Namespace), n.isAccount("variables.it.subjects[0].name"))
}

// declaredRoleRef is whether a binding binds a declared role, or the account's own.
func (n names) declaredRoleRef(kind string) string {
	allowed := []string{
		matches(
			"variables.it.roleRef.name",
			strings.Replace(n.rbacPattern(), "(:(role|clusterrole):.+)?", "", 1),
		),
	}
	granted := n.declared.Namespaced.Roles
	if kind == "clusterrolebindings" {
		granted = n.declared.Cluster.Roles
	}
	for _, role := range granted {
		allowed = append(allowed, fmt.Sprintf(
			"(variables.it.roleRef.kind == %s && variables.it.roleRef.name == %s)", quote(role.Kind),
			quote(role.Name),
		))
	}
	return `request.operation == "DELETE" || ` + strings.Join(allowed, " ||\n")
}

// namespaces allows to create the declared namespaces. One that is there is not changed: kubemint has
// no reason to, and policies of the cluster go by what is written on it.
func (n names) namespaces() policy {
	var declared []string
	for _, o := range n.desired.Objects {
		if ref := kube.RefOf(o); ref.Kind == "Namespace" {
			declared = append(declared, quote(ref.Name))
		}
	}
	return policy{
		kind: "namespaces", resources: []string{"namespaces"}, operations: write,
		about: "Namespaces: the declared ones are created, and not changed afterwards.",
		checks: []check{
			{"the declared namespaces", "variables.it.metadata.name in [" + strings.Join(declared, ", ") + "]"},
			{"to create one", `request.operation == "CREATE"`},
			{
				"kubemint's label, and neither finalizer nor owner",
				fmt.Sprintf(`variables.it.metadata.?labels[?%s].orValue("") == %s &&
%s`, quote(kube.LabelManagedBy), quote(kube.ManagedBy), unheld),
			},
			{knownOnly, known},
		},
	}
}
