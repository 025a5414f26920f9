package aks_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
	"github.com/kubemint/kubemint/internal/source/cloud"
	"github.com/kubemint/kubemint/internal/source/cloud/plugin"
	"github.com/kubemint/kubemint/internal/source/program"
	"github.com/kubemint/kubemint/test/clouds"
)

const (
	aksServer       = "6dae42f8-4368-4678-94ff-3960e28e3630"
	azureTestTenant = "00000000-0000-0000-0000-000000000002"
	azureTestClient = "00000000-0000-0000-0000-000000000001" // of the fixtures
	azureTestObject = "00000000-0000-0000-0000-0000000000aa"
	azurePeople     = "80faf920-1908-4b52-b5ef-a8e7bedfc67a" // the client id that `az aks get-credentials` writes
	azureResource   = "/subscriptions/00000000-0000-0000-0000-000000000003/resourcegroups/shop-rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/ci"
	azureSubject    = "repo:octo/shop:ref:refs/heads/main"
)

// azureWorld is the tenant of the tests, in one of Microsoft's clouds, and a job of GitHub's that it trusts.
type azureWorld struct {
	*clouds.Internet
	entra  *clouds.Entra
	job    *clouds.Issuer
	runner plugin.Runner
	env    map[string]string
	files  map[string]string // of the runner
	pem    string            // certificate and key of the application
	ids    *strings.Replacer // MACHINE, IDENTITY and SERVER are ids of this world alone: the library keeps machines' tokens by id, for all
}

// newAzurePair is a certificate, and as PEM with its key.
func newAzurePair() (_ *x509.Certificate, text string, err error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, "", err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, "", err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, "", err
	}
	certificate, err := x509.ParseCertificate(der)
	text = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})) + string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	return certificate, text, err
}

// azurePair is that of all tests, since a key takes long to make.
var azurePair = sync.OnceValue(func() (pair struct {
	certificate *x509.Certificate
	pem         string
	err         error
},
) {
	pair.certificate, pair.pem, pair.err = newAzurePair()
	return pair
})

func newAzureWorld(t *testing.T, host, audience string) *azureWorld {
	t.Helper()
	pair := azurePair()
	if pair.err != nil {
		t.Fatal(pair.err)
	}
	w := &azureWorld{Internet: clouds.NewInternet(t), env: map[string]string{}, files: map[string]string{}, pem: pair.pem}
	w.job = clouds.NewIssuer(t, w.Internet, "https://token.actions.githubusercontent.com", nil)
	digits := fmt.Sprintf("%012x", time.Now().UnixNano()%(1<<48))
	machine, resource := "00000000-0000-0000-0001-"+digits, azureResource+digits
	w.ids = strings.NewReplacer("MACHINE", machine, "IDENTITY", resource, "SERVER", "00000000-0000-0000-0002-"+digits)
	w.entra = clouds.NewEntra(host, azureTestTenant, clouds.Application{
		ID: azureTestClient, Object: azureTestObject, Groups: []string{"ci"}, Secret: "made-up-client-secret", Certificate: pair.certificate,
		Federated: []clouds.Federation{{Issuer: w.job, Subject: azureSubject, Audience: audience}},
	}, clouds.Application{ID: machine, Object: azureTestObject, Groups: []string{"ci"}, Machine: true, Resource: resource})
	w.Serve(host, w.entra)
	w.Serve(clouds.IMDS, w.entra)
	w.runner = plugin.Runner{
		Getenv: func(name string) string { return w.env[name] },
		ReadFile: func(path string) ([]byte, error) {
			if text, ok := w.files[path]; ok {
				return []byte(text), nil
			}
			return nil, errors.New("no such file or directory")
		},
		IDToken: func(_ context.Context, audience string) (secret.Value, error) {
			return secret.New(w.job.Token(map[string]any{"sub": azureSubject}, audience)), nil
		},
		HTTP: w.Client(t),
	}
	return w
}

// offering has no token of the job where the runner sets no variables for one.
func offering(r plugin.Runner) plugin.Runner {
	if r.Getenv("ACTIONS_ID_TOKEN_REQUEST_URL") == "" || r.Getenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN") == "" {
		r.IDToken = nil
	}
	return r
}

func azureStanza(args ...string) plugin.Stanza {
	return plugin.Stanza{
		Program: "kubelogin", Args: append([]string{"get-token", "--server-id", aksServer}, args...),
		Server: &url.URL{Scheme: "https", Host: "shop-dns-0a1b2c3d.hcp.westeurope.azmk8s.io:443"},
		ReadFile: func(field, path string) ([]byte, error) {
			return nil, problem.Newf(problem.Source, "read its "+field, "%s is not for kubeconfigs", path).Hint(plugin.CheckLogin)
		},
	}
}

