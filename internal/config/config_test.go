package config_test

import (
	"errors"
	"io/fs"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/problem"
)

// longest is the longest lifetime that Kubernetes gives.
const longest = (1 << 32) * time.Second

// environment is one with these variables and these files.
func environment(variables, files map[string]string) config.Environment {
	env := config.Environment{
		Get: func(name string) string { return variables[name] },
		ReadFile: func(path string) ([]byte, error) {
			if content, ok := files[path]; ok {
				return []byte(content), nil
			}
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		},
	}
	for name := range variables {
		env.Names = append(env.Names, name)
	}
	return env
}

// inputs gives inputs in the form for every platform.
func inputs(pairs ...string) map[string]string {
	variables := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		variables["KUBEMINT_"+strings.ToUpper(pairs[i])] = pairs[i+1]
	}
	return variables
}

// load returns the configuration, and each fault as a person reads it: the error, then the hints.
func load(t *testing.T, env config.Environment) (*config.Config, []string) {
	t.Helper()
	cfg, err := config.Load(env)
	var faults []string
	for _, fault := range problem.ListErrors(err) {
		var p *problem.Error
		if !errors.As(fault, &p) || p.Code != problem.Config {
			t.Errorf("%v has not the code %d", fault, problem.Config)
			continue
		}
		faults = append(faults, strings.Join(append([]string{p.Error()}, p.Hints...), " | "))
	}
	return cfg, faults
}

// with changes the configuration of an empty environment.
func with(change func(c *config.Config)) *config.Config {
	c := &config.Config{
		Access: config.Access{ServiceAccount: types.NamespacedName{Name: "kubemint"}, Provisioning: config.Provisioning{CreateServiceAccount: true}},
		Token:  config.Token{Lifetime: config.Lifetime{Duration: time.Hour}, Asked: "1h", Revoke: true},
		Result: config.Result{ExportEnv: true, Timeout: 2 * time.Minute},
	}
	change(c)
	return c
}

var (
	pods    = rbacv1.PolicyRule{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"pods"}}
	healthz = rbacv1.PolicyRule{Verbs: []string{"get"}, NonResourceURLs: []string{"/healthz"}}
)

