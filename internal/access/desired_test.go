package access_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/access/naming"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/owner"
)

var (
	account = types.NamespacedName{Namespace: "bots", Name: "ci"}
	marks   = owner.Marks{Owner: "github:acme/shop", Job: "deploy", Run: "17", Commit: "c0ffee"}
	labels  = map[string]string{"app.kubernetes.io/managed-by": "kubemint", "kubemint/service-account": "bots.ci"}
	notes   = map[string]string{"kubemint/owner": "github:acme/shop", "kubemint/job": "deploy", "kubemint/run": "17", "kubemint/commit": "c0ffee"}
)

func rule(verbs, resource string, names ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{Verbs: strings.Split(verbs, ","), APIGroups: []string{""}, Resources: []string{resource}, ResourceNames: names}
}

// declared is access of the ServiceAccount bots/ci, changed.
func declared(change func(a *config.Access)) config.Access {
	a := config.Access{ServiceAccount: account, Namespaces: []string{"shop", "web"}, Provisioning: config.Provisioning{CreateServiceAccount: true}}
	change(&a)
	return a
}

// about describes an object: its name as a person writes it, and all of its content but name and
// marks.
func about(o kube.Object) string {
	text := kube.RefOf(o).String()
	switch o := o.(type) {
	case *rbacv1.RoleBinding:
		text += " = " + o.RoleRef.Kind + " " + o.RoleRef.Name
	case *rbacv1.ClusterRoleBinding:
		text += " = " + o.RoleRef.Kind + " " + o.RoleRef.Name
	}
	return text
}

