package cloud

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// gkeFlags are the flags of gke-gcloud-auth-plugin that can be served (kubernetes/cloud-provider-gcp,
// cmd/gke-gcloud-auth-plugin/cred.go). `--account` cannot: it chooses among the logins in gcloud's own store. Nor can
// `--use_edge_cloud`. `--project`, `--location` and `--cluster` mean something only with that one, the rest is its log's.
var gkeFlags = map[string]string{
	"--use_application_default_credentials": "adc!",
	"--impersonate_service_account":         "impersonate",

	"--project": "project", "--location": "location", "--cluster": "cluster",
	"--v": "v", "-v": "v", "--vmodule": "vmodule", "--stderrthreshold": "stderrthreshold",
	"--logtostderr": "logtostderr!", "--alsologtostderr": "alsologtostderr!",
}

// givenToken is the variable with a token that an earlier step made. The plugin itself reads it, before it asks gcloud.
const givenToken = "CLOUDSDK_AUTH_ACCESS_TOKEN" //nolint:gosec // its name

const (
	// accountVariable are the variables by which gcloud and the libraries choose an account. A kubeconfig that sets one
	// must not be served with another account than it means, and cannot be given it: they name files and hosts.
	accountVariable = pattern(
		`^(CLOUDSDK_(AUTH_[A-Z_]+|CONFIG|CORE_ACCOUNT|ACTIVE_CONFIG_NAME)|GOOGLE_APPLICATION_CREDENTIALS|GCE_METADATA_[A-Z]+|HOME|APPDATA)$`)
	// serviceAccount is an address as it may go into a URL's path.
	serviceAccount = pattern(`^[a-z0-9][a-z0-9-]{0,62}@([a-z0-9][a-z0-9-]{0,62}\.){1,5}gserviceaccount\.com$`)
	// regionalGateway is the host of a fleet whose memberships are not global: "europe-west1-connectgateway.googleapis.com".
	regionalGateway = pattern(`^[a-z]+-[a-z]+[0-9]+-connectgateway\.googleapis\.com$`)
	// configHelper is the one command line that gcloud wrote into cmd-path and cmd-args, and that is never run here.
	configHelper = pattern(`(^|[/\\])gcloud(\.cmd|\.exe)? +config config-helper --format=json$`)
	accessToken  = pattern(`^[\x21-\x7E]+$`)
)

// gcp makes Google's access tokens.
type gcp struct {
	Runner
	adc      bool     // application default credentials alone, and not what gcloud itself would use
	accounts []string // to impersonate, as resources: the last one, through those before it
}

// gke serves gke-gcloud-auth-plugin and the auth-provider gcp. Where they would ask gcloud, whose login lies in a store of its
// own, the credential comes from the environment, in gcloud's order as far as there is one: see [gcp.base].
//
// What `--impersonate_service_account` names is always impersonated. The plugin leaves that out with application default
// credentials and with CLOUDSDK_AUTH_ACCESS_TOKEN, and then acts as an account that the kubeconfig does not name.
func gke(s Stanza, r Runner) (*Login, error) {
	if (s.Program == "gcp") != (s.Config != nil) {
		return nil, nil //nolint:nilnil // a program of that name is not the auth-provider, nor the other way round
	}
	for _, name := range slices.Sorted(maps.Keys(s.Env)) {
		if accountVariable.matches(name) && s.Env[name] != r.Getenv(name) {
			return nil, refuse("its variable %s would choose another account than this step's environment does", name).
				Hint("set %s for this step, and take it out of the kubeconfig", name)
		}
	}
	_, notes := lookup(s, r)
	// The DNS endpoints and the Connect gateway. Google alone gives names there.
	login := &Login{Cloud: "GKE", Servers: []string{".gke.goog", "connectgateway.googleapis.com"}, BareIP: true}
	if s.Server != nil && regionalGateway.matches(s.Server.Hostname()) {
		login.Servers = append(login.Servers, s.Server.Hostname())
	}
	g := gcp{Runner: r}
	var asked []string
	var err error
	if s.Program == "gcp" {
		g.adc, asked, err = authProvider(s.Config)
	} else {
		g.adc, g.accounts, asked, err = pluginArguments(s)
	}
	if err != nil {
		return nil, err
	}
	if len(g.accounts) > 0 {
		login.Unusual = "the token of another service account, by --impersonate_service_account"
	} else if names := r.Getenv("CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT"); !g.adc && names != "" && r.Getenv(givenToken) == "" {
		if g.accounts, err = accountChain("CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT", names); err != nil {
			return nil, err
		}
	}
	if !g.adc && !g.given() && g.file() == "" {
		asked = append(asked, "gcloud's own login cannot be read here: application default credentials are used in its place")
	}
	login.Notes = slices.Concat(notes, asked)
	login.Token, login.Secrets = g.token, []string{
		givenToken, givenToken + "_FILE", "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE", "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_GHA_CREDS_PATH",
	}
	return login, nil
}

