package access_test

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/owner"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rules"
)

// copyOf is an object as the API server would give it back.
func copyOf(o kube.Object) kube.Object {
	o = o.DeepCopyObject().(kube.Object)
	o.SetUID(types.UID("uid-of-" + o.GetName()))
	o.SetResourceVersion("7")
	return o
}

// cluster holds all that d wants. change is called for each object, and drops it by returning nil.
func cluster(d access.Desired, change func(o kube.Object) kube.Object) access.Observed {
	observed := access.Observed{Objects: map[kube.Ref]kube.Object{}}
	for _, want := range d.Objects {
		if o := change(copyOf(want)); o != nil {
			observed.Objects[kube.RefOf(want)] = o
			if kube.RulesOf(o) != nil || kube.IsBinding(o) {
				observed.Leftovers = append(observed.Leftovers, o)
			}
		}
	}
	return observed
}

func asWanted(o kube.Object) kube.Object { return o }
func nothing(kube.Object) kube.Object    { return nil }

// edit changes the objects of one kind.
func edit(kind string, change func(o kube.Object)) func(kube.Object) kube.Object {
	return func(o kube.Object) kube.Object {
		if kube.RefOf(o).Kind == kind {
			change(o)
		}
		return o
	}
}

func grants(rs ...rbacv1.PolicyRule) func(kube.Object) {
	return func(o kube.Object) { o.(*rbacv1.Role).Rules = rs }
}

func annotate(pairs ...string) func(kube.Object) {
	return func(o kube.Object) {
		for i := 0; i < len(pairs); i += 2 {
			o.GetAnnotations()[pairs[i]] = pairs[i+1]
		}
	}
}

// steps is a plan as text: what becomes of each object, and the request that makes it so.
func steps(plan access.Plan) []string {
	var all []string
	for _, c := range plan.Changes {
		step := string(c.Verb) + " " + c.Ref.String()
		if c.Delete != nil {
			step += ", delete " + string(c.Delete.GetUID())
		}
		if c.Apply != nil {
			step += ", apply"
			if rv := c.Apply.GetResourceVersion(); rv != "" {
				step += " at " + rv
			}
		}
		if c.Force {
			step += " by force"
		}
		for sign, rs := range map[string][]rbacv1.PolicyRule{", + ": c.Added, ", - ": c.Removed} {
			if len(rs) > 0 {
				step += sign + strings.Join(strings.Fields(strings.Join(rules.Format(rs), "; ")), " ")
			}
		}
		if len(c.TakenFrom) > 0 {
			step += ", from " + strings.Join(c.TakenFrom, " and ")
		}
		if c.Held != "" {
			step += ", held"
		}
		all = append(all, step)
	}
	return all
}

// refusals are the errors' texts. Each has the code for rights, and a remedy.
func refusals(t *testing.T, err error) []string {
	t.Helper()
	var all []string
	for _, refusal := range problem.ListErrors(err) {
		var p *problem.Error
		if !errors.As(refusal, &p) || p.Code != problem.Rights || len(p.Hints) == 0 {
			t.Errorf("%v: want code %d and a remedy", refusal, problem.Rights)
		}
		all = append(all, refusal.Error())
	}
	return all
}

var (
	getPods  = rule("get", "pods")
	listPods = rule("list", "pods")
	role     = config.Role{Kind: "ClusterRole", Name: "edit"}
)

// inBots declares access in the ServiceAccount's own namespace, which needs no warning.
func inBots(change func(a *config.Access)) config.Access {
	return declared(func(a *config.Access) { a.Namespaces = []string{"bots"}; change(a) })
}

func withRules(a *config.Access) { a.Namespaced.Rules = []rbacv1.PolicyRule{getPods, listPods} }

// toCluster grants at cluster scope what was to be granted in the namespaces.
func toCluster(a *config.Access) {
	a.Cluster = a.Namespaced
	a.Namespaced = config.Grants{}
}

