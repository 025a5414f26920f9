package config

import (
	"reflect"
	"strings"
)

// inputs is the declaration of every input, by section: `env` holds its name and default, `help` its description.
// Everything is text here, since go-envconfig stops at the first value that it cannot parse, and a user wants all faults
// together: [Load] validates.
type inputs struct {
	Source sourceInputs
	Access accessInputs
	Token  tokenInputs
	Result resultInputs
}

type sourceInputs struct {
	Kubeconfig           string `env:"KUBECONFIG" help:"The runner's own credential: a path, or the content itself (YAML or JSON), or its base64. Default: $KUBECONFIG (a list is merged as kubectl does), else ~/.kube/config, else in-cluster."`
	Context              string `env:"CONTEXT" help:"Which context of the kubeconfig. Default: its current-context."`
	Server               string `env:"SERVER" help:"Source without kubeconfig: URL of the API server, which trusts the CI system's ID tokens. Together with a kubeconfig: the address in the written kubeconfig."`
	CertificateAuthority string `env:"CERTIFICATE_AUTHORITY" help:"CA bundle of the API server in the written kubeconfig, and the one that the new credential is proved with: PEM, base64 of PEM, or a path. Default: the kubeconfig's; with server and no kubeconfig the system's."`
	BearerToken          string `env:"BEARER_TOKEN" secret:"true" help:"With server: the credential, such as a GitLab id_tokens variable."`
	OIDCAudience         string `env:"OIDC_AUDIENCE" help:"With server under GitHub Actions: the audience to request the job's own OIDC token with. Default: the server URL."`
	AllowInsecure        string `env:"ALLOW_INSECURE, default=false" help:"Accept and carry over insecure-skip-tls-verify; without it such a source is refused."`
	ExpectCluster        string `env:"EXPECT_CLUSTER" help:"Guard: stop before any write unless this equals the server URL, the CA's SHA-256 fingerprint, or the UID of the kube-system namespace."`
}

type accessInputs struct {
	Namespace            string `env:"NAMESPACE" help:"One or more namespaces (comma, space or newline separated): where access is granted. The first is the default namespace of the written context. Default: the source context's, else default."`
	ServiceAccount       string `env:"SERVICE_ACCOUNT, default=kubemint" help:"The identity: name, or namespace/name. Without a namespace it lies in the first declared one. A namespace of its own is the safer place, since whoever may create pods beside a ServiceAccount can be it."`
	CreateServiceAccount string `env:"CREATE_SERVICE_ACCOUNT, default=true" help:"Ensure that the ServiceAccount exists; false means that it must exist."`
	CreateNamespace      string `env:"CREATE_NAMESPACE, default=false" help:"Create missing namespaces; otherwise a missing one is an error."`
	Ephemeral            string `env:"EPHEMERAL, default=false" help:"A ServiceAccount, Roles and bindings for this run alone, deleted at revoke. service_account is then the beginning of the name."`
	Role                 string `env:"ROLE" help:"Existing roles to bind, one or more: edit, clusterrole/karpor-admin, role/deployer. A bare name is a ClusterRole; cluster:view binds it at cluster scope, whatever scope says."`
	Rules                string `env:"RULES" help:"Rules of our own: shorthand, or YAML (a list of PolicyRules, or Role/ClusterRole manifests), or @path to a file with either. In the shorthand, the word cluster before a rule grants it at cluster scope, whatever scope says."`
	Scope                string `env:"SCOPE, default=namespace" help:"namespace: Roles and RoleBindings in every declared namespace. cluster: ClusterRole and ClusterRoleBinding for all that is declared."`
	MustNot              string `env:"MUST_NOT" help:"Negative assertions, as rules are written: the run fails, and revokes what it minted, if the minted credential could do any of it in a declared namespace or at cluster scope; a rule that begins with the word cluster is checked at cluster scope alone. Any overlap of verb, resource or name counts; a verb * means any verb."`
	TakeOwnership        string `env:"TAKE_OWNERSHIP, default=false" help:"Take over objects that are not kubemint's, or another owner's."`
	Owner                string `env:"OWNER" help:"On whose behalf the run acts, one line: objects of another owner are refused. It is for platforms that do not say, and for several pipelines that share a ServiceAccount on purpose. Where it is given it counts, whatever the platform says. Default: by platform, see docs/owners.md."`
	Labels               string `env:"LABELS" help:"Further labels on everything that kubemint makes, key=value, comma or newline separated: for clusters whose policies want labels. On objects that are kubemint's a changed label is healed; a namespace that exists is left as it is, and so is the Secret of a permanent token."`
}

