package clouds

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// AKSServer is the application that AKS's API servers are to Entra: the audience of their tokens.
const AKSServer = "6dae42f8-4368-4678-94ff-3960e28e3630"

// Application is one of Entra, or a managed identity, with what it may log in with.
type Application struct {
	ID     string // client id
	Object string // id of its service principal: its user name in a cluster
	Groups []string

	Secret      string
	Certificate *x509.Certificate
	Federated   []Federation
	Machine     bool   // assigned to the machine
	Resource    string // of a managed identity: its resource id
}

// Federation is that an issuer's tokens stand for an application.
type Federation struct {
	Issuer            *Issuer
	Subject, Audience string
}

// Entra is one tenant of Microsoft Entra as its login host answers, and IMDS. Serve it under both hosts.
//
// Sources: https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow and
// https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token.
type Entra struct {
	Life time.Duration // of a token; an hour if zero

	host, tenant string
	applications []Application

	mu     sync.Mutex
	down   int
	echo   bool
	grants []string
	issued map[string]entraGrant
}

type entraGrant struct {
	application Application
	audience    string
	until       time.Time
}

// NewEntra makes a tenant, a GUID, on a login host: login.microsoftonline.com, login.microsoftonline.us or
// login.chinacloudapi.cn.
func NewEntra(host, tenant string, applications ...Application) *Entra {
	return &Entra{host: host, tenant: tenant, applications: applications, issued: map[string]entraGrant{}}
}

// Down has the next times requests for a token answered as by a gateway whose server is away.
func (e *Entra) Down(times int) { e.mu.Lock(); defer e.mu.Unlock(); e.down = times }

// Echo has errors repeat what they refuse, as some of Entra's do.
func (e *Entra) Echo() { e.mu.Lock(); defer e.mu.Unlock(); e.echo = true }

// Grants are how tokens were given, in order: secret, certificate, federated or machine, and for whom: "secret CLIENT-ID".
func (e *Entra) Grants() []string { e.mu.Lock(); defer e.mu.Unlock(); return slices.Clone(e.grants) }

// Verify checks a bearer as an AKS cluster of the tenant does: it accepts a token that was issued for AKS and has not
// expired. An application's user name is its object id.
func (e *Entra) Verify(bearer string) (user string, groups []string, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch g, known := e.issued[bearer]; {
	case !known:
		return "", nil, errors.New("entra: it has issued no such token")
	case g.audience != AKSServer:
		return "", nil, fmt.Errorf("entra: the token's audience is %s", g.audience)
	case !time.Now().Before(g.until):
		return "", nil, errors.New("entra: the token has expired")
	default:
		return g.application.Object, g.application.Groups, nil
	}
}

// entraError is an error as Entra answers it.
type entraError struct {
	status int
	kind   string
	code   int
	text   string
}

func entraRefuses(status int, kind string, code int, format string, args ...any) *entraError {
	return &entraError{status, kind, code, fmt.Sprintf(format, args...)}
}

func (r *entraError) write(w http.ResponseWriter) {
	const trace, correlation, at = "7d0a5a3c-0f4b-4b8e-9d2f-1b1e6a4b0200", "c0ffee00-1111-4222-8333-444455556666", "2026-01-02 03:04:05Z"
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(r.status)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"error": r.kind, "error_codes": []int{r.code}, "timestamp": at, "trace_id": trace, "correlation_id": correlation,
		"error_description": fmt.Sprintf("AADSTS%d: %s\r\nTrace ID: %s\r\nCorrelation ID: %s\r\nTimestamp: %s", r.code, r.text, trace, correlation, at),
		"error_uri":         fmt.Sprintf("https://login.microsoftonline.com/error?code=%d", r.code),
	})
}