func TestDiff(t *testing.T) {
	t.Parallel()
	const (
		account     = "unchanged ServiceAccount bots/ci"
		sameRole    = "unchanged Role bots/kubemint:bots:ci"
		sameBinding = "unchanged RoleBinding bots/kubemint:bots:ci"
		heal        = ", apply at 7 by force"
	)
	for name, tt := range map[string]struct {
		declared func(a *config.Access)
		observed func(o kube.Object) kube.Object
		want     []string
	}{
		"everything is new: never by force": {
			func(a *config.Access) { withRules(a); a.CreateNamespace = true }, nothing,
			[]string{
				"created Namespace bots, apply", "created ServiceAccount bots/ci, apply",
				"created Role bots/kubemint:bots:ci, apply, + get,list pods", "created RoleBinding bots/kubemint:bots:ci, apply",
			},
		},
		"everything is there": {
			func(a *config.Access) { withRules(a); a.CreateNamespace = true }, asWanted,
			[]string{"unchanged Namespace bots", account, sameRole, sameBinding},
		},
		"job, run and commit of an earlier run are no difference": {
			withRules, func(o kube.Object) kube.Object {
				annotate("kubemint/job", "test", "kubemint/run", "16", "kubemint/commit", "0ld", "x", "y")(o)
				return o
			}, []string{account, sameRole, sameBinding},
		},
		"rules that grant the same": {
			withRules, edit("Role", grants(rule("list,get", "pods"), getPods)), []string{account, sameRole, sameBinding},
		},
		"rules that grant less": {
			withRules, edit("Role", grants(getPods)),
			[]string{account, "configured Role bots/kubemint:bots:ci" + heal + ", + list pods", sameBinding},
		},
		"rules that grant more": {
			withRules, edit("Role", grants(getPods, listPods, rule("*", "secrets", "a"))),
			[]string{account, "configured Role bots/kubemint:bots:ci" + heal + ", - * secrets a", sameBinding},
		},
		"no rules at all": {
			withRules, edit("Role", grants()),
			[]string{account, "configured Role bots/kubemint:bots:ci" + heal + ", + get,list pods", sameBinding},
		},
		"a subject too many": {
			withRules, edit("RoleBinding", func(o kube.Object) {
				b := o.(*rbacv1.RoleBinding)
				b.Subjects = append(b.Subjects, rbacv1.Subject{Kind: "User", APIGroup: rbacv1.GroupName, Name: "eve"})
			}), []string{account, sameRole, "configured RoleBinding bots/kubemint:bots:ci" + heal},
		},
		"another subject": {
			withRules, edit("RoleBinding", func(o kube.Object) { o.(*rbacv1.RoleBinding).Subjects[0].Namespace = "evil" }),
			[]string{account, sameRole, "configured RoleBinding bots/kubemint:bots:ci" + heal},
		},
		"no subject": {
			withRules, edit("RoleBinding", func(o kube.Object) { o.(*rbacv1.RoleBinding).Subjects = nil }),
			[]string{account, sameRole, "configured RoleBinding bots/kubemint:bots:ci" + heal},
		},
		"another roleRef: a new binding, which has no resourceVersion to compare": {
			withRules, edit("RoleBinding", func(o kube.Object) { o.(*rbacv1.RoleBinding).RoleRef.Name = "cluster-admin" }),
			[]string{account, sameRole, "configured RoleBinding bots/kubemint:bots:ci, delete uid-of-kubemint:bots:ci, apply"},
		},
		"another kind of roleRef, cluster-wide": {
			func(a *config.Access) { withRules(a); toCluster(a) },
			edit("ClusterRoleBinding", func(o kube.Object) { o.(*rbacv1.ClusterRoleBinding).RoleRef.Kind = "Role" }),
			[]string{account, "unchanged ClusterRole kubemint:bots:ci", "configured ClusterRoleBinding kubemint:bots:ci, delete uid-of-kubemint:bots:ci, apply"},
		},
		"a ClusterRole that gets its rules from others": {
			func(a *config.Access) { withRules(a); toCluster(a) },
			edit("ClusterRole", func(o kube.Object) { o.(*rbacv1.ClusterRole).AggregationRule = &rbacv1.AggregationRule{} }),
			// an apply would leave the aggregation rule that fills it
			[]string{account, "configured ClusterRole kubemint:bots:ci, delete uid-of-kubemint:bots:ci, apply", "unchanged ClusterRoleBinding kubemint:bots:ci"},
		},
		"autoupdate: false holds what differs": {
			withRules, edit("Role", func(o kube.Object) {
				grants(getPods)(o)
				annotate("rbac.authorization.kubernetes.io/autoupdate", "false")(o)
			}), []string{account, sameRole + ", held", sameBinding},
		},
		"autoupdate: false on what is right": {
			withRules, edit("Role", annotate("rbac.authorization.kubernetes.io/autoupdate", "false")), []string{account, sameRole, sameBinding},
		},
		"autoupdate: true heals": {
			withRules, edit("Role", func(o kube.Object) {
				grants(getPods)(o)
				annotate("rbac.authorization.kubernetes.io/autoupdate", "true")(o)
			}), []string{account, "configured Role bots/kubemint:bots:ci" + heal + ", + list pods", sameBinding},
		},
		"somebody else's namespace is left": {
			func(a *config.Access) { a.CreateNamespace = true },
			edit("Namespace", func(o kube.Object) { o.SetLabels(nil); o.SetAnnotations(nil) }),
			[]string{"unchanged Namespace bots", account},
		},
		"somebody else's ServiceAccount is left": {
			withRules, edit("ServiceAccount", func(o kube.Object) { o.SetLabels(nil); o.SetAnnotations(nil) }), []string{account, sameRole, sameBinding},
		},
		"a ServiceAccount whose token is mounted": {
			withRules, edit("ServiceAccount", func(o kube.Object) { o.(*corev1.ServiceAccount).AutomountServiceAccountToken = new(true) }),
			[]string{"configured ServiceAccount bots/ci" + heal, sameRole, sameBinding},
		},
		"a ServiceAccount that does not say": {
			withRules, edit("ServiceAccount", func(o kube.Object) { o.(*corev1.ServiceAccount).AutomountServiceAccountToken = nil }),
			[]string{"configured ServiceAccount bots/ci" + heal, sameRole, sameBinding},
		},
		"somebody else's ServiceAccount keeps its mount": {
			withRules, edit("ServiceAccount", func(o kube.Object) {
				o.SetLabels(nil)
				o.(*corev1.ServiceAccount).AutomountServiceAccountToken = new(true)
			}), []string{account, sameRole, sameBinding},
		},
		"create_service_account: false keeps its mount": {
			func(a *config.Access) { withRules(a); a.CreateServiceAccount = false },
			edit("ServiceAccount", func(o kube.Object) { o.(*corev1.ServiceAccount).AutomountServiceAccountToken = nil }),
			[]string{account, sameRole, sameBinding},
		},
		"a ServiceAccount that an administrator holds": {
			withRules, edit("ServiceAccount", func(o kube.Object) {
				annotate(rbacv1.AutoUpdateAnnotationKey, "false")(o)
				o.(*corev1.ServiceAccount).AutomountServiceAccountToken = new(true)
			}), []string{account + ", held", sameRole, sameBinding},
		},
		"rules that move to the cluster scope": {
			func(a *config.Access) { withRules(a); toCluster(a) }, edit("ClusterRole", func(o kube.Object) {
				o.(*rbacv1.ClusterRole).Rules = append(o.(*rbacv1.ClusterRole).Rules, rule("get", "nodes"))
			}),
			[]string{account, "configured ClusterRole kubemint:bots:ci" + heal + ", - get nodes", "unchanged ClusterRoleBinding kubemint:bots:ci"},
		},
		"somebody else's ServiceAccount, taken over": {
			func(a *config.Access) { a.TakeOwnership = true },
			edit("ServiceAccount", func(o kube.Object) { o.SetLabels(nil); o.SetAnnotations(nil) }),
			[]string{"configured ServiceAccount bots/ci" + heal},
		},
		"create_service_account: false keeps off the ServiceAccount": {
			func(a *config.Access) { a.TakeOwnership, a.CreateServiceAccount = true, false },
			edit("ServiceAccount", func(o kube.Object) { o.SetLabels(nil) }),
			[]string{account},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := access.Desire(inBots(tt.declared), marks)
			plan, err := access.Diff(d, cluster(d, tt.observed))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, steps(plan)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDiff_NoLongerDeclared(t *testing.T) {
	t.Parallel()
	now := access.Desire(inBots(func(a *config.Access) { a.Namespaced.Roles = []config.Role{role} }), marks)
	before := access.Desire(declared(func(a *config.Access) { withRules(a); a.Namespaced.Roles = []config.Role{role} }), marks)
	observed := cluster(now, asWanted)
	observed.Leftovers = append(observed.Leftovers, cluster(before, asWanted).Leftovers...)
	plan, err := access.Diff(now, observed)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"unchanged ServiceAccount bots/ci", "unchanged RoleBinding bots/kubemint:bots:ci:clusterrole:edit",
		"deleted Role shop/kubemint:bots:ci, delete uid-of-kubemint:bots:ci, - get,list pods",
		"deleted RoleBinding shop/kubemint:bots:ci, delete uid-of-kubemint:bots:ci",
		"deleted RoleBinding shop/kubemint:bots:ci:clusterrole:edit, delete uid-of-kubemint:bots:ci:clusterrole:edit",
		"deleted Role web/kubemint:bots:ci, delete uid-of-kubemint:bots:ci, - get,list pods",
		"deleted RoleBinding web/kubemint:bots:ci, delete uid-of-kubemint:bots:ci",
		"deleted RoleBinding web/kubemint:bots:ci:clusterrole:edit, delete uid-of-kubemint:bots:ci:clusterrole:edit",
	}
	if diff := cmp.Diff(want, steps(plan)); diff != "" {
		t.Error(diff)
	}
}

func TestDiff_LeftoverKeptByAutoUpdateFalse(t *testing.T) {
	t.Parallel()
	d := access.Desire(inBots(func(*config.Access) {}), marks)
	before := cluster(access.Desire(inBots(withRules), marks), edit("Role", annotate(rbacv1.AutoUpdateAnnotationKey, "false")))
	plan, err := access.Diff(d, access.Observed{Objects: before.Objects, Leftovers: before.Leftovers})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"unchanged ServiceAccount bots/ci", "deleted RoleBinding bots/kubemint:bots:ci, delete uid-of-kubemint:bots:ci"}
	if diff := cmp.Diff(want, steps(plan)); diff != "" {
		t.Error(diff)
	}
	want = []string{"Role bots/kubemint:bots:ci is declared no longer and is left: its annotation rbac.authorization.kubernetes.io/autoupdate is false"}
	if diff := cmp.Diff(want, plan.Warnings[:1]); diff != "" { // the other one is that nothing is declared
		t.Error(diff)
	}
}

// An earlier run with `scope: cluster` granted it all there.
func TestDiff_FromScopeClusterToBoth(t *testing.T) {
	t.Parallel()
	before := access.Desire(inBots(func(a *config.Access) { withRules(a); a.Namespaced.Roles = []config.Role{role}; toCluster(a) }), marks)
	now := access.Desire(inBots(func(a *config.Access) { withRules(a); a.Cluster.Rules = []rbacv1.PolicyRule{getPods} }), marks)
	plan, err := access.Diff(now, cluster(before, asWanted))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"unchanged ServiceAccount bots/ci",
		"created Role bots/kubemint:bots:ci, apply, + get,list pods", "created RoleBinding bots/kubemint:bots:ci, apply",
		"configured ClusterRole kubemint:bots:ci, apply at 7 by force, - list pods", "unchanged ClusterRoleBinding kubemint:bots:ci",
		"deleted ClusterRoleBinding kubemint:bots:ci:clusterrole:edit, delete uid-of-kubemint:bots:ci:clusterrole:edit",
	}
	if diff := cmp.Diff(want, steps(plan)); diff != "" {
		t.Error(diff)
	}
}

