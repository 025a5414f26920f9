package cloud

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
	"github.com/kubemint/kubemint/internal/source/program"
)

// aksServer is the application that every AKS cluster with managed Entra integration asks a token for
// (https://azure.github.io/kubelogin/concepts/aks.html).
const aksServer = "6dae42f8-4368-4678-94ff-3960e28e3630"

// kubeloginFlags are those of `kubelogin get-token` (Azure/kubelogin, pkg/internal/token/options.go) and of its log. Those
// of a cache, of a browser and of the modes that are refused are known, so that the mode is what the refusal names.
var kubeloginFlags = map[string]string{
	"--login": "login", "-l": "login", "--server-id": "server-id", "--environment": "environment", "-e": "environment",
	"--client-id": "client-id", "--tenant-id": "tenant-id", "-t": "tenant-id", "--client-secret": "client-secret",
	"--client-certificate": "client-certificate", "--client-certificate-password": "client-certificate-password",
	"--federated-token-file": "federated-token-file", "--identity-resource-id": "identity-resource-id",
	"--authority-host": "authority-host", "--subscription": "subscription", "-s": "subscription",
	"--legacy": "legacy!", "--pop-enabled": "pop-enabled!", "--pop-claims": "pop-claims",
	"--use-azurerm-env-vars": "use-azurerm-env-vars!", "--disable-environment-override": "disable-environment-override!",

	"--cache-dir": "", "--token-cache-dir": "", "--timeout": "", "--disable-instance-discovery": "!", "--redirect-url": "",
	"--login-hint": "", "--username": "", "--password": "", "--azure-pipelines-service-connection-id": "",
	"--logtostderr": "!", "--v": "", "-v": "",
}

// azureVariables go before the flag of the name (UpdateFromEnv in the same file), the first of them before the others.
var azureVariables = map[string][]string{
	"login":                       {"AAD_LOGIN_METHOD"},
	"client-id":                   {"AZURE_CLIENT_ID", "AAD_SERVICE_PRINCIPAL_CLIENT_ID"},
	"tenant-id":                   {"AZURE_TENANT_ID"},
	"client-secret":               {"AZURE_CLIENT_SECRET", "AAD_SERVICE_PRINCIPAL_CLIENT_SECRET"},
	"client-certificate":          {"AZURE_CLIENT_CERTIFICATE_PATH", "AAD_SERVICE_PRINCIPAL_CLIENT_CERTIFICATE"},
	"client-certificate-password": {"AZURE_CLIENT_CERTIFICATE_PASSWORD", "AAD_SERVICE_PRINCIPAL_CLIENT_CERTIFICATE_PASSWORD"},
	"federated-token-file":        {"AZURE_FEDERATED_TOKEN_FILE"},
}

// azurermVariables stand in their place with --use-azurerm-env-vars.
var azurermVariables = map[string][]string{
	"client-id":                   {"ARM_CLIENT_ID"},
	"tenant-id":                   {"ARM_TENANT_ID"},
	"client-secret":               {"ARM_CLIENT_SECRET"},
	"client-certificate":          {"ARM_CLIENT_CERTIFICATE_PATH"},
	"client-certificate-password": {"ARM_CLIENT_CERTIFICATE_PASSWORD"},
}

// azureTaken are taken from the stanza's own env: who is to log in, and neither a file nor a host.
var azureTaken = []string{
	"AAD_LOGIN_METHOD", "AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET", "AAD_SERVICE_PRINCIPAL_CLIENT_ID",
	"AAD_SERVICE_PRINCIPAL_CLIENT_SECRET", "ARM_CLIENT_ID", "ARM_TENANT_ID", "ARM_CLIENT_SECRET",
}

// kubeloginRefused says why a login mode cannot work in a pipeline's step.
var kubeloginRefused = map[string]string{
	"devicecode":     "needs a person to type a code",
	"interactive":    "needs a person at a browser",
	"ropc":           "needs a person's password",
	"azd":            "needs azd's own login, which is not visible here",
	"azurepipelines": "needs a service connection of Azure Pipelines, which is not visible here",
}

// What goes into an address or a query. A tenant such as "common" has no applications of its own.
const (
	azureID       = pattern(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)
	azureTenant   = pattern(`^([A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,63}$`)
	azureIdentity = pattern(`(?i)^/subscriptions/[0-9a-f-]{36}/resourcegroups/[\w.()-]{1,90}` +
		`/providers/microsoft\.managedidentity/userassignedidentities/[\w-]{1,128}$`)
)

