package aks

import (
	"bytes"
	"cmp"
	"context"

	"github.com/kubemint/kubemint/internal/secret"
	"github.com/kubemint/kubemint/internal/source/cloud/plugin"
)

// readIdentity finds who logs in, and with what.
func (k *kubelogin) readIdentity(l *login) error {
	l.id = k.valueOf("client-id")
	l.tenant = k.valueOf("tenant-id")
	if k.mode == "workloadidentity" {
		l.id = cmp.Or(k.getenv("AZURE_CLIENT_ID"), l.id) // even with --use-azurerm-env-vars
	}
	if l.id != "" && !guid.Matches(l.id) {
		return plugin.Refuse("the client id is not a GUID")
	}
	if k.mode == "msi" {
		return k.readMachine(l)
	}
	if err := k.checkTenant(l); err != nil {
		return err
	}
	if k.mode != "workloadidentity" {
		if found, err := k.readSecret(l); found || err != nil {
			return err
		}
	}
	return k.readAssertion(l)
}

// readMachine reads which of the machine's identities logs in.
func (k *kubelogin) readMachine(l *login) error {
	resource := k.Values["identity-resource-id"]
	if resource != "" && !identityResource.Matches(resource) {
		return plugin.Refuse("the value of --identity-resource-id is not the id of a managed " +
			"identity")
	}
	l.proof.machine = true
	l.proof.resource = resource
	return nil
}

// checkTenant refuses an application that is not fully named.
func (k *kubelogin) checkTenant(l *login) error {
	switch {
	case l.id == "" || l.tenant == "":
		return k.explainMode(plugin.Refuse("kubelogin's login mode %s finds no client id or no "+
			"tenant id", k.mode))
	case !guid.Matches(l.tenant) && !tenantDomain.Matches(l.tenant):
		return plugin.Refuse("the tenant id is neither a GUID nor a domain")
	}
	return nil
}

// readSecret finds the application's certificate or secret. The mode spn needs one.
func (k *kubelogin) readSecret(l *login) (found bool, err error) {
	l.proof.certificate = k.fileReader("client-certificate")
	l.proof.password = secret.New(k.valueOf("client-certificate-password"))
	l.proof.secret = secret.New(k.valueOf("client-secret"))
	found = l.proof.certificate != nil || !l.proof.secret.IsEmpty()
	if !found && k.mode == "spn" {
		err = plugin.Refuse("kubelogin's login mode spn finds neither a client secret nor a " +
			"client certificate").
			Hint("set AZURE_CLIENT_SECRET or AZURE_CLIENT_CERTIFICATE_PATH in this step's env").
			Hint("without a secret: `kubelogin convert-kubeconfig -l workloadidentity`")
	}
	return found, err
}

// readAssertion finds the OIDC token that is exchanged. As with kubelogin
// (NewAzIdentityCredential), GitHub's token takes precedence over a file.
func (k *kubelogin) readAssertion(l *login) error {
	file := k.fileReader("federated-token-file")
	switch {
	case k.runner.IDToken != nil:
		l.proof.assertion = func(ctx context.Context) (secret.Value, error) {
			id, err := k.runner.IDToken(ctx, l.cloud.audience)
			return id, plugin.ExplainFailure("ask for the job's own OIDC token", err)
		}
	case file != nil:
		l.proof.assertion = func(context.Context) (secret.Value, error) {
			data, err := file()
			return secret.New(string(bytes.TrimSpace(data))), err
		}
	default:
		return k.explainMode(plugin.Refuse(
			"kubelogin's login mode %s finds neither an OIDC token of the job nor a token file", k.mode))
	}
	return nil
}
