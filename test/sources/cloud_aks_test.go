package sources

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubemint/kubemint/test/clouds"
	"github.com/kubemint/kubemint/test/harness"
)

const (
	aksTenant = "00000000-0000-0000-0000-000000000002" // of the fixtures
	aksClient = "00000000-0000-0000-0000-000000000001"
	aksSecret = "made-up-client-secret"

	entraHost       = "login.microsoftonline.com"
	entraGovernment = "login.microsoftonline.us"
	forEntra        = "api://AzureADTokenExchange"
	githubSubject   = "repo:acme/shop:ref:refs/heads/main"
)

// aksJob is a job with a kubeconfig of AKS, and a tenant with one application.
type aksJob struct {
	*cloudJob
	entra  *clouds.Entra
	github *clouds.Issuer
	host   string // of Entra
}

// aks makes the job, and the application of the fixtures with what it may log in with. It is one of a person's shell, whose
// kubeconfig may name files.
func (c *cloud) aks(t *testing.T, fixture string, application clouds.Application) *aksJob {
	t.Helper()
	j := &aksJob{host: entraHost}
	audience := forEntra
	if strings.Contains(fixture, "government") {
		j.host, audience = entraGovernment, forEntra+"USGov"
	}
	j.cloudJob = c.job(t, fixture, func(config *api.Config) {
		for _, user := range config.AuthInfos {
			if user.Exec != nil {
				for i, arg := range user.Exec.Args {
					user.Exec.Args[i] = strings.Replace(arg, "/home/ci/", "", 1) // next to the kubeconfig
				}
			}
		}
	})
	j.github = clouds.NewIssuer(t, j.internet, "https://token.actions.githubusercontent.com", clouds.GitHubClaims("acme/shop", "refs/heads/main"))
	application.ID, application.Object = aksClient, "object-of-"+j.namespace
	for i := range application.Federated {
		application.Federated[i] = clouds.Federation{Issuer: j.github, Subject: githubSubject, Audience: audience}
	}
	j.entra = clouds.NewEntra(j.host, aksTenant, application)
	j.internet.Serve(j.host, j.entra)
	j.internet.Serve(clouds.IMDS, j.entra)
	j.env, j.source = append(j.env, "HOME="+j.dir), filepath.Join(j.dir, "source")
	c.takes(j.entra.Verify)
	return j
}

// user is who the application is in the cluster.
func (j *aksJob) user() string { return "object-of-" + j.namespace }

// federated is an application that a job's own token may stand for.
func federated() clouds.Application {
	return clouds.Application{Federated: make([]clouds.Federation, 1)}
}

// asItself names the application in the environment, as a kubeconfig for workload identity wants it.
func (j *aksJob) asItself() {
	j.env = append(j.env, "AZURE_CLIENT_ID="+aksClient, "AZURE_TENANT_ID="+aksTenant)
}

// mayAsk makes the job a step of GitHub that may ask for an ID token.
func (j *aksJob) mayAsk(t *testing.T) {
	t.Helper()
	j.onGitHub(t, t.TempDir())
	j.env = append(j.env, j.github.Env()...)
}

// tokenFile is the way of every other CI system.
func (j *aksJob) tokenFile(t *testing.T) {
	t.Helper()
	token := j.github.Token(clouds.GitHubClaims("acme/shop", "refs/heads/main"), forEntra)
	j.env = append(j.env, "AZURE_FEDERATED_TOKEN_FILE="+j.file(t, "id-token", []byte(token+"\n")))
}

func loginToAKS(t *testing.T, c *cloud) (*cloudJob, string) {
	t.Helper()
	j := c.aks(t, "aks-workloadidentity.yaml", federated())
	j.asItself()
	j.env = append(j.env, j.github.Env()...)
	return j.cloudJob, j.user()
}