func TestAKS(t *testing.T) {
	t.Parallel()
	const (
		secret    = "secret " + azureTestClient
		federated = "federated " + azureTestClient
		byCert    = "certificate " + azureTestClient
		machine   = "machine MACHINE"
		azNote    = "the login of az is not visible here: AZURE_CLIENT_ID logs in"
	)
	github := "ACTIONS_ID_TOKEN_REQUEST_URL=u ACTIONS_ID_TOKEN_REQUEST_TOKEN=t "
	ids := "AZURE_CLIENT_ID=" + azureTestClient + " AZURE_TENANT_ID=" + azureTestTenant + " "
	both := []string{"--client-id", azureTestClient, "--tenant-id", azureTestTenant}
	spn := append([]string{"--login", "spn"}, both...)
	for name, c := range map[string]struct {
		env     string // of the runner
		args    []string
		exec    map[string]string // the stanza's own env
		file    string            // what the runner's /f holds
		mine    string            // what the kubeconfig's /f holds
		notes   []string
		unusual string
		want    string
	}{
		"secret":                        {args: append(spn, "--client-secret", "made-up-client-secret"), want: secret},
		"flags with =, and short":       {args: []string{"-l=spn", "--client-id=" + azureTestClient, "-t", azureTestTenant, "-e", "azurepubliccloud", "--client-secret=made-up-client-secret"}, want: secret},
		"what is harmless":              {args: append(spn, "--client-secret", "made-up-client-secret", "--cache-dir", "/c", "--token-cache-dir=/c", "--timeout", "5s", "--disable-instance-discovery", "--v", "9", "--legacy=false"), want: secret},
		"secret of the environment":     {args: append(spn, "--client-secret", "old"), env: "AZURE_CLIENT_SECRET=made-up-client-secret", want: secret},
		"older name":                    {args: append(spn, "--client-secret", "old"), env: "AAD_SERVICE_PRINCIPAL_CLIENT_SECRET=made-up-client-secret", want: secret},
		"newer name first":              {args: spn, env: "AZURE_CLIENT_SECRET=made-up-client-secret AAD_SERVICE_PRINCIPAL_CLIENT_SECRET=old", want: secret},
		"environment before flags":      {args: []string{"-l", "spn", "--client-id", azurePeople, "-t", "old.example"}, env: ids + "AZURE_CLIENT_SECRET=made-up-client-secret", want: secret},
		"environment does not count":    {args: append(spn, "--client-secret", "made-up-client-secret", "--disable-environment-override"), env: "AZURE_CLIENT_SECRET=old AZURE_CLIENT_ID=x AAD_LOGIN_METHOD=msi", want: secret},
		"names of Terraform":            {args: []string{"-l", "spn", "--use-azurerm-env-vars"}, env: "ARM_CLIENT_ID=" + azureTestClient + " ARM_TENANT_ID=" + azureTestTenant + " ARM_CLIENT_SECRET=made-up-client-secret AZURE_CLIENT_SECRET=old", want: secret},
		"workloadidentity goes before":  {args: []string{"-l", "workloadidentity", "--use-azurerm-env-vars"}, env: github + "AZURE_CLIENT_ID=" + azureTestClient + " ARM_CLIENT_ID=" + azurePeople + " ARM_TENANT_ID=" + azureTestTenant, want: federated},
		"stanza's own env":              {args: []string{"-l", "spn"}, exec: map[string]string{"AZURE_CLIENT_ID": azureTestClient, "AZURE_TENANT_ID": azureTestTenant, "AZURE_CLIENT_SECRET": "made-up-client-secret"}, env: "AZURE_CLIENT_SECRET=old", want: secret},
		"mode of the environment":       {args: []string{"-l", "devicecode", "--client-id", azurePeople, "-t", azureTestTenant}, env: ids + github + "AAD_LOGIN_METHOD=workloadidentity", want: federated},
		"certificate":                   {args: append(spn, "--client-certificate", "/f"), mine: "pem", want: byCert},
		"certificate before secret":     {args: append(spn, "--client-secret", "old"), env: "AZURE_CLIENT_CERTIFICATE_PATH=/f", file: "pem", want: byCert},
		"PEM with a password":           {args: append(spn, "--client-certificate-password", "p"), env: "AZURE_CLIENT_CERTIFICATE_PATH=/f", file: "pem", want: byCert},
		"path of the stanza's env":      {args: append(spn, "--client-secret", "made-up-client-secret"), exec: map[string]string{"AZURE_CLIENT_CERTIFICATE_PATH": "/f", "AZURE_AUTHORITY_HOST": "https://evil.example/"}, file: "pem", notes: []string{"AZURE_AUTHORITY_HOST in the kubeconfig has no effect here", "AZURE_CLIENT_CERTIFICATE_PATH in the kubeconfig has no effect here"}, want: secret},
		"workloadidentity on GitHub":    {args: []string{"-l", "workloadidentity"}, env: ids + github, want: federated},
		"GitHub before a file":          {args: []string{"-l", "workloadidentity"}, env: ids + github + "AZURE_FEDERATED_TOKEN_FILE=/f", file: "not read", want: federated},
		"token file":                    {args: []string{"-l", "workloadidentity"}, env: ids + "AZURE_FEDERATED_TOKEN_FILE=/f", file: "jwt", want: federated},
		"token file of the kubeconfig":  {args: append(both, "-l", "workloadidentity", "--federated-token-file", "/f"), mine: "jwt", want: federated},
		"host as AKS sets it":           {args: []string{"-l", "workloadidentity"}, env: ids + "AZURE_FEDERATED_TOKEN_FILE=/f AZURE_AUTHORITY_HOST=https://login.microsoftonline.com/", file: "jwt", want: federated},
		"host of the flag":              {args: append(spn, "--authority-host", "https://login.microsoftonline.com", "--client-secret", "made-up-client-secret"), want: secret},
		"azurecli on GitHub":            {args: []string{"-l", "azurecli", "--subscription", "s"}, env: ids + github, notes: []string{azNote, "--subscription in the kubeconfig has no effect here"}, want: federated},
		"azurecli with a tenant":        {args: []string{"-l", "azurecli", "-t", azureTestTenant}, env: github + "AZURE_CLIENT_ID=" + azureTestClient, notes: []string{azNote}, want: federated},
		"azurecli with a secret":        {args: []string{"-l", "azurecli", "--client-id", azurePeople}, env: ids + "AZURE_CLIENT_SECRET=made-up-client-secret", notes: []string{azNote}, want: secret},
		"azurecli with a certificate":   {args: []string{"-l", "azurecli", "--disable-environment-override"}, env: ids + "AZURE_CLIENT_CERTIFICATE_PATH=/f AZURE_CLIENT_SECRET=old", file: "pem", notes: []string{azNote}, want: byCert},
		"machine":                       {args: []string{"-l", "msi", "--server-id", "SERVER"}, unusual: "a token for another application than AKS", want: machine},
		"machine, by client id":         {args: []string{"-l", "msi", "--client-id", "MACHINE"}, want: machine},
		"machine, by resource":          {args: []string{"-l", "msi", "--identity-resource-id", "IDENTITY"}, want: machine},
		"another application's cluster": {args: append(spn, "--server-id", "00000000-0000-0000-0000-00000000000f", "--client-secret", "made-up-client-secret"), unusual: "a token for another application than AKS", want: secret},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newAzureWorld(t, "login.microsoftonline.com", "api://AzureADTokenExchange")
			content := func(kind string) string {
				return map[string]string{"pem": w.pem, "jwt": w.job.Token(map[string]any{"sub": azureSubject}, "api://AzureADTokenExchange") + "\n"}[kind]
			}
			for pair := range strings.FieldsSeq(c.env) {
				name, value, _ := strings.Cut(pair, "=")
				w.env[name] = value
			}
			w.files["/f"] = content(c.file)
			s := azureStanza(strings.Split(w.ids.Replace(strings.Join(c.args, " ")), " ")...)
			s.Env = c.exec
			if c.mine != "" {
				s.ReadFile = func(_, _ string) ([]byte, error) { return []byte(content(c.mine)), nil }
			}
			login, err := cloud.For(s, offering(w.runner))
			if err != nil {
				t.Fatal(err)
			}
			if asked := w.Asked(); len(asked) > 0 {
				t.Error("asked before a token was wanted:", asked)
			}
			bearer, until, err := login.Token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{w.ids.Replace(c.want)}, w.entra.Grants()); diff != "" {
				t.Error(diff)
			}
			if c.unusual == "" {
				if user, groups, err := w.entra.Verify(bearer.Reveal()); err != nil || user != azureTestObject || len(groups) != 1 {
					t.Error(user, groups, err)
				}
			}
			if left := time.Until(until); left < 59*time.Minute || left > time.Hour {
				t.Error("expires in", left)
			}
			got := *login
			got.Token = nil
			want := plugin.Login{Cloud: "AKS", Servers: []string{".azmk8s.io"}, Notes: c.notes, Unusual: c.unusual, Secrets: []string{
				"ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "IDENTITY_HEADER", "MSI_SECRET",
				"AZURE_CLIENT_SECRET", "AAD_SERVICE_PRINCIPAL_CLIENT_SECRET",
				"ARM_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH", "AAD_SERVICE_PRINCIPAL_CLIENT_CERTIFICATE", "ARM_CLIENT_CERTIFICATE_PATH",
				"AZURE_CLIENT_CERTIFICATE_PASSWORD", "AAD_SERVICE_PRINCIPAL_CLIENT_CERTIFICATE_PASSWORD", "ARM_CLIENT_CERTIFICATE_PASSWORD",
				"AZURE_FEDERATED_TOKEN_FILE",
			}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if asked := len(w.Asked()); asked > 2 || len(w.Refused()) > 0 {
				t.Error(w.Asked())
			}
		})
	}
}

