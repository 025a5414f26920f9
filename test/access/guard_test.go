package access

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// attempt is one that a thief makes with the runner's credential, as kubectl's arguments and its standard input.
// $NS is the account's namespace, $LEASE and $SECRET a lease of the thief's own making and the UID of its
// Secret, $LEASEUID the lease's UID and $SOON its expiry, $APPUID the UID of another Secret.
type attempt struct {
	what  string
	args  string
	stdin string
	rbac  bool // the printed rights do not allow it anyway

	allowed string // what the guard says that is allowed; "" where any of its checks may refuse it
}

// ours are the marks of kubemint's own objects, as a thief copies them.
const ours = `labels: {app.kubernetes.io/managed-by: kubemint, kubemint/service-account: $NS.ci}, ` +
	`annotations: {kubemint/owner: acme, kubemint/expires-at: "$SOON"}`

func secret(name, rest string) string {
	return "apiVersion: v1\nkind: Secret\nmetadata: {name: " + name + ", namespace: $NS, " + ours + "}\n" + rest
}

func owned(name, rest string) string {
	return "apiVersion: v1\nkind: Secret\nmetadata: {name: " + name + ", namespace: $NS, " + ours +
		", ownerReferences: [{apiVersion: coordination.k8s.io/v1, kind: Lease, name: " + name + ", uid: $LEASEUID}]}\n" + rest
}

func leaseOf(meta string) string {
	return "apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {namespace: $NS, " + meta + "}\n"
}

func role(kind, meta, rest string) string {
	return "apiVersion: rbac.authorization.k8s.io/v1\nkind: " + kind + "\nmetadata: {name: 'kubemint:$NS:ci', namespace: $NS, " + meta + "}\n" + rest
}

func account(meta, rest string) string {
	return "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: ci, namespace: $NS, " + meta + "}\n" + rest
}

const (
	create  = "create -f -"
	force   = "apply --server-side --force-conflicts --field-manager=kubemint -f -"
	dryRun  = "create --dry-run=server -o yaml -f -"
	binding = "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: 'kubemint:$NS:ci'}\nsubjects: "
	theSA   = "automountServiceAccountToken: false\n"
)

