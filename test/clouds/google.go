package clouds

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	// CloudPlatform is the scope without which GKE takes no token.
	CloudPlatform = "https://www.googleapis.com/auth/cloud-platform"
	// UserinfoEmail is the scope with which GKE knows an account by its address. Else it is a number.
	UserinfoEmail = "https://www.googleapis.com/auth/userinfo.email"
	// GoogleNumber is the user's name of every account whose token has not that scope.
	GoogleNumber = "100000000000000000001"

	googleToken      = "https://oauth2.googleapis.com/token"
	googleExchange   = "urn:ietf:params:oauth:grant-type:token-exchange"
	googleAccessType = "urn:ietf:params:oauth:token-type:access_token"
)

// Google answers as oauth2.googleapis.com, sts.googleapis.com, iamcredentials.googleapis.com and the metadata server do, and
// knows whose each access token is. A test has to make everything it needs: keys, refresh tokens, trusted issuers and the
// right to impersonate.
type Google struct {
	mu      sync.Mutex
	keys    map[string]*rsa.PublicKey // of service accounts, by address
	refresh map[string]string         // refresh token to address
	trust   map[string]googleProvider // by audience
	may     map[[2]string]bool        // who, and the service account that may be impersonated
	issued  map[string]googleAccess
	machine string
	life    time.Duration
	fail    []googleFailure
	count   int
}

type googleProvider struct {
	tokenType string
	verify    func(subjectToken string) (principal string, err error)
}

type googleAccess struct {
	who    string
	scopes []string
	until  time.Time
}

type googleFailure struct {
	status int
	body   string
}

// NewGoogle makes one that nobody can get a token of yet.
func NewGoogle() *Google {
	return &Google{
		keys: map[string]*rsa.PublicKey{}, refresh: map[string]string{}, trust: map[string]googleProvider{}, may: map[[2]string]bool{},
		issued: map[string]googleAccess{}, life: time.Hour - time.Second,
	}
}

// ServiceAccountKey makes a key of a service account, and returns the file that the console would have one download.
func (g *Google) ServiceAccountKey(t testing.TB, address string) []byte {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.keys[address] = &key.PublicKey
	return googleDocument(map[string]any{
		"type": "service_account", "project_id": "made-up-project", "private_key_id": keyID, "client_email": address,
		"client_id": GoogleNumber, "private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"auth_uri": "https://accounts.google.com/o/oauth2/auth", "token_uri": googleToken, "universe_domain": "googleapis.com",
	})
}

// AuthorizedUser logs a person in, and returns what `gcloud auth application-default login` writes.
func (g *Google) AuthorizedUser(address string) []byte {
	return googleDocument(map[string]any{
		"type": "authorized_user", "client_id": "client.apps.googleusercontent.com", "client_secret": "client-secret",
		"refresh_token": g.refreshToken(address), "account": "", "universe_domain": "googleapis.com",
	})
}

// WorkforceUser logs a person of a workforce pool in, and returns what the same command writes then.
func (g *Google) WorkforceUser(principal string) []byte {
	return googleDocument(map[string]any{
		"type": "external_account_authorized_user", "audience": "//iam.googleapis.com/locations/global/workforcePools/p/providers/q",
		"client_id": "client.apps.googleusercontent.com", "client_secret": "client-secret",
		"refresh_token": g.refreshToken(principal), "token_url": "https://sts.googleapis.com/v1/oauthtoken",
	})
}

func (g *Google) refreshToken(who string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	made := fmt.Sprintf("1//made-up-refresh-token-%d", len(g.refresh))
	g.refresh[made] = who
	return made
}

// Trust has the workload identity provider of this audience, "//iam.googleapis.com/projects/…/providers/…", take subject
// tokens of a type. verify says whose one is, as a principal:// that GKE has for a user's name too.
func (g *Google) Trust(audience, tokenType string, verify func(subjectToken string) (principal string, err error)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.trust[audience] = googleProvider{tokenType, verify}
}

