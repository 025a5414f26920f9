package sources

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kubemint/kubemint/internal/command"
	"github.com/kubemint/kubemint/test/clouds"
	"github.com/kubemint/kubemint/test/harness"
)

const (
	gkeAccount = "deployer@made-up-project.iam.gserviceaccount.com"
	gkeRunner  = "runner@made-up-project.iam.gserviceaccount.com"
	gkePool    = "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/ci/providers/ci"
	gkeSubject = "principal://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/ci/subject/repo:acme/shop:ref:refs/heads/main"
	idTokenURL = "https://run-actions-1-azure-eastus.actions.githubusercontent.com/1//idtoken/4711/0815"

	askGoogle   = "POST https://oauth2.googleapis.com/token"
	exchangeIt  = "POST https://sts.googleapis.com/v1/token"
	actAsGoogle = "POST https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/" + gkeAccount + ":generateAccessToken"
)

// gkeFixtures are the kubeconfigs that name the plugin, and whether they take what gcloud has: its access token, and whom
// it impersonates. Those that name the auth-provider are refused (internal/source, TestLoad_RemovedAuthProvider).
var gkeFixtures = map[string]struct{ adcOnly, impersonates, refused bool }{
	"gcloud.yaml":                            {},
	"gcloud-adc.yaml":                        {adcOnly: true},
	"gcloud-impersonate.yaml":                {impersonates: true},
	"gcloud-dns.yaml":                        {},
	"gcloud-fleet.yaml":                      {},
	"gcloud-auth-provider.yaml":              {refused: true},
	"get-gke-credentials.yaml":               {}, // has a token of its own: see ofATokenInTheKubeconfig
	"get-gke-credentials-auth-provider.yaml": {refused: true},
	"get-gke-credentials-dns.yaml":           {refused: true},
	"get-gke-credentials-gateway.yaml":       {refused: true},
}

// gkeJob is a job with a kubeconfig of GKE.
type gkeJob struct {
	*cloudJob
	google *clouds.Google
	github *clouds.Issuer
}

// gke makes the job in a person's shell: its kubeconfig lies where no pull request writes.
func (c *cloud) gke(t *testing.T, fixture string) *gkeJob {
	t.Helper()
	j := &gkeJob{cloudJob: c.job(t, fixture, nil), google: clouds.NewGoogle()}
	j.env, j.source = append(j.env, "HOME="+j.dir), filepath.Join(j.dir, "source")
	for _, host := range []string{"oauth2.googleapis.com", "sts.googleapis.com", "iamcredentials.googleapis.com"} {
		j.internet.Serve(host, j.google)
	}
	if strings.Contains(fixture, "fleet") || strings.Contains(fixture, "gateway") { // not the API server itself, nor under its path
		j.fronted(t, func(w http.ResponseWriter, r *http.Request, next http.Handler) { next.ServeHTTP(w, r) })
	}
	c.takes(j.google.Verify)
	return j
}

// key makes the job log in with the key of a service account.
func (j *gkeJob) key(t *testing.T, account string) {
	t.Helper()
	j.credential(t, j.google.ServiceAccountKey(t, account))
}

func (j *gkeJob) credential(t *testing.T, content []byte) {
	t.Helper()
	j.env = append(j.env, "GOOGLE_APPLICATION_CREDENTIALS="+j.file(t, "gha-creds.json", content))
}

// federated makes the job log in with a token of GitHub's issuer, which more says where to get, as the file that
// google-github-actions/auth writes.
func (j *gkeJob) federated(t *testing.T, source map[string]any, more map[string]any) {
	t.Helper()
	j.github = clouds.NewIssuer(t, j.internet, "https://token.actions.githubusercontent.com", clouds.GitHubClaims("acme/shop", "refs/heads/main"))
	j.google.Trust(gkePool, "urn:ietf:params:oauth:token-type:jwt", func(subject string) (string, error) {
		claims, err := j.github.Verify(subject, "https:"+gkePool)
		if err != nil {
			return "", err
		}
		return strings.TrimSuffix(gkeSubject, "repo:acme/shop:ref:refs/heads/main") + fmt.Sprint(claims["sub"]), nil
	})
	if source["url"] != nil {
		_, bearer, _ := strings.Cut(j.github.Env()[1], "=")
		source["headers"] = map[string]string{"Authorization": "Bearer " + bearer}
	} else {
		source["file"] = j.file(t, "id-token", []byte(j.github.Token(clouds.GitHubClaims("acme/shop", "refs/heads/main"), "https:"+gkePool)+"\n"))
	}
	file := map[string]any{
		"type": "external_account", "universe_domain": "googleapis.com", "audience": gkePool, "token_url": "https://sts.googleapis.com/v1/token",
		"subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "credential_source": source,
	}
	maps.Copy(file, more)
	content, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	j.credential(t, content)
}

