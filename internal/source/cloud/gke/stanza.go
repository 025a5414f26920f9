package gke

import (
	"maps"
	"slices"
	"strings"

	"github.com/kubemint/kubemint/internal/source/cloud/plugin"
)

// pluginFlags are the flags of gke-gcloud-auth-plugin that can be served
// (kubernetes/cloud-provider-gcp, cmd/gke-gcloud-auth-plugin/cred.go). `--account` cannot be: it
// selects a login in gcloud's own store. `--use_edge_cloud` cannot be either, and `--project`,
// `--location` and `--cluster` only matter with it. The other flags are for logging.
var pluginFlags = map[string]string{
	"--use_application_default_credentials": "adc!",
	"--impersonate_service_account":         "impersonate",

	"--project": "project", "--location": "location", "--cluster": "cluster",
	"--v": "v", "-v": "v", "--vmodule": "vmodule", "--stderrthreshold": "stderrthreshold",
	"--logtostderr": "logtostderr!", "--alsologtostderr": "alsologtostderr!",
}

// The variables that choose the credential.
const (
	// tokenVariable holds a token that an earlier step made. The plugin reads it before it asks
	// gcloud.
	tokenVariable       = "CLOUDSDK_AUTH_ACCESS_TOKEN" //nolint:gosec // its name
	tokenFileVariable   = tokenVariable + "_FILE"
	overrideVariable    = "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE"
	adcVariable         = "GOOGLE_APPLICATION_CREDENTIALS"
	impersonateVariable = "CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT"
)

const (
	// accountVariable matches the variables with which gcloud and the libraries choose an account.
	// A kubeconfig that sets one means another account, and cannot have it: they name files and
	// hosts.
	accountVariable = plugin.Pattern(`^(CLOUDSDK_(AUTH_[A-Z_]+|CONFIG|CORE_ACCOUNT|ACTIVE_CONFIG_NAME)` +
		`|GOOGLE_APPLICATION_CREDENTIALS|GCE_METADATA_[A-Z]+|HOME|APPDATA)$`)
	// serviceAccount matches an address that may stand in the path of a URL.
	serviceAccount = plugin.Pattern(
		`^[a-z0-9][a-z0-9-]{0,62}@([a-z0-9][a-z0-9-]{0,62}\.){1,5}gserviceaccount\.com$`)
	// regionalGateway matches the host of a fleet with regional memberships:
	// "europe-west1-connectgateway.googleapis.com".
	regionalGateway = plugin.Pattern(`^[a-z]+-[a-z]+[0-9]+-connectgateway\.googleapis\.com$`)
	accessToken     = plugin.Pattern(`^[\x21-\x7E]+$`)
)

// login makes Google's access tokens.
type login struct {
	plugin.Runner
	adc      bool     // use application default credentials alone, not what gcloud itself would use
	accounts []string // resources to impersonate: the last one, through those before it
}

// ReadStanza serves gke-gcloud-auth-plugin. The plugin would ask gcloud, whose login lies in a
// store of its own; here the credential comes from the environment, in gcloud's order: see
// [login.findCredential].
//
// The account of `--impersonate_service_account` is always impersonated. The plugin does not do so
// with application default credentials or CLOUDSDK_AUTH_ACCESS_TOKEN, and then acts as an account
// that the kubeconfig does not name.
func ReadStanza(s plugin.Stanza, r plugin.Runner) (*plugin.Login, error) {
	if err := checkVariables(s, r); err != nil {
		return nil, err
	}
	g := login{Runner: r}
	notes, err := g.readArguments(s)
	if err != nil {
		return nil, err
	}
	made := &plugin.Login{Cloud: "GKE", Servers: serversOf(s), BareIP: true}
	switch names := r.Getenv(impersonateVariable); {
	case len(g.accounts) > 0:
		made.Unusual = "the token of another service account, by --impersonate_service_account"
	case !g.adc && names != "" && r.Getenv(tokenVariable) == "":
		if g.accounts, err = parseAccounts(impersonateVariable, names); err != nil {
			return nil, err
		}
	}
	_, made.Notes = plugin.LookupVariables(s, r)
	made.Notes = append(made.Notes, notes...)
	if !g.adc && !g.hasToken() && g.fileVariable() == "" {
		made.Notes = append(made.Notes,
			"gcloud's own login cannot be read here: application default credentials are used "+
				"in its place")
	}
	made.Token = g.requestToken
	made.Secrets = []string{
		tokenVariable, tokenFileVariable, overrideVariable, adcVariable, "GOOGLE_GHA_CREDS_PATH",
	}
	return made, nil
}

// checkVariables refuses a stanza whose variables choose another account.
func checkVariables(s plugin.Stanza, r plugin.Runner) error {
	for _, name := range slices.Sorted(maps.Keys(s.Env)) {
		if accountVariable.Matches(name) && s.Env[name] != r.Getenv(name) {
			return plugin.Refuse(
				"its variable %s would choose another account than this step's environment does", name).
				Hint("set %s for this step, and take it out of the kubeconfig", name)
		}
	}
	return nil
}

// serversOf returns the DNS endpoints and the Connect gateway. Google alone assigns names there.
func serversOf(s plugin.Stanza) []string {
	servers := []string{".gke.goog", "connectgateway.googleapis.com"}
	if s.Server != nil && regionalGateway.Matches(s.Server.Hostname()) {
		servers = append(servers, s.Server.Hostname())
	}
	return servers
}

// readArguments reads the plugin's command line.
func (g *login) readArguments(s plugin.Stanza) (notes []string, err error) {
	parsed, err := plugin.ParseArguments(s.Program, s.Args, pluginFlags)
	if err != nil {
		return nil, err
	}
	if len(parsed.Words) > 0 {
		return nil, plugin.Refuse("%s has an argument that is not a flag", s.Program)
	}
	if names := parsed.Values["impersonate"]; names != "" {
		if g.accounts, err = parseAccounts("--impersonate_service_account", names); err != nil {
			return nil, err
		}
	}
	g.adc = parsed.Has("adc")
	for _, name := range []string{"project", "location", "cluster"} {
		if parsed.Has(name) {
			notes = append(notes, "--"+name+" in the kubeconfig has no effect here")
		}
	}
	return notes, nil
}

// parseAccounts parses service accounts as gcloud does (ParseImpersonationAccounts in its
// core/credentials/store.py): the last is the one to become, and each of the others may impersonate
// the next.
func parseAccounts(where, names string) ([]string, error) {
	accounts := strings.Split(names, ",")
	for i, name := range accounts {
		name = strings.TrimSpace(name)
		if !serviceAccount.Matches(name) {
			return nil, plugin.Refuse("%s is not the address of a service account, or a list "+
				"of them", where)
		}
		accounts[i] = "projects/-/serviceAccounts/" + name
	}
	return accounts, nil
}

// hasToken reports whether an earlier step made a token. Like the plugin, the login then uses
// nothing else.
func (g login) hasToken() bool {
	return !g.adc && (g.Getenv(tokenVariable) != "" || g.Getenv(tokenFileVariable) != "")
}

// fileVariable returns the variable that names the credential file. gcloud reads only the first
// one, which google-github-actions/auth sets together with the second; everything else reads only
// the second.
func (g login) fileVariable() string {
	switch {
	case !g.adc && g.Getenv(overrideVariable) != "":
		return overrideVariable
	case g.Getenv(adcVariable) != "":
		return adcVariable
	}
	return ""
}