// ServeHTTP is the login host and IMDS. It has no instance discovery: who knows the hosts of Entra needs none.
func (e *Entra) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	tenant, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	route := r.Method + " " + path
	switch {
	case r.Host == IMDS && r.TLS == nil && r.URL.Path == "/metadata/identity/oauth2/token":
		e.machine(w, r)
	case r.Host != e.host || r.TLS == nil || route != "GET v2.0/.well-known/openid-configuration" && route != "POST oauth2/v2.0/token":
		http.NotFound(w, r)
	case tenant != e.tenant:
		entraRefuses(http.StatusBadRequest, "invalid_tenant", 90002, "Tenant '%s' not found. Check to make sure you have the correct tenant ID "+
			"and are signing into the correct cloud.", tenant).write(w)
	case r.Method == http.MethodGet:
		base := "https://" + e.host + "/" + e.tenant
		entraSends(w, map[string]any{
			"issuer": base + "/v2.0", "authorization_endpoint": base + "/oauth2/v2.0/authorize", "token_endpoint": e.endpoint(),
			"jwks_uri": base + "/discovery/v2.0/keys", "tenant_region_scope": "EU", "cloud_instance_name": e.host,
		})
	case e.unavailable(w):
	default:
		e.token(w, r)
	}
}

func (e *Entra) endpoint() string { return "https://" + e.host + "/" + e.tenant + "/oauth2/v2.0/token" }

func (e *Entra) unavailable(w http.ResponseWriter) bool {
	if e.down == 0 {
		return false
	}
	e.down--
	http.Error(w, "<h2>Our services aren't available right now</h2>", http.StatusServiceUnavailable)
	return true
}

// entraParameters are those of the grant, and MSAL's client_info.
var entraParameters = []string{"grant_type", "client_id", "scope", "client_secret", "client_assertion", "client_assertion_type", "client_info"}

func (e *Entra) token(w http.ResponseWriter, r *http.Request) {
	how, resource, application, fault := e.grant(r)
	if fault != nil {
		if e.echo {
			fault.text += " Sent: " + r.PostForm.Get("client_secret") + r.PostForm.Get("client_assertion")
		}
		fault.write(w)
		return
	}
	bearer, until := e.issue(how, *application, resource)
	life := int(time.Until(until).Seconds())
	entraSends(w, map[string]any{"token_type": "Bearer", "expires_in": life, "ext_expires_in": life, "access_token": bearer})
}

// grant checks a request for a token.
func (e *Entra) grant(r *http.Request) (how, resource string, _ *Application, _ *entraError) {
	mediaType, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if err := r.ParseForm(); err != nil || mediaType != "application/x-www-form-urlencoded" || r.URL.RawQuery != "" {
		return "", "", nil, entraRefuses(http.StatusBadRequest, "invalid_request", 900144, "The request body must be a form.")
	}
	form := r.PostForm
	for name, values := range form {
		if !slices.Contains(entraParameters, name) || len(values) != 1 || values[0] == "" {
			return "", "", nil, entraRefuses(http.StatusBadRequest, "invalid_request", 90014, "The parameter '%s' is not expected here.", name)
		}
	}
	scopes := strings.Fields(form.Get("scope"))
	scopes = slices.DeleteFunc(scopes, func(s string) bool { return slices.Contains([]string{"openid", "profile", "offline_access"}, s) })
	at := slices.IndexFunc(e.applications, func(a Application) bool { return a.ID == form.Get("client_id") })
	switch {
	case form.Get("grant_type") != "client_credentials":
		return "", "", nil, entraRefuses(http.StatusBadRequest, "unsupported_grant_type", 70003, "The app requested an unsupported grant type.")
	case len(scopes) != 1 || !strings.HasSuffix(scopes[0], "/.default"):
		return "", "", nil, entraRefuses(http.StatusBadRequest, "invalid_scope", 1002012, "The provided value for scope %s is not valid. "+
			"Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).", form.Get("scope"))
	case at < 0:
		return "", "", nil, entraRefuses(http.StatusBadRequest, "unauthorized_client", 700016, "Application with identifier '%s' was not found in the "+
			"directory '%s'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any "+
			"user in the tenant. You may have sent your authentication request to the wrong tenant.", form.Get("client_id"), e.tenant)
	}
	application := &e.applications[at]
	resource = strings.TrimSuffix(scopes[0], "/.default")
	secret, assertion := form.Get("client_secret"), form.Get("client_assertion")
	switch {
	case (secret == "") == (assertion == ""):
		return "", "", nil, entraRefuses(http.StatusUnauthorized, "invalid_client", 7000218, "The request body must contain the following parameter: "+
			"'client_assertion' or 'client_secret'.")
	case secret != "" && secret != application.Secret:
		return "", "", nil, entraRefuses(http.StatusUnauthorized, "invalid_client", 7000215, "Invalid client secret provided. Ensure the secret being "+
			"sent in the request is the client secret value, not the client secret ID, for a secret added to app '%s'.", application.ID)
	case secret != "":
		return "secret", resource, application, nil
	case form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer":
		return "", "", nil, entraRefuses(http.StatusBadRequest, "invalid_request", 50027, "JWT token is invalid or malformed.")
	}
	how, fault := e.asserted(*application, assertion)
	return how, resource, application, fault
}

