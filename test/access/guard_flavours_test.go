package access

import (
	"strings"
	"testing"

	"github.com/kubemint/kubemint/test/kubetest"
)

// flavours are configurations whose rights reach further than usual, and what a thief with them tries. $NS is the account's
// namespace. In namespace elsewhere-$NS there are a ServiceAccount of the same name and a controller's Lease.
var flavours = []struct {
	name     string
	inputs   []string
	before   []string // what the administrator does with kubectl before the thief comes
	attempts []attempt
}{
	{"create_namespace", []string{
		"NAMESPACE=$S,$S-new", "CREATE_NAMESPACE=true", "ROLE=view", "RULES=get,list secrets,pods; cluster get nodes",
		"LABELS=pod-security.kubernetes.io/audit=restricted",
	}, []string{"delete clusterrolebinding kubemint:$NS:ci", "label ns $NS-new policy.example.com/include=true", "annotate ns $NS-new scheduler.alpha.kubernetes.io/node-selector=pool=ci"}, []attempt{
		{what: "a token of the ServiceAccount of that name in another namespace", args: "create token ci -n elsewhere-$NS"},
		{what: "a token Secret in another namespace", args: create, stdin: "apiVersion: v1\nkind: Secret\nmetadata: {name: theft, namespace: elsewhere-$NS, annotations: {kubernetes.io/service-account.name: ci}}\ntype: kubernetes.io/service-account-token\n"},
		{what: "a bootstrap token in kube-system", args: create, stdin: "apiVersion: v1\nkind: Secret\nmetadata: {generateName: bootstrap-token-, namespace: kube-system}\n"},
		{what: "the declared access in a namespace that is not declared", args: force, stdin: strings.Replace(role("Role", ours, "rules: [{apiGroups: [''], resources: [secrets, pods], verbs: [get, list]}]\n"), "namespace: $NS", "namespace: elsewhere-$NS", 1)},
		{what: "a role that is declared for namespaces, in the whole cluster", args: force, stdin: strings.Replace(role("ClusterRoleBinding", ours,
			"roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}\nsubjects: [{kind: ServiceAccount, name: ci, namespace: $NS}]\n"),
			"namespace: $NS, ", "", 1)},
		{what: "the leadership of a controller in another namespace", args: "delete lease controller-a -n elsewhere-$NS"},
		{what: "a Lease in kube-system", args: create, stdin: "apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {generateName: theft-, namespace: kube-system}\n"},
		{what: "to switch Pod Security off in a declared namespace", args: "label ns $NS-new pod-security.kubernetes.io/enforce=privileged"},
		{what: "to take over a declared namespace that kubemint did not make", args: "label ns $NS app.kubernetes.io/managed-by=kubemint"},
		{what: "to let a controller act in a declared namespace (label)", args: "label ns $NS-new istio-injection=enabled"},
		{what: "to have a policy of the cluster pass a declared namespace over (label without a value)", args: "label ns $NS-new admission.gatekeeper.sh/ignore="},
		{what: "to take off a label that a policy of the cluster goes by", args: "label ns $NS-new policy.example.com/include-"},
		{what: "to take off an annotation that the API server goes by (node selector)", args: "annotate ns $NS-new scheduler.alpha.kubernetes.io/node-selector-"},
		{what: "to change the value of a declared label", args: "label ns $NS-new --overwrite pod-security.kubernetes.io/audit=privileged"},
		{what: "a declared namespace that cannot be deleted (finalizer)", args: `patch ns $NS-new --type=merge -p {"metadata":{"finalizers":["acme.io/keep"]}} --dry-run=server`},
		{what: "to have a declared namespace deleted (owner that does not exist)", args: "patch ns $NS-new --type=merge -p " + orphan},
	}},
	{"ephemeral", []string{"EPHEMERAL=true"}, nil, []attempt{
		{what: "a token of another account", args: "create token victim -n $NS"},
		{what: "a token of another account, bound to a Secret under the name of a lease", args: "create token victim -n $NS --bound-object-kind=Secret --bound-object-name=kubemint-ci-bbbbbbbbbb", allowed: "ServiceAccount "},
		{what: "to change another account", args: force, stdin: "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: victim, namespace: $NS, annotations: {eks.amazonaws.com/role-arn: x}}\n"},
		{what: "an account without kubemint's marks", args: force, stdin: "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: ci-aaaaaaaaaa, namespace: $NS}\n"},
		{what: "a role of another name", args: force, stdin: strings.Replace(role("Role", ofOneRun, "rules: []\n"), "kubemint:$NS:ci", "theft", 1), allowed: "what kubemint makes for"},
		{what: "to change another account's role", args: force, stdin: strings.Replace(role("Role", ofOneRun, "rules: []\n"), "kubemint:$NS:ci", "kubemint:$NS:other", 1), allowed: "what kubemint makes for"},
		{what: "to delete another account", args: "delete --raw=/api/v1/namespaces/$NS/serviceaccounts/victim"},
		{what: "to delete another account's role", args: rolesOf + "kubemint:$NS:other"},
	}},
	{"duration: permanent", []string{"DURATION=permanent"}, []string{"delete secret kubemint-token-ci -n $NS"}, []attempt{
		{what: "a permanent token of another account", args: force + " --dry-run=server", stdin: "apiVersion: v1\nkind: Secret\nmetadata: {name: kubemint-token-ci, namespace: $NS, " + strings.Replace(ours, "{kubemint/owner", "{kubernetes.io/service-account.name: victim, kubemint/owner", 1) + "}\ntype: kubernetes.io/service-account-token\n"},
		{what: "a Secret with data under the name of the permanent token", args: force + " --dry-run=server", stdin: strings.Replace(secret("kubemint-token-ci", "type: kubernetes.io/service-account-token\nstringData: {a: b}\n"), "{kubemint/owner", "{kubernetes.io/service-account.name: ci, kubemint/owner", 1), allowed: "data that the token controller alone writes"},
		{what: "a Secret that a controller fills (replicator)", args: force + " --dry-run=server", stdin: "apiVersion: v1\nkind: Secret\nmetadata: {name: kubemint-token-ci, namespace: $NS, " + strings.Replace(ours, "{kubemint/owner", "{replicator.v1.mittwald.de/replicate-from: prod/tls, kubernetes.io/service-account.name: ci, kubemint/owner", 1) + "}\ntype: kubernetes.io/service-account-token\n"},
		{what: "a Secret of another name", args: create, stdin: secret("theft", ""), rbac: true},
		{what: "a token of the account without a Secret", args: "create token ci -n $NS", rbac: true},
	}},
}

