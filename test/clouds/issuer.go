package clouds

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Issuer is an OpenID issuer as a CI system is one: it signs ID tokens with RS256 and publishes its key. It listens on
// loopback, for API servers, and on its Internet under the host of its URL. It also plays GitHub's runner, which gives a
// step its token (see Env).
//
// Its documents have the paths of GitHub's: https://token.actions.githubusercontent.com/.well-known/openid-configuration.
type Issuer struct {
	url     string // the claim iss
	address string // https://127.0.0.1:PORT
	ca      []byte
	key     *rsa.PrivateKey
	bearer  string

	mu        sync.Mutex
	claims    map[string]any
	audiences []string
	refused   int
}

const (
	idTokenLife   = 5 * time.Minute // of GitHub's and of GitLab's default
	keyID         = "of-this-test"
	runnerHost    = "run-actions-1-azure-eastus.actions.githubusercontent.com"
	runnerPath    = "/1//idtoken/4711/0815" // as the runner's is: with an empty element
	discoveryPath = "/.well-known/openid-configuration"
	keysPath      = "/.well-known/jwks"
)

// NewIssuer makes one with a new key, which ends with the test. issuer is its URL, without a path:
// https://token.actions.githubusercontent.com. "" is its address on loopback, for API servers that look for its documents
// there and nowhere else. The runner's endpoint gives tokens with these claims: see GitHubClaims.
func NewIssuer(t testing.TB, internet *Internet, issuer string, claims map[string]any) *Issuer {
	t.Helper()
	u, err := url.Parse(issuer)
	hasForm := err == nil && u.Scheme == "https" && u.Path == ""
	if issuer != "" && !hasForm {
		t.Fatalf("issuer %q", issuer)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := internet.leaf("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	i := &Issuer{url: issuer, ca: internet.CA(), key: key, bearer: rand.Text(), claims: claims}
	server := httptest.NewUnstartedServer(i)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{*leaf}, MinVersion: tls.VersionTLS12}
	server.Config.ErrorLog = quiet()
	server.StartTLS()
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	i.address = server.URL
	if issuer == "" {
		i.url = i.address
	} else {
		internet.Serve(u.Host, i)
	}
	internet.Serve(runnerHost, i)
	return i
}

// Env are the variables of a step of GitHub Actions that has `id-token: write`.
func (i *Issuer) Env() []string {
	return []string{
		"ACTIONS_ID_TOKEN_REQUEST_URL=https://" + runnerHost + runnerPath + "?api-version=2.0",
		"ACTIONS_ID_TOKEN_REQUEST_TOKEN=" + i.bearer,
	}
}

// Audiences are those that tokens were asked for at the runner's endpoint, in order; "" where none was named.
func (i *Issuer) Audiences() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.audiences)
}

// Refused is how many requests came to the runner's endpoint without the right bearer.
func (i *Issuer) Refused() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.refused
}

// URL is the claim iss of its tokens.
func (i *Issuer) URL() string { return i.url }

// CA is the authority of its certificate on loopback, in PEM.
func (i *Issuer) CA() []byte { return i.ca }

// Claim changes the claims of the tokens that the runner's endpoint gives from now on.
func (i *Issuer) Claim(claims map[string]any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.claims = claims
}

// Token signs an ID token that lives five minutes. Claims that are given override the ones that are made here: iss, iat,
// nbf, exp, jti, and aud, which is text where there is one audience.
func (i *Issuer) Token(claims map[string]any, audiences ...string) string {
	now := time.Now()
	all := map[string]any{
		"iss": i.url, "iat": now.Unix(), "nbf": now.Add(-time.Minute).Unix(), "exp": now.Add(idTokenLife).Unix(), "jti": rand.Text(),
		"aud": audiences,
	}
	if len(audiences) == 1 {
		all["aud"] = audiences[0]
	}
	maps.Copy(all, claims)
	signed := jwtSegment(map[string]any{"alg": "RS256", "typ": "JWT", "kid": keyID}) + "." + jwtSegment(all)
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, i.key, crypto.SHA256, digest[:])
	if err != nil {
		panic(err) // a key of 2048 bits signs
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func jwtSegment(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // a test's claims are no channels
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// Verify checks a token of the job as a cloud does: signature, issuer, time and audience. It returns the claims.
func (i *Issuer) Verify(token, audience string) (map[string]any, error) {
	dot := max(strings.LastIndex(token, "."), 0)
	signed, encoded := token[:dot], strings.TrimPrefix(token[dot:], ".")
	signature, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return nil, fmt.Errorf("ID token: %w", err)
	}
	digest := sha256.Sum256([]byte(signed))
	if err := rsa.VerifyPKCS1v15(&i.key.PublicKey, crypto.SHA256, digest[:], signature); err != nil {
		return nil, fmt.Errorf("ID token: %w", err)
	}
	_, payload, _ := strings.Cut(signed, ".")
	text, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return nil, fmt.Errorf("ID token: %w", err)
	}
	var claims map[string]any
	if err := json.Unmarshal(text, &claims); err != nil {
		return nil, fmt.Errorf("ID token: %w", err)
	}
	until, _ := claims["exp"].(float64)
	several, _ := claims["aud"].([]any)
	switch {
	case claims["iss"] != i.url:
		return nil, fmt.Errorf("ID token: its issuer is %v", claims["iss"])
	case time.Now().After(time.Unix(int64(until), 0)):
		return nil, errors.New("ID token: it has expired")
	case claims["aud"] != audience && !slices.Contains(several, any(audience)):
		return nil, fmt.Errorf("ID token: its audience is %v", claims["aud"])
	}
	return claims, nil
}

