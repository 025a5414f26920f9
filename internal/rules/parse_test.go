package rules_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rules"
)

// rule makes a rule for resources: rule("get,list", "apps", "deployments", "a,b").
func rule(verbs, groups, resources string, names ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{
		Verbs: strings.Split(verbs, ","), APIGroups: strings.Split(groups, ","), Resources: strings.Split(resources, ","), ResourceNames: names,
	}
}

func urls(verbs, paths string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{Verbs: strings.Split(verbs, ","), NonResourceURLs: strings.Split(paths, ",")}
}

func list(rs ...rbacv1.PolicyRule) []rbacv1.PolicyRule { return rs }

func TestParseShorthand(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want []rbacv1.PolicyRule
	}{
		"the example of the design": {
			text: "get,list,watch          pods,pods/log,services\n" +
				"get,create,patch        deployments.apps,deployments.apps/scale\n" +
				"get,update              configmaps             app-config,feature-flags\n" +
				"get                     /healthz,/metrics\n" +
				"*                       *.batch\n",
			want: list(
				rule("get,list,watch", "", "pods,pods/log,services"),
				rule("get,create,patch", "apps", "deployments,deployments/scale"),
				rule("get,update", "", "configmaps", "app-config", "feature-flags"),
				urls("get", "/healthz,/metrics"),
				rule("*", "batch", "*"),
			),
		},
		"a bare built-in name has its group": {"get deployments,jobs/status,leases", list(
			rule("get", "apps", "deployments"), rule("get", "batch", "jobs/status"), rule("get", "coordination.k8s.io", "leases"))},
		"groups of a line are not multiplied": {"get pods,deployments,secrets,replicasets", list(
			rule("get", "", "pods,secrets"), rule("get", "apps", "deployments,replicasets"))},
		"events are the core group's":   {"get events,events.events.k8s.io", list(rule("get", "", "events"), rule("get", "events.k8s.io", "events"))},
		"stars":                         {"* *,*.batch,*.*", list(rule("*", "", "*"), rule("*", "batch", "*"), rule("*", "*", "*"))},
		"a subresource of all":          {"update */scale,*.apps/scale,*.*/scale", list(rule("update", "", "*/scale"), rule("update", "apps", "*/scale"), rule("update", "*", "*/scale"))},
		"a resource of every group":     {"get pods.*,pods.*/log", list(rule("get", "*", "pods,pods/log"))},
		"another group is as written":   {"get,list widgets.example.com/anything", list(rule("get,list", "example.com", "widgets/anything"))},
		"names with dots and colons":    {"bind clusterroles system:a,b.c", list(rule("bind", "rbac.authorization.k8s.io", "clusterroles", "system:a", "b.c"))},
		"verbs that only authorize":     {"approve,sign,attest signers example.com/x", list(rule("approve,sign,attest", "certificates.k8s.io", "signers", "example.com/x"))},
		"constrained impersonation":     {"impersonate:user-info users", list(rule("impersonate:user-info", "", "users"))},
		"user extras of any key":        {"impersonate userextras/acme.com/team", list(rule("impersonate", "authentication.k8s.io", "userextras/acme.com/team"))},
		"finalizers of any resource":    {"update jobs/finalizers", list(rule("update", "batch", "jobs/finalizers"))},
		"a subresource that is gone":    {"create deployments/rollback", list(rule("create", "apps", "deployments/rollback"))},
		"a URL with a star at the end":  {"get,head /api/*,/*", list(urls("get,head", "/api/*,/*"))},
		"comments, blanks, CR LF, BOM":  {"\ufeff# all of it\r\n\r\n\tget\t pods # and\r\n  # end", list(rule("get", "", "pods"))},
		"any verb for custom resources": {"accept,get managedclusters.a.example.com", list(rule("accept,get", "a.example.com", "managedclusters"))},
		"a resource of a newer cluster": {"get novelties.apps,novelties.apps/status", list(rule("get", "apps", "novelties,novelties/status"))},
		"a comment is no key of YAML":   {"#note: x\n # other: y\nget pods", list(rule("get", "", "pods"))},
		"a # inside a name":             {"impersonate users live.com#a@b.c", list(rule("impersonate", "", "users", "live.com#a@b.c"))},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := rules.Parse(test.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got.Rules, cmpopts.EquateEmpty()); diff != "" {
				t.Error("-want +got\n", diff)
			}
		})
	}
}

