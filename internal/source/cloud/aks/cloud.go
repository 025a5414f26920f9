package aks

import (
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"

	"github.com/kubemint/kubemint/internal/source/cloud/plugin"
)

// entra is one of Microsoft's clouds.
type entra struct {
	names    []string // values of --environment, in lower case (GetCloudConfiguration in kubelogin)
	config   cloud.Configuration
	audience string // of an OIDC token that is exchanged for one of Entra
	servers  string // suffix of its API servers' names; customers' workloads have other names
}

// clouds are Microsoft's clouds. The suffixes, also of private clusters, are from "Outbound network
// and FQDN rules for AKS clusters", the audiences from "Configure an application to trust a managed
// identity", both at learn.microsoft.com.
var clouds = []entra{
	{
		[]string{"azurepubliccloud", "azurepublic", "azurecloud"},
		cloud.AzurePublic,
		"api://AzureADTokenExchange", ".azmk8s.io",
	},
	{
		[]string{"azureusgovernment", "azureusgovernmentcloud"},
		cloud.AzureGovernment,
		"api://AzureADTokenExchangeUSGov", ".cx.aks.containerservice.azure.us",
	},
	{
		[]string{"azurechinacloud"},
		cloud.AzureChina,
		"api://AzureADTokenExchangeChina", ".cx.prod.service.azk8s.cn",
	},
}

// findCloud finds the cloud by its name, or by its host as AKS's workload identity webhook sets it,
// or else by the server's name: `convert-kubeconfig -l azurecli` and `-l workloadidentity` leave
// the cloud's name out.
func (k *kubelogin) findCloud() (entra, error) {
	name := strings.ToLower(k.Values["environment"])
	host, source := k.findAuthority()
	for _, c := range clouds {
		isNamed := slices.Contains(c.names, name)
		isHost := strings.EqualFold(strings.TrimSuffix(host, "/")+"/", c.config.ActiveDirectoryAuthorityHost)
		switch {
		case isNamed && host != "" && !isHost:
			return c, plugin.Refuse("%s is not the host of the cloud that --environment names", source)
		case isNamed, name == "" && isHost:
			return c, nil
		case name == "" && host == "" && k.isServedBy(c):
			return c, nil
		}
	}
	switch {
	case name != "":
		return entra{}, plugin.Refuse("the cloud that --environment names has no counterpart here").
			Hint("known are AzurePublicCloud, AzureUSGovernmentCloud and AzureChinaCloud")
	case host != "":
		return entra{}, plugin.Refuse("%s is not a host of Entra", source)
	}
	return clouds[0], nil
}

// findAuthority returns the host of Entra that is named, and where it is named.
func (k *kubelogin) findAuthority() (host, source string) {
	if k.mode == "workloadidentity" || k.mode == "azurecli" {
		if host := k.getenv("AZURE_AUTHORITY_HOST"); host != "" {
			return host, "AZURE_AUTHORITY_HOST"
		}
	}
	return k.Values["authority-host"], "--authority-host"
}

// isServedBy reports whether the cluster's server is one of a cloud.
func (k *kubelogin) isServedBy(c entra) bool {
	made := plugin.Login{Servers: []string{c.servers}}
	return k.stanza.Server != nil && made.Serves(k.stanza.Server.Hostname())
}