// ofGitHub is the source of a subject token that google-github-actions/auth writes.
func ofGitHub() map[string]any {
	return map[string]any{
		"url":    idTokenURL + "?api-version=2.0&audience=https%3A" + strings.ReplaceAll(gkePool, "/", "%2F"),
		"format": map[string]string{"type": "json", "subject_token_field_name": "value"},
	}
}

var actingAs = map[string]any{
	"service_account_impersonation_url": "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/" + gkeAccount + ":generateAccessToken",
}

func loginToGKE(t *testing.T, c *cloud) (*cloudJob, string) {
	t.Helper()
	j := c.gke(t, "gcloud.yaml")
	j.federated(t, ofGitHub(), actingAs)
	j.google.Allow(gkeSubject, gkeAccount)
	return j.cloudJob, gkeAccount
}

func ofGKE(t *testing.T, c *cloud) {
	t.Helper()
	covers(t, gkeFixtures, "gcloud*.yaml", "get-gke-credentials*.yaml")
	for fixture, f := range gkeFixtures {
		if fixture == "get-gke-credentials.yaml" || f.refused {
			continue
		}
		t.Run(fixture+" with a service account's key", func(t *testing.T) {
			t.Parallel()
			j := c.gke(t, fixture)
			asks := []string{askGoogle}
			if f.impersonates {
				j.google.Allow(gkeRunner, gkeAccount)
				j.key(t, gkeRunner)
				asks = append(asks, actAsGoogle)
			} else {
				j.key(t, gkeAccount)
			}
			j.works(t, gkeAccount, asks...)
		})
		if f.adcOnly {
			continue
		}
		t.Run(fixture+" with an access token", func(t *testing.T) {
			t.Parallel()
			j := c.gke(t, fixture)
			who, asks := gkeAccount, []string(nil)
			if f.impersonates {
				j.google.Allow(gkeRunner, gkeAccount)
				who, asks = gkeRunner, []string{actAsGoogle}
			}
			token := j.google.Issue(who, clouds.CloudPlatform, clouds.UserinfoEmail)
			j.env = append(j.env, "CLOUDSDK_AUTH_ACCESS_TOKEN="+token)
			j.hides(t, j.works(t, gkeAccount, asks...), token)
		})
	}
	for name, tc := range map[string]struct {
		login func(t *testing.T, j *gkeJob)
		user  string
		asks  []string
	}{
		"GitHub's token": {
			func(t *testing.T, j *gkeJob) { t.Helper(); j.federated(t, ofGitHub(), nil) }, gkeSubject, []string{"GET " + idTokenURL, exchangeIt},
		},
		"GitHub's token, as a service account": {
			func(t *testing.T, j *gkeJob) {
				t.Helper()
				j.federated(t, ofGitHub(), actingAs)
				j.google.Allow(gkeSubject, gkeAccount)
			}, gkeAccount, []string{"GET " + idTokenURL, exchangeIt, actAsGoogle},
		},
		"a token in a file": {
			func(t *testing.T, j *gkeJob) { t.Helper(); j.federated(t, map[string]any{}, nil) }, gkeSubject, []string{exchangeIt},
		},
		"a metadata server": {
			func(t *testing.T, j *gkeJob) {
				t.Helper()
				j.google.Machine(gkeAccount)
				machine := httptest.NewServer(j.google) // which no proxy leads to, on loopback as on a machine of Google's
				t.Cleanup(machine.Close)
				j.env = append(j.env, "GCE_METADATA_HOST="+strings.TrimPrefix(machine.URL, "http://"))
			}, gkeAccount, nil,
		},
	} {
		t.Run("with "+name, func(t *testing.T) {
			t.Parallel()
			j := c.gke(t, "gcloud.yaml")
			tc.login(t, j)
			j.works(t, tc.user, tc.asks...)
		})
	}
	gkeRefusals(t, c)
	t.Run("a token that ends while a command runs", func(t *testing.T) {
		t.Parallel()
		gkeRenews(t, c)
	})
}

// works mints and revokes as that user of the cluster, and asks of Google for each what it says, no more.
func (j *gkeJob) works(t *testing.T, user string, asks ...string) (said string) {
	t.Helper()
	j.grants(t, user)
	said = j.mints(t)
	said += j.run(t, 0, nil, "revoke")
	harness.AssertSays(t, said, `^revoked: lease `+j.namespace+`/`)
	j.hides(t, said, "ya29.")
	var rest []string
	for _, asked := range j.internet.Asked() {
		if strings.Contains(asked, ".googleapis.com/v1/token") || !strings.Contains(asked, "connectgateway.") && !strings.HasPrefix(asked, "CONNECT ") {
			rest = append(rest, asked)
		}
	}
	if want := slices.Repeat(asks, 2); !slices.Equal(rest, want) || len(j.internet.Refused()) > 0 {
		t.Errorf("asked was %q, not %q; nobody serves %q", rest, want, j.internet.Refused())
	}
	return said
}

