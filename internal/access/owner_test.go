package access_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/owner"
)

// renamed is the run of a repository that has an id, and objects that an earlier version marked by its name.
var renamed = owner.Marks{
	Owner: "github:1234", OwnerName: "acme/store", Formerly: []string{"github:acme/store", "github:acme/shop"}, Job: "deploy", Run: "17",
}

func TestOwner_OldForm(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		mark   owner.Marks
		change func(kube.Object)
		verb   access.Verb
	}{
		"the name of old":       {renamed, annotate("kubemint/owner", "github:acme/shop", "kubemint/owner-name", ""), access.Configured},
		"another readable name": {renamed, annotate("kubemint/owner-name", "acme/shop"), access.Unchanged},
		"no readable name":      {renamed, annotate("kubemint/owner-name", ""), access.Unchanged},
		"another case":          {marks, annotate("kubemint/owner", "github:Acme/Shop"), access.Unchanged},
	} {
		d := access.Desire(inBots(withRules), tt.mark)
		plan, err := access.Diff(d, cluster(d, edit("Role", tt.change)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		change := plan.Changes[1]
		if change.Verb != tt.verb {
			t.Errorf("%s: %s", name, change.Verb)
		}
		if change.Verb != access.Configured {
			continue
		}
		if owner := change.Apply.GetAnnotations()["kubemint/owner"]; owner != "github:1234" || !change.Force {
			t.Errorf("%s: applied %q, force %t", name, owner, change.Force)
		}
		if diff := cmp.Diff([]string{"- owner github:acme/shop", "+ owner acme/store (github:1234)"}, change.Details); diff != "" {
			t.Error(diff)
		}
	}
}

func TestRefusalNamesTheReadableOwner(t *testing.T) {
	t.Parallel()
	d := access.Desire(inBots(func(*config.Access) {}), renamed)
	theirs := edit("ServiceAccount", annotate("kubemint/owner", "github:99", "kubemint/owner-name", "acme/till"))
	_, err := access.Diff(d, cluster(d, theirs))
	want := []string{"apply ServiceAccount bots/ci: it belongs to acme/till (github:99), and this run to acme/store (github:1234)"}
	if diff := cmp.Diff(want, refusals(t, err)); diff != "" {
		t.Error(diff)
	}
}

// applied has an object bear labels that an earlier run of ours applied.
func applied(o kube.Object, manager string, labels map[string]string) {
	fields := `{"f:metadata":{"f:labels":{`
	for key, value := range labels {
		o.GetLabels()[key] = value
		fields += `"f:` + key + `":{},`
	}
	o.SetManagedFields([]metav1.ManagedFieldsEntry{{
		Manager: manager, FieldsV1: metav1.NewFieldsV1(strings.TrimSuffix(fields, ",") + `}}}`),
	}})
}

func TestLabels_HealedOnOurObjects(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(kube.Object)
		want   []string // of the role's change; nil is unchanged
	}{
		"as wanted":            {annotate(), nil},
		"another value":        {func(o kube.Object) { o.GetLabels()["team"] = "till" }, []string{"+ label team=web"}},
		"gone":                 {func(o kube.Object) { delete(o.GetLabels(), "team") }, []string{"+ label team=web"}},
		"a label of a user":    {func(o kube.Object) { o.GetLabels()["mine"] = "yes" }, nil},
		"a label of a tool":    {func(o kube.Object) { applied(o, "argocd", map[string]string{"app": "x"}) }, nil},
		"one declared no more": {func(o kube.Object) { applied(o, "kubemint", map[string]string{"cost": "7"}) }, []string{"- label cost=7"}},
		"fields that are no JSON": {func(o kube.Object) {
			o.GetLabels()["x"] = "y"
			o.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: "kubemint", FieldsV1: metav1.NewFieldsV1("{")}})
		}, nil},
	} {
		labelled := marks
		labelled.Labels = map[string]string{"team": "web"}
		d := access.Desire(inBots(withRules), labelled)
		plan, err := access.Diff(d, cluster(d, edit("Role", tt.change)))
		if err != nil {
			t.Fatal(err)
		}
		change := plan.Changes[1]
		if diff := cmp.Diff(tt.want, change.Details); diff != "" || (change.Verb == access.Unchanged) != (tt.want == nil) {
			t.Errorf("%s: %s\n%s", name, change.Verb, diff)
		}
	}
}

