package rules_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rules/syntax"
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
			got, err := syntax.ParseRules(test.text)
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
		"the verb proxy": {
			`[{apiGroups: [""], resources: [services], resourceNames: [dashboard-metrics-scraper], verbs: [proxy]}]`,
			list(rule("proxy", "", "services", "dashboard-metrics-scraper")),
		},
		"audiences in the place of resources": {
			`[{apiGroups: [""], resources: [registry.example.com, "https://vault"], resourceNames: [puller], verbs: [request-serviceaccounts-token-audience]}]`,
			list(rule("request-serviceaccounts-token-audience", "", "registry.example.com,https://vault", "puller")),
		},
		"the Role of another API next to ours": {
			"apiVersion: iam.aws.upbound.io/v1beta1\nkind: Role\nspec: {forProvider: {}}\n---\n" +
				"apiVersion: authorization.openshift.io/v1\nkind: Role\nrules: [{verbs: [use], apiGroups: [security.openshift.io], resources: [securitycontextconstraints]}]",
			list(rule("use", "security.openshift.io", "securitycontextconstraints")),
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
			got, err := syntax.ParseRules(test.text)
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
		"a far verb": {"frobnicate pods,widgets.example.com", []string{`line 1: unknown verb "frobnicate": those for resources are get, list, watch, create, update, patch, delete, deletecollection, bind, escalate, impersonate, approve, sign, attest, use, proxy and *`}},
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
		"URLs and resources": {"get /a,pods", []string{`line 1: a rule with URLs has no names and no resources: write a rule for each`}},
		"URLs and names":     {"get /a b", []string{`line 1: a rule with URLs has no names and no resources: write a rule for each`}},
		"columns": {"get\nlist pods a b", []string{
			`line 1: a rule is VERBS RESOURCES [NAMES], with no space inside a list`,
			`line 2: a rule is VERBS RESOURCES [NAMES], with no space inside a list`,
		}},
		"lists": {"get, list pods\n,get pods\nget \"pods\"\nimpersonate groups \"Domain Admins\"\nimpersonate groups \"a\"", []string{
			`line 1: an empty item next to a comma: lists are written without spaces`,
			`line 2: an empty item next to a comma: lists are written without spaces`,
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
			"YAML: line 1: `get` is a string where a list belongs, as in verbs: [get, list]",
			"YAML: line 2: field vrbs not found: did you mean verbs?",
			"YAML: line 3: field Verbs not found: did you mean verbs?",
			"YAML: line 5: field verbs already set",
		}},
		"YAML: syntax": {"- verbs: [get\n- a", []string{`YAML: line 2: did not find expected ',' or ']'`}},
		"YAML: what the API server asks": {"- {}\n- {verbs: [get], apiGroups: [''], resources: [pods], nonResourceURLs: [/x]}\n- {verbs: [get], apiGroups: [''], nonResourceURLs: [x]}\n", []string{
			`rules[0]: verbs is empty or missing`,
			`rules[0]: apiGroups or resources is empty or missing`,
			`rules[1]: apiGroups together with nonResourceURLs: URLs have no group`,
			`rules[1]: a rule with URLs has no names and no resources: write a rule for each`,
			`rules[2]: apiGroups together with nonResourceURLs: URLs have no group`,
			`rules[2]: URL "x": a URL is a path that starts with /, and * means something at its end alone`,
		}},
		"YAML: words": {"kind: List\nitems:\n- {}\n- rules:\n  - {verbs: [lst, null], apiGroups: ['', apps/v1], resources: [deployments, deployments.apps, pods/logs, null], resourceNames: [null]}\n", []string{
			`items[1].rules[0]: unknown group "apps/v1": RBAC has no versions, and the core group no name (in YAML it is "")`,
			`items[1].rules[0]: unknown verb "lst": did you mean "list"?`,
			`items[1].rules[0]: unknown verb "": those for resources are get, list, watch, create, update, patch, delete, deletecollection, bind, escalate, impersonate, approve, sign, attest, use, proxy and *`,
			`items[1].rules[0]: resource "deployments.apps": it is one name, without quotes; in YAML its group stands in apiGroups`,
			`items[1].rules[0]: unknown resource "pods/logs": did you mean "pods/log"?`,
			`items[1].rules[0]: resource "": its name, or that of the subresource, is missing`,
			`items[1].rules[0]: name "": there are no patterns for names, nor quotes; leave the names out to mean every object`,
		}},
		"YAML: a near miss on a custom resource": {"- {verbs: [lst], apiGroups: [a.b], resources: [c]}", []string{`rules[0]: unknown verb "lst": did you mean "list"?`}},
		"YAML: a far verb where Kubernetes decides": {"- {verbs: [frob], apiGroups: ['', a.b], resources: [pods]}\n- {verbs: [frob], apiGroups: [a.b, '*'], resources: [c]}\n- {verbs: [frob], nonResourceURLs: [/x]}", []string{
			`rules[0]: unknown verb "frob": those for resources are get, list, watch, create, update, patch, delete, deletecollection, bind, escalate, impersonate, approve, sign, attest, use, proxy and *`,
			`rules[1]: unknown verb "frob": those for resources are get, list, watch, create, update, patch, delete, deletecollection, bind, escalate, impersonate, approve, sign, attest, use, proxy and *`,
			`rules[2]: unknown verb "frob": those for URLs are get, post, put, patch, delete, head, options and *`,
		}},
		"YAML: the second document": {"rules: []\n---\n- {verbs: [get], apiGroups: [''], resources: [deployments]}", []string{
			`document 2: rules[0]: unknown resource "deployments": did you mean "deployments.apps"?`,
		}},
		"line breaks that were escaped": {`get,list pods\nget services` + "\nget pods%0Aget services\nget secrets a\\nget pods\nget secrets a\\n", []string{
			`line 1: it has the characters \n where a line break belongs: write a real one, or ; between rules`,
			`line 2: it has the characters \n where a line break belongs: write a real one, or ; between rules`,
			`line 3: it has the characters \n where a line break belongs: write a real one, or ; between rules`,
			`line 4: it has the characters \n where a line break belongs: write a real one, or ; between rules`,
		}},
		"line breaks that were folded": {"get,list pods get,watch services\nget secrets a,b cluster list nodes\ncluster get nodes list pods", []string{
			`line 1: several rules on one line: write ; between them (in YAML, | keeps line breaks and > joins lines)`,
			`line 2: several rules on one line: write ; between them (in YAML, | keeps line breaks and > joins lines)`,
			`line 3: several rules on one line: write ; between them (in YAML, | keeps line breaks and > joins lines)`,
		}},
		"YAML: line breaks that were escaped": {`- verbs: [get]\n  apiGroups: [""]\n  resources: [pods]`, []string{
			`YAML: did not find expected key: it has the characters \n where a line break belongs: write a real one, or ; between rules`,
		}},
		"YAML in JSON's escapes, read as shorthand": {`rules:\n- verbs: [get]`, []string{
			`line 1: it has the characters \n where a line break belongs: write a real one, or ; between rules`,
		}},
		"YAML: a chart's template": {"{{- if .Values.rbac.create }}\nkind: Role\n{{- end }}", []string{
			`YAML: did not find expected node content: it looks like a template: render it first, as with helm template`,
		}},
		"YAML: a chart's values": {"serviceAccount: {create: true}\nrbac:\n  create: true\n  rules:\n  - {verbs: [get], apiGroups: [''], resources: [pods]}\n", []string{
			`YAML: the rules are at "rbac.rules", as in a chart's values: give that list by itself`,
		}},
		"YAML: values, deeper, with other words": {"controller: {role: {extra: [{note: x}, {verbs: [get]}]}}", []string{
			`YAML: the rules are at "controller.role.extra", as in a chart's values: give that list by itself`,
		}},
		"YAML: rules under another word": {"spec:\n  rules: []\n", []string{`YAML: line 1: field spec not found`}},
		"YAML: strings, numbers, objects for lists": {
			"rules:\n- {verbs: 'get,list', apiGroups: [''], resources: pods}\n- {verbs: {get: x}, apiGroups: 1, resources: true}\n", []string{
				"YAML: line 2: `get,list` is a string where a list belongs, as in verbs: [get, list]",
				"YAML: line 2: `pods` is a string where a list belongs, as in verbs: [get, list]",
				"YAML: line 3: an object where a list belongs, as in verbs: [get, list]",
				"YAML: line 3: `1` is a number where a list belongs, as in verbs: [get, list]",
				"YAML: line 3: `true` is a boolean where a list belongs, as in verbs: [get, list]",
			},
		},
		"YAML: one rule for a list": {"kind: Role\nrules:\n  verbs: [get]\n  apiGroups: ['']\n  resources: [pods]\n", []string{
			"YAML: line 3: an object where a list belongs",
		}},
		"YAML: dashes before the shorthand": {"- get,list pods\n- get services\n", []string{
			"YAML: line 1: `get,lis...` is a string where an object belongs: lines of the shorthand have no dash before them",
			"YAML: line 2: `get ser...` is a string where an object belongs: lines of the shorthand have no dash before them",
		}},
		"YAML: lists for words": {"rules: [{verbs: [[get]], apiGroups: [''], resources: [pods]}]", []string{"YAML: line 1: a list where a string belongs"}},
		"YAML: fields that are nearly right": {"- {verb: [get], apiGroup: [''], resource: [pods], resourcenames: [a], x: y}\n", []string{
			"YAML: line 1: field verb not found: did you mean verbs?",
			"YAML: line 1: field apiGroup not found: did you mean apiGroups?",
			"YAML: line 1: field resource not found: did you mean resources?",
			"YAML: line 1: field resourcenames not found: did you mean resourceNames?",
			"YAML: line 1: field x not found",
		}},
		"YAML: manifests without a Role": {"apiVersion: v1\nkind: ServiceAccount\n---\n" +
			"apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Secret, data: {a: canary}}, {apiVersion: v1, kind: ServiceAccount}]\n", []string{
			`no rule found: it has ServiceAccount, Secret, and no Role or ClusterRole`,
		}},
		"YAML: a document that is not an API object is not skipped": {"kind: Widget\n---\napiVersion: 1\nkind: Widget\n---\napiVersion: v1\nkind: widget\n", []string{
			`kind: "Widget" has no rules: give a Role, a ClusterRole, or a List of those`,
			`document 2: kind: "Widget" has no rules: give a Role, a ClusterRole, or a List of those`,
			`document 3: kind: "widget" has no rules: give a Role, a ClusterRole, or a List of those`,
		}},
		"YAML: faults of a Role among others": {"apiVersion: v1\nkind: ServiceAccount\nsecrets: [[x]]\n---\n" +
			"kind: Role\nrules: [{verbs: [lst], apiGroups: [''], resources: [pods]}]\n", []string{
			`document 2: rules[0]: unknown verb "lst": did you mean "list"?`,
		}},
		"YAML: aggregation": {"kind: ClusterRole\naggregationRule: {clusterRoleSelectors: []}\nrules: []", []string{
			`aggregationRule: its rules are those of other roles and change with them: bind the role itself, or write its rules out`,
		}},
		"YAML: another kind": {"apiVersion: v1\nkind: Config\nusers: [{user: {token: canary}}]", []string{
			`no rule found: it has Config, and no Role or ClusterRole`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := syntax.ParseRules(test.text)
			var got []string
			for _, fault := range problem.ListErrors(err) {
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
		if _, err := syntax.ParseRules(text); err != nil {
			b.Fatal(err)
		}
	}
}

// A file of a pipeline's access has more than roles, and Helm's output has everything.
func TestParse_OtherKinds(t *testing.T) {
	const others = `apiVersion: v1
kind: ServiceAccount
metadata: {name: gha, namespace: shop}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: deployer, namespace: shop}
rules:
- {apiGroups: [apps], resources: [deployments], verbs: [get, patch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: deployer, namespace: shop}
subjects: [{kind: ServiceAccount, name: gha, namespace: shop}]
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: deployer}
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ServiceAccount, secrets: [{name: x}]}
- {apiVersion: apps/v1, kind: Deployment, spec: {template: {spec: {containers: []}}}}
- {apiVersion: rbac.authorization.k8s.io/v1, kind: Role, rules: [{apiGroups: [""], resources: [pods], verbs: [list]}]}
`
	got, err := syntax.ParseRules(others)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(list(rule("get,patch", "apps", "deployments"), rule("list", "", "pods")), got.Rules); diff != "" {
		t.Error("-want +got\n", diff)
	}
	if diff := cmp.Diff([]string{"ServiceAccount", "RoleBinding", "Deployment"}, got.PassedOver); diff != "" {
		t.Error("-want +got\n", diff)
	}
	if err := syntax.CheckForm(others); err != nil {
		t.Error(err)
	}
}

// The name of a Windows user has a backslash, which may stand before an n.
func TestParse_BackslashInName(t *testing.T) {
	got, err := syntax.ParseRules(`impersonate users CORP\nick`)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(list(rule("impersonate", "", "users", `CORP\nick`)), got.Rules); diff != "" {
		t.Error("-want +got\n", diff)
	}
}