func TestDesire(t *testing.T) {
	t.Parallel()
	both := []config.Role{{Kind: "ClusterRole", Name: "edit"}, {Kind: "Role", Name: "deployer"}}
	for name, tt := range map[string]struct {
		declared config.Access
		want     []string
		named    []string
	}{
		"no grant: the ServiceAccount alone": {
			declared(func(*config.Access) {}), []string{"ServiceAccount bots/ci"}, nil,
		},
		"namespaces to create, the ServiceAccount's first": {
			declared(func(a *config.Access) { a.CreateNamespace = true }),
			[]string{"Namespace bots", "Namespace shop", "Namespace web", "ServiceAccount bots/ci"},
			nil,
		},
		"a ServiceAccount in a declared namespace": {
			declared(func(a *config.Access) { a.CreateNamespace, a.ServiceAccount.Namespace = true, "web" }),
			[]string{"Namespace shop", "Namespace web", "ServiceAccount web/ci"},
			nil,
		},
		"rules": {
			declared(func(a *config.Access) { a.Namespaced.Rules = []rbacv1.PolicyRule{rule("get", "pods")} }),
			[]string{
				"ServiceAccount bots/ci",
				"Role shop/kubemint:bots:ci", "RoleBinding shop/kubemint:bots:ci = Role kubemint:bots:ci",
				"Role web/kubemint:bots:ci", "RoleBinding web/kubemint:bots:ci = Role kubemint:bots:ci",
			},
			nil,
		},
		"rules in the whole cluster": {
			declared(func(a *config.Access) { a.Cluster.Rules = []rbacv1.PolicyRule{rule("get", "pods")} }),
			[]string{"ServiceAccount bots/ci", "ClusterRole kubemint:bots:ci", "ClusterRoleBinding kubemint:bots:ci = ClusterRole kubemint:bots:ci"},
			nil,
		},
		"roles: a ClusterRole is read once, a Role in each namespace": {
			declared(func(a *config.Access) { a.Namespaced.Roles = both }),
			[]string{
				"ServiceAccount bots/ci",
				"RoleBinding shop/kubemint:bots:ci:clusterrole:edit = ClusterRole edit", "RoleBinding shop/kubemint:bots:ci:role:deployer = Role deployer",
				"RoleBinding web/kubemint:bots:ci:clusterrole:edit = ClusterRole edit", "RoleBinding web/kubemint:bots:ci:role:deployer = Role deployer",
			},
			[]string{"ClusterRole edit", "Role shop/deployer", "Role web/deployer"},
		},
		"both scopes, the namespaces first": {
			declared(func(a *config.Access) {
				a.Namespaces = []string{"shop"}
				a.Namespaced = config.Grants{Roles: both, Rules: []rbacv1.PolicyRule{rule("get", "pods")}}
				a.Cluster = config.Grants{Roles: both[:1], Rules: []rbacv1.PolicyRule{rule("get", "nodes")}}
			}),
			[]string{
				"ServiceAccount bots/ci",
				"Role shop/kubemint:bots:ci", "RoleBinding shop/kubemint:bots:ci = Role kubemint:bots:ci",
				"RoleBinding shop/kubemint:bots:ci:clusterrole:edit = ClusterRole edit", "RoleBinding shop/kubemint:bots:ci:role:deployer = Role deployer",
				"ClusterRole kubemint:bots:ci", "ClusterRoleBinding kubemint:bots:ci = ClusterRole kubemint:bots:ci",
				"ClusterRoleBinding kubemint:bots:ci:clusterrole:edit = ClusterRole edit",
			},
			[]string{"ClusterRole edit", "Role shop/deployer"},
		},
		"a role in the whole cluster": {
			declared(func(a *config.Access) { a.Cluster.Roles = both[:1] }),
			[]string{"ServiceAccount bots/ci", "ClusterRoleBinding kubemint:bots:ci:clusterrole:edit = ClusterRole edit"},
			[]string{"ClusterRole edit"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := access.Desire(tt.declared, marks)
			var got, named []string
			for _, o := range d.Objects {
				got = append(got, about(o))
				if !kube.IsManaged(o, tt.declared.ServiceAccount) || o.GetAnnotations()["kubemint/owner"] != marks.Owner {
					t.Errorf("%s bears %v %v", about(o), o.GetLabels(), o.GetAnnotations())
				}
			}
			for _, ref := range d.Named {
				named = append(named, ref.String())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tt.named, named); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Compares every field that is sent: server-side apply makes us own what we send, and removes what we stop
// sending.
func TestDesiredObjectsInFull(t *testing.T) {
	t.Parallel()
	rules := []rbacv1.PolicyRule{rule("get,list", "pods")}
	meta := func(namespace, name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels, Annotations: notes}
	}
	subjects := []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "bots", Name: "ci"}}
	ref := func(kind string) rbacv1.RoleRef {
		return rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: kind, Name: "kubemint:bots:ci"}
	}
	core := func(kind string) metav1.TypeMeta { return metav1.TypeMeta{APIVersion: "v1", Kind: kind} }
	rbac := func(kind string) metav1.TypeMeta {
		return metav1.TypeMeta{APIVersion: "rbac.authorization.k8s.io/v1", Kind: kind}
	}
	namespaced := access.Desire(declared(func(a *config.Access) {
		a.Namespaced.Rules, a.CreateNamespace, a.Namespaces = rules, true, []string{"bots"}
	}), marks)
	want := []kube.Object{
		&corev1.Namespace{TypeMeta: core("Namespace"), ObjectMeta: meta("", "bots")},
		&corev1.ServiceAccount{TypeMeta: core("ServiceAccount"), ObjectMeta: meta("bots", "ci"), AutomountServiceAccountToken: new(false)},
		&rbacv1.Role{TypeMeta: rbac("Role"), ObjectMeta: meta("bots", "kubemint:bots:ci"), Rules: rules},
		&rbacv1.RoleBinding{TypeMeta: rbac("RoleBinding"), ObjectMeta: meta("bots", "kubemint:bots:ci"), Subjects: subjects, RoleRef: ref("Role")},
	}
	if diff := cmp.Diff(want, namespaced.Objects); diff != "" {
		t.Error(diff)
	}
	cluster := access.Desire(declared(func(a *config.Access) { a.Cluster.Rules = rules }), marks)
	want = []kube.Object{
		&rbacv1.ClusterRole{TypeMeta: rbac("ClusterRole"), ObjectMeta: meta("", "kubemint:bots:ci"), Rules: rules},
		&rbacv1.ClusterRoleBinding{TypeMeta: rbac("ClusterRoleBinding"), ObjectMeta: meta("", "kubemint:bots:ci"), Subjects: subjects, RoleRef: ref("ClusterRole")},
	}
	if diff := cmp.Diff(want, cluster.Objects[1:]); diff != "" {
		t.Error(diff)
	}
}