func TestAKSInEveryCloud(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ host, audience, servers, server, args, env string }{
		"government, by name":   {"login.microsoftonline.us", "api://AzureADTokenExchangeUSGov", ".cx.aks.containerservice.azure.us", "a.hcp.x.azmk8s.io", "--environment AzureUSGovernmentCloud", ""},
		"government, by host":   {"login.microsoftonline.us", "api://AzureADTokenExchangeUSGov", ".cx.aks.containerservice.azure.us", "a.hcp.x.azmk8s.io", "", "https://login.microsoftonline.us/"},
		"government, by server": {"login.microsoftonline.us", "api://AzureADTokenExchangeUSGov", ".cx.aks.containerservice.azure.us", "a.hcp.usgovvirginia.cx.aks.containerservice.azure.us", "", ""},
		"China, by name":        {"login.chinacloudapi.cn", "api://AzureADTokenExchangeChina", ".cx.prod.service.azk8s.cn", "a.hcp.x.azmk8s.io", "-e AzureChinaCloud", ""},
		"China, by server":      {"login.chinacloudapi.cn", "api://AzureADTokenExchangeChina", ".cx.prod.service.azk8s.cn", "a.privatelink.chinaeast2.cx.prod.service.azk8s.cn", "", ""},
		"by nothing":            {"login.microsoftonline.com", "api://AzureADTokenExchange", ".azmk8s.io", "10.0.0.1", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newAzureWorld(t, c.host, c.audience)
			w.env = map[string]string{
				"ACTIONS_ID_TOKEN_REQUEST_URL": "u", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t", "AZURE_AUTHORITY_HOST": c.env,
				"AZURE_CLIENT_ID": azureTestClient, "AZURE_TENANT_ID": azureTestTenant,
			}
			s := azureStanza(append(strings.Fields(c.args), "-l", "workloadidentity")...)
			s.Server.Host = c.server + ":443"
			login, err := cloud.For(s, offering(w.runner))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{c.servers}, login.Servers); diff != "" {
				t.Error(diff)
			}
			if _, _, err := login.Token(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAKSServers(t *testing.T) {
	t.Parallel()
	login, err := cloud.For(azureStanza("-l", "msi"), plugin.Runner{Getenv: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{
		"shop-dns-0a1b2c3d.hcp.westeurope.azmk8s.io":                true,
		"shop-dns-0a1b2c3d.privatelink.westeurope.azmk8s.io":        true,
		"SHOP.hcp.westeurope.AZMK8S.io.":                            true,
		"azmk8s.io.evil.example":                                    false,
		"evilazmk8s.io":                                             false,
		"shop.westeurope.cloudapp.azure.com":                        false,
		"shop.hcp.usgovvirginia.cx.aks.containerservice.azure.us":   false, // of another cloud than the token
		"shop.hcp.westeurope.azmk8s.io.cx.aks.containerservice.azu": false,
	} {
		if got := login.Serves(host); got != want {
			t.Errorf("%s: %v", host, got)
		}
	}
}

// said is the whole of an error, and that it is of the right kind.
func azureSaid(t *testing.T, err error) string {
	t.Helper()
	var p *problem.Error
	if !errors.As(err, &p) || p.Code != problem.Source {
		t.Fatalf("no error of the source: %v", err)
	}
	return clouds.ShowError(t, p.Error(), p.Hints, plugin.CheckLogin)
}

const (
	azureWays = "\nset AZURE_CLIENT_ID and AZURE_TENANT_ID in this step's env: azure/login exports nothing\nGitHub: the job needs `permissions: id-token: write`\n" +
		"elsewhere: write the job's OIDC token into a file, and set AZURE_FEDERATED_TOKEN_FILE to its path"
	azureConvert = "\nin an earlier step: `kubelogin convert-kubeconfig -l workloadidentity`; or set AAD_LOGIN_METHOD=workloadidentity here"
)

func TestAKSRefuses(t *testing.T) {
	const start = "serve it in-process: "
	ids := "AZURE_CLIENT_ID=" + azureTestClient + " AZURE_TENANT_ID=" + azureTestTenant + " "
	for name, c := range map[string]struct {
		env  string
		args string // without --server-id
		want string
	}{
		"no mode":     {"", "", "kubelogin's login mode devicecode needs a person to type a code" + azureConvert + azureWays},
		"interactive": {"", "-l interactive --redirect-url http://localhost --login-hint sesame", "kubelogin's login mode interactive needs a person at a browser" + azureConvert + azureWays},
		"ropc":        {"", "-l ropc --username sesame --password sesame", "kubelogin's login mode ropc needs a person's password" + azureConvert + azureWays},
		"azd":         {"", "-l azd", "kubelogin's login mode azd needs azd's own login, which is not visible here" + azureConvert + azureWays},
		"azurepipelines": {"", "-l azurepipelines --azure-pipelines-service-connection-id sesame", "kubelogin's login mode azurepipelines needs a service connection of Azure Pipelines, which is not visible here" + azureConvert +
			"\n" + strings.Join(program.For("azurepipelines", nil).Hints(), "\n") + azureWays},
		"unknown mode":             {"", "-l other", "kubelogin's login mode other has no counterpart here" + azureConvert + azureWays},
		"unreadable mode":          {"", "-l ::sesame::", "kubelogin's login mode cannot be read" + azureConvert + azureWays},
		"unknown flag":             {"", "-l spn --kubeconfig sesame", "kubelogin's argument --kubeconfig has no counterpart here\ntake --kubeconfig out of the kubeconfig, or put a token into it in an earlier step"},
		"proof of possession":      {"", "-l spn --pop-enabled --pop-claims u=sesame", "kubelogin's argument --pop-enabled asks for a token that is bound to a key, which is not served here\nAzure Arc: use a kubeconfig of the cluster itself"},
		"legacy":                   {"", "-l spn --legacy", "--legacy is AKS's old Entra integration, which no cluster has any more\nwrite the kubeconfig again: `az aks get-credentials`"},
		"another command":          {"", "sesame", "kubelogin is not asked for get-token alone"},
		"no server id":             {"", "-l spn --server-id=", "the application that the token is for (--server-id) is missing, or is not a GUID"},
		"server id, not a GUID":    {"", "-l spn --server-id=https://sesame", "the application that the token is for (--server-id) is missing, or is not a GUID"},
		"unknown cloud":            {"", "-l spn -e sesame", "the cloud that --environment names has no counterpart here\nknown are AzurePublicCloud, AzureUSGovernmentCloud and AzureChinaCloud"},
		"own host":                 {"", "-l spn --authority-host https://sesame.example/", "--authority-host is not a host of Entra"},
		"host of a like name":      {"", "-l spn --authority-host https://login.microsoftonline.com.sesame.example/", "--authority-host is not a host of Entra"},
		"host with a path":         {"", "-l spn --authority-host https://login.microsoftonline.com/sesame/", "--authority-host is not a host of Entra"},
		"own host, runner's":       {"AZURE_AUTHORITY_HOST=https://sesame.example/", "-l workloadidentity", "AZURE_AUTHORITY_HOST is not a host of Entra"},
		"two clouds":               {"", "-l spn -e AzureChinaCloud --authority-host https://login.microsoftonline.com/", "--authority-host is not the host of the cloud that --environment names"},
		"two clouds, runner's":     {ids + "AZURE_AUTHORITY_HOST=https://login.microsoftonline.us/", "-l azurecli -e AzurePublicCloud", "AZURE_AUTHORITY_HOST is not the host of the cloud that --environment names"},
		"client, not a GUID":       {"", "-l spn --client-id sesame -t a.example", "the client id is not a GUID"},
		"tenant with a path":       {"AZURE_TENANT_ID=../sesame", "-l spn --client-id " + azureTestClient, "the tenant id is neither a GUID nor a domain"},
		"tenant of everybody":      {"", "-l spn -t common --client-id " + azureTestClient, "the tenant id is neither a GUID nor a domain"},
		"spn without a tenant":     {"", "-l spn --client-id " + azureTestClient, "kubelogin's login mode spn finds no client id or no tenant id" + azureWays},
		"spn without a secret":     {ids, "-l spn", "kubelogin's login mode spn finds neither a client secret nor a client certificate\nset AZURE_CLIENT_SECRET or AZURE_CLIENT_CERTIFICATE_PATH in this step's env\nwithout a secret: `kubelogin convert-kubeconfig -l workloadidentity`"},
		"no client id":             {"", "-l workloadidentity", "kubelogin's login mode workloadidentity finds no client id or no tenant id" + azureWays},
		"no OIDC token":            {ids + "ACTIONS_ID_TOKEN_REQUEST_URL=u", "-l workloadidentity", "kubelogin's login mode workloadidentity finds neither an OIDC token of the job nor a token file" + azureWays},
		"azurecli alone":           {"", "-l azurecli", "kubelogin's login mode azurecli finds no client id or no tenant id" + azureWays},
		"azurecli, people's id":    {"", "-l azurecli --client-id " + azurePeople + " -t a.example", "kubelogin's login mode azurecli finds no client id or no tenant id" + azureWays},
		"azurecli, no OIDC token":  {ids, "-l azurecli --federated-token-file /sesame --client-secret sesame --client-certificate sesame", "kubelogin's login mode azurecli finds neither an OIDC token of the job nor a token file" + azureWays},
		"identity, not a resource": {"", "-l msi --identity-resource-id sesame", "the value of --identity-resource-id is not the id of a managed identity"},
	} {
		t.Run(name, func(t *testing.T) {
			env := map[string]string{}
			for pair := range strings.FieldsSeq(c.env) {
				name, value, _ := strings.Cut(pair, "=")
				env[name] = value
			}
			s := azureStanza(strings.Fields(c.args)...)
			// Nothing else of the runner may be touched.
			_, err := cloud.For(s, offering(plugin.Runner{Getenv: func(name string) string { return env[name] }, IDToken: func(context.Context, string) (secret.Value, error) {
				t.Error("the job's token was asked for")
				return secret.Value{}, nil
			}}))
			got := azureSaid(t, err)
			if diff := cmp.Diff(start+c.want, got); diff != "" {
				t.Error(diff)
			}
			if strings.Contains(got, "sesame") {
				t.Error("a value is in the error")
			}
		})
	}
}

func TestAKSSaysWhyThereIsNoToken(t *testing.T) {
	t.Parallel()
	const (
		ask       = "ask Entra for a token: "
		machine   = "ask the machine for the token of a managed identity: "
		assigned  = "\nthis needs a machine of Azure that the identity is assigned to, which GitHub's own runners are not"
		federated = "\nthe application needs a federated credential with the issuer, the subject and the audience of this job"
		noCert    = "prepare a login with Entra: the client certificate is not PEM or PFX with its RSA key, or the password is wrong\n" +
			"PEM is best: a PFX can be read only if it was made with `openssl pkcs12 -export -legacy`"
		unregistered = "HTTP status 401: AADSTS700027: The certificate with identifier used to sign the client assertion is not registered on application. [Reason - The key was not found.]"
	)
	id := "--client-id " + azureTestClient
	home := id + " -t " + azureTestTenant + " "
	for name, c := range map[string]struct {
		args string
		env  map[string]string
		set  func(*azureWorld)
		want string
	}{
		"wrong secret": {
			"-l spn --client-secret sesame " + home, nil, nil,
			ask + "HTTP status 401: AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '" + azureTestClient + "'.",
		},
		"repeated secret": {
			"-l spn --client-secret sesame " + home, nil, func(w *azureWorld) { w.entra.Echo() },
			ask + "HTTP status 401: AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '" + azureTestClient + "'. Sent: [token]",
		},
		"unknown application": {
			"-l spn --client-secret sesame --client-id " + azurePeople + " -t " + azureTestTenant, nil, nil,
			ask + "HTTP status 400: AADSTS700016: Application with identifier '" + azurePeople + "' was not found in the directory '" + azureTestTenant + "'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.",
		},
		"unknown tenant": {
			"-l spn --client-secret sesame -t shop.example " + id, nil, nil,
			ask + "HTTP status 400: AADSTS90002: Tenant 'shop.example' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.",
		},
		"another job": {"-l workloadidentity " + home, map[string]string{"AZURE_FEDERATED_TOKEN_FILE": "/f"}, func(w *azureWorld) {
			w.entra.Echo()
			w.files["/f"] = w.job.Token(map[string]any{"sub": "repo:octo/fork:pull_request"}, "api://AzureADTokenExchange")
		}, ask + "HTTP status 400: AADSTS70021: No matching federated identity record found for presented assertion. Assertion Issuer: 'https://token.actions.githubusercontent.com'. Assertion Subject: 'repo:octo/fork:pull_request'. Assertion Audience: 'api://AzureADTokenExchange'. https://learn.microsoft.com/entra/workload-id/workload-identity-federation Sent: [token]" + federated},
		"no OIDC token after all": {"-l workloadidentity " + home, map[string]string{"ACTIONS_ID_TOKEN_REQUEST_URL": "u", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t"}, func(w *azureWorld) {
			w.runner.IDToken = func(context.Context, string) (secret.Value, error) { return secret.Value{}, errors.New("it is\naway") }
		}, "ask for the job's own OIDC token: it is away"},
		"no token file":          {"-l workloadidentity " + home, map[string]string{"AZURE_FEDERATED_TOKEN_FILE": "/none"}, nil, "read the file of AZURE_FEDERATED_TOKEN_FILE: no such file or directory"},
		"empty token file":       {"-l workloadidentity " + home, map[string]string{"AZURE_FEDERATED_TOKEN_FILE": "/f"}, func(w *azureWorld) { w.files["/f"] = "\n" }, "prepare a login with Entra: the OIDC token is empty\nsee whether the step that writes the token file has run"},
		"kubeconfig's own file":  {"-l workloadidentity --federated-token-file /etc/shadow " + home, nil, nil, "read its --federated-token-file: /etc/shadow is not for kubeconfigs"},
		"kubeconfig's own PEM":   {"-l spn --client-certificate /etc/shadow " + home, nil, nil, "read its --client-certificate: /etc/shadow is not for kubeconfigs"},
		"no certificate":         {"-l spn " + home, map[string]string{"AZURE_CLIENT_CERTIFICATE_PATH": "/f"}, func(w *azureWorld) { w.files["/f"] = "sesame" }, noCert},
		"PFX, wrong password":    {"-l spn --client-certificate-password wrong " + home, map[string]string{"AZURE_CLIENT_CERTIFICATE_PATH": "/f"}, func(w *azureWorld) { w.files["/f"] = azurePFX(t) }, noCert},
		"PFX of another":         {"-l spn --client-certificate-password sesame " + home, map[string]string{"AZURE_CLIENT_CERTIFICATE_PATH": "/f"}, func(w *azureWorld) { w.files["/f"] = azurePFX(t) }, ask + unregistered},
		"certificate of another": {"-l spn " + home, map[string]string{"AZURE_CLIENT_CERTIFICATE_PATH": "/f"}, func(w *azureWorld) { _, w.files["/f"], _ = newAzurePair() }, ask + unregistered},
		"no answer": {
			"-l spn --client-secret sesame " + home, nil, func(w *azureWorld) { w.entra.Down(9) },
			ask + "HTTP status 503: without a reason",
		},
		"not a token": {"-l spn --client-secret sesame " + home, nil, func(w *azureWorld) {
			w.Serve("login.microsoftonline.com", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"access_token":"sesame`)) }))
		}, ask + "the answer holds no token"},
		"no way": {"-l spn --client-secret sesame " + home, nil, func(w *azureWorld) {
			w.runner.HTTP = &http.Client{Transport: azureWire(func(*http.Request) (*http.Response, error) { return nil, errors.New("no route") })}
		}, ask + "Get \"https://login.microsoftonline.com/" + azureTestTenant + "/v2.0/.well-known/openid-configuration?\": no route"},
		"another machine": {"-l msi --client-id " + azurePeople, nil, nil, machine + "HTTP status 400: Identity not found" + assigned},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newAzureWorld(t, "login.microsoftonline.com", "api://AzureADTokenExchange")
			if w.env = c.env; c.set != nil {
				c.set(w)
			}
			login, err := cloud.For(azureStanza(strings.Fields(c.args)...), offering(w.runner))
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = login.Token(t.Context())
			got := azureSaid(t, err)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if strings.Contains(got, "sesame") || strings.Contains(got, "eyJ") {
				t.Error("a secret is in the error")
			}
		})
	}
}

func TestAKSTriesAgain(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t, "login.microsoftonline.com", "")
	w.entra.Down(2)
	login, err := cloud.For(azureStanza("-l", "spn", "--client-id", azureTestClient, "-t", azureTestTenant, "--client-secret", "made-up-client-secret"), offering(w.runner))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := login.Token(t.Context()); err != nil {
		t.Error(err)
	}
}

type azureWire func(*http.Request) (*http.Response, error)

func (f azureWire) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A runner outside of Azure drops what is sent to 169.254.169.254.
func TestMachineWithoutIdentityFailsSoon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		login, err := cloud.For(azureStanza("-l", "msi", "--identity-resource-id", azureResource+"-none"), plugin.Runner{
			Getenv: func(string) string { return "" },
			HTTP: &http.Client{Transport: azureWire(func(r *http.Request) (*http.Response, error) {
				<-r.Context().Done()
				return nil, r.Context().Err()
			})},
		})
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = login.Token(t.Context())
		const want = "ask the machine for the token of a managed identity: Get \"http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&"
		if got := azureSaid(t, err); !strings.HasPrefix(got, want) || !strings.Contains(got, "context deadline exceeded\nthis needs a machine of Azure") {
			t.Error(got)
		}
		if took := time.Since(start); took > 16*time.Second {
			t.Error("it took", took)
		}
	})
}

func TestAKSEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	w := newAzureWorld(t, "login.microsoftonline.com", "")
	w.runner.HTTP = &http.Client{Transport: azureWire(func(*http.Request) (*http.Response, error) {
		cancel()
		return nil, errors.New("sesame")
	})}
	login, err := cloud.For(azureStanza("-l", "msi", "--client-id", w.ids.Replace("MACHINE")), offering(w.runner))
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = login.Token(ctx)
	if got := azureSaid(t, err); !strings.HasPrefix(got, "ask the machine for the token of a managed identity: context canceled") {
		t.Error(got)
	}
}

// The fixtures were written by the tools.
func TestAKSFixtures(t *testing.T) {
	t.Parallel()
	for file, c := range map[string]struct{ host, audience, want, notes string }{
		"aks-kubelogin":           {"login.microsoftonline.com", "", "secret", ""},
		"aks-azurecli":            {"login.microsoftonline.com", "api://AzureADTokenExchange", "federated", "AZURE_CONFIG_DIR in the kubeconfig has no effect here, the login of az is not visible here: AZURE_CLIENT_ID logs in"},
		"aks-azurecli-government": {"login.microsoftonline.us", "api://AzureADTokenExchangeUSGov", "federated", "the login of az is not visible here: AZURE_CLIENT_ID logs in"},
		"aks-workloadidentity":    {"login.microsoftonline.com", "api://AzureADTokenExchange", "federated", ""},
		"aks-msi":                 {"login.microsoftonline.com", "", "machine", ""},
		"aks-spn-certificate":     {"login.microsoftonline.com", "", "certificate", ""},
		"aks-devicecode":          {"login.microsoftonline.com", "", "", ""},
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			config, err := clientcmd.LoadFromFile("../../../../testdata/kubeconfigs/" + file + ".yaml")
			if err != nil {
				t.Fatal(err)
			}
			user, s := config.AuthInfos["clusterUser_shop-rg_shop"], plugin.Stanza{}
			if s.Server, err = url.Parse(config.Clusters["shop"].Server); err != nil {
				t.Fatal(err)
			}
			s.Program, s.Args, s.Env = user.Exec.Command, user.Exec.Args, map[string]string{}
			for _, v := range user.Exec.Env {
				s.Env[v.Name] = v.Value
			}
			w := newAzureWorld(t, c.host, c.audience)
			who := azureTestClient
			w.env = map[string]string{
				"ACTIONS_ID_TOKEN_REQUEST_URL": "u", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t", "AZURE_CLIENT_ID": azureTestClient, "AZURE_TENANT_ID": azureTestTenant,
			}
			if c.want == "machine" {
				delete(w.env, "AZURE_CLIENT_ID") // it would go before the flag
				who = w.ids.Replace("MACHINE")
				s.Args[len(s.Args)-1] = who
			}
			s.ReadFile = func(_, path string) ([]byte, error) {
				if path != "/home/ci/sp.pem" {
					return nil, os.ErrNotExist
				}
				return []byte(w.pem), nil
			}
			login, err := cloud.For(s, offering(w.runner))
			if c.want == "" {
				if got := azureSaid(t, err); !strings.Contains(got, "login mode devicecode needs a person") {
					t.Error(got)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if notes := strings.Join(login.Notes, ", "); notes != c.notes || !login.Serves(s.Server.Hostname()) || login.Unusual != "" {
				t.Error(notes, login.Servers, login.Unusual)
			}
			bearer, _, err := login.Token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if user, _, err := w.entra.Verify(bearer.Reveal()); err != nil || user != azureTestObject {
				t.Error(user, err)
			}
			if diff := cmp.Diff([]string{c.want + " " + who}, w.entra.Grants()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// azurePFX is a certificate with its key and the password sesame, made for this test: openssl pkcs12 -export -legacy.
func azurePFX(t *testing.T) string {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(azurePFXText), ""))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

const azurePFXText = `
MIIF+QIBAzCCBb8GCSqGSIb3DQEHAaCCBbAEggWsMIIFqDCCAqcGCSqGSIb3DQEHBqCCApgwggKUAgEAMIICjQYJKoZIhvcNAQcBMBwGCiqGSI
b3DQEMAQYwDgQIc+DBh3eYujECAggAgIICYAi6UtRHH+CJH+69omkhJmuG+1RHgJWiKBRnnF4PmxXFU1d6FxYyMTtUIkZL07DGX1JXotzm5m7v
mBNhhu7xrXYTH15voXANhytfMi2z6K+NGkqcOy+6wM2N7BsBEdR/VbSg9+LNwCV2r3FHPDNVWPhmm2jyBSjClFGXqWZbrwQ36EUZ/BQPUhAjo2
pnPdBTfDGxeiY6eLIDbqQrqbXdNSZ/KxBgPapsxaD8+j391oQv5e1Tsge5SSKwCW7hLNfb7CLsdK0tWDE5akeUimuh3I7s5ZO2kYD0VKf/AIOX
YhhpqeFdKIcyqAPs1jXeoFj+mh9dN8zuV07wJPqNXCREieqDdp46tMRs36x59F6Nm35k2C7aI5I5ioFTGQuhWlFy90n4aAAcd2PLOJD0aIv1uG
y+vfi8nz9HELvqS3KpTcAUVinSfvUznybTUe8nSLwH0NhbDTBd812i0k3duqQh2Qrv7bWzKgNz5Einm8VEWY/FYM55msl7/BmfQbtRyA3vZMig
Zxfv4Sp/Yu6TFl1VqnbPlrsX1//9+xkA+SI0NozngnoHi6FVtVKjVIVl+va+xbnUfMHQH2+JxIxPE+r/KMwTYnsFmT5oSUtIBXhMSagq4c9LIh
yTQjAX+kAHNxzMuimtFc8QyhcLfSiyAb2vENJ7iLNk/+/eUjPVsLDEyRUUpxR+LpNwb+LG612yO2E+sE708wDrMAenew9OAB4w4Ee9PJ0cZgNd
Rw293HeRdu0//NsNLlU2DC750EkBPW7hACeDfr2ZWGcx4UMxPDeIkbbIB++IfrWNFgMaK5YGexMSMIIC+QYJKoZIhvcNAQcBoIIC6gSCAuYwgg
LiMIIC3gYLKoZIhvcNAQwKAQKgggKmMIICojAcBgoqhkiG9w0BDAEDMA4ECGaVdjxUFPWfAgIIAASCAoDOGM7TP8JCIg2ubSzIxfNtpAJJwAP5
bd3XI1uS4ESYJ73SPJ3luOQ9Z/Rj4MM3C9DqvqUcIXvnUHAkE2cGcyuZsnosVpTtr0ZFr5+LQKGgC7YvbSqYOeiyHu0K153DzD0Lfk9a8ztxpR
ZmyNau+tX5AaPOghF3jzcaFKwcrmWb41eBZ4jf06vuBMnzhp4xYQc7noySu7UuJao1GKtxLEESY44hURNIFrDweTDL+4n+ytEdeFx8DLtsnxZi
vENjje4xJ3m4JuYnFqvaEx2ZbJe0BOD0tL0B+TvLDWXpOwBG8twD/s+6I/6V1FJ75reuEOjAqDIc6igVPbkFqWK4D48NSoSUsnfX8HZjcy44Ij
HmPzGZQl/xmAdUkPiFB3Yjr27k3m5PEuUv8hkhIOdmtgkZXQrZEyYxsJ8FjnH6em3odAiZdzBy8xGpRoViWRa7OcOHms4RK+fepaFLmDKDQEcg
KipKpijIK3PFFsxc0Qs50LSOugaIuhupKawFzwTI+skZAorSW7O7rRen597wLHDSR8LoL34HReZdeedFa2KsLQmKpsmd6xVZhYTorjVQAyu8s0
MGcdT/KryhUiFz153oMX2YNixqNY4ks85MwoB1rhNNhYtBxoSpxHp24bxOdQzicKaP2PbbaLTVHbjlgMLz1frEE+Pgw5eqNGjBJoLyL1sZ/s3R
B9aBDjnlBpMOXfQJBobhq2avcnZAvPF1sImRHAO2Mo8hgYNb7Ullh5bdScMe5WuNnU+5NGe4Z1eTVcez+nmc5mVWUPlnG6IYyg6O2o9Li82VfK
XhhoC+57bpKMAv1tanswZUD8Nxj0Qlx+Ych8LQU6yfDYivTbV6ZRmgMSUwIwYJKoZIhvcNAQkVMRYEFJzxGenZv3wYk/dXAKRgrCbQqESuMDEw
ITAJBgUrDgMCGgUABBRFHzdRh1kHQ9B4NaQLryNEm7K+sAQIZv0/JobouuICAggA
`