func TestLoad_ValidInputs(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		inputs map[string]string
		change func(c *config.Config)
	}{
		"nothing": {nil, func(*config.Config) {}},

		"kubeconfig is kept byte for byte": {inputs("kubeconfig", " a: b\r\n\n"), func(c *config.Config) { c.Source.Kubeconfig = " a: b\r\n\n" }},
		"context":                          {inputs("context", " arn:aws:eks:x \n"), func(c *config.Config) { c.Source.Context = "arn:aws:eks:x" }},
		"certificate_authority":            {inputs("certificate_authority", "\n/etc/ca.crt\n"), func(c *config.Config) { c.Source.CertificateAuthority = "/etc/ca.crt" }},
		"server":                           {inputs("server", " https://x:6443/p\n"), func(c *config.Config) { c.Source.Server = "https://x:6443/p" }},
		"server in capitals":               {inputs("server", "HTTPS://X:6443/P"), func(c *config.Config) { c.Source.Server = "https://X:6443/P" }},
		"server and oidc_audience":         {inputs("server", "https://x", "oidc_audience", " aud "), func(c *config.Config) { c.Source.Server, c.Source.OIDCAudience = "https://x", "aud" }},
		"server and bearer_token":          {inputs("server", "https://x", "bearer_token", "a.b.c\n"), func(c *config.Config) { c.Source.Server, c.Source.BearerToken = "https://x", "a.b.c" }},
		"allow_insecure":                   {inputs("allow_insecure", "TRUE"), func(c *config.Config) { c.Source.AllowInsecure = true }},

		"one namespace":                {inputs("namespace", "shop"), func(c *config.Config) { c.Access.Namespaces = []string{"shop"} }},
		"namespaces between commas":    {inputs("namespace", "shop,web,,shop,"), func(c *config.Config) { c.Access.Namespaces = []string{"shop", "web"} }},
		"namespaces between spaces":    {inputs("namespace", " shop  web\tshop"), func(c *config.Config) { c.Access.Namespaces = []string{"shop", "web"} }},
		"namespaces on lines":          {inputs("namespace", "web\r\nshop\n\nweb\n"), func(c *config.Config) { c.Access.Namespaces = []string{"web", "shop"} }},
		"a namespace of digits":        {inputs("namespace", "2026"), func(c *config.Config) { c.Access.Namespaces = []string{"2026"} }},
		"a ServiceAccount":             {inputs("service_account", " ci "), func(c *config.Config) { c.Access.ServiceAccount = types.NamespacedName{Name: "ci"} }},
		"a ServiceAccount with a dot":  {inputs("service_account", "ci.prod"), func(c *config.Config) { c.Access.ServiceAccount = types.NamespacedName{Name: "ci.prod"} }},
		"a ServiceAccount elsewhere":   {inputs("service_account", "bots/ci"), func(c *config.Config) { c.Access.ServiceAccount = types.NamespacedName{Namespace: "bots", Name: "ci"} }},
		"create_service_account":       {inputs("create_service_account", "False"), func(c *config.Config) { c.Access.CreateServiceAccount = false }},
		"create_namespace":             {inputs("create_namespace", " true\n"), func(c *config.Config) { c.Access.CreateNamespace = true }},
		"a bare role is a ClusterRole": {inputs("role", "edit"), func(c *config.Config) { c.Access.Namespaced.Roles = []config.Role{{"ClusterRole", "edit"}} }},
		"roles of both kinds, each once": {inputs("role", "clusterrole/edit,Role/deployer\nedit role/deployer ClusterRole/edit"), func(c *config.Config) {
			c.Access.Namespaced.Roles = []config.Role{{"ClusterRole", "edit"}, {"Role", "deployer"}}
		}},
		"a role with colons": {inputs("role", "system:node"), func(c *config.Config) { c.Access.Namespaced.Roles = []config.Role{{"ClusterRole", "system:node"}} }},
		"rules":              {inputs("rules", "get pods"), func(c *config.Config) { c.Access.Namespaced.Rules = []rbacv1.PolicyRule{pods} }},
		"rules in a file":    {inputs("rules", " @ ci/rules.txt\n"), func(c *config.Config) { c.Access.Namespaced.Rules = []rbacv1.PolicyRule{pods} }},
		"rules as YAML":      {inputs("rules", "- verbs: [get]\n  apiGroups: ['']\n  resources: [pods]"), func(c *config.Config) { c.Access.Namespaced.Rules = []rbacv1.PolicyRule{pods} }},
		"scope namespace":    {inputs("scope", "namespace"), func(*config.Config) {}},
		"scope cluster":      {inputs("scope", " cluster"), func(*config.Config) {}},
		"scope cluster with role, rules and the word": {
			inputs("scope", "cluster", "role", "edit cluster:edit", "rules", "get pods; cluster get /healthz"),
			func(c *config.Config) {
				c.Access.Cluster.Roles = []config.Role{{"ClusterRole", "edit"}}
				c.Access.Cluster.Rules = []rbacv1.PolicyRule{pods, healthz}
			},
		},
		"both scopes": {
			inputs("role", "edit,cluster:view,role/x,cluster:clusterrole/edit cluster:view", "rules", "get pods\ncluster get /healthz"),
			func(c *config.Config) {
				c.Access.Namespaced.Roles = []config.Role{{"ClusterRole", "edit"}, {"Role", "x"}}
				c.Access.Cluster.Roles = []config.Role{{"ClusterRole", "view"}, {"ClusterRole", "edit"}}
				c.Access.Namespaced.Rules = []rbacv1.PolicyRule{pods}
				c.Access.Cluster.Rules = []rbacv1.PolicyRule{healthz}
			},
		},
		"roles that are called nearly so": {inputs("role", "clusterrole/cluster,clusterrole/cluster:x,cluster-admin,Cluster:view"), func(c *config.Config) {
			c.Access.Namespaced.Roles = []config.Role{
				{"ClusterRole", "cluster"}, {"ClusterRole", "cluster:x"}, {"ClusterRole", "cluster-admin"}, {"ClusterRole", "Cluster:view"},
			}
		}},
		"rules on one line": {inputs("rules", "get pods; get /healthz", "scope", "cluster"), func(c *config.Config) {
			c.Access.Cluster.Rules = []rbacv1.PolicyRule{pods, healthz}
		}},
		"must_not at cluster scope alone": {inputs("must_not", "get /healthz; cluster get pods"), func(c *config.Config) {
			c.Access.MustNot = []rbacv1.PolicyRule{healthz}
			c.Access.ClusterMustNot = []rbacv1.PolicyRule{pods}
		}},
		"must_not":           {inputs("must_not", "get pods"), func(c *config.Config) { c.Access.MustNot = []rbacv1.PolicyRule{pods} }},
		"must_not in a file": {inputs("must_not", "@ci/rules.txt"), func(c *config.Config) { c.Access.MustNot = []rbacv1.PolicyRule{pods} }},
		"must_not as YAML":   {inputs("must_not", "- verbs: [get]\n  apiGroups: ['']\n  resources: [pods]"), func(c *config.Config) { c.Access.MustNot = []rbacv1.PolicyRule{pods} }},
		// It is looked for at cluster scope too, whatever the scope of the grant.
		"must_not of a URL": {inputs("must_not", "get /healthz"), func(c *config.Config) { c.Access.MustNot = []rbacv1.PolicyRule{healthz} }},
		"rules and must_not": {inputs("rules", "@ci/rules.txt", "must_not", "get /healthz"), func(c *config.Config) {
			c.Access.Namespaced.Rules, c.Access.MustNot = []rbacv1.PolicyRule{pods}, []rbacv1.PolicyRule{healthz}
		}},
		"role and must_not": {inputs("role", "edit", "must_not", "get pods"), func(c *config.Config) {
			c.Access.Namespaced.Roles, c.Access.MustNot = []config.Role{{"ClusterRole", "edit"}}, []rbacv1.PolicyRule{pods}
		}},
		"a URL with scope cluster": {inputs("scope", "cluster", "rules", "get /healthz"), func(c *config.Config) {
			c.Access.Cluster.Rules = []rbacv1.PolicyRule{healthz}
		}},
		"take_ownership":   {inputs("take_ownership", "true"), func(c *config.Config) { c.Access.TakeOwnership = true }},
		"ephemeral":        {inputs("ephemeral", "true"), func(c *config.Config) { c.Access.Ephemeral = true }},
		"ephemeral: false": {inputs("ephemeral", "FALSE"), func(*config.Config) {}},

		"on_shortened: warn": {inputs("on_shortened", "warn"), func(*config.Config) {}},
		"on_shortened: fail": {inputs("on_shortened", "fail"), func(c *config.Config) { c.Token.Strict = true }},
		"audiences":          {inputs("audiences", "https://a, https://b\nhttps://a"), func(c *config.Config) { c.Token.Audiences = []string{"https://a", "https://b"} }},
		"revoke":             {inputs("revoke", "false"), func(c *config.Config) { c.Token.Revoke = false }},

		"output":         {inputs("output", " out/kube config.yaml\n"), func(c *config.Config) { c.Result.Output = "out/kube config.yaml" }},
		"context_name":   {inputs("context_name", "prod"), func(c *config.Config) { c.Result.ContextName = "prod" }},
		"export_env":     {inputs("export_env", "false"), func(c *config.Config) { c.Result.ExportEnv = false }},
		"secret_outputs": {inputs("secret_outputs", "false"), func(c *config.Config) { c.Result.SecretOutputs = new(false) }},
		"dry_run":        {inputs("dry_run", "true"), func(c *config.Config) { c.Result.DryRun = true }},
		"timeout":        {inputs("timeout", " 90 "), func(c *config.Config) { c.Result.Timeout = 90 * time.Second }},
		"debug":          {inputs("debug", "true"), func(c *config.Config) { c.Result.Debug = new(true) }},
		// The prefix keeps GitHub's runner from translating the path for the container.
		"host paths": {inputs("host_workspace", "host:/home/runner/work/shop/shop", "host_temp", "host:/home/runner/work/_temp"), func(c *config.Config) {
			c.Result.Host.Workspace, c.Result.Host.Temp = "/home/runner/work/shop/shop", "/home/runner/work/_temp"
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, faults := load(t, environment(tt.inputs, map[string]string{"ci/rules.txt": "# what CI may do\nget pods\n"}))
			if len(faults) > 0 {
				t.Fatalf("faults: %q", faults)
			}
			if diff := cmp.Diff(with(tt.change), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLoad_FaultyInputs(t *testing.T) {
	t.Parallel()
	const (
		trueFalse = "is neither true nor false | write true or false"
		url       = "it is not an https:// address without user, query and fragment | write https://HOST or https://HOST:PORT"
		noServer  = "it is the credential for `server`, which is not given | give `server` and its `certificate_authority`, or leave it out"
		two       = "`kubeconfig` is a credential as well | leave one of the two out"
		expect    = "is not an https:// address, a SHA-256 fingerprint or a UID | `kubectl get namespace kube-system -o jsonpath={.metadata.uid}` " +
			"prints the UID, `openssl x509 -in ca.crt -noout -fingerprint -sha256` the CA's fingerprint"
		namespace = "is not a namespace's name | a namespace has lower-case letters, digits and dashes, at most 63"
		account   = "is not a ServiceAccount's name | a ServiceAccount has lower-case letters, digits, dashes and dots; write `name`, or `namespace/name`"
		role      = "| write `edit`, `clusterrole/NAME` or `role/NAME`; `cluster:` before a ClusterRole binds it at cluster scope"
		oneLine   = "holds a line break or another control character | write it on one line"
		timeout   = "is not a duration of a second or more | write for example 2m, 90s or 120 (seconds)"
		path      = "a relative path counts from the workspace; is the repository checked out before this step?"
	)
	long := strings.Repeat("x", 64)
	for name, tt := range map[string]struct {
		inputs map[string]string
		want   []string
	}{
		"allow_insecure":         {inputs("allow_insecure", "yes"), []string{`input allow_insecure: "yes" ` + trueFalse}},
		"create_service_account": {inputs("create_service_account", "1"), []string{`input create_service_account: "1" ` + trueFalse}},
		"create_namespace":       {inputs("create_namespace", "on"), []string{`input create_namespace: "on" ` + trueFalse}},
		"take_ownership":         {inputs("take_ownership", "tRUE"), []string{`input take_ownership: "tRUE" ` + trueFalse}},
		"revoke":                 {inputs("revoke", "never"), []string{`input revoke: "never" ` + trueFalse}},
		"export_env":             {inputs("export_env", "0"), []string{`input export_env: "0" ` + trueFalse}},
		"secret_outputs":         {inputs("secret_outputs", "y"), []string{`input secret_outputs: "y" ` + trueFalse}},
		"dry_run":                {inputs("dry_run", "server"), []string{`input dry_run: "server" ` + trueFalse}},
		"debug":                  {inputs("debug", "2"), []string{`input debug: "2" ` + trueFalse}},

		"server, http":       {inputs("server", "http://x"), []string{"input server: " + url}},
		"server, a name":     {inputs("server", "cluster.example.com:6443"), []string{"input server: " + url}},
		"server, a password": {inputs("server", "https://u:sesame@x"), []string{"input server: " + url}},
		"server, a query":    {inputs("server", "https://x?a=sesame"), []string{"input server: " + url}},
		"bearer_token alone": {inputs("bearer_token", "x"), []string{"input bearer_token: " + noServer}},
		"bearer_token of lines": {inputs("server", "https://x", "bearer_token", "a\nb"), []string{
			"input bearer_token: it is not one line of ASCII | give the token alone, as the CI system made it",
		}},
		"oidc_audience alone":      {inputs("oidc_audience", "x"), []string{"input oidc_audience: " + noServer}},
		"oidc_audience of lines":   {inputs("server", "https://x", "oidc_audience", "a\nb"), []string{`input oidc_audience: "a\nb" ` + oneLine}},
		"bearer_token, kubeconfig": {inputs("server", "https://x", "bearer_token", "x", "kubeconfig", "y"), []string{"input bearer_token: " + two}},
		"oidc_audience, kubeconfig": {inputs("server", "https://x", "oidc_audience", "x", "kubeconfig", "y"), []string{
			"input oidc_audience: " + two,
		}},
		"bearer_token, oidc_audience": {inputs("server", "https://x", "oidc_audience", "x", "bearer_token", "y"), []string{
			"input oidc_audience: it requests a token, and `bearer_token` is one already | leave one of the two out",
		}},
		"bearer_token, context": {inputs("server", "https://x", "bearer_token", "y", "context", "prod"), []string{
			"input context: \"prod\" belongs to a kubeconfig, and `bearer_token` takes its place | leave it out",
		}},
		"expect_cluster, a name":  {inputs("expect_cluster", "prod"), []string{`input expect_cluster: "prod" ` + expect}},
		"expect_cluster, a user":  {inputs("expect_cluster", "https://u@x"), []string{`input expect_cluster: "https://u@x" ` + expect}},
		"expect_cluster, http":    {inputs("expect_cluster", "http://x"), []string{`input expect_cluster: "http://x" ` + expect}},
		"expect_cluster, a SHA-1": {inputs("expect_cluster", long[:40]), []string{`input expect_cluster: "` + long[:40] + `" ` + expect}},
		"ephemeral, revoke: false": {inputs("ephemeral", "true", "revoke", "false"), []string{
			"input ephemeral: an ephemeral identity is deleted at revoke, and `revoke` is false | leave one of the two out",
		}},
		"ephemeral, permanent": {inputs("ephemeral", "true", "duration", "permanent"), []string{
			"input ephemeral: an ephemeral identity cannot have a permanent token | give `duration` a lifetime",
		}},
		"ephemeral, create_service_account: false": {inputs("ephemeral", "true", "create_service_account", "false"), []string{
			"input ephemeral: an ephemeral identity is made by the run, and `create_service_account` is false | leave one of the two out",
		}},
		"permanent, audiences": {inputs("duration", "permanent", "audiences", "vault"), []string{
			"input audiences: a permanent token has the API server's own audience and no other | leave `audiences` out, or give a lifetime",
		}},
		"on_shortened": {inputs("on_shortened", "Warn"), []string{`input on_shortened: "Warn" is not known | write warn or fail`}},

		"namespace with a capital": {inputs("namespace", "Shop"), []string{`input namespace: "Shop" ` + namespace}},
		"namespace too long":       {inputs("namespace", long), []string{`input namespace: "` + long + `" ` + namespace}},
		"each bad namespace":       {inputs("namespace", "a.b, ok, -c"), []string{`input namespace: "a.b" ` + namespace, `input namespace: "-c" ` + namespace}},
		"service_account":          {inputs("service_account", "CI"), []string{`input service_account: "CI" ` + account}},
		"service_account, no name": {inputs("service_account", "bots/"), []string{`input service_account: "bots/" ` + account}},
		"service_account, no namespace": {inputs("service_account", "/ci"), []string{
			"input service_account: \"/ci\" does not begin with a namespace's name | write `name`, or `namespace/name`",
		}},
		"service_account, three parts": {inputs("service_account", "a/b/c"), []string{`input service_account: "a/b/c" ` + account}},
		"service_account, two":         {inputs("service_account", "ci cd"), []string{`input service_account: "ci cd" ` + account}},
		"service_account too long": {inputs("service_account", strings.Repeat("x", 254)), []string{
			`input service_account: "` + strings.Repeat("x", 80) + `…" ` + account,
		}},
		"scope":             {inputs("scope", "Cluster"), []string{`input scope: "Cluster" is not known | write namespace or cluster`}},
		"role of what kind": {inputs("role", "deployment/x"), []string{`input role: "deployment/x" is not a role ` + role}},
		"role without name": {inputs("role", "role/"), []string{`input role: "role/" is not a role's name ` + role}},
		"role of three":     {inputs("role", "role/a/b"), []string{`input role: "role/a/b" is not a role's name ` + role}},
		"role with a %":     {inputs("role", "50%,edit"), []string{`input role: "50%" is not a role's name ` + role}},
		"role at cluster scope": {inputs("role", "cluster:role/x,edit"), []string{
			"input role: \"cluster:role/x\" lies in a namespace and cannot be bound at cluster scope | name a ClusterRole, or leave `cluster:` out",
		}},
		"role, the prefix alone": {inputs("role", "cluster: view"), []string{
			"input role: \"cluster:\" is not a role by itself: the word and the role are written together, as in cluster:view | " +
				"a ClusterRole that is really called so is `clusterrole/cluster:`",
		}},
		"role, the word alone": {inputs("role", "cluster view"), []string{
			"input role: \"cluster\" is not a role by itself: the word and the role are written together, as in cluster:view | " +
				"a ClusterRole that is really called so is `clusterrole/cluster`",
		}},
		"role, the prefix twice": {inputs("role", "cluster:x/edit"), []string{`input role: "cluster:x/edit" is not a role ` + role}},
		"role, cluster-wide":     {inputs("role", "role/x", "scope", "cluster"), []string{"input role: \"role/x\" lies in a namespace and cannot be bound with scope cluster | name a ClusterRole, or leave `scope` out"}},
		"each fault of rules": {inputs("rules", "gte pods\nget pod"), []string{
			`input rules: line 1: unknown verb "gte": did you mean "get"?`,
			`input rules: line 2: unknown resource "pod": did you mean "pods"?`,
		}},
		"a URL in a namespace": {inputs("rules", "get /healthz"), []string{
			"input rules: a non-resource URL cannot be granted in a namespace | begin the rule with the word `cluster`, as in cluster get /healthz; or set `scope: cluster`",
		}},
		"each fault of must_not": {inputs("must_not", "gte pods\nget secret"), []string{
			`input must_not: line 1: unknown verb "gte": did you mean "get"?`,
			`input must_not: line 2: unknown resource "secret": did you mean "secrets"?`,
		}},
		"must_not of comments alone": {inputs("must_not", "# nothing yet"), []string{
			"input must_not: no rule found: the shorthand is VERBS RESOURCES [NAMES], as in get,list pods",
		}},
		"must_not in no file":           {inputs("must_not", "@ci/rules.txt"), []string{`input must_not: "@ci/rules.txt" cannot be read: file does not exist | ` + path}},
		"faults within must_not's file": {inputs("must_not", "@bad.txt"), []string{`input must_not: line 2: unknown verb "gte": did you mean "get"?`}},
		"faults of rules and must_not": {inputs("rules", "@bad.txt", "must_not", "get secret"), []string{
			`input rules: line 2: unknown verb "gte": did you mean "get"?`,
			`input must_not: line 1: unknown resource "secret": did you mean "secrets"?`,
		}},
		"a URL in rules and in must_not": {inputs("rules", "get /healthz", "must_not", "get /healthz"), []string{
			"input rules: a non-resource URL cannot be granted in a namespace | begin the rule with the word `cluster`, as in cluster get /healthz; or set `scope: cluster`",
		}},
		"rules in no file":     {inputs("rules", "@ ci/rules.txt "), []string{`input rules: "@ ci/rules.txt" cannot be read: file does not exist | ` + path}},
		"rules in no name":     {inputs("rules", "@"), []string{`input rules: "@" cannot be read: file does not exist | ` + path}},
		"faults within a file": {inputs("rules", "@bad.txt"), []string{`input rules: line 2: unknown verb "gte": did you mean "get"?`}},

		"audiences":      {inputs("audiences", "a,b\x01"), []string{`input audiences: "b\x01" holds a control character`}},
		"output":         {inputs("output", "a\nb"), []string{`input output: "a\nb" ` + oneLine}},
		"context_name":   {inputs("context_name", "a\x1bb"), []string{`input context_name: "a\x1bb" ` + oneLine}},
		"host_workspace": {inputs("host_workspace", "host:/a\nb"), []string{`input host_workspace: "host:/a\nb" ` + oneLine}},
		"host_temp":      {inputs("host_temp", "host:/a\tb"), []string{`input host_temp: "host:/a\tb" ` + oneLine}},
		"timeout":        {inputs("timeout", "soon"), []string{`input timeout: "soon" ` + timeout}},
		"timeout of 0":   {inputs("timeout", "0"), []string{`input timeout: "0" ` + timeout}},
		"timeout of ms":  {inputs("timeout", "999ms"), []string{`input timeout: "999ms" ` + timeout}},

		"all at once, by section": {inputs("timeout", "soon", "namespace", "Shop", "server", "x", "role", "x/y", "revoke", "no"), []string{
			"input server: " + url, `input namespace: "Shop" ` + namespace, `input role: "x/y" is not a role ` + role,
			`input revoke: "no" ` + trueFalse, `input timeout: "soon" ` + timeout,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, got := load(t, environment(tt.inputs, map[string]string{"bad.txt": "get pods\ngte pods\n"}))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What an input says itself is its author's, and is quoted; a file that it names may hold anything.
func TestRulesFile_OtherFileIsNotQuoted(t *testing.T) {
	t.Parallel()
	const netrc = "machine api.example.com\nlogin ci\npassword hunter2\n"
	for _, input := range []string{"rules", "must_not"} {
		_, got := load(t, environment(inputs(input, "@netrc"), map[string]string{"netrc": netrc}))
		want := `input ` + input + `: "@netrc" is not a file of rules: line 2 is not a rule | ` +
			"a line of rules is VERBS RESOURCES [NAMES], as in get,list pods; docs/access.md has that and the forms of YAML | " +
			"nothing of the file is shown: if it is the wrong one, it may hold a secret"
		if diff := cmp.Diff([]string{want}, got); diff != "" {
			t.Error(diff)
		}
		if _, got := load(t, environment(inputs(input, netrc), nil)); !strings.Contains(strings.Join(got, ""), `"hunter2"`) {
			t.Errorf("what the input says itself is not quoted: %q", got)
		}
	}
}

func TestExpectCluster_EachForm(t *testing.T) {
	t.Parallel()
	const hex, uid = "00a1b2c3d4e5f60718293a4b5c6d7e8f00a1b2c3d4e5f60718293a4b5c6d7e8f", "0a1b2c3d-0000-4000-8000-00000000000a"
	colons := strings.ToUpper(strings.Trim(regexp.MustCompile("..").ReplaceAllString(hex, "$0:"), ":"))
	for value, want := range map[string]config.Expect{
		" https://x:6443/k8s\n":        {Server: "https://x:6443/k8s"},
		"Https://x":                    {Server: "https://x"},
		hex:                            {Fingerprint: hex},
		"sha256:" + hex:                {Fingerprint: hex},
		colons:                         {Fingerprint: hex},
		"SHA256 Fingerprint=" + colons: {Fingerprint: hex},
		"sha256 Fingerprint=" + colons: {Fingerprint: hex},
		strings.ToUpper(uid):           {UID: uid},
		uid:                            {UID: uid},
	} {
		got, faults := load(t, environment(inputs("expect_cluster", value), nil))
		if diff := cmp.Diff(want, got.Source.Expect); diff != "" || len(faults) > 0 {
			t.Errorf("%q: %q %s", value, faults, diff)
		}
	}
}

func TestDuration_EachForm(t *testing.T) {
	t.Parallel()
	const (
		garbage = "is not a duration | write for example 90m, 1h, 30d, 3600 (seconds), or permanent"
		short   = "is too short | Kubernetes gives no token under 10 minutes: write 10m or more"
		long    = "is too long | Kubernetes gives no token over 2^32 seconds, some 136 years"
		day     = 24 * time.Hour
	)
	for value, want := range map[string]time.Duration{
		"90m": 90 * time.Minute, "1h": time.Hour, "1h30m": 90 * time.Minute, "1.5h": 90 * time.Minute, "1000h": 1000 * time.Hour,
		"30d": 30 * day, "1d12h": 36 * time.Hour, "0d10m": 10 * time.Minute, "3600": time.Hour, " 1h\n": time.Hour,
		"600": 10 * time.Minute, "10m": 10 * time.Minute, "4294967296": longest, "4294967296s": longest,
		"49710d6h28m16s": longest, "permanent": 0, " permanent\n": 0,
	} {
		t.Run(value, func(t *testing.T) {
			t.Parallel()
			got, faults := load(t, environment(inputs("duration", value), nil))
			lifetime := config.Lifetime{Duration: want, Permanent: want == 0}
			if len(faults) > 0 || got.Token.Lifetime != lifetime || got.Token.Asked != strings.TrimSpace(value) {
				t.Errorf("got %v, asked %q, faults %q; want %v", got.Token.Lifetime, got.Token.Asked, faults, lifetime)
			}
		})
	}
	for value, want := range map[string]string{
		"0": short, "-1": short, "9m59s": short, "599": short, "-1h": short, "0d": short, "-9223372036854775808": short,
		"4294967297": long, "4294967296.5s": long, "49711d": long, "49710d6h28m17s": long, "4294967295d": long, "9223372036854775807": long,
		// The sum must not overflow into a negative one.
		"49711d2562047h": long,
		"600.5s":         "has a fraction of a second | write for example 90m, 1h, 30d, 3600 (seconds), or permanent",
		"forever":        garbage, "1h 30m": garbage, "1H": garbage, "1w": garbage, "d": garbage, "1.5d": garbage, "-1d": garbage, "1d-1h": garbage, "1d2d": garbage,
		"1h1d": garbage, "0x258": garbage, "1e3": garbage, "3600 s": garbage, "99999999999999999999": garbage, "9999999999h": garbage, "4294967296d": garbage,
	} {
		t.Run(value, func(t *testing.T) {
			t.Parallel()
			_, got := load(t, environment(inputs("duration", value), nil))
			if diff := cmp.Diff([]string{`input duration: "` + value + `" ` + want}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The runner sets every input that the workflow leaves out to "".
func TestLoad_EmptyInputIsUnset(t *testing.T) {
	t.Parallel()
	for _, empty := range []string{"", " ", "\n\t "} {
		variables := map[string]string{"GITHUB_ACTIONS": "true"}
		for _, input := range config.Inputs() {
			variables["INPUT_"+strings.ToUpper(input.Name)] = empty
			variables["KUBEMINT_"+strings.ToUpper(input.Name)] = empty
		}
		got, faults := load(t, environment(variables, nil))
		if len(faults) > 0 {
			t.Errorf("faults: %q", faults)
		}
		if diff := cmp.Diff(with(func(*config.Config) {}), got); diff != "" {
			t.Errorf("%q: %s", empty, diff)
		}
	}
}

func TestLoad_InputVariablesOnGitHubAlone(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		github, input, kubemint, want string
	}{
		"INPUT_ wins":               {"true", "theirs", "ours", "theirs"},
		"INPUT_ alone":              {"true", "theirs", "", "theirs"},
		"an empty INPUT_ is unset":  {"true", " ", "ours", "ours"},
		"not on GitHub":             {"", "theirs", "ours", "ours"},
		"not on GitHub, and nobody": {"", "theirs", "", ""},
		"true is a word":            {"1", "theirs", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, faults := load(t, environment(map[string]string{
				"GITHUB_ACTIONS": tt.github, "INPUT_CONTEXT": tt.input, "KUBEMINT_CONTEXT": tt.kubemint, "CONTEXT": "nobody's", "INPUT_": "x",
			}, nil))
			if got.Source.Context != tt.want || len(faults) > 0 {
				t.Errorf("got %q, want %q; faults %q", got.Source.Context, tt.want, faults)
			}
		})
	}
}

func TestLoad_UnknownVariableIsWarnedAbout(t *testing.T) {
	t.Parallel()
	cfg, faults := load(t, environment(map[string]string{
		"KUBEMINT_NAMESPACES": "shop", "KUBEMINT_SERVICE_ACOUNT": "x", "KUBEMINT_COLOUR": "red", "KUBEMINT_namespace": "shop",
		"KUBEMINT_ROLE": "edit", "KUBEMINT_OUT_TOKEN_ID": "of an earlier step", "INPUT_COLOUR": "the runner warns itself", "KUBECONFIG": "x", "MY_KUBEMINT_X": "y",
	}, nil))
	want := []string{
		"KUBEMINT_COLOUR is not an input of kubemint and has no effect",
		"KUBEMINT_NAMESPACES is not an input of kubemint and has no effect: did you mean KUBEMINT_NAMESPACE?",
		"KUBEMINT_SERVICE_ACOUNT is not an input of kubemint and has no effect: did you mean KUBEMINT_SERVICE_ACCOUNT?",
		"KUBEMINT_namespace is not an input of kubemint and has no effect",
	}
	if diff := cmp.Diff(want, cfg.Warnings); diff != "" || len(faults) > 0 {
		t.Errorf("faults %q\n%s", faults, diff)
	}
}

func TestLoad_NoMessageQuotesASecret(t *testing.T) {
	t.Parallel()
	const canary = "eyJhbGciOiJSUzI1NiJ9.canary"
	for name, variables := range map[string]map[string]string{
		"content":              inputs("kubeconfig", "users:\n- user: {token: "+canary+"}\n", "bearer_token", canary),
		"with a control byte":  inputs("kubeconfig", canary+"\x00\x1b", "bearer_token", canary+"\x00\n"),
		"through GitHub":       {"GITHUB_ACTIONS": "true", "INPUT_KUBECONFIG": canary, "INPUT_BEARER_TOKEN": canary},
		"under a wrong name":   {"KUBEMINT_KUBECONFG": canary, "KUBEMINT_BEARER": canary, "KUBEMINT_TOKEN": canary},
		"with all else faulty": inputs("kubeconfig", canary, "bearer_token", canary, "timeout", "x", "duration", "x", "rules", "x", "role", "x/y", "server", "x"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, faults := load(t, environment(variables, nil))
			if said := strings.Join(append(faults, cfg.Warnings...), "\n"); said == "" || strings.Contains(said, "canary") {
				t.Errorf("it says:\n%s", said)
			}
		})
	}
}

func TestAccessIn_CompletesFromTheContext(t *testing.T) {
	t.Parallel()
	account := func(namespace string) types.NamespacedName {
		return types.NamespacedName{Namespace: namespace, Name: "ci"}
	}
	for name, tt := range map[string]struct {
		declared config.Access
		context  string
		want     config.Access
	}{
		"nothing declared":           {config.Access{ServiceAccount: account("")}, "shop", config.Access{Namespaces: []string{"shop"}, ServiceAccount: account("shop")}},
		"nothing in the context":     {config.Access{ServiceAccount: account("")}, "", config.Access{Namespaces: []string{"default"}, ServiceAccount: account("default")}},
		"a ServiceAccount elsewhere": {config.Access{ServiceAccount: account("bots")}, "shop", config.Access{Namespaces: []string{"shop"}, ServiceAccount: account("bots")}},
		"declared namespaces: first": {config.Access{Namespaces: []string{"a", "b"}, ServiceAccount: account("")}, "shop", config.Access{Namespaces: []string{"a", "b"}, ServiceAccount: account("a")}},
		"all declared":               {config.Access{Namespaces: []string{"a"}, ServiceAccount: account("b")}, "shop", config.Access{Namespaces: []string{"a"}, ServiceAccount: account("b")}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, tt.declared.In(tt.context)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// FuzzDuration: no text panics, and what is taken is a lifetime that Kubernetes gives, and reads back.
func FuzzDuration(f *testing.F) {
	for _, seed := range []string{"90m", "1h30m", "30d", "1d12h", "3600", "0", "-1", "4294967296", "4294967297", "49711d2562047h", "9223372036854775807", "1.5h", "permanent", "d", "-0d", "1d1ns"} {
		f.Add(seed)
	}
	read := func(value string) (time.Duration, error) {
		cfg, err := config.Load(environment(inputs("duration", value), nil))
		return cfg.Token.Lifetime.Duration, err
	}
	f.Fuzz(func(t *testing.T, value string) {
		if strings.TrimSpace(value) == "" {
			return // unset
		}
		d, err := read(value)
		if err != nil || strings.TrimSpace(value) == "permanent" {
			return
		}
		if d < 10*time.Minute || d > longest || d%time.Second != 0 {
			t.Errorf("%q is taken as %v", value, d)
		}
		if again, err := read(d.String()); err != nil || again != d {
			t.Errorf("%q is taken as %v, and that as %v (%v)", value, d, again, err)
		}
	})
}