// The change set is for the log, and the next run compares with what was observed: neither may be changed by comparing.
func TestDiffLeavesItsInputsAlone(t *testing.T) {
	t.Parallel()
	d := access.Desire(inBots(withRules), marks)
	observed := cluster(d, edit("Role", grants(getPods)))
	wanted, before := copies(d.Objects), copies(observed.Leftovers)
	for range 2 {
		if _, err := access.Diff(d, observed); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wanted, d.Objects); diff != "" {
			t.Errorf("wanted: %s", diff)
		}
		if diff := cmp.Diff(before, observed.Leftovers); diff != "" {
			t.Errorf("observed: %s", diff)
		}
	}
}

func copies(objects []kube.Object) []kube.Object {
	objects = slices.Clone(objects)
	for i, o := range objects {
		objects[i] = o.DeepCopyObject().(kube.Object)
	}
	return objects
}

func TestTakenFrom_DeclaredFields(t *testing.T) {
	t.Parallel()
	entry := func(manager, fields string) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{Manager: manager, FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(fields)}
	}
	d := access.Desire(inBots(withRules), marks)
	plan, err := access.Diff(d, cluster(d, edit("Role", func(o kube.Object) {
		grants(getPods)(o)
		o.SetManagedFields([]metav1.ManagedFieldsEntry{
			entry("kubemint", `{"f:rules":{}}`),
			entry("kubectl-edit", `{"f:metadata":{"f:labels":{}},"f:rules":{}}`),
			entry("argocd", `{"f:rules":{}}`),
			entry("argocd", `{"f:rules":{}}`),
			entry("annotator", `{"f:metadata":{"f:annotations":{"f:x-rules":{}}}}`),
			{Manager: "empty"},
		})
	})))
	if err != nil {
		t.Fatal(err)
	}
	want := "configured Role bots/kubemint:bots:ci, apply at 7 by force, + list pods, from argocd and kubectl-edit"
	if diff := cmp.Diff(want, steps(plan)[1]); diff != "" {
		t.Error(diff)
	}
}