func TestLabels_OnEverythingExceptOurKeys(t *testing.T) {
	t.Parallel()
	labelled := marks
	labelled.Labels = map[string]string{"team": "web", "kubemint/service-account": "forged", "app.kubernetes.io/managed-by": "x"}
	d := access.Desire(declared(func(a *config.Access) { withRules(a); a.CreateNamespace = true }), labelled)
	for _, o := range d.Objects {
		if o.GetLabels()["team"] != "web" || !kube.IsManaged(o, account) {
			t.Errorf("%s: %v", kube.RefOf(o), o.GetLabels())
		}
	}
	if len(labelled.Labels) != 3 {
		t.Error("the caller's labels were changed")
	}
}

func TestMoved(t *testing.T) {
	t.Parallel()
	bindings := func(account string, change func(o kube.Object), namespaces ...string) (all []kube.Object) {
		namespace, name, _ := strings.Cut(account, "/")
		earlier := access.Desire(config.Access{
			ServiceAccount: types.NamespacedName{Namespace: namespace, Name: name}, Namespaces: namespaces, Namespaced: config.Grants{Rules: []rbacv1.PolicyRule{rule("get", "pods")}},
		}, marks)
		for _, o := range earlier.Objects {
			if kube.IsBinding(o) {
				change(o)
				all = append(all, o)
			}
		}
		return all
	}
	onlyIn := func(namespace string, change func(kube.Object)) func(kube.Object) {
		return func(o kube.Object) {
			if o.GetNamespace() == namespace {
				change(o)
			}
		}
	}
	hostile := func(o kube.Object) {
		o.SetLabels(kube.LabelsFor(types.NamespacedName{Namespace: "shop", Name: "$(reboot)"}))
	}
	for name, tt := range map[string]struct {
		bindings []kube.Object
		want     string
	}{
		"another first namespace":      {bindings("web/ci", annotate(), "web", "shop"), "web/ci"},
		"another name":                 {bindings("bots/old", annotate(), "shop"), "bots/old"},
		"the declared one itself":      {bindings("bots/ci", annotate(), "shop"), ""},
		"another leg of a matrix":      {bindings("other/ci", annotate(), "other", "shop"), ""},
		"another job's":                {bindings("web/ci", annotate("kubemint/job", "test"), "web"), ""},
		"another job's in part":        {bindings("web/ci", onlyIn("web", annotate("kubemint/job", "test")), "shop", "web"), ""},
		"another owner's":              {bindings("web/ci", annotate("kubemint/owner", "github:99"), "web"), ""},
		"without an owner":             {bindings("web/ci", annotate("kubemint/owner", ""), "web"), ""},
		"of one run alone":             {bindings("web/ci", annotate("kubemint/expires-at", "2020-01-01T00:00:00Z"), "web"), ""},
		"without our label":            {bindings("web/ci", func(o kube.Object) { o.SetLabels(nil) }, "web"), ""},
		"with another account's label": {bindings("web/ci", func(o kube.Object) { o.SetLabels(kube.LabelsFor(account)) }, "web"), ""},
		"a name that is a command":     {bindings("shop/$(reboot)", hostile, "shop"), ""},
		"nothing":                      {nil, ""},
		"two of them":                  {append(bindings("web/ci", annotate(), "web"), bindings("shop/ci", annotate(), "shop")...), "shop/ci web/ci"},
	} {
		var got []string
		for _, account := range access.FindMoved(access.Desire(declared(withRules), marks), "deploy", tt.bindings) {
			got = append(got, account.String())
		}
		if have := strings.Join(got, " "); have != tt.want {
			t.Errorf("%s: %q, not %q", name, have, tt.want)
		}
	}
	none := access.Desire(declared(withRules), owner.Marks{Job: "deploy"})
	if got := access.FindMoved(none, "deploy", bindings("web/ci", annotate("kubemint/owner", ""), "web")); len(got) > 0 {
		t.Errorf("a run without an owner found %v", got)
	}
}