// attempts are the thief's. docs/security.md has the table.
var attempts = []attempt{
	{what: "a token that no lease ends", args: "create token ci -n $NS --duration=1h"},
	{what: "a token of ten years", args: "create token ci -n $NS --duration=87600h"},
	{what: "a token of ten years, bound to a lease", args: "create token ci -n $NS --duration=87600h --bound-object-kind=Secret --bound-object-name=$LEASE --bound-object-uid=$SECRET"},
	{what: "a token for a cloud (sts.amazonaws.com)", args: "create token ci -n $NS --duration=1h --audience=sts.amazonaws.com --bound-object-kind=Secret --bound-object-name=$LEASE --bound-object-uid=$SECRET"},
	{what: "a token that is bound to another Secret", args: "create token ci -n $NS --duration=1h --bound-object-kind=Secret --bound-object-name=app --bound-object-uid=$APPUID"},
	{what: "a token of another ServiceAccount", args: "create token victim -n $NS", rbac: true},
	{what: "a token Secret of another ServiceAccount, to be read by a minted token", args: create, stdin: "apiVersion: v1\nkind: Secret\nmetadata: {name: theft, namespace: $NS, annotations: {kubernetes.io/service-account.name: victim}}\ntype: kubernetes.io/service-account-token\n"},
	{what: "the same under the name of a lease, with its owner", args: create, stdin: strings.Replace(owned("kubemint-ci-bbbbbbbbbb", "type: kubernetes.io/service-account-token\n"), `kubemint/owner`, "kubernetes.io/service-account.name: victim, kubemint/owner", 1)},
	{what: "a Secret with data", args: create, stdin: "apiVersion: v1\nkind: Secret\nmetadata: {name: theft-data, namespace: $NS}\nstringData: {a: b}\n"},
	{what: "a Secret with data under the name of a lease", args: create, stdin: owned("kubemint-ci-cccccccccc", "stringData: {a: b}\n")},
	{what: "an empty Secret without a lease", args: create, stdin: secret("kubemint-ci-dddddddddd", "")},
	{what: "an empty Secret that outlives its lease (finalizer)", args: create, stdin: strings.Replace(owned("kubemint-ci-eeeeeeeeee", ""), "name: kubemint-ci-eeeeeeeeee,", "name: kubemint-ci-eeeeeeeeee, finalizers: [acme.io/keep],", 1)},
	{what: "a Secret of a generated name", args: create, stdin: "apiVersion: v1\nkind: Secret\nmetadata: {generateName: theft-, namespace: $NS}\n"},
	{what: "a TLS Secret that an ingress serves", args: create, stdin: "apiVersion: v1\nkind: Secret\nmetadata: {name: tls, namespace: $NS}\ntype: kubernetes.io/tls\nstringData: {tls.crt: a, tls.key: b}\n"},
	{what: "a Secret that is read by a dry run", args: dryRun, stdin: "apiVersion: v1\nkind: Secret\nmetadata: {name: theft-dry, namespace: $NS}\nstringData: {a: b}\n"},
	{what: "a bootstrap token in kube-system", args: create, stdin: "apiVersion: v1\nkind: Secret\nmetadata: {name: bootstrap-token-abcdef, namespace: kube-system}\ntype: bootstrap.kubernetes.io/token\n", rbac: true},
	{what: "to read a Secret", args: "get secret app -n kube-system", rbac: true},
	{what: "to read a Secret by deleting it (dry run)", args: "delete secret app -n $NS --dry-run=server", rbac: true},
	{what: "the leadership of a controller", args: create, stdin: leaseOf("name: controller-b")},
	{what: "to end the leadership of a controller", args: "delete lease controller-a -n $NS"},
	{what: "to end another account's credential", args: "delete lease kubemint-other-aaaaaaaaaa -n $NS"},
	{what: "to end another owner's credential", args: "delete lease kubemint-ci-ffffffffff -n $NS"},
	{what: "all leases at once", args: "delete --raw=/apis/coordination.k8s.io/v1/namespaces/$NS/leases", rbac: true},
	{what: "a lease in another account's name", args: create, stdin: leaseOf("name: kubemint-other-bbbbbbbbbb, " + ours)},
	{what: "a lease in another owner's name", args: create, stdin: leaseOf("name: kubemint-ci-gggggggggg, " + strings.Replace(ours, "owner: acme", "owner: else", 1))},
	{what: "a lease that never expires", args: create, stdin: leaseOf("name: kubemint-ci-hhhhhhhhhh, " + strings.Replace(ours, "$SOON", "2099-01-01T00:00:00Z", 1))},
	{what: "a lease without an expiry", args: create, stdin: leaseOf("name: kubemint-ci-llllllllll, " + strings.Replace(ours, `, kubemint/expires-at: "$SOON"`, "", 1))},
	{what: "a lease that never expires, by changing one", args: force, stdin: leaseOf("name: $LEASE, " + strings.Replace(ours, "$SOON", "2099-01-01T00:00:00Z", 1)), rbac: true},
	{what: "a lease that cannot be deleted (finalizer)", args: create, stdin: leaseOf("name: kubemint-ci-iiiiiiiiii, finalizers: [acme.io/keep], " + ours)},
	{what: "a lease of a generated name", args: create, stdin: leaseOf("generateName: theft-")},
	{what: "to adopt a lease", args: "label lease controller-a -n $NS app.kubernetes.io/managed-by=kubemint", rbac: true},
	{what: "to take the lock's marks off", args: "label lease kubemint-ci -n $NS app.kubernetes.io/managed-by-"},
	{what: "a lock that cannot be deleted (finalizer)", args: `patch lease kubemint-ci -n $NS --type=merge -p {"metadata":{"finalizers":["acme.io/keep"]}}`},
	{what: "the declared access for the thief itself", args: force, stdin: role("RoleBinding", ours, binding+"[{apiGroup: rbac.authorization.k8s.io, kind: User, name: thief}]\n")},
	{what: "the declared access for everybody", args: force, stdin: role("RoleBinding", ours, binding+"[{apiGroup: rbac.authorization.k8s.io, kind: Group, name: 'system:authenticated'}]\n")},
	{what: "the declared access for a second account", args: force, stdin: role("RoleBinding", ours, binding+"[{kind: ServiceAccount, name: ci, namespace: $NS}, {kind: ServiceAccount, name: victim, namespace: $NS}]\n")},
	{what: "a role without kubemint's marks", args: `label role kubemint:$NS:ci -n $NS app.kubernetes.io/managed-by-`},
	{what: "a role in another owner's name", args: `annotate role kubemint:$NS:ci -n $NS --overwrite kubemint/owner=else`},
	{what: "more rights for the account", args: force, stdin: role("Role", ours, "rules: [{apiGroups: ['*'], resources: ['*'], verbs: ['*']}]\n"), rbac: true},
	{what: "the runner's own rights for the account, which no guard confines", args: force, stdin: role("Role", ours, "rules: [{apiGroups: [''], resources: [secrets], verbs: [get, list, create]}, {apiGroups: [''], resources: [serviceaccounts/token], resourceNames: [ci], verbs: [create]}]\n")},
	{what: "a Secret whose owner can never be collected", args: create, stdin: strings.Replace(owned("kubemint-ci-jjjjjjjjjj", ""), "coordination.k8s.io/v1", "coordination.k8s.io/v9", 1)},
	{what: "a Secret that a controller fills (replicator)", args: create, stdin: strings.Replace(owned("kubemint-ci-kkkkkkkkkk", ""), "kubemint/owner:", "replicator.v1.mittwald.de/replicate-from: prod/tls, kubemint/owner:", 1)},
	{what: "a role that others gather (aggregation label)", args: "label role kubemint:$NS:ci -n $NS rbac.authorization.k8s.io/aggregate-to-view=true"},
	{what: "a role of another name", args: create, stdin: strings.Replace(role("Role", ours, "rules: []\n"), "kubemint:$NS:ci", "theft", 1), rbac: true},
	{what: "a cloud's identity for the account's pods", args: "annotate sa ci -n $NS eks.amazonaws.com/role-arn=arn:aws:iam::1:role/x"},
	{what: "tokens mounted into the account's pods", args: force, stdin: account(ours, "automountServiceAccountToken: true\n")},
	{what: "another Secret for the account's pods to mount", args: force, stdin: account(ours, theSA+"secrets: [{name: app}]\n")},
	{what: "credentials of a registry for the account's pods", args: force, stdin: account(ours, theSA+"imagePullSecrets: [{name: app}]\n")},
	{what: "the account without kubemint's marks", args: "label sa ci -n $NS kubemint/service-account-"},
	{what: "an account that cannot be deleted (finalizer)", args: `patch sa ci -n $NS --type=merge -p {"metadata":{"finalizers":["acme.io/keep"]}}`},
	{what: "to end a lease and keep its Secret (orphan)", args: "delete lease $LEASE -n $NS --cascade=orphan"},
	{what: "another account", args: create, stdin: "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: theft, namespace: $NS}\n", rbac: true},
	{what: "to have a sweep delete the account (expiry)", args: "annotate sa ci -n $NS --overwrite kubemint/expires-at=2000-01-01T00:00:00Z", allowed: "no expiry"},
	{what: "to have a sweep delete the declared role (expiry)", args: "annotate role kubemint:$NS:ci -n $NS --overwrite kubemint/expires-at=2000-01-01T00:00:00Z", allowed: "no expiry"},
	{what: "an annotation without a value for the account", args: "annotate sa ci -n $NS azure.workload.identity/tenant-id="},
	{what: "to have the declared role deleted (owner that does not exist)", args: "patch role kubemint:$NS:ci -n $NS --type=merge -p " + orphan},
	{what: "to have the account deleted, and all its tokens (owner that does not exist)", args: "patch sa ci -n $NS --type=merge -p " + orphan},
}

