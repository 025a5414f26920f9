package cloud

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
)

// entra is one of Microsoft's clouds.
type entra struct {
	names    []string // of --environment, in small letters (GetCloudConfiguration in kubelogin)
	config   cloud.Configuration
	audience string // of an OIDC token that is exchanged for one of Entra
	servers  string // what the names of its API servers end in; customers' workloads have other names
}

// entras are the clouds. The endings are of "Outbound network and FQDN rules for AKS clusters", those of private clusters
// among them; the audiences of "Configure an application to trust a managed identity", both at learn.microsoft.com.
var entras = []entra{
	{[]string{"azurepubliccloud", "azurepublic", "azurecloud"}, cloud.AzurePublic, "api://AzureADTokenExchange", ".azmk8s.io"},
	{
		[]string{"azureusgovernment", "azureusgovernmentcloud"},
		cloud.AzureGovernment,
		"api://AzureADTokenExchangeUSGov", ".cx.aks.containerservice.azure.us",
	},
	{[]string{"azurechinacloud"}, cloud.AzureChina, "api://AzureADTokenExchangeChina", ".cx.prod.service.azk8s.cn"},
}

// cloud finds the cloud: by its name, or by its host as AKS's workload identity webhook sets it, or else by the server's
// name, since `convert-kubeconfig -l azurecli` and `-l workloadidentity` leave the name out.
func (k *kubelogin) cloud() (entra, error) {
	name, host := strings.ToLower(k.values["environment"]), k.values["authority-host"]
	source := "--authority-host"
	if k.mode == "workloadidentity" || k.mode == "azurecli" {
		if own := k.get("AZURE_AUTHORITY_HOST"); own != "" {
			source, host = "AZURE_AUTHORITY_HOST", own
		}
	}
	for _, c := range entras {
		named := slices.Contains(c.names, name)
		hosted := strings.EqualFold(strings.TrimSuffix(host, "/")+"/", c.config.ActiveDirectoryAuthorityHost)
		switch {
		case named && host != "" && !hosted:
			return c, refuse("%s is not the host of the cloud that --environment names", source)
		case named, name == "" && hosted:
			return c, nil
		case name == "" && host == "" && k.stanza.Server != nil && (&Login{Servers: []string{c.servers}}).Serves(k.stanza.Server.Hostname()):
			return c, nil
		}
	}
	switch {
	case name != "":
		return entra{}, refuse("the cloud that --environment names has no counterpart here").
			Hint("known are AzurePublicCloud, AzureUSGovernmentCloud and AzureChinaCloud")
	case host != "":
		return entra{}, refuse("%s is none of the hosts of Entra", source)
	}
	return entras[0], nil
}

// entraLogin is one identity of Entra and what it asks for.
type entraLogin struct {
	client             *http.Client
	cloud              entra
	server, id, tenant string

	// One of these.
	managed     bool // by the machine's own endpoint
	certificate func() ([]byte, error)
	secret      secret.Value
	assertion   func(context.Context) (secret.Value, error)

	resource string       // of a managed identity that has no id
	password secret.Value // of the certificate
}

// token asks for a token.
func (l *entraLogin) token(ctx context.Context) (secret.Value, time.Time, error) {
	seen := &exchange{}
	credential, err := l.credential(ctx, azcore.ClientOptions{
		Cloud:            l.cloud.config,
		Transport:        l.client,
		PerRetryPolicies: []policy.Policy{seen},
		// The defaults wait for minutes, and a network without managed identities drops what is sent to their endpoint.
		Retry: policy.RetryOptions{
			MaxRetries: 2, TryTimeout: 4 * time.Second, RetryDelay: 500 * time.Millisecond, MaxRetryDelay: 3 * time.Second,
		},
	})
	if err != nil {
		return secret.Value{}, time.Time{}, err
	}
	got, err := credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{l.server + "/.default"}})
	if err != nil {
		return secret.Value{}, time.Time{}, l.failed(ctx, seen, err)
	}
	return secret.New(got.Token), got.ExpiresOn, nil
}