func gkeRefusals(t *testing.T, c *cloud) {
	t.Helper()
	for name, tc := range map[string]struct {
		fixture string
		login   func(t *testing.T, j *gkeJob)
		wanted  []string
	}{
		"an access token of nobody's": {
			"gcloud.yaml", func(_ *testing.T, j *gkeJob) {
				j.env = append(j.env, "CLOUDSDK_AUTH_ACCESS_TOKEN=ya29.made-up-token-of-nobody")
			}, notAccepted,
		},
		"a service account that may not be impersonated": {
			"gcloud-impersonate.yaml", func(t *testing.T, j *gkeJob) { t.Helper(); j.key(t, gkeRunner) },
			[]string{
				`^error: get a token of Google: iamcredentials\.googleapis\.com answers 403 PERMISSION_DENIED: Permission 'iam\.serviceAccounts\.getAccessToken' denied `,
				`^hint: let this identity impersonate the service account: roles/iam\.workloadIdentityUser `,
			},
		},
		"a pool that does not know the job": {
			"gcloud.yaml", func(t *testing.T, j *gkeJob) {
				t.Helper()
				j.federated(t, ofGitHub(), nil)
				j.google.Trust(gkePool, "urn:ietf:params:oauth:token-type:jwt", func(string) (string, error) {
					return "", errors.New("the given credential is rejected by the attribute condition")
				})
			},
			[]string{`^error: get a token of Google: sts\.googleapis\.com answers 400 invalid_grant: the given credential is rejected by the attribute condition$`},
		},
		"a program in the credential file": {
			"gcloud.yaml", func(t *testing.T, j *gkeJob) {
				t.Helper()
				j.credential(t, []byte(`{"type":"external_account","credential_source":{"executable":{"command":"touch `+j.dir+`/kubemint.ran"}}}`))
			},
			[]string{"^error: use the credential file of GOOGLE_APPLICATION_CREDENTIALS: its credential_source is `executable`, and kubemint runs no program$"},
		},
		"no credential": {
			"gcloud.yaml", func(_ *testing.T, j *gkeJob) { j.env = append(j.env, "GCE_METADATA_HOST=127.0.0.1:1") },
			[]string{
				`^error: find a credential for Google: there is no CLOUDSDK_AUTH_ACCESS_TOKEN, .*, and no metadata server of Google's$`,
				`^hint: GitHub: google-github-actions/auth in an earlier step, in a job with .id-token: write., sets GOOGLE_APPLICATION_CREDENTIALS$`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := c.gke(t, tc.fixture)
			tc.login(t, j)
			said := j.refused(t, tc.wanted...)
			j.hides(t, said, "ya29.")
			j.hides(t, said, "eyJ")
			if led := slices.Contains(j.internet.Asked(), "CONNECT 203.0.113.10:443"); led != slices.Equal(tc.wanted, notAccepted) {
				t.Errorf("asked was %q", j.internet.Asked())
			}
		})
	}
}

// renews is the program, as a process that renews a credential every two seconds.
func renews() {
	os.Exit(command.Main(context.Background(), command.Process{
		Args: os.Args, Environ: os.Environ(), Dir: ".", Streams: command.Streams{Stdin: http.NoBody, Stdout: os.Stdout, Stderr: os.Stderr}, ForTests: command.ForTests{RenewAfter: 2 * time.Second},
	}))
}

// gkeRenews is that kubemint exec goes on when the token of its own source has ended: it renews the credential, and
// revokes it, with tokens that it asks for meanwhile. Tokens end sooner for the API server than they say.
func gkeRenews(t *testing.T, c *cloud) {
	t.Helper()
	const life = 8 * time.Second
	j := &gkeJob{cloudJob: c.job(t, "gcloud.yaml", nil), google: clouds.NewGoogle()}
	j.internet.Serve("oauth2.googleapis.com", j.google)
	j.env = append(j.env, "HOME="+j.dir, "PATH="+os.Getenv("PATH"))
	j.google.Life(62 * time.Second) // the last minute is not used
	j.key(t, gkeAccount)
	var mu sync.Mutex
	seen := map[string]time.Time{}
	refused := 0
	c.takes(func(bearer string) (string, []string, error) {
		user, groups, err := j.google.Verify(bearer)
		if err != nil {
			return "", nil, err
		}
		mu.Lock()
		defer mu.Unlock()
		if seen[bearer].IsZero() {
			seen[bearer] = time.Now()
		}
		if time.Since(seen[bearer]) > life {
			refused++
			return "", nil, errors.New("it has ended")
		}
		return user, groups, nil
	})
	j.grants(t, gkeAccount)
	said := j.process(t, 0, "kubemint-test-renews", nil, "exec", "--", "sleep", "12")
	if strings.Contains(said, "not renewed") || refused > 0 {
		t.Errorf("%d requests with a token that had ended:\n%s", refused, said)
	}
	if len(seen) < 4 {
		t.Errorf("it has asked for %d tokens, in 12 s with one that it may use for 2 s", len(seen))
	}
	j.leases(t, 0)
}