// ServeHTTP is the issuer's documents, and the runner's endpoint.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch base := "https://" + r.Host; {
	case r.Method != http.MethodGet:
		http.Error(w, "GET", http.StatusMethodNotAllowed)
	case r.Host == runnerHost && r.URL.Path == runnerPath:
		i.run(w, r)
	case r.Host != runnerHost && r.URL.Path == discoveryPath:
		sendDocument(w, map[string]any{
			"issuer": i.url, "jwks_uri": base + keysPath, "id_token_signing_alg_values_supported": []string{"RS256"},
			"response_types_supported": []string{"id_token"}, "subject_types_supported": []string{"public"}, "scopes_supported": []string{"openid"},
		})
	case r.Host != runnerHost && r.URL.Path == keysPath:
		sendDocument(w, map[string]any{"keys": []any{map[string]any{
			"kty": "RSA", "alg": "RS256", "use": "sig", "kid": keyID,
			"n": base64.RawURLEncoding.EncodeToString(i.key.N.Bytes()),
			"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(i.key.E)).Bytes()),
		}}})
	default:
		http.NotFound(w, r)
	}
}

// run answers as the service behind the runner does, which actions/toolkit asks (packages/core/src/oidc-utils.ts). Without
// an audience it is the URL of the repository's owner.
func (i *Issuer) run(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	scheme, bearer, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch query := r.URL.Query(); {
	case !strings.EqualFold(scheme, "bearer") || bearer != i.bearer:
		i.refused++
		http.Error(w, `{"message":"Unauthorized"}`, http.StatusUnauthorized)
	case query.Get("api-version") != "2.0":
		http.Error(w, `{"message":"no api-version"}`, http.StatusBadRequest)
	default:
		audience := query.Get("audience")
		i.audiences = append(i.audiences, audience)
		if audience == "" {
			audience = fmt.Sprintf("https://github.com/%v", i.claims["repository_owner"])
		}
		token := i.Token(i.claims, audience)
		sendDocument(w, map[string]any{"count": len(token), "value": token})
	}
}

func sendDocument(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}

// Trust is that an API server takes an issuer's tokens: those for one of the audiences, as the user that is the prefix and
// the claim sub.
type Trust struct {
	Issuer    *Issuer
	Prefix    string
	Audiences []string
}

// Discover tells an API server, which is not on the Internet, where the issuer's documents are: it completes the field issuer of
// a JWTAuthenticator.
func (i *Issuer) Discover(issuer map[string]any) {
	issuer["certificateAuthority"] = string(i.ca)
	if i.url != i.address { // the API server refuses a discovery URL that is superfluous
		issuer["discoveryURL"] = i.address + discoveryPath
	}
}

// AuthenticationConfiguration is the content of the file of --authentication-config (JSON, which is YAML). The API server
// looks for the issuer's documents on loopback, since it is not on the Internet.
func AuthenticationConfiguration(trusts ...Trust) []byte {
	var jwt []any
	for _, trust := range trusts {
		issuer := map[string]any{"url": trust.Issuer.url, "audiences": trust.Audiences, "audienceMatchPolicy": "MatchAny"}
		trust.Issuer.Discover(issuer)
		username := map[string]any{"claim": "sub", "prefix": trust.Prefix}
		jwt = append(jwt, map[string]any{"issuer": issuer, "claimMappings": map[string]any{"username": username}})
	}
	text, err := json.Marshal(map[string]any{
		"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration", "jwt": jwt,
	})
	if err != nil {
		panic(err) // text marshals
	}
	return text
}