func ofAKS(t *testing.T, c *cloud) {
	t.Helper()
	certificate, file := clientCertificate(t)
	const secret, cert, federation, machine = "secret", "certificate", "federated", "machine"
	fixtures := map[string][]struct {
		name        string
		application clouds.Application
		login       func(t *testing.T, j *aksJob)
		how         string
		asks        bool // the runner for an ID token
	}{
		"aks-kubelogin.yaml": {
			{"its own secret", clouds.Application{Secret: aksSecret}, func(*testing.T, *aksJob) {}, secret, false},
			{"the environment's secret", clouds.Application{Secret: "of-the-environment"}, func(_ *testing.T, j *aksJob) {
				j.env = append(j.env, "AZURE_CLIENT_SECRET=of-the-environment")
			}, secret, false},
		},
		"aks-spn-certificate.yaml": {{"its certificate", clouds.Application{Certificate: certificate}, func(t *testing.T, j *aksJob) {
			t.Helper()
			j.file(t, "sp.pem", file)
		}, cert, false}},
		"aks-workloadidentity.yaml": {
			{"GitHub's token", federated(), func(t *testing.T, j *aksJob) { t.Helper(); j.asItself(); j.mayAsk(t) }, federation, true},
			{"a token file", federated(), func(t *testing.T, j *aksJob) { t.Helper(); j.asItself(); j.tokenFile(t) }, federation, false},
		},
		"aks-azurecli.yaml": {
			{"GitHub's token", federated(), func(t *testing.T, j *aksJob) { t.Helper(); j.asItself(); j.mayAsk(t) }, federation, true},
			{"a token file", federated(), func(t *testing.T, j *aksJob) { t.Helper(); j.asItself(); j.tokenFile(t) }, federation, false},
		},
		"aks-azurecli-government.yaml": {
			{"GitHub's token", federated(), func(t *testing.T, j *aksJob) { t.Helper(); j.asItself(); j.mayAsk(t) }, federation, true},
		},
		"aks-azure-auth-provider.yaml": nil, // refused: kubectl has had no such auth-provider since 1.26
		"aks-devicecode.yaml": {
			{"another login mode", federated(), func(t *testing.T, j *aksJob) {
				t.Helper()
				j.asItself()
				j.mayAsk(t)
				j.env = append(j.env, "AAD_LOGIN_METHOD=workloadidentity")
			}, federation, true},
		},
		"aks-msi.yaml":   {{"the machine's identity", clouds.Application{Machine: true}, func(*testing.T, *aksJob) {}, machine, false}},
		"aks-admin.yaml": nil, // has a client certificate of its own
	}
	covers(t, fixtures, "aks*.yaml")
	for fixture, logins := range fixtures {
		for _, tc := range logins {
			t.Run(fixture+" with "+tc.name, func(t *testing.T) {
				t.Parallel()
				j := c.aks(t, fixture, tc.application)
				j.grants(t, j.user())
				tc.login(t, j)
				said := j.mints(t)
				said += j.run(t, 0, nil, "revoke")
				harness.AssertSays(t, said, `^revoked: lease `+j.namespace+`/`)
				if have, want := j.entra.Grants(), slices.Repeat([]string{tc.how + " " + aksClient}, 2); !slices.Equal(have, want) {
					t.Errorf("Entra gave %q, not %q", have, want)
				}
				j.hides(t, said, aksSecret)
				j.hides(t, said, "of-the-environment")
				j.hides(t, said, "eyJ")
				base := j.host + "/" + aksTenant
				asks := []string{"GET https://" + base + "/v2.0/.well-known/openid-configuration", "POST https://" + base + "/oauth2/v2.0/token"}
				switch {
				case tc.how == machine:
					asks = []string{"GET http://" + clouds.IMDS + "/metadata/identity/oauth2/token"}
				case tc.asks:
					asks = slices.Insert(asks, 0, "GET "+idTokenURL)
				}
				j.asked(t, asks...)
			})
		}
	}
	aksRefusals(t, c)
}