// asserted checks a JWT in the place of a secret: of the application itself, or of an issuer that stands for it.
func (e *Entra) asserted(a Application, assertion string) (how string, _ *entraError) {
	signed := assertion[:max(strings.LastIndex(assertion, "."), 0)]
	signature := strings.TrimPrefix(assertion[len(signed):], ".")
	head, payload, _ := strings.Cut(signed, ".")
	var header struct {
		Alg, Typ string
		X5t      string   `json:"x5t#S256"`
		X5c      [][]byte `json:"x5c"`
	}
	var claims struct {
		Iss, Sub, Jti string
		Aud           any
		Exp, Nbf      int64
	}
	for text, into := range map[string]any{head: &header, payload: &claims} {
		if decoded, err := base64.RawURLEncoding.DecodeString(text); err != nil || json.Unmarshal(decoded, into) != nil {
			return "", entraRefuses(http.StatusBadRequest, "invalid_request", 50027, "JWT token is invalid or malformed.")
		}
	}
	if claims.Iss != a.ID {
		for _, f := range a.Federated {
			if verified, err := f.Issuer.Verify(assertion, f.Audience); err == nil && verified["sub"] == f.Subject {
				return "federated", nil
			}
		}
		return "", entraRefuses(http.StatusBadRequest, "invalid_request", 70021, "No matching federated identity record found for presented assertion. "+
			"Assertion Issuer: '%s'. Assertion Subject: '%s'. Assertion Audience: '%v'. "+
			"https://learn.microsoft.com/entra/workload-id/workload-identity-federation", claims.Iss, claims.Sub, claims.Aud)
	}
	unknown := entraRefuses(http.StatusUnauthorized, "invalid_client", 700027, "The certificate with identifier used to sign the client assertion is not "+
		"registered on application. [Reason - The key was not found.]")
	if a.Certificate == nil {
		return "", unknown
	}
	// RFC 7515 wants base64url; MSAL for Go sends the other alphabet, and Entra takes both.
	thumb := sha256.Sum256(a.Certificate.Raw)
	if header.X5t != base64.StdEncoding.EncodeToString(thumb[:]) && header.X5t != base64.RawURLEncoding.EncodeToString(thumb[:]) {
		return "", unknown
	}
	key, isRSA := a.Certificate.PublicKey.(*rsa.PublicKey)
	raw, err := base64.RawURLEncoding.DecodeString(signature)
	digest, now := sha256.Sum256([]byte(signed)), time.Now().Unix()
	switch {
	case !isRSA || err != nil || header.Alg != "PS256" || header.Typ != "JWT" || rsa.VerifyPSS(key, crypto.SHA256, digest[:], raw, nil) != nil,
		len(header.X5c) > 0 && !bytes.Equal(header.X5c[0], a.Certificate.Raw):
		return "", entraRefuses(http.StatusUnauthorized, "invalid_client", 700027, "Client assertion failed signature validation.")
	case claims.Sub != a.ID || claims.Aud != e.endpoint() || claims.Jti == "":
		return "", entraRefuses(http.StatusUnauthorized, "invalid_client", 700023, "Client assertion audience claim does not match Realm issuer.")
	case claims.Nbf > now || claims.Exp <= now || claims.Exp > now+3600:
		return "", entraRefuses(http.StatusUnauthorized, "invalid_client", 700024, "Client assertion is not within its valid time range.")
	}
	return "certificate", nil
}

func entraSends(w http.ResponseWriter, body map[string]any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(body)
}