func TestParseYAML(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want []rbacv1.PolicyRule
	}{
		"a list": {
			"# comment first\n- verbs: [get]\n  apiGroups: ['']\n  resources: [pods]\n- verbs: [get]\n  nonResourceURLs: [/healthz]\n",
			list(rule("get", "", "pods"), urls("get", "/healthz")),
		},
		"an object": {
			"rules:\n- {verbs: [get], apiGroups: [apps], resources: [deployments], resourceNames: [a, 1e3, yes]}\n",
			list(rule("get", "apps", "deployments", "a", "1e3", "yes")),
		},
		"JSON": {
			"\n{\n\t\"rules\": [{\"verbs\": [\"get\"], \"apiGroups\": [\"\"], \"resources\": [\"pods/log\"]}]\n}",
			list(rule("get", "", "pods/log")),
		},
		"manifests and a List": {`---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: a, namespace: b, labels: {x: y}, creationTimestamp: null}
rules:
- {verbs: [get], apiGroups: [""], resources: [pods]}
---
# an empty document
---
apiVersion: v1
kind: List
metadata: {resourceVersion: ""}
items:
- kind: ClusterRole
  rules: [{verbs: ["*"], apiGroups: ["*"], resources: ["*"]}]
- kind: RoleList
  items: [{rules: [{verbs: [list], apiGroups: [""], resources: [nodes]}]}]
...
---
- {verbs: [get], nonResourceURLs: ["*"]}
`, list(rule("get", "", "pods"), rule("*", "*", "*"), rule("list", "", "nodes"), urls("get", "/*"))},
		"groups times resources, also what does not exist": {
			`[{verbs: [get], apiGroups: ["", apps, extensions, example.com], resources: [pods, deployments/scale]}]`,
			list(rule("get", "", "pods,deployments/scale"), rule("get", "apps", "pods,deployments/scale"),
				rule("get", "extensions", "pods,deployments/scale"), rule("get", "example.com", "pods,deployments/scale")),
		},
		"a resource that only one of the groups can have": {
			`[{verbs: [get], apiGroups: ["", a.example.com], resources: [widgets]}]`,
			list(rule("get", "", "widgets"), rule("get", "a.example.com", "widgets")),
		},
		"every signer of a domain": {
			`[{apiGroups: [certificates.k8s.io, cert-manager.io], resources: [signers], resourceNames: ["example.com/*"], verbs: [approve]}]`,
			list(rule("approve", "certificates.k8s.io", "signers", "example.com/*"), rule("approve", "cert-manager.io", "signers", "example.com/*")),
		},
		"names that shorthand cannot say": {
			`- {verbs: [impersonate], apiGroups: [""], resources: [groups], resourceNames: [Domain Admins, "a,b"]}`,
			list(rule("impersonate", "", "groups", "Domain Admins", "a,b")),
		},
		"any verb for custom resources": {
			`- {verbs: [accept, get], apiGroups: [a.example.com], resources: [managedclusters]}`,
			list(rule("accept,get", "a.example.com", "managedclusters")),
		},
		"aliases": {"- &a {verbs: [get], apiGroups: [''], resources: [pods]}\n- *a\n", list(rule("get", "", "pods"), rule("get", "", "pods"))},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := rules.Parse(test.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got.Rules, cmpopts.EquateEmpty()); diff != "" {
				t.Error("-want +got\n", diff)
			}
		})
	}
}

