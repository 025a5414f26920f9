package aks

import "github.com/kubemint/kubemint/internal/source/cloud/plugin"

// aksServer is the application for which every AKS cluster with managed Entra integration requests
// a token (https://azure.github.io/kubelogin/concepts/aks.html).
const aksServer = "6dae42f8-4368-4678-94ff-3960e28e3630"

// kubeloginFlags are the flags of `kubelogin get-token` (Azure/kubelogin,
// pkg/internal/token/options.go) and of its log. The flags for a cache, a browser and the refused
// modes are known as well, so that a refusal names the mode.
var kubeloginFlags = map[string]string{
	"--login": "login", "-l": "login", "--server-id": "server-id",
	"--environment": "environment", "-e": "environment",
	"--client-id": "client-id", "--tenant-id": "tenant-id", "-t": "tenant-id",
	"--client-secret":               "client-secret",
	"--client-certificate":          "client-certificate",
	"--client-certificate-password": "client-certificate-password",
	"--federated-token-file":        "federated-token-file",
	"--identity-resource-id":        "identity-resource-id",
	"--authority-host":              "authority-host", "--subscription": "subscription",
	"-s":       "subscription",
	"--legacy": "legacy!", "--pop-enabled": "pop-enabled!", "--pop-claims": "pop-claims",
	"--use-azurerm-env-vars":         "use-azurerm-env-vars!",
	"--disable-environment-override": "disable-environment-override!",

	"--cache-dir": "", "--token-cache-dir": "", "--timeout": "", "--disable-instance-discovery": "!",
	"--redirect-url": "", "--login-hint": "", "--username": "", "--password": "",
	"--azure-pipelines-service-connection-id": "", "--logtostderr": "!", "--v": "", "-v": "",
}

// entraVariables take precedence over the flag that each list belongs to (UpdateFromEnv in the same
// file), the first of them over the others.
var entraVariables = map[string][]string{
	"login":              {"AAD_LOGIN_METHOD"},
	"client-id":          {"AZURE_CLIENT_ID", "AAD_SERVICE_PRINCIPAL_CLIENT_ID"},
	"tenant-id":          {"AZURE_TENANT_ID"},
	"client-secret":      {"AZURE_CLIENT_SECRET", "AAD_SERVICE_PRINCIPAL_CLIENT_SECRET"},
	"client-certificate": {"AZURE_CLIENT_CERTIFICATE_PATH", "AAD_SERVICE_PRINCIPAL_CLIENT_CERTIFICATE"},
	"client-certificate-password": {
		"AZURE_CLIENT_CERTIFICATE_PASSWORD", "AAD_SERVICE_PRINCIPAL_CLIENT_CERTIFICATE_PASSWORD",
	},
	"federated-token-file": {"AZURE_FEDERATED_TOKEN_FILE"},
}

// azurermVariables replace them with --use-azurerm-env-vars.
var azurermVariables = map[string][]string{
	"client-id":                   {"ARM_CLIENT_ID"},
	"tenant-id":                   {"ARM_TENANT_ID"},
	"client-secret":               {"ARM_CLIENT_SECRET"},
	"client-certificate":          {"ARM_CLIENT_CERTIFICATE_PATH"},
	"client-certificate-password": {"ARM_CLIENT_CERTIFICATE_PASSWORD"},
}

// takenVariables are taken from the stanza's own env: they say who logs in, and name neither a file
// nor a host.
var takenVariables = []string{
	"AAD_LOGIN_METHOD", "AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET",
	"AAD_SERVICE_PRINCIPAL_CLIENT_ID", "AAD_SERVICE_PRINCIPAL_CLIENT_SECRET",
	"ARM_CLIENT_ID", "ARM_TENANT_ID", "ARM_CLIENT_SECRET",
}

// refusedModes are the login modes that cannot work in a pipeline's step, with the reason.
var refusedModes = map[string]string{
	"devicecode":     "needs a person to type a code",
	"interactive":    "needs a person at a browser",
	"ropc":           "needs a person's password",
	"azd":            "needs azd's own login, which is not visible here",
	"azurepipelines": "needs a service connection of Azure Pipelines, which is not visible here",
}

// Values that become part of an address or a query. A tenant such as "common" has no applications
// of its own.
const (
	guid             = plugin.Pattern(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)
	tenantDomain     = plugin.Pattern(`^([A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,63}$`)
	identityResource = plugin.Pattern(`(?i)^/subscriptions/[0-9a-f-]{36}/resourcegroups/[\w.()-]{1,90}` +
		`/providers/microsoft\.managedidentity/userassignedidentities/[\w-]{1,128}$`)
)