// Allow lets an account or a principal impersonate a service account.
func (g *Google) Allow(who, serviceAccount string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.may[[2]string{who, serviceAccount}] = true
}

// Machine makes it the metadata server of a machine that runs as this service account.
func (g *Google) Machine(address string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.machine = address
}

// Life has tokens from now on live for this long.
func (g *Google) Life(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.life = d
}

// FailNext has the next request answered with this, whatever it is. A body of JSON has to be given as the original's.
func (g *Google) FailNext(status int, body string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fail = append(g.fail, googleFailure{status, body})
}

// Issued is how many tokens have been given away.
func (g *Google) Issued() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.count
}

// Issue gives a token away, as an earlier step of a job has one.
func (g *Google) Issue(who string, scopes ...string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count++
	random := make([]byte, 24)
	_, _ = rand.Read(random) // never fails
	bearer := "ya29.made-up-" + hex.EncodeToString(random)
	g.issued[bearer] = googleAccess{who, scopes, time.Now().Add(g.life)}
	return bearer
}

// Verify says whose token it is, as GKE does: by the address, where the token has the scope for it.
func (g *Google) Verify(bearer string) (user string, groups []string, err error) {
	a, err := g.known(bearer)
	switch {
	case err != nil:
		return "", nil, err
	case strings.HasPrefix(a.who, "principal://"), slices.Contains(a.scopes, UserinfoEmail):
		return a.who, nil, nil
	}
	return GoogleNumber, nil, nil
}

// known is an access token that can be used for anything at all.
func (g *Google) known(bearer string) (googleAccess, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	a, ok := g.issued[bearer]
	switch {
	case !ok:
		return a, errors.New("not an access token of this Google's")
	case !time.Now().Before(a.until):
		return a, errors.New("an access token of Google that has expired")
	case !slices.Contains(a.scopes, CloudPlatform):
		return a, errors.New("an access token of Google without the scope cloud-platform")
	}
	return a, nil
}

func (g *Google) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	if len(g.fail) > 0 {
		next := g.fail[0]
		g.fail = g.fail[1:]
		g.mu.Unlock()
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(next.status)
		_, _ = io.WriteString(w, next.body)
		return
	}
	g.mu.Unlock()
	switch {
	case strings.HasPrefix(r.URL.Path, "/computeMetadata/"):
		g.metadata(w, r)
	case r.Host == "oauth2.googleapis.com" && r.URL.Path == "/token":
		g.oauth(w, r)
	case r.Host == "sts.googleapis.com" && r.URL.Path == "/v1/token":
		g.exchange(w, r)
	case r.Host == "sts.googleapis.com" && r.URL.Path == "/v1/oauthtoken":
		g.workforce(w, r)
	case r.Host == "iamcredentials.googleapis.com":
		g.impersonate(w, r)
	default:
		http.Error(w, "no such service: "+r.Host+r.URL.Path, http.StatusNotFound)
	}
}

// metadata is the server that a machine has: https://cloud.google.com/compute/docs/metadata/overview
func (g *Google) metadata(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	who := g.machine
	g.mu.Unlock()
	w.Header().Set("Metadata-Flavor", "Google")
	w.Header().Set("Server", "Metadata Server for VM")
	switch query := r.URL.Query(); {
	case r.Header.Get("Metadata-Flavor") != "Google":
		http.Error(w, "Missing required header \"Metadata-Flavor\": \"Google\"", http.StatusForbidden)
	case r.Method != http.MethodGet || who == "" || r.URL.Path != "/computeMetadata/v1/instance/service-accounts/default/token":
		http.Error(w, "not found", http.StatusNotFound)
	case len(query) != 1 || googleScopes(strings.ReplaceAll(query.Get("scopes"), ",", " ")) == nil:
		http.Error(w, "bad scopes", http.StatusBadRequest)
	default:
		g.give(w, who, strings.Split(query.Get("scopes"), ","), nil)
	}
}