// pluginArguments takes the plugin's command line apart.
func pluginArguments(s Stanza) (adc bool, accounts, notes []string, err error) {
	a, err := parse(s.Program, s.Args, gkeFlags)
	if err == nil && len(a.words) > 0 {
		err = refuse("%s has an argument that is not a flag", s.Program)
	}
	if err == nil && a.values["impersonate"] != "" {
		accounts, err = accountChain("--impersonate_service_account", a.values["impersonate"])
	}
	for _, name := range []string{"project", "location", "cluster"} {
		if a.has(name) {
			notes = append(notes, "--"+name+" in the kubeconfig has no effect here")
		}
	}
	return a.has("adc"), accounts, notes, err
}

// accountChain reads service accounts as gcloud does (ParseImpersonationAccounts in its core/credentials/store.py): the
// last is the one to be, and each of the others may impersonate the next.
func accountChain(where, names string) ([]string, error) {
	chain := strings.Split(names, ",")
	for i, name := range chain {
		name = strings.TrimSpace(name)
		if !serviceAccount.matches(name) {
			return nil, refuse("%s is not the address of a service account, or a list of them", where)
		}
		chain[i] = "projects/-/serviceAccounts/" + name
	}
	return chain, nil
}

// authProvider reads what client-go's auth-provider gcp was told, until it went with Kubernetes 1.26
// (plugin/pkg/client/auth/gcp/gcp.go): it ran cmd-path, or else took application default credentials.
func authProvider(config map[string]string) (adc bool, notes []string, err error) {
	command := strings.TrimSpace(config["cmd-path"] + " " + config["cmd-args"])
	if command != "" && !configHelper.matches(command) {
		return false, nil, refuse("cmd-path and cmd-args of the auth-provider gcp are not `gcloud config config-helper --format=json`")
	}
	for _, key := range slices.Sorted(maps.Keys(config)) {
		switch value := config[key]; key {
		case "cmd-path", "cmd-args":
		case "token-key":
			if value != "" && value != "{.credential.access_token}" {
				return false, nil, refuse("token-key of the auth-provider gcp is not {.credential.access_token}")
			}
		case "scopes":
			given := strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' })
			if !slices.Equal(slices.Sorted(slices.Values(given)), googleScopes) {
				return false, nil, refuse("scopes of the auth-provider gcp are not cloud-platform and userinfo.email")
			}
		case "access-token", "expiry", "expiry-key", "time-fmt": // a cache, and how to fill it
			notes = append(notes, key+" in the kubeconfig has no effect here")
		default:
			if !programLike.matches(key) {
				key = "a field"
			}
			return false, nil, refuse("%s of the auth-provider gcp is not known", key)
		}
	}
	return command == "", notes, nil
}

// given says whether an earlier step made a token: nothing but that is used then, as by the plugin.
func (g gcp) given() bool {
	return !g.adc && cmp.Or(g.Getenv(givenToken), g.Getenv(givenToken+"_FILE")) != ""
}

// file is the variable that names the credential file. gcloud reads only the first one, which google-github-actions/auth
// sets together with the second, and everything else only the second.
func (g gcp) file() string {
	for _, name := range []string{"CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE", "GOOGLE_APPLICATION_CREDENTIALS"} {
		if g.Getenv(name) != "" && (!g.adc || name == "GOOGLE_APPLICATION_CREDENTIALS") {
			return name
		}
	}
	return ""
}