func aksRefusals(t *testing.T, c *cloud) {
	t.Helper()
	for name, tc := range map[string]struct {
		fixture     string
		application clouds.Application
		login       func(t *testing.T, j *aksJob)
		code        string
		wanted      []string
	}{
		"a wrong secret": {
			"aks-kubelogin.yaml",
			clouds.Application{Secret: "another"},
			func(_ *testing.T, j *aksJob) { j.entra.Echo() },
			"7000215",
			[]string{`^error: ask Entra for a token: HTTP status 401: AADSTS7000215: Invalid client secret provided\. .*$`},
		},
		"an application that does not know the job": {
			"aks-workloadidentity.yaml",
			clouds.Application{},
			func(t *testing.T, j *aksJob) {
				t.Helper()
				j.entra.Echo()
				j.asItself()
				j.mayAsk(t)
			},
			"70021",
			[]string{
				`^error: ask Entra for a token: HTTP status 400: AADSTS70021: No matching federated identity record found .*Assertion Subject: 'repo:acme/shop:ref:refs/heads/main'`,
				`^hint: the application needs a federated credential with the issuer, the subject and the audience of this job$`,
			},
		},
		"another tenant": {
			"aks-kubelogin.yaml",
			clouds.Application{Secret: aksSecret},
			func(_ *testing.T, j *aksJob) {
				j.env = append(j.env, "AZURE_TENANT_ID=99999999-0000-0000-0000-000000000002")
			},
			"90002",
			[]string{`^error: ask Entra for a token: HTTP status 400: AADSTS90002: Tenant '99999999-\S+' not found\.`},
		},
		"a certificate that is not registered": {
			"aks-spn-certificate.yaml",
			clouds.Application{},
			func(t *testing.T, j *aksJob) {
				t.Helper()
				_, file := clientCertificate(t)
				j.file(t, "sp.pem", file)
			},
			"700027",
			[]string{`^error: ask Entra for a token: HTTP status 401: AADSTS700027: `},
		},
		"a machine without the identity": {
			"aks-msi.yaml", clouds.Application{}, func(*testing.T, *aksJob) {}, "", []string{
				`^error: ask the machine for the token of a managed identity: HTTP status 400: Identity not found$`,
				`^hint: this needs a machine of Azure that the identity is assigned to, which GitHub's own runners are not$`,
			},
		},
		"a person's login": {
			"aks-devicecode.yaml", clouds.Application{}, func(*testing.T, *aksJob) {}, "", []string{
				`kubelogin's login mode devicecode needs a person to type a code$`, `^hint: in an earlier step: .kubelogin convert-kubeconfig -l workloadidentity.`,
			},
		},
		"no token of the job": {
			"aks-azurecli.yaml", federated(), func(_ *testing.T, j *aksJob) { j.asItself() }, "", []string{
				`kubelogin's login mode azurecli finds neither an OIDC token of the job nor a token file$`, "^hint: GitHub: the job needs `permissions: id-token: write`$",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := c.aks(t, tc.fixture, tc.application)
			tc.login(t, j)
			said := j.refused(t, tc.wanted...)
			j.hides(t, said, aksSecret)
			j.hides(t, said, "eyJ")
			if strings.Contains(said, "AADSTS") != (tc.code != "") || len(j.entra.Grants()) > 0 {
				t.Errorf("Entra gave %q:\n%s", j.entra.Grants(), said)
			}
			for _, asked := range j.internet.Asked() {
				if strings.HasPrefix(asked, "CONNECT ") {
					t.Errorf("asked was %s", asked)
				}
			}
		})
	}
	// A cluster does not accept a token that Entra gives for another application than AKS.
	t.Run("a token for another application", func(t *testing.T) {
		t.Parallel()
		const management = "797f4846-ba00-4fd7-ba43-dac1f8f63013"
		j := c.aks(t, "aks-kubelogin.yaml", clouds.Application{Secret: aksSecret})
		j.kubeconfig = bytes.ReplaceAll(j.kubeconfig, []byte(clouds.AKSServer), []byte(management))
		j.grants(t, j.user())
		j.refused(t, notAccepted...)
		// In the checkout it is not even asked for.
		j.env = append(j.env, "HOME=/nowhere")
		before := len(j.internet.Asked())
		j.refused(t, `a token for AKS would go to \S+`+byTheWorkspace)
		if asked := j.internet.Asked(); len(asked) > before {
			t.Errorf("asked was %q", asked[before:])
		}
	})
}

// clientCertificate makes one that Entra takes, and the file that holds it and its key.
func clientCertificate(t *testing.T) (*x509.Certificate, []byte) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ci"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, slices.Concat(
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
	)
}