// kubelogin is a stanza together with the environment.
type kubelogin struct {
	arguments
	stanza Stanza
	runner Runner
	get    func(string) string // nothing where the stanza wants no environment
	mode   string
}

// aks does what `kubelogin get-token` does without its cache: what has needed a person once is refused.
func aks(s Stanza, r Runner) (*Login, error) {
	get, notes := lookup(s, r, azureTaken...)
	k := kubelogin{stanza: s, runner: r, get: get}
	if err := k.read(); err != nil {
		return nil, err
	}
	at, err := k.cloud()
	if err != nil {
		return nil, err
	}
	l := &entraLogin{client: r.HTTP, cloud: at, server: k.values["server-id"]}
	if err := k.identity(l); err != nil {
		return nil, err
	}
	if k.mode == "azurecli" {
		notes = append(notes, "the login of az is not visible here: AZURE_CLIENT_ID logs in")
	}
	if k.has("subscription") {
		notes = append(notes, "--subscription in the kubeconfig has no effect here")
	}
	login := &Login{Cloud: "AKS", Servers: []string{l.cloud.servers}, Notes: notes, Token: l.token}
	login.Secrets = []string{"IDENTITY_HEADER", "MSI_SECRET"}
	for _, flag := range []string{"client-secret", "client-certificate", "client-certificate-password", "federated-token-file"} {
		login.Secrets = slices.Concat(login.Secrets, azureVariables[flag], azurermVariables[flag])
	}
	if !strings.EqualFold(l.server, aksServer) {
		login.Unusual = "a token for another application than AKS"
	}
	return login, nil
}

// read takes the stanza apart, and refuses what it asks for and is not served.
func (k *kubelogin) read() (err error) {
	if k.stanza.Config != nil {
		k.arguments, err = provider(k.stanza.Config)
	} else {
		if k.arguments, err = parse("kubelogin", k.stanza.Args, kubeloginFlags); err == nil && !slices.Equal(k.words, []string{"get-token"}) {
			err = refuse("kubelogin is not asked for get-token alone")
		}
	}
	switch {
	case err != nil:
		return err
	case k.has("legacy"):
		return refuse("it is of AKS's old Entra integration (--legacy, or config-mode 0), which no cluster has any more").
			Hint("write the kubeconfig anew: `az aks get-credentials`")
	case k.has("pop-enabled") || k.has("pop-claims"):
		return refuse("kubelogin's argument --pop-enabled asks for a token that is bound to a key, which is not served here").
			Hint("Azure Arc: use a kubeconfig of the cluster itself")
	case !azureID.matches(k.values["server-id"]):
		return refuse("the application that the token is for (--server-id) is missing, or is not a GUID")
	}
	return k.choose()
}

// provider reads the auth-provider of an older kubeconfig. Its client-id is one that people log in with, and its tokens are
// a person's: as with `kubelogin convert-kubeconfig -l azurecli` neither is used.
func provider(config map[string]string) (arguments, error) {
	a := arguments{values: map[string]string{"login": "azurecli"}}
	for _, key := range slices.Sorted(maps.Keys(config)) {
		switch value := config[key]; key {
		case "apiserver-id":
			a.values["server-id"] = value
		case "environment", "tenant-id":
			a.values[key] = value
		case "config-mode", "client-id", "access-token", "refresh-token", "expires-in", "expires-on":
		default:
			return a, refuse("the auth-provider azure has a setting that is not known here")
		}
	}
	if config["config-mode"] != "1" {
		a.values["legacy"] = ""
	}
	return a, nil
}

// choose finds the login mode.
func (k *kubelogin) choose() error {
	environment := k.get
	if k.has("disable-environment-override") {
		k.get = func(string) string { return "" }
	}
	k.mode = cmp.Or(k.value("login"), "devicecode")
	if k.mode == "azurecli" { // who az would be is in this step's environment if anywhere
		k.get = environment
		for _, name := range []string{"client-id", "client-secret", "client-certificate", "federated-token-file"} {
			delete(k.values, name)
		}
	}
	switch why, refused := kubeloginRefused[k.mode]; {
	case refused:
		return k.remedy(refuse("kubelogin's login mode %s %s", k.mode, why))
	case slices.Contains([]string{"spn", "workloadidentity", "azurecli", "msi"}, k.mode):
		return nil
	case variableName.matches(k.mode):
		return k.remedy(refuse("kubelogin's login mode %s has no counterpart here", k.mode))
	}
	return k.remedy(refuse("kubelogin's login mode cannot be read"))
}