type tokenInputs struct {
	Duration    string `env:"DURATION, default=1h" help:"Lifetime of the token: 90m, 1h, 30d, 1000h, or 3600 (seconds), at least 10 minutes; or permanent, for a token Secret that never expires."`
	OnShortened string `env:"ON_SHORTENED, default=warn" help:"What to do where the server granted less than was asked: warn, or fail, which revokes."`
	Audiences   string `env:"AUDIENCES" help:"Audiences of the token, one or more. Default: the API server's own."`
	Revoke      string `env:"REVOKE, default=true" help:"Bind the token to a lease of this run, and revoke it in the post step. false: no lease, and the token lives to its expiry."`
}

type resultInputs struct {
	Output        string `env:"OUTPUT" help:"Path of the written kubeconfig; missing parents are made with mode 0700. Default: by platform, see below."`
	ContextName   string `env:"CONTEXT_NAME" help:"Name of the context, the cluster and the user in the written kubeconfig. Default: SERVICE_ACCOUNT@CLUSTER."`
	ExportEnv     string `env:"EXPORT_ENV, default=true" help:"Make KUBECONFIG and KUBE_CONFIG_PATH point to the written kubeconfig for later steps."`
	SecretOutputs string `env:"SECRET_OUTPUTS" help:"Publish the secret outputs too. Refused where the platform cannot mask at run time. Default: true on GitHub, false elsewhere."`
	DryRun        string `env:"DRY_RUN, default=false" help:"Print what would change; change nothing and mint nothing."`
	Timeout       string `env:"TIMEOUT, default=2m" help:"For the whole run, as 2m, 90s or 120 (seconds)."`
	Debug         string `env:"DEBUG" help:"Debug log. Default: the platform's own debug flag."`
	HostWorkspace string `env:"HOST_WORKSPACE" default:"host:${{ github.workspace }}" help:"GitHub Docker action only: the workspace's path on the host. Leave it alone."`
	HostTemp      string `env:"HOST_TEMP" default:"host:${{ runner.temp }}" help:"GitHub Docker action only: the temp directory's path on the host. Leave it alone."`
}

// Input describes one input for documentation.
type Input struct {
	Section, Name, Default, Help string
	Secret                       bool
	ActionDefault                string // the only default that action.yml itself carries: an expression of the runner's
}

// Inputs lists every declared input in the order of the contract.
func Inputs() []Input {
	var all []Input
	for section := range reflect.TypeFor[inputs]().Fields() {
		for field := range section.Type.Fields() {
			name, def, _ := strings.Cut(field.Tag.Get("env"), ", default=")
			all = append(all, Input{
				Section: section.Name, Name: strings.ToLower(name), Default: def, Help: field.Tag.Get("help"),
				Secret:        field.Tag.Get("secret") == "true",
				ActionDefault: field.Tag.Get("default"),
			})
		}
	}
	return all
}

// Output describes one output. The names are what pipelines read.
type Output struct {
	Name, Help string
	Secret     bool
}

// Outputs lists every output in the order of the contract.
func Outputs() []Output {
	return []Output{
		{Name: "kubeconfig_path", Help: "Path of the written kubeconfig, on the host."},
		{Name: "kubeconfig", Help: "The written kubeconfig, base64.", Secret: true},
		{Name: "token", Help: "The minted token.", Secret: true},
		{Name: "certificate_authority", Help: "CA bundle of the API server, base64 of PEM; empty where system roots serve."},
		{Name: "server", Help: "URL of the API server."},
		{Name: "expires_at", Help: "When the token expires, RFC 3339 in UTC."},
		{Name: "service_account", Help: "The identity, namespace/name."},
		{Name: "namespace", Help: "Default namespace of the written context."},
		{Name: "context", Help: "Name of the written context."},
		{Name: "token_id", Help: "The token's jti, as the API server's audit log has it; `sha256:` and 16 hex digits of the token's SHA-256 where it has none."},
		{Name: "changes", Help: "JSON: created, configured, unchanged, deleted, each a list of \"Kind namespace/name\"."},
	}
}
