package rules_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/rules"
	"github.com/kubemint/kubemint/internal/rules/syntax"
)

func TestFormat(t *testing.T) {
	for name, test := range map[string]struct {
		rules []rbacv1.PolicyRule
		want  string
	}{
		"columns, the core group first, URLs last": {list(
			urls("get", "/metrics,/healthz"),
			rule("get,create,patch", "apps", "deployments,deployments/scale"),
			rule("get,update", "", "configmaps", "feature-flags", "app-config"),
			rule("*", "batch", "*"),
			rule("watch,list,get", "", "services,pods,pods/log"),
		), `
get,update        configmaps  app-config,feature-flags
get,list,watch    pods,pods/log,services
get,create,patch  deployments.apps,deployments.apps/scale
*                 *.batch
get               /healthz,/metrics`},
		"the same resource merges verbs": {list(rule("get", "", "pods"), rule("list", "", "pods"), rule("get", "", "pods")), `
get,list  pods`},
		"the same verbs merge resources and names": {list(
			rule("get", "", "secrets", "a"), rule("get", "", "secrets", "b"),
			rule("get", "apps", "deployments", "b"), rule("get", "apps", "deployments", "a"),
		), `
get  secrets,deployments.apps  a,b`},
		"names are not merged into all objects": {list(rule("get", "", "secrets", "a"), rule("get", "", "secrets")), `
get  secrets
get  secrets  a`},
		"* swallows the other verbs": {list(rule("get,*", "", "pods"), rule("list", "", "pods")), `
*  pods`},
		"groups times resources": {list(rule("get", ",apps,*", "*,*/scale"), rule("get", "*,", "pods")), `
get  *,*/scale,pods,*.*,*.*/scale,pods.*,*.apps,*.apps/scale`},
		"all URLs":            {list(urls("get", "*")), "\nget  /*"},
		"a rule without verb": {list(rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"pods"}}), ""},
		"nothing":             {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			lines := rules.Format(test.rules)
			if diff := cmp.Diff(strings.TrimPrefix(test.want, "\n"), strings.Join(lines, "\n")); diff != "" {
				t.Error("-want +got\n", diff)
			}
			if len(lines) == 0 {
				return
			}
			back, err := syntax.ParseRules(strings.Join(lines, "\n"))
			if err != nil {
				t.Fatal("what was printed does not read back:", err)
			}
			if !rules.Equal(back.Rules, test.rules) {
				t.Errorf("read back it is something else:\n%s", cmp.Diff(test.rules, back))
			}
		})
	}
}

// A rule that was read from a server can hold what the shorthand cannot say: it is printed for a person, on one line, with
// nothing that a terminal obeys.
func TestFormat_NoShorthand(t *testing.T) {
	got := rules.Format(list(
		rule("lst,get", "", "deployments,podz", "a b", "c,d", "#e", "f*", "", "\x1b[31m\u202eü"),
		rule("get\n::add-mask::", "apps", "pods\t", "x"), urls("list", "/a/*/b\r\n"),
	))
	want := []string{
		`lst,get              "deployments","podz"  "","\x1b[31m\u202e\u00fc","#e","a b","c,d",f*`,
		`"get\n::add-mask::"  "pods\t.apps"         x`,
		`list                 "/a/*/b\r\n"`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("-want +got\n", diff)
	}
}

func TestMatrix(t *testing.T) {
	got := rules.NewMatrix(list(
		urls("get,post", "/healthz"),
		rule("*", "batch", "*"),
		rule("use,delete,get", "", "pods"),
		rule("get", "", "configmaps", "b", "a b"),
	))
	want := rules.Matrix{
		Verbs: []string{"get", "delete", "use", "post", "*"},
		Rows: []rules.MatrixRow{
			{Resource: "configmaps", Names: []string{`"a b"`, "b"}, Has: []bool{true, false, false, false, false}},
			{Resource: "pods", Has: []bool{true, true, true, false, false}},
			{Resource: "*.batch", Has: []bool{true, true, true, true, true}},
			{Resource: "/healthz", Has: []bool{true, false, false, true, false}},
		},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Error("-want +got\n", diff)
	}
}