func TestParseNamesEveryFault(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"all faulty lines": {"get pods\nlst,get pods\n\nget pod # x\nget,udpate deploy a*\n", []string{
			`line 2: unknown verb "lst": did you mean "list"?`,
			`line 4: unknown resource "pod": did you mean "pods"?`,
			`line 5: unknown verb "udpate": did you mean "update"?`,
			`line 5: unknown resource "deploy": did you mean "deployments.apps"?`,
			`line 5: name "a*": there are no patterns for names, nor quotes; leave the names out to mean every object`,
		}},
		"a far verb": {"frobnicate pods,widgets.example.com", []string{`line 1: unknown verb "frobnicate": those for resources are get, list, watch, create, update, patch, delete, deletecollection, bind, escalate, impersonate, approve, sign, attest, use and *`}},
		"a verb for a URL": {"list,watch /metrics", []string{
			`line 1: unknown verb "list": those for URLs are get, post, put, patch, delete, head, options and *`,
			`line 1: unknown verb "watch": those for URLs are get, post, put, patch, delete, head, options and *`,
		}},
		"a kind":              {"get Deployment", []string{`line 1: unknown resource "Deployment": did you mean "deployments.apps"?`}},
		"a singular in -y":    {"get networkpolicy", []string{`line 1: unknown resource "networkpolicy": did you mean "networkpolicies.networking.k8s.io"?`}},
		"a singular in -s":    {"get ingress", []string{`line 1: unknown resource "ingress": did you mean "ingresses.networking.k8s.io"?`}},
		"a slip":              {"get depolyments", []string{`line 1: unknown resource "depolyments": did you mean "deployments.apps"?`}},
		"nothing near":        {"get widgets", []string{`line 1: unknown resource "widgets": one that is not built in has a group, as in widgets.example.com`}},
		"of a built-in group": {"get jobz.batch", []string{`line 1: unknown resource "jobz.batch": did you mean "jobs.batch"?`}},
		"of the wrong group": {"get deployments.batch,pods.apps", []string{
			`line 1: unknown resource "deployments.batch": did you mean "deployments.apps"?`,
			`line 1: unknown resource "pods.apps": did you mean "pods"?`,
		}},
		"a singular in a group": {"get event.events.k8s.io", []string{`line 1: unknown resource "event.events.k8s.io": did you mean "events.events.k8s.io"?`}},
		"short groups": {"get jobs.bacth,ingresses.networking,pods.core,pods.foo,deployments.v1.apps,pods.v1", []string{
			`line 1: unknown group "bacth": did you mean "batch"?`,
			`line 1: unknown group "networking": did you mean "networking.k8s.io"?`,
			`line 1: unknown group "core": RBAC has no versions, and the core group no name (in YAML it is "")`,
			`line 1: unknown group "foo": the group of a resource that is not built in is a domain, as in widgets.example.com`,
			`line 1: unknown group "v1.apps": RBAC has no versions, and the core group no name (in YAML it is "")`,
			`line 1: unknown group "v1": RBAC has no versions, and the core group no name (in YAML it is "")`,
		}},
		"subresources": {"get pods/logs,deployments/scale.apps,pods/*,pods/", []string{
			`line 1: unknown resource "pods/logs": did you mean "pods/log"?`,
			`line 1: resource "deployments/scale.apps": the group comes before the slash, as in deployments.apps/scale`,
			`line 1: resource "pods/*": RBAC has no patterns; * stands for a whole resource, subresources included`,
			`line 1: resource "pods/": its name, or that of the subresource, is missing`,
		}},
		"patterns": {"get foo-*.example.com,a.*.com,.example.com", []string{
			`line 1: unknown group "*.com": the group of a resource that is not built in is a domain, as in widgets.example.com`,
			`line 1: resource "foo-*": RBAC has no patterns; * stands for a whole resource, subresources included`,
			`line 1: resource "": its name, or that of the subresource, is missing`,
		}},
		"URLs":               {"get /a/*/b", []string{`line 1: URL "/a/*/b": a URL is a path that starts with /, and * means something at its end alone`}},
		"URLs and resources": {"get /a,pods", []string{`line 1: URLs have neither names nor resources beside them: write a rule for each`}},
		"URLs and names":     {"get /a b", []string{`line 1: URLs have neither names nor resources beside them: write a rule for each`}},
		"columns": {"get\nlist pods a b", []string{
			`line 1: a rule is VERBS RESOURCES [NAMES], with no space inside a list`,
			`line 2: a rule is VERBS RESOURCES [NAMES], with no space inside a list`,
		}},
		"lists": {"get, list pods\n,get pods\nget \"pods\"\nimpersonate groups \"Domain Admins\"\nimpersonate groups \"a\"", []string{
			`line 1: an empty item beside a comma: lists are written without spaces`,
			`line 2: an empty item beside a comma: lists are written without spaces`,
			`line 3: resource "\"pods\"": it is one name, without quotes; in YAML its group stands in apiGroups`,
			`line 4: a rule is VERBS RESOURCES [NAMES], with no space inside a list`,
			`line 5: name "\"a\"": there are no patterns for names, nor quotes; leave the names out to mean every object`,
		}},
		"no rule":      {"# nothing\n\n", []string{`no rule found: the shorthand is VERBS RESOURCES [NAMES], as in get,list pods`}},
		"no YAML rule": {"rules: []\n---\n", []string{`no rule found: the shorthand is VERBS RESOURCES [NAMES], as in get,list pods`}},
		"a long word is not echoed whole": {"get " + strings.Repeat("x", 100), []string{
			`line 1: unknown resource "` + strings.Repeat("x", 61) + `...": one that is not built in has a group, as in widgets.example.com`,
		}},

		"YAML: fields and types, with their lines": {"- verbs: get\n  vrbs: [get]\n- Verbs: [get]\n- verbs: [a]\n  verbs: [b]\n", []string{
			"YAML: line 1: cannot unmarshal !!str `get`",
			"YAML: line 2: field vrbs not found",
			"YAML: line 3: field Verbs not found",
			"YAML: line 5: field verbs already set",
		}},
		"YAML: syntax": {"- verbs: [get\n- a", []string{`YAML: line 2: did not find expected ',' or ']'`}},
		"YAML: what the API server asks": {"- {}\n- {verbs: [get], apiGroups: [''], resources: [pods], nonResourceURLs: [/x]}\n- {verbs: [get], apiGroups: [''], nonResourceURLs: [x]}\n", []string{
			`rules[0]: verbs is empty or missing`,
			`rules[0]: apiGroups or resources is empty or missing`,
			`rules[1]: apiGroups beside nonResourceURLs: URLs have no group`,
			`rules[1]: URLs have neither names nor resources beside them: write a rule for each`,
			`rules[2]: apiGroups beside nonResourceURLs: URLs have no group`,
			`rules[2]: URL "x": a URL is a path that starts with /, and * means something at its end alone`,
		}},
		"YAML: words": {"kind: List\nitems:\n- {}\n- rules:\n  - {verbs: [lst, null], apiGroups: ['', apps/v1], resources: [deployments, deployments.apps, pods/logs, null], resourceNames: [null]}\n", []string{
			`items[1].rules[0]: unknown group "apps/v1": RBAC has no versions, and the core group no name (in YAML it is "")`,
			`items[1].rules[0]: unknown verb "lst": did you mean "list"?`,
			`items[1].rules[0]: unknown verb "": those for resources are get, list, watch, create, update, patch, delete, deletecollection, bind, escalate, impersonate, approve, sign, attest, use and *`,
			`items[1].rules[0]: resource "deployments.apps": it is one name, without quotes; in YAML its group stands in apiGroups`,
			`items[1].rules[0]: unknown resource "pods/logs": did you mean "pods/log"?`,
			`items[1].rules[0]: resource "": its name, or that of the subresource, is missing`,
			`items[1].rules[0]: name "": there are no patterns for names, nor quotes; leave the names out to mean every object`,
		}},
		"YAML: a near miss on a custom resource": {"- {verbs: [lst], apiGroups: [a.b], resources: [c]}", []string{`rules[0]: unknown verb "lst": did you mean "list"?`}},
		"YAML: a far verb where Kubernetes decides": {"- {verbs: [frob], apiGroups: ['', a.b], resources: [pods]}\n- {verbs: [frob], apiGroups: [a.b, '*'], resources: [c]}\n- {verbs: [frob], nonResourceURLs: [/x]}", []string{
			`rules[0]: unknown verb "frob": those for resources are get, list, watch, create, update, patch, delete, deletecollection, bind, escalate, impersonate, approve, sign, attest, use and *`,
			`rules[1]: unknown verb "frob": those for resources are get, list, watch, create, update, patch, delete, deletecollection, bind, escalate, impersonate, approve, sign, attest, use and *`,
			`rules[2]: unknown verb "frob": those for URLs are get, post, put, patch, delete, head, options and *`,
		}},
		"YAML: the second document": {"rules: []\n---\n- {verbs: [get], apiGroups: [''], resources: [deployments]}", []string{
			`document 2: rules[0]: unknown resource "deployments": did you mean "deployments.apps"?`,
		}},
		"YAML: aggregation": {"kind: ClusterRole\naggregationRule: {clusterRoleSelectors: []}\nrules: []", []string{
			`aggregationRule: its rules are those of other roles and change with them: bind the role itself, or write its rules out`,
		}},
		"YAML: another kind": {"apiVersion: v1\nkind: Config\nusers: [{user: {token: canary}}]", []string{
			`kind: "Config" has no rules: give a Role, a ClusterRole, or a List of those`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := rules.Parse(test.text)
			var got []string
			for _, fault := range problem.All(err) {
				got = append(got, fault.Error())
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error("-want +got\n", diff)
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	text := strings.Repeat("get,list,watch  pods,pods/log,services\nget,create,patch  deployments.apps,deployments.apps/scale  web,api\n*  *.batch\n", 30)
	for b.Loop() {
		if _, err := rules.Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}