func TestLabels_LongNames(t *testing.T) {
	t.Parallel()
	value := func(namespace, name string) string {
		return kube.LabelsFor(types.NamespacedName{Namespace: namespace, Name: name})["kubemint/service-account"]
	}
	n := strings.Repeat("n", 30)
	if got, want := value(n, strings.Repeat("s", 32)), n+"."+strings.Repeat("s", 32); got != want {
		t.Errorf("63 characters: got %q, want %q", got, want)
	}
	// printf n{30}.s{33} | sha256sum: the hash must never change, or objects of earlier versions are lost.
	if got, want := value(n, strings.Repeat("s", 33)), "sha256-0c91d665bfcd0100e167eb3e6b890bc7c95a1e2d5f15840c0d10bb43"; got != want {
		t.Errorf("64 characters: got %q, want %q", got, want)
	}
	seen := map[string]string{}
	for _, name := range []string{"s", strings.Repeat("s", 33), strings.Repeat("s", 34), strings.Repeat("s", 252) + "a", strings.Repeat("s", 252) + "b"} {
		got := value(n, name)
		if faults := validation.IsValidLabelValue(got); len(faults) > 0 {
			t.Errorf("%s: %s", got, faults)
		}
		if other := seen[got]; other != "" {
			t.Errorf("%s is that of %s and of %s", got, name, other)
		}
		seen[got] = name
	}
}

func TestAnnotations_UnknownFacts(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(notes, marks.Annotations()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"kubemint/run": "17"}, owner.Marks{Run: "17"}.Annotations()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{}, owner.Marks{}.Annotations()); diff != "" {
		t.Error(diff)
	}
}

func TestManaged_OtherServiceAccount(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		labels map[string]string
		want   bool
	}{
		"ours":                       {labels, true},
		"ours, with more":            {map[string]string{"app.kubernetes.io/managed-by": "kubemint", "kubemint/service-account": "bots.ci", "x": "y"}, true},
		"unlabelled":                 {nil, false},
		"another ServiceAccount's":   {map[string]string{"app.kubernetes.io/managed-by": "kubemint", "kubemint/service-account": "bots.cd"}, false},
		"managed by another program": {map[string]string{"app.kubernetes.io/managed-by": "Helm", "kubemint/service-account": "bots.ci"}, false},
		"half":                       {map[string]string{"app.kubernetes.io/managed-by": "kubemint"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := kube.IsManaged(&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Labels: tt.labels}}, account); got != tt.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

// What a receipt names is deleted only under a name that we give.
func TestNamedFor(t *testing.T) {
	t.Parallel()
	for ref, want := range map[kube.Ref]bool{
		{Kind: "ServiceAccount", Namespace: "bots", Name: "ci"}:                           true,
		{Kind: "ServiceAccount", Namespace: "shop", Name: "ci"}:                           false,
		{Kind: "ServiceAccount", Namespace: "bots", Name: "ci2"}:                          false,
		{Kind: "Role", Namespace: "shop", Name: "kubemint:bots:ci"}:                       true,
		{Kind: "RoleBinding", Namespace: "shop", Name: "kubemint:bots:ci:role:x"}:         true,
		{Kind: "ClusterRoleBinding", Name: "kubemint:bots:ci:clusterrole:edit"}:           true,
		{Kind: "Role", Namespace: "shop", Name: "kubemint:bots:ci2"}:                      false,
		{Kind: "Role", Namespace: "shop", Name: "kubemint:bots:cirrus:role:x"}:            false,
		{Kind: "Role", Namespace: "shop", Name: "ci"}:                                     false,
		{Kind: "ClusterRole", Name: "cluster-admin"}:                                      false,
		{Kind: "ClusterRole", Name: "kubemint:other:ci"}:                                  false,
		{Kind: "RoleBinding", Namespace: "shop", Name: "kubemint:bots:ci:something-else"}: false,
	} {
		if have := naming.NamedFor(ref, "bots", "ci"); have != want {
			t.Errorf("%s: %v", ref, have)
		}
	}
}