// added are rights that docs/rights.md says a runner may have beyond the printed ones, and get on leases: kubectl reads
// what it changes.
const added = `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: added, namespace: $NS}
rules:
- {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get, patch]}
- {apiGroups: [""], resources: [secrets], verbs: [delete]}
- {apiGroups: [rbac.authorization.k8s.io], resources: [roles, rolebindings], verbs: [list, delete]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: added, namespace: $NS}
subjects: [{kind: User, name: runner-of-$NS, apiGroup: rbac.authorization.k8s.io}]
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: added}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: app, namespace: $NS}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: kubemint:$NS:other
  namespace: $NS
  labels: {app.kubernetes.io/managed-by: kubemint, kubemint/service-account: $NS.other}
  annotations: {kubemint/owner: acme}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: kubemint:$NS:ci:role:x
  namespace: $NS
  labels: {app.kubernetes.io/managed-by: kubemint, kubemint/service-account: $NS.ci}
  annotations: {kubemint/owner: else}
`

const rolesOf = "delete --raw=/apis/rbac.authorization.k8s.io/v1/namespaces/$NS/roles/"

// attemptsWithMore are those that a thief makes with the added rights.
var attemptsWithMore = []attempt{
	{what: "a lease that never expires, by changing one", args: "annotate lease $LEASE -n $NS --overwrite kubemint/expires-at=2099-01-01T00:00:00Z"},
	{what: "a lease without an expiry, by changing one", args: "annotate lease $LEASE -n $NS kubemint/expires-at-"},
	{what: "a lease that cannot be deleted, by changing one (finalizer)", args: `patch lease $LEASE -n $NS --type=merge -p {"metadata":{"finalizers":["acme.io/keep"]}}`},
	{what: "to end another account's credential by an earlier expiry", args: "annotate lease kubemint-other-aaaaaaaaaa -n $NS --overwrite kubemint/expires-at=2020-01-01T00:00:00Z"},
	{what: "to take another owner's lease", args: "annotate lease kubemint-ci-ffffffffff -n $NS --overwrite kubemint/owner=acme kubemint/expires-at=$SOON"},
	{what: "to adopt the lease of a controller", args: "label lease controller-a -n $NS app.kubernetes.io/managed-by=kubemint kubemint/service-account=$NS.ci"},
	{what: "to read a Secret by deleting it (dry run)", args: "delete --raw=/api/v1/namespaces/$NS/secrets/app?dryRun=All"},
	{what: "to delete a Secret of an application", args: "delete --raw=/api/v1/namespaces/$NS/secrets/app"},
	{what: "to delete a role that kubemint did not make", args: rolesOf + "app"},
	{what: "to delete another account's role", args: rolesOf + "kubemint:$NS:other"},
	{what: "to delete another owner's role", args: rolesOf + "kubemint:$NS:ci:role:x"},
}

