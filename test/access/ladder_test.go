package access

import (
	"strings"
	"testing"

	"github.com/kubemint/kubemint/test/kubetest"
)

// ladder are the identities that a runner can have, from the strongest down.
var ladder = []struct {
	name string
	had  standing
}{
	{"an administrator", standing{administrator: true}},
	{"`bootstrap`", standing{}},
	{"with `--guard`", standing{guard: true}},
	{"with `--steady`", standing{steady: true}},
	{"with both", standing{steady: true, guard: true}},
}

// deeds list everything that a thief may be able to do, and the answer for each identity of the ladder: y it works, r RBAC refuses it,
// g the guard does.
var deeds = []struct {
	attempt

	works string
}{
	{attempt{what: "read every Secret of the cluster", args: "get secrets -n kube-system"}, "yrrrr"},
	{attempt{what: "make itself an administrator, permanently", args: "create clusterrolebinding theft-$NS --clusterrole=cluster-admin --user=thief"}, "yrrrr"},
	{attempt{what: "be any ServiceAccount", args: "create token victim -n $NS"}, "yrrrr"},
	{attempt{what: "use the declared rights itself", args: "get secrets -n $NS"}, "yyyrr"},
	{attempt{what: "hold the lock, and with it all runs that change access", args: `patch lease kubemint-ci -n $NS --type=merge -p {"spec":{"holderIdentity":"thief"}}`}, "yyyrr"},
	{attempt{what: "see who has a credential", args: "get leases -n $NS"}, "yyyrr"},
	{attempt{what: "give the declared access to anyone", args: force, stdin: role("RoleBinding", ours, binding+"[{apiGroup: rbac.authorization.k8s.io, kind: User, name: thief}]\n")}, "yygrr"},
	{attempt{what: "give the account's pods a cloud's identity", args: "annotate sa ci -n $NS eks.amazonaws.com/role-arn=arn:aws:iam::1:role/x"}, "yygrr"},
	{attempt{what: "make tokens of the account that live for years, and that no lease ends", args: "create token ci -n $NS --duration=87600h"}, "yygyg"},
	{attempt{what: "make a token Secret of another account, for a minted token to read", args: create, stdin: "apiVersion: v1\nkind: Secret\nmetadata: {name: theft, namespace: $NS, annotations: {kubernetes.io/service-account.name: victim}}\ntype: kubernetes.io/service-account-token\n"}, "yygyg"},
	{attempt{what: "make a Secret that a controller acts on", args: create, stdin: "apiVersion: v1\nkind: Secret\nmetadata: {name: theft-data, namespace: $NS}\nstringData: {a: b}\n"}, "yygyg"},
	{attempt{what: "end other accounts' credentials, and the leadership of controllers", args: "delete lease controller-a kubemint-other-aaaaaaaaaa -n $NS"}, "yygyg"},
	{attempt{what: "end another owner's credentials of the account", args: "delete lease kubemint-ci-ffffffffff -n $NS"}, "yygyg"},
	{attempt{what: "mint tokens of the account, for at most `duration`", args: "create token ci -n $NS --duration=1h --bound-object-kind=Secret --bound-object-name=$LEASE --bound-object-uid=$SECRET"}, "yyyyy"},
	{attempt{what: "end this owner's credentials of the account", args: "delete lease $LEASE -n $NS"}, "yyyyy"},
}

// TestGuard_Ladder has a thief with each identity do everything. docs/security.md has the answers.
func TestGuard_Ladder(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs a control plane: make test runs it")
	}
	cluster := kubetest.New(t, kubetest.Options{})
	heading, rule := "| a thief can |", "|---|"
	thieves := make([]*thief, len(ladder))
	for i, step := range ladder {
		thieves[i] = newThief(t, cluster, step.had)
		heading += " " + step.name + " |"
		rule += "---|"
	}
	table := []string{heading, rule}
	cells := map[byte]string{'y': " yes |", 'r': " no (RBAC) |", 'g': " no (guard) |"}
	for _, deed := range deeds {
		row := "| " + deed.what + " |"
		for i, step := range ladder {
			said, ok := thieves[i].tries(t, deed.attempt)
			have := byte('r')
			switch {
			case ok:
				have = 'y'
			case byGuard.MatchString(said):
				have = 'g'
			case !strings.Contains(said, " is forbidden"):
				t.Errorf("%s, with %s: %s", deed.what, step.name, said)
			}
			if have != deed.works[i] {
				t.Errorf("%s, with %s: %c, not %c: %s", deed.what, step.name, have, deed.works[i], said)
			}
			row += cells[have]
		}
		table = append(table, row)
	}
	compareBlock(t, "docs/security.md", "ladder", strings.Join(table, "\n")+"\n")
}