// remedy says how a login works here: in the workflow's words where its platform has a token of its own.
func (k *kubelogin) remedy(err *problem.Error) *problem.Error {
	if k.mode != "azurecli" && k.mode != "workloadidentity" && k.mode != "spn" {
		err = err.Hint("in an earlier step: `kubelogin convert-kubeconfig -l workloadidentity`; or set AAD_LOGIN_METHOD=workloadidentity here")
	}
	if k.mode == "azurepipelines" {
		err.Hints = append(err.Hints, program.For(k.mode, nil).Hints()...)
	}
	return err.Hint("set AZURE_CLIENT_ID and AZURE_TENANT_ID in this step's env: azure/login exports nothing").
		Hint("GitHub: the job needs `permissions: id-token: write`").
		Hint("elsewhere: write the job's OIDC token into a file, and set AZURE_FEDERATED_TOKEN_FILE to its path")
}

// find is what the environment says, or else the flag, and the variable that said it: "" for the flag.
func (k *kubelogin) find(flag string) (value, variable string) {
	names, known := azurermVariables[flag]
	if !known || !k.has("use-azurerm-env-vars") {
		names = azureVariables[flag]
	}
	for _, name := range names {
		if value := k.get(name); value != "" {
			return value, name
		}
	}
	return k.values[flag], ""
}

func (k *kubelogin) value(flag string) string {
	value, _ := k.find(flag)
	return value
}

// file is [kubelogin.value] of a flag that names a file: who names it must be allowed to. It is nil where nobody does.
func (k *kubelogin) file(flag string) func() ([]byte, error) {
	path, variable := k.find(flag)
	if path == "" {
		return nil
	}
	return func() (data []byte, err error) {
		if variable == "" {
			data, err = k.stanza.ReadFile("--"+flag, path)
		} else {
			data, err = k.runner.ReadFile(path)
		}
		return data, failed("read the file of "+cmp.Or(variable, "--"+flag), err)
	}
}

// identity says who logs in, and with what.
func (k *kubelogin) identity(l *entraLogin) error {
	l.id, l.tenant = k.value("client-id"), k.value("tenant-id")
	if k.mode == "workloadidentity" {
		l.id = cmp.Or(k.get("AZURE_CLIENT_ID"), l.id) // with --use-azurerm-env-vars, too
	}
	l.managed, l.resource = k.mode == "msi", k.values["identity-resource-id"]
	switch {
	case l.id != "" && !azureID.matches(l.id):
		return refuse("the client id is not a GUID")
	case l.managed && l.resource != "" && !azureIdentity.matches(l.resource):
		return refuse("the value of --identity-resource-id is not the id of a managed identity")
	case l.managed:
		return nil
	case l.id == "" || l.tenant == "":
		return k.remedy(refuse("kubelogin's login mode %s finds no client id or no tenant id", k.mode))
	case !azureID.matches(l.tenant) && !azureTenant.matches(l.tenant):
		return refuse("the tenant id is neither a GUID nor a domain")
	}
	if k.mode != "workloadidentity" {
		l.certificate, l.password = k.file("client-certificate"), secret.New(k.value("client-certificate-password"))
		l.secret = secret.New(k.value("client-secret"))
		if l.certificate != nil || !l.secret.Empty() {
			return nil
		}
		if k.mode == "spn" {
			return refuse("kubelogin's login mode spn finds neither a client secret nor a client certificate").
				Hint("set AZURE_CLIENT_SECRET or AZURE_CLIENT_CERTIFICATE_PATH in this step's env").
				Hint("without a secret: `kubelogin convert-kubeconfig -l workloadidentity`")
		}
	}
	// As with kubelogin (NewAzIdentityCredential) the token of GitHub goes before a file.
	file := k.file("federated-token-file")
	switch {
	case k.runner.IDToken != nil:
		l.assertion = func(ctx context.Context) (secret.Value, error) {
			id, err := k.runner.IDToken(ctx, l.cloud.audience)
			return id, failed("ask for the job's own OIDC token", err)
		}
	case file != nil:
		l.assertion = func(context.Context) (secret.Value, error) {
			data, err := file()
			return secret.New(string(bytes.TrimSpace(data))), err
		}
	default:
		return k.remedy(refuse("kubelogin's login mode %s finds neither an OIDC token of the job nor a token file", k.mode))
	}
	return nil
}