// The expectations are lists of Format's lines.
func TestDiffCoversEqual(t *testing.T) {
	for name, test := range map[string]struct {
		have, want     []rbacv1.PolicyRule
		added, removed []string
	}{
		"the same in other words": {
			have: list(rule("get,list", "", "pods"), rule("get", "apps", "deployments"), urls("get", "*")),
			want: list(rule("list", "", "pods"), rule("get", "apps", "deployments"), rule("get", "", "pods"), urls("get", "/*")),
		},
		"a verb more, a resource less": {
			have:    list(rule("get,list", "", "pods,secrets")),
			want:    list(rule("get,list,watch", "", "pods")),
			added:   []string{"watch  pods"},
			removed: []string{"get,list  secrets"},
		},
		"differences are merged back": {
			want:  list(rule("get,list", ",apps", "pods,deployments"), rule("get,list", "", "services")),
			added: []string{`get,list  "deployments",pods,services,deployments.apps,"pods.apps"`},
		},
		"all objects cover named ones": {
			have:    list(rule("get", "", "secrets")),
			want:    list(rule("get", "", "secrets", "a")),
			removed: []string{"get  secrets"},
		},
		"* covers every verb, group, resource and subresource": {
			have:    list(rule("*", "*", "*")),
			want:    list(rule("get", "a.b", "c/d", "e"), urls("get", "/x")),
			added:   []string{"get  /x"},
			removed: []string{"*  *.*"},
		},
		"every known verb is not *": {
			have:  list(rule("get,list,watch,create,update,patch,delete,deletecollection,bind,escalate,impersonate,approve,sign,attest,use", "", "pods")),
			want:  list(rule("*", "", "pods")),
			added: []string{"*  pods"}, // and nothing removed: * covers them
		},
		"* of subresources and of paths": {
			have:    list(rule("get", "", "*/log"), urls("get", "/api/*")),
			want:    list(rule("get", "", "pods/log"), urls("get", "/api/v1")),
			removed: []string{"get  */log", "get  /api/*"},
		},
		"nothing": {},
	} {
		t.Run(name, func(t *testing.T) {
			added, removed := rules.Covers(test.have, test.want), rules.Covers(test.want, test.have)
			if diff := cmp.Diff(test.added, rules.Format(added), cmpopts.EquateEmpty()); diff != "" {
				t.Error("added: -want +got\n", diff)
			}
			if diff := cmp.Diff(test.removed, rules.Format(removed), cmpopts.EquateEmpty()); diff != "" {
				t.Error("removed: -want +got\n", diff)
			}
			if diff := cmp.Diff(added, rules.Covers(test.have, test.want)); diff != "" {
				t.Error("Covers differs from Diff\n", diff)
			}
			if (added == nil) != (len(test.added) == 0) {
				t.Error("no difference must be nil")
			}
			same := len(test.added)+len(test.removed) == 0
			if got := rules.Equal(test.have, test.want); got != same {
				t.Error("Equal:", got)
			}
		})
	}
}

func TestCovers_MergesMissing(t *testing.T) {
	got := rules.Covers(nil, list(rule("get", "", "pods", "a"), rule("list", "", "pods", "a"), rule("get,list", "", "services", "a")))
	if diff := cmp.Diff(list(rule("get,list", "", "pods,services", "a")), got); diff != "" {
		t.Error("-want +got\n", diff)
	}
}

func TestInNamespace_LeavesOutURLs(t *testing.T) {
	pods := list(rule("get", "", "pods"))
	if diff := cmp.Diff(pods, rules.InNamespace(append(list(urls("get", "/x")), pods...))); diff != "" {
		t.Error("-want +got\n", diff)
	}
}

func TestRules_ArgumentsUnchanged(t *testing.T) {
	in := func() []rbacv1.PolicyRule {
		return list(rule("watch,get", "apps,", "pods,deployments", "b", "a"), rule("*,get", "", "pods"), urls("post,get", "/b,/a,*"))
	}
	rs := in()
	rules.Format(rs)
	rules.NewMatrix(rs)
	rules.Covers(rs, in()[:1])
	rules.Overlap(rs, rs)
	rules.ListQuestions(rs, true)
	rules.ListCaveats(rs, true)
	rules.FindUnserved(rs, nil)
	if diff := cmp.Diff(in(), rs); diff != "" {
		t.Error("the argument was changed\n", diff)
	}
}