// A steady run in a thousand namespaces.
func BenchmarkDiff(b *testing.B) {
	declared := config.Access{
		ServiceAccount: types.NamespacedName{Namespace: "ns-0", Name: "ci"}, Provisioning: config.Provisioning{CreateServiceAccount: true},
		Namespaced: config.Grants{Rules: []rbacv1.PolicyRule{{Verbs: []string{"get", "list"}, APIGroups: []string{""}, Resources: []string{"pods"}}}},
	}
	for i := range 1000 {
		declared.Namespaces = append(declared.Namespaces, "ns-"+strconv.Itoa(i))
	}
	desired := access.Desire(declared, owner.Marks{Owner: "github:acme/shop"})
	observed := cluster(desired, asWanted)
	for b.Loop() {
		if _, err := access.Diff(desired, observed); err != nil {
			b.Fatal(err)
		}
	}
}

func TestPlanOwnedBy_ReturnsAnotherPlan(t *testing.T) {
	t.Parallel()
	declared := config.Access{
		ServiceAccount: types.NamespacedName{Namespace: "bots", Name: "ci-abc"}, Provisioning: config.Provisioning{CreateServiceAccount: true, Ephemeral: true},
		Namespaces: []string{"bots", "shop"},
		Namespaced: config.Grants{Roles: []config.Role{{Kind: "ClusterRole", Name: "view"}}},
	}
	made := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	desired := access.Desire(declared, owner.Marks{Transient: owner.Transient{ExpiresAt: made}})
	plan, err := access.Diff(desired, access.Observed{})
	if err != nil {
		t.Fatal(err)
	}
	its := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{
		Namespace: "bots", Name: "kubemint-ci", Annotations: map[string]string{kube.AnnotationExpiresAt: "2026-01-02T04:04:05Z"},
	}}
	owner := metav1.OwnerReference{Kind: "Lease", Name: its.Name, UID: "u1"}
	owned := plan.OwnedBy(its, owner)
	for i, change := range owned.Changes {
		inHome := change.Ref.Namespace == "bots"
		if owners := change.Apply.GetOwnerReferences(); inHome != slices.Equal(owners, []metav1.OwnerReference{owner}) {
			t.Errorf("%s has the owners %v", change.Ref, owners)
		}
		if at := change.Apply.GetAnnotations()[kube.AnnotationExpiresAt]; at != "2026-01-02T04:04:05Z" {
			t.Errorf("%s expires at %s", change.Ref, at)
		}
		before := plan.Changes[i].Apply
		if before.GetAnnotations()[kube.AnnotationExpiresAt] != "2026-01-02T03:04:05Z" || before.GetOwnerReferences() != nil {
			t.Errorf("%s of the first plan has changed", change.Ref)
		}
	}
	if len(owned.Changes) != 3 {
		t.Errorf("%d changes", len(owned.Changes))
	}
}
