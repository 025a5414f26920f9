package aks

import (
	"context"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/source/cloud/plugin"
)

const prepareLogin = "prepare a login with Entra"

// newCredential makes the library's credential. Instance discovery is off: it would ask Entra
// whether the host belongs to Entra, which is known.
func (l *login) newCredential(
	ctx context.Context, options azcore.ClientOptions,
) (azcore.TokenCredential, error) {
	switch {
	case l.proof.machine:
		return l.newMachineCredential(options)
	case l.proof.certificate != nil:
		return l.newCertificateCredential(options)
	case !l.proof.secret.IsEmpty():
		credential, err := azidentity.NewClientSecretCredential(l.tenant, l.id, l.proof.secret.Reveal(),
			&azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
		return credential, plugin.ExplainFailure(prepareLogin, err)
	}
	return l.newAssertionCredential(ctx, options)
}

func (l *login) newMachineCredential(options azcore.ClientOptions) (azcore.TokenCredential, error) {
	machine := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: options}
	if l.id != "" {
		machine.ID = azidentity.ClientID(l.id)
	} else if l.proof.resource != "" {
		machine.ID = azidentity.ResourceID(l.proof.resource)
	}
	credential, err := azidentity.NewManagedIdentityCredential(machine)
	return credential, plugin.ExplainFailure(prepareLogin, err)
}

func (l *login) newCertificateCredential(options azcore.ClientOptions) (azcore.TokenCredential, error) {
	data, err := l.proof.certificate()
	if err != nil {
		return nil, err
	}
	certificates, key, err := azidentity.ParseCertificates(data, []byte(l.proof.password.Reveal()))
	if err != nil { // kubelogin ignores the password for a PEM file
		certificates, key, err = azidentity.ParseCertificates(data, nil)
	}
	var credential azcore.TokenCredential
	if err == nil {
		credential, err = azidentity.NewClientCertificateCredential(l.tenant, l.id, certificates, key,
			&azidentity.ClientCertificateCredentialOptions{
				ClientOptions: options, DisableInstanceDiscovery: true, SendCertificateChain: true,
			})
	}
	if err != nil { // the library's error could show what it found instead
		return nil, problem.Newf(problem.Source, prepareLogin,
			"the client certificate is not PEM or PFX with its RSA key, or the password is wrong").
			Hint("PEM is best: a PFX can be read only if it was made with `openssl pkcs12 " +
				"-export -legacy`")
	}
	return credential, nil
}

func (l *login) newAssertionCredential(
	ctx context.Context, options azcore.ClientOptions,
) (azcore.TokenCredential, error) {
	assertion, err := l.proof.assertion(ctx)
	if err != nil {
		return nil, err
	}
	if assertion.IsEmpty() {
		return nil, problem.Newf(problem.Source, prepareLogin, "the OIDC token is empty").
			Hint("see whether the step that writes the token file has run")
	}
	credential, err := azidentity.NewClientAssertionCredential(l.tenant, l.id,
		func(context.Context) (string, error) { return assertion.Reveal(), nil },
		&azidentity.ClientAssertionCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
	return credential, plugin.ExplainFailure(prepareLogin, err)
}