// thief is somebody with the credential of a runner that has the printed rights.
type thief struct {
	*bootstrap
	env map[string]string
	own []byte // the kubeconfig
}

// standing says how strong the runner was whose credential a thief has.
type standing struct {
	administrator, steady, guard bool

	inputs []string // for those that are not the usual ones
}

// newThief has a runner mint once, and prepares what there is to steal.
func newThief(t *testing.T, cluster *kubetest.ControlPlane, had standing) *thief {
	t.Helper()
	s, err := cluster.CreateNamespace(t.Context(), "thief-")
	if err != nil {
		t.Fatal(err)
	}
	inputs := []string{"NAMESPACE=$S", "SERVICE_ACCOUNT=ci", "RULES=get,list secrets,pods", "OWNER=acme"}
	b := newBootstrapOn(t, cluster, s, append(inputs, had.inputs...)) // the last one counts
	identity := "runner"
	if had.administrator {
		identity = "admin"
	}
	if b.steady = had.steady; b.steady {
		if code, said := b.kubemint(t, t.TempDir(), "admin"); code != 0 {
			t.Fatalf("the administrator's first run: exit code %d: %s", code, said)
		}
	}
	if had.guard {
		b.giveGuardedRights(t)
	} else {
		b.giveRights(t)
	}
	th := &thief{bootstrap: b, env: map[string]string{"NS": s}}
	th.own, err = os.ReadFile(filepath.Join(b.dir, identity))
	if err != nil {
		t.Fatal(err)
	}
	if code, said := b.kubemint(t, t.TempDir(), identity); code != 0 {
		t.Fatalf("exit code %d: %s", code, said)
	}
	th.asAdmin(t, `
apiVersion: v1
kind: ServiceAccount
metadata: {name: victim, namespace: $NS}
---
apiVersion: v1
kind: Secret
metadata: {name: app, namespace: $NS}
---
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: controller-a, namespace: $NS}
---
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata:
  name: kubemint-other-aaaaaaaaaa
  namespace: $NS
  labels: {app.kubernetes.io/managed-by: kubemint, kubemint/service-account: $NS.other}
  annotations: {kubemint/owner: acme}
---
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata:
  name: kubemint-ci-ffffffffff
  namespace: $NS
  labels: {app.kubernetes.io/managed-by: kubemint, kubemint/service-account: $NS.ci}
  annotations: {kubemint/owner: else}
`)
	if len(had.inputs) == 0 {
		th.findOwn(t)
	}
	return th
}

