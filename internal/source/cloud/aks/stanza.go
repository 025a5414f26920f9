package aks

import (
	"cmp"
	"slices"
	"strings"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/source/cloud/plugin"
	"github.com/kubemint/kubemint/internal/source/program"
)

// ReadStanza serves `kubelogin get-token` without its cache. It refuses logins that have needed a
// person.
func ReadStanza(s plugin.Stanza, r plugin.Runner) (*plugin.Login, error) {
	getenv, notes := plugin.LookupVariables(s, r, takenVariables...)
	k := kubelogin{stanza: s, runner: r, getenv: getenv}
	if err := k.readArguments(); err != nil {
		return nil, err
	}
	at, err := k.findCloud()
	if err != nil {
		return nil, err
	}
	l := &login{client: r.HTTP, cloud: at, server: k.Values["server-id"]}
	if err := k.readIdentity(l); err != nil {
		return nil, err
	}
	if k.mode == "azurecli" {
		notes = append(notes, "the login of az is not visible here: AZURE_CLIENT_ID logs in")
	}
	if k.Has("subscription") {
		notes = append(notes, "--subscription in the kubeconfig has no effect here")
	}
	made := &plugin.Login{
		Cloud: "AKS", Servers: []string{at.servers}, Notes: notes, Secrets: secretVariables(),
		Token: l.requestToken,
	}
	if !strings.EqualFold(l.server, aksServer) {
		made.Unusual = "a token for another application than AKS"
	}
	return made, nil
}

// secretVariables returns the variables that are the credential, or lead to it.
func secretVariables() []string {
	names := []string{"IDENTITY_HEADER", "MSI_SECRET"}
	for _, flag := range []string{
		"client-secret", "client-certificate", "client-certificate-password", "federated-token-file",
	} {
		names = slices.Concat(names, entraVariables[flag], azurermVariables[flag])
	}
	return names
}

// readArguments parses the stanza, and refuses requests that are not served.
func (k *kubelogin) readArguments() (err error) {
	if k.Arguments, err = plugin.ParseArguments("kubelogin", k.stanza.Args, kubeloginFlags); err != nil {
		return err
	}
	switch {
	case !slices.Equal(k.Words, []string{"get-token"}):
		return plugin.Refuse("kubelogin is not asked for get-token alone")
	case k.Has("legacy"):
		return plugin.Refuse("--legacy is AKS's old Entra integration, which no cluster has " +
			"any more").
			Hint("write the kubeconfig again: `az aks get-credentials`")
	case k.Has("pop-enabled") || k.Has("pop-claims"):
		return plugin.Refuse("kubelogin's argument --pop-enabled asks for a token that is " +
			"bound to a key, which is not served here").
			Hint("Azure Arc: use a kubeconfig of the cluster itself")
	case !guid.Matches(k.Values["server-id"]):
		return plugin.Refuse("the application that the token is for (--server-id) is missing, " +
			"or is not a GUID")
	}
	return k.chooseMode()
}

// chooseMode finds the login mode.
func (k *kubelogin) chooseMode() error {
	environment := k.getenv
	if k.Has("disable-environment-override") {
		k.getenv = func(string) string { return "" }
	}
	k.mode = cmp.Or(k.valueOf("login"), "devicecode")
	if k.mode == "azurecli" { // only this step's environment can say who az would be
		k.getenv = environment
		for _, name := range []string{
			"client-id", "client-secret", "client-certificate", "federated-token-file",
		} {
			delete(k.Values, name)
		}
	}
	switch why, refused := refusedModes[k.mode]; {
	case refused:
		return k.explainMode(plugin.Refuse("kubelogin's login mode %s %s", k.mode, why))
	case slices.Contains([]string{"spn", "workloadidentity", "azurecli", "msi"}, k.mode):
		return nil
	case plugin.VariableName.Matches(k.mode):
		return k.explainMode(plugin.Refuse("kubelogin's login mode %s has no counterpart here", k.mode))
	}
	return k.explainMode(plugin.Refuse("kubelogin's login mode cannot be read"))
}

// explainMode adds how a login works here.
func (k *kubelogin) explainMode(err *problem.Error) *problem.Error {
	if k.mode != "azurecli" && k.mode != "workloadidentity" && k.mode != "spn" {
		err = err.Hint("in an earlier step: `kubelogin convert-kubeconfig -l workloadidentity`; " +
			"or set AAD_LOGIN_METHOD=workloadidentity here")
	}
	if k.mode == "azurepipelines" {
		err.Hints = append(err.Hints, program.For(k.mode, nil).Hints()...)
	}
	return err.
		Hint("set AZURE_CLIENT_ID and AZURE_TENANT_ID in this step's env: azure/login exports " +
			"nothing").
		Hint("GitHub: the job needs `permissions: id-token: write`").
		Hint("elsewhere: write the job's OIDC token into a file, and set " +
			"AZURE_FEDERATED_TOKEN_FILE to its path")
}

// findValue returns the environment's value for a flag, or else the flag's. variable is the
// variable that has it, "" for the flag.
func (k *kubelogin) findValue(flag string) (value, variable string) {
	names, known := azurermVariables[flag]
	if !known || !k.Has("use-azurerm-env-vars") {
		names = entraVariables[flag]
	}
	for _, name := range names {
		if value := k.getenv(name); value != "" {
			return value, name
		}
	}
	return k.Values[flag], ""
}

func (k *kubelogin) valueOf(flag string) string {
	value, _ := k.findValue(flag)
	return value
}

// fileReader returns what reads the file that a flag names, nil where none is named. A kubeconfig
// may name fewer files than the environment.
func (k *kubelogin) fileReader(flag string) func() ([]byte, error) {
	path, variable := k.findValue(flag)
	if path == "" {
		return nil
	}
	return func() (data []byte, err error) {
		if variable == "" {
			data, err = k.stanza.ReadFile("--"+flag, path)
		} else {
			data, err = k.runner.ReadFile(path)
		}
		return data, plugin.ExplainFailure("read the file of "+cmp.Or(variable, "--"+flag), err)
	}
}