// credential reads what the login needs. Instance discovery would ask Entra whether the host is one of its own, which it is.
func (l *entraLogin) credential(ctx context.Context, o azcore.ClientOptions) (azcore.TokenCredential, error) {
	const op = "prepare a login with Entra"
	switch {
	case l.managed:
		options := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: o}
		if l.id != "" {
			options.ID = azidentity.ClientID(l.id)
		} else if l.resource != "" {
			options.ID = azidentity.ResourceID(l.resource)
		}
		credential, err := azidentity.NewManagedIdentityCredential(options)
		return credential, failed(op, err)
	case l.certificate != nil:
		data, err := l.certificate()
		if err != nil {
			return nil, err
		}
		certificates, key, err := azidentity.ParseCertificates(data, []byte(l.password.Reveal()))
		if err != nil { // kubelogin has no use for the password of a PEM file
			certificates, key, err = azidentity.ParseCertificates(data, nil)
		}
		options := azidentity.ClientCertificateCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true, SendCertificateChain: true}
		var credential azcore.TokenCredential
		if err == nil {
			credential, err = azidentity.NewClientCertificateCredential(l.tenant, l.id, certificates, key, &options)
		}
		if err != nil { // which could name what it found instead
			return nil, problem.Newf(problem.Source, op, "the client certificate is not PEM or PFX with its RSA key, or the password is wrong").
				Hint("PEM is best: a PFX can be read only if it was made with `openssl pkcs12 -export -legacy`")
		}
		return credential, nil
	case !l.secret.Empty():
		options := azidentity.ClientSecretCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true}
		credential, err := azidentity.NewClientSecretCredential(l.tenant, l.id, l.secret.Reveal(), &options)
		return credential, failed(op, err)
	}
	assertion, err := l.assertion(ctx)
	if err != nil {
		return nil, err
	}
	if assertion.Empty() {
		return nil, problem.Newf(problem.Source, op, "the OIDC token is empty").
			Hint("see whether the step that writes the token file has run")
	}
	options := azidentity.ClientAssertionCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true}
	credential, err := azidentity.NewClientAssertionCredential(l.tenant, l.id,
		func(context.Context) (string, error) { return assertion.Reveal(), nil }, &options)
	return credential, failed(op, err)
}

// exchange remembers the last request: the errors of the library print whole answers, or lose what was wrong on the wire.
type exchange struct {
	response *http.Response
	err      error
}

// Do is a step of the library's pipeline, one for every try.
func (e *exchange) Do(r *policy.Request) (*http.Response, error) {
	e.response, e.err = r.Next()
	return e.response, e.err
}

// jwt is what an answer may repeat of the token that it refuses.
const jwt = `[\w-]{16,}\.[\w-]{16,}\.[\w-]*`

// failed is what Entra says, without the identifiers that follow and mean nothing here.
func (l *entraLogin) failed(ctx context.Context, seen *exchange, err error) error {
	op, hints := "ask Entra for a token", []string{}
	switch {
	case l.managed:
		op = "ask the machine for the token of a managed identity"
		hints = []string{"this needs a machine of Azure that the identity is assigned to, which GitHub's own runners are not"}
	case l.assertion != nil:
		hints = []string{"the application needs a federated credential with the issuer, the subject and the audience of this job"}
	}
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case seen.err != nil:
		err = seen.err
	case seen.response != nil && seen.response.StatusCode == http.StatusOK:
		err = errors.New("the answer holds no token")
	case seen.response != nil:
		var answer struct {
			Error       string `json:"error"`
			Description string `json:"error_description"`
		}
		body, _ := runtime.Payload(seen.response)
		_ = json.Unmarshal(body, &answer) // what is no JSON is of a proxy, and is not repeated
		text, _, _ := strings.Cut(cmp.Or(answer.Description, answer.Error, "without a reason"), "Trace ID:")
		if !l.secret.Empty() {
			text = strings.ReplaceAll(text, l.secret.Reveal(), secret.Redacted)
		}
		err = fmt.Errorf("HTTP status %d: %s", seen.response.StatusCode, regexp.MustCompile(jwt).ReplaceAllString(text, secret.Redacted))
	}
	return failed(op, err, hints...)
}