// findOwn finds the lease of the run that has just minted, which a thief knows too.
func (th *thief) findOwn(t *testing.T) {
	t.Helper()
	get := func(args ...string) string {
		out, err := harness.RunKubectlAsAdmin(t, th.cluster, "", append([]string{"get", "-n", th.env["NS"]}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(out)
	}
	th.env["LEASE"] = get("lease", "--sort-by=.metadata.creationTimestamp", "-o",
		`jsonpath={.items[?(@.metadata.annotations.kubemint/expires-at)].metadata.name}`)
	th.env["LEASE"] = th.env["LEASE"][strings.LastIndex(th.env["LEASE"], " ")+1:]
	th.env["LEASEUID"] = get("lease", th.env["LEASE"], "-o", "jsonpath={.metadata.uid}")
	th.env["SOON"] = get("lease", th.env["LEASE"], "-o", `jsonpath={.metadata.annotations.kubemint/expires-at}`)
	th.env["SECRET"] = get("secret", th.env["LEASE"], "-o", "jsonpath={.metadata.uid}")
	th.env["APPUID"] = get("secret", "app", "-o", "jsonpath={.metadata.uid}")
}

func (th *thief) expand(text string) string {
	return os.Expand(text, func(name string) string { return th.env[name] })
}

func (th *thief) asAdmin(t *testing.T, manifests string) {
	t.Helper()
	if err := th.cluster.Apply(t.Context(), th.expand(manifests)); err != nil {
		t.Fatal(err)
	}
}

func (th *thief) asAdminRun(t *testing.T, args string) {
	t.Helper()
	if _, err := harness.RunKubectlAsAdmin(t, th.cluster, "", strings.Fields(th.expand(args))...); err != nil {
		t.Fatal(err)
	}
}

// tries returns what kubectl says, and whether it succeeded.
func (th *thief) tries(t *testing.T, a attempt) (said string, ok bool) {
	t.Helper()
	out, err := th.cluster.RunKubectl(t.Context(), th.own, th.expand(a.stdin), strings.Fields(th.expand(a.args))...)
	if err != nil {
		return err.Error(), false
	}
	return out, true
}

var byGuard = regexp.MustCompile(`kubemint guard: runner-of-\S+ tried to [A-Z]+ \S+ ?\S*; allowed is: .+`)

// TestGuard_ThiefWithTheRunnersCredential tries everything with the printed rights alone, where what is known
// to work has to work, and under the guard, where nothing does.
func TestGuard_ThiefWithTheRunnersCredential(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs a control plane: make test runs it")
	}
	cluster := kubetest.New(t, kubetest.Options{})
	bare, guarded := newThief(t, cluster, standing{}), newThief(t, cluster, standing{guard: true})
	compareBlock(t, "docs/security.md", "thief", tryAll(t, attempts, bare, guarded, "with the printed rights"))
	bare = newThief(t, cluster, standing{}) // the first one has deleted what there was
	for _, th := range []*thief{bare, guarded} {
		th.asAdmin(t, added)
		harness.AwaitTrue(t, func() (bool, error) {
			_, err := harness.RunKubectlAsAdmin(t, cluster, "", strings.Fields(th.expand(
				"auth can-i -q delete secrets -n $NS --as runner-of-$NS"))...)
			return err == nil, err
		})
	}
	compareBlock(t, "docs/security.md", "thief with more rights",
		tryAll(t, attemptsWithMore, bare, guarded, "with rights that one may add"))

	// What kubemint does with them goes on.
	end, err := time.Parse(time.RFC3339, guarded.env["SOON"])
	if err != nil {
		t.Fatal(err)
	}
	renewed := "kubemint/expires-at=" + end.Add(time.Hour).Format(time.RFC3339)
	for _, a := range []attempt{
		{what: "renew", args: "annotate lease $LEASE -n $NS --overwrite " + renewed},
		{what: "delete the Secret", args: "delete --raw=/api/v1/namespaces/$NS/secrets/$LEASE"},
		{what: "delete a role", args: rolesOf + "kubemint:$NS:ci"},
	} {
		if said, ok := guarded.tries(t, a); !ok {
			t.Errorf("%s, under the guard: %s", a.what, said)
		}
	}
}

// isRefusedByRBAC says whether RBAC refused what kubectl asked for.
func isRefusedByRBAC(said string) bool {
	return strings.Contains(strings.ToLower(said), " is forbidden: user ") && !byGuard.MatchString(said)
}

// tryAll has two thieves try everything, and returns what they get as a table.
func tryAll(t *testing.T, attempts []attempt, bare, guarded *thief, rights string) string {
	t.Helper()
	table := []string{"| a thief tries | " + rights + " | with `--guard` |", "|---|---|---|"}
	for _, a := range attempts {
		said, ok := bare.tries(t, a)
		if ok == a.rbac || (a.rbac && !isRefusedByRBAC(said)) {
			t.Errorf("%s, without the guard: %v: %s", a.what, ok, said)
		}
		without, with := "works", "refused by the guard"
		if a.rbac {
			without, with = "refused by RBAC", "refused by RBAC"
		}
		said, ok = guarded.tries(t, a)
		switch {
		case ok:
			t.Errorf("%s, under the guard: it works: %s", a.what, said)
		case a.rbac && !isRefusedByRBAC(said):
			t.Errorf("%s, under the guard: it is not RBAC that refuses it: %s", a.what, said)
		case !a.rbac && (!byGuard.MatchString(said) || !strings.Contains(said, a.allowed)):
			t.Errorf("%s, under the guard: it is refused for another reason: %s", a.what, said)
		}
		table = append(table, fmt.Sprintf("| %s | %s | %s |", a.what, without, with))
	}
	return strings.Join(table, "\n") + "\n"
}

// compareBlock compares a generated block of a page; UPDATE=1 writes it.
func compareBlock(t *testing.T, page, name, want string) {
	t.Helper()
	text := harness.ReadFile(t, page)
	opening := "<!-- " + name + ": written by \"UPDATE=1 go test ./test/access -run " + t.Name() + "\" -->\n"
	before, rest, ok := strings.Cut(text, opening)
	have, after, closed := strings.Cut(rest, "<!-- end -->\n")
	if !ok || !closed {
		t.Fatalf("%s lacks the block %s", page, opening)
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(page, []byte(before+opening+want+"<!-- end -->\n"+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(have, want); diff != "" {
		t.Errorf("%s: %s", page, diff)
	}
}

// giveGuardedRights applies what is printed with --guard, and waits until it is in force. An administrator in the
// runner's name has every right, so that the guard alone can refuse.
func (b *bootstrap) giveGuardedRights(t *testing.T) {
	t.Helper()
	args := []string{"bootstrap", "--guard", "--subject", "user:" + b.user}
	if b.steady {
		args = append(args, "--steady")
	}
	code, printed := b.kubemint(t, t.TempDir(), "runner", args...)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, printed)
	}
	if err := b.cluster.Apply(t.Context(), printed); err != nil {
		t.Fatalf("%v:\n%s", err, printed)
	}
	credential, err := b.cluster.ClientKubeconfig(b.user, "system:masters")
	if err != nil {
		t.Fatal(err)
	}
	as, err := kubetest.NewClient(credential)
	if err != nil {
		t.Fatal(err)
	}
	if err := harness.AwaitPolicies(t.Context(), b.cluster.Admin, as, b.user); err != nil {
		t.Fatal(err)
	}
}

// TestGuard_LeavesKubemintAlone runs each configuration under its own guard: mint, mint again, revoke.
func TestGuard_LeavesKubemintAlone(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs a control plane: make test runs it")
	}
	cluster := kubetest.New(t, kubetest.Options{})
	for name, c := range atWorst {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := cluster.CreateNamespace(t.Context(), "guard-")
			if err != nil {
				t.Fatal(err)
			}
			b := newBootstrapOn(t, cluster, s, append(c.inputs, "OWNER=acme"))
			if strings.Contains(strings.Join(c.inputs, " "), "CREATE_SERVICE_ACCOUNT=false") {
				if err := cluster.Apply(t.Context(), "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: ci, namespace: "+s+"}\n"); err != nil {
					t.Fatal(err)
				}
			}
			b.giveGuardedRights(t)
			dir := t.TempDir()
			for _, command := range []string{"mint", "mint", "revoke"} {
				if code, said := b.kubemint(t, dir, "runner", command); code != 0 {
					t.Errorf("%s: exit code %d: %s", command, code, said)
				}
			}
		})
	}
}