// ofOneRun are the marks of an object of an ephemeral account.
var ofOneRun = strings.Replace(ours, "$NS.ci", "$NS.ci-aaaaaaaaaa", 1)

// orphan is a patch after which the garbage collector deletes the object.
const orphan = `{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"Namespace","name":"none","uid":"11111111-1111-1111-1111-111111111111"}]}}`

// more are further things to steal.
const more = `
apiVersion: v1
kind: Namespace
metadata: {name: elsewhere-$NS}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: ci, namespace: elsewhere-$NS}
---
apiVersion: v1
kind: Secret
metadata: {name: kubemint-ci-bbbbbbbbbb, namespace: $NS}
---
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: controller-a, namespace: elsewhere-$NS}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: kubemint:$NS:other
  namespace: $NS
  labels: {app.kubernetes.io/managed-by: kubemint, kubemint/service-account: $NS.other}
  annotations: {kubemint/owner: acme}
`

// TestGuard_Flavours is TestGuard_ThiefWithTheRunnersCredential for configurations whose rights reach further.
func TestGuard_Flavours(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs a control plane: make test runs it")
	}
	cluster := kubetest.New(t, kubetest.Options{})
	text := ""
	for _, flavour := range flavours {
		var thieves []*thief
		for _, guard := range []bool{false, true} {
			th := newThief(t, cluster, standing{guard: guard, inputs: flavour.inputs})
			th.asAdmin(t, more)
			for _, args := range flavour.before {
				th.asAdminRun(t, args)
			}
			thieves = append(thieves, th)
		}
		table := tryAll(t, flavour.attempts, thieves[0], thieves[1], "with the printed rights")
		text += strings.Replace(table, "a thief tries", "`"+flavour.name+"`: a thief tries", 1) + "\n"
	}
	compareBlock(t, "docs/security.md", "thief with further rights", text)
}
