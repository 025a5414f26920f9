package clouds

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// googleDocument is JSON as Google's tools write it.
func googleDocument(v any) []byte {
	text, _ := json.MarshalIndent(v, "", "  ") // of maps with strings
	return append(text, '\n')
}

func googleReply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	_, _ = w.Write(googleDocument(v))
}

// refuseOAuth answers as RFC 6749, 5.2 says, and as Google's two token endpoints do.
func refuseOAuth(w http.ResponseWriter, status int, code, description string) {
	googleReply(w, status, map[string]any{"error": code, "error_description": description})
}

// refuseAPI answers as all of Google's APIs do: google.rpc.Status.
func refuseAPI(w http.ResponseWriter, status int, code, message string) {
	googleReply(w, status, map[string]any{"error": map[string]any{"code": status, "message": message, "status": code}})
}

// googleForm is a POST of exactly these fields, each once and with a value.
func googleForm(r *http.Request, fields ...string) (url.Values, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" || r.Method != http.MethodPost || r.URL.RawQuery != "" {
		return nil, errors.New("not a POST of a form")
	}
	if err := r.ParseForm(); err != nil {
		return nil, err
	}
	slices.Sort(fields)
	got := make([]string, 0, len(r.PostForm))
	for name, values := range r.PostForm {
		if len(values) != 1 || values[0] == "" {
			return nil, errors.New("a field that is empty or there twice: " + name)
		}
		got = append(got, name)
	}
	slices.Sort(got)
	if !slices.Equal(got, fields) {
		return nil, errors.New("the fields are " + strings.Join(got, " ") + " and should be " + strings.Join(fields, " "))
	}
	return r.PostForm, nil
}

// googleScopes are the scopes of a list, nil where one is not known.
func googleScopes(list string) []string {
	got := strings.Split(list, " ")
	if slices.ContainsFunc(got, func(scope string) bool { return scope != CloudPlatform && scope != UserinfoEmail }) {
		return nil
	}
	return got
}

func (g *Google) give(w http.ResponseWriter, who string, scopes []string, more map[string]any) {
	answer := map[string]any{
		"access_token": g.Issue(who, scopes...), "token_type": "Bearer", "expires_in": int(g.lifetime().Seconds()),
	}
	maps.Copy(answer, more)
	googleReply(w, http.StatusOK, answer)
}

func (g *Google) lifetime() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.life
}

// oauth is https://oauth2.googleapis.com/token: a service account's signed assertion (RFC 7523), or a person's refresh token.
func (g *Google) oauth(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "" {
		refuseOAuth(w, http.StatusBadRequest, "invalid_request", "Client authentication is in the form, not in a header.")
		return
	}
	if fields, err := googleForm(r, "grant_type", "assertion"); err == nil {
		g.assertion(w, fields)
		return
	}
	fields, err := googleForm(r, "grant_type", "refresh_token", "client_id", "client_secret")
	switch {
	case err != nil:
		refuseOAuth(w, http.StatusBadRequest, "invalid_request", err.Error())
	case fields.Get("grant_type") != "refresh_token":
		refuseOAuth(w, http.StatusBadRequest, "unsupported_grant_type", "Invalid grant_type: "+fields.Get("grant_type"))
	case fields.Get("client_id") != "client.apps.googleusercontent.com" || fields.Get("client_secret") != "client-secret":
		refuseOAuth(w, http.StatusUnauthorized, "invalid_client", "The OAuth client was not found.")
	default:
		if who := g.refreshed(fields.Get("refresh_token")); who != "" {
			g.give(w, who, []string{CloudPlatform, UserinfoEmail}, map[string]any{"scope": CloudPlatform + " " + UserinfoEmail})
			return
		}
		refuseOAuth(w, http.StatusBadRequest, "invalid_grant", "Token has been expired or revoked.")
	}
}

func (g *Google) refreshed(refreshToken string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refresh[refreshToken]
}

// workforce is https://sts.googleapis.com/v1/oauthtoken: the refresh token of a workforce pool's user.
func (g *Google) workforce(w http.ResponseWriter, r *http.Request) {
	fields, err := googleForm(r, "grant_type", "refresh_token")
	id, secret, ok := r.BasicAuth()
	switch {
	case err != nil || fields.Get("grant_type") != "refresh_token":
		refuseOAuth(w, http.StatusBadRequest, "invalid_request", "Invalid form.")
	case !ok || id != "client.apps.googleusercontent.com" || secret != "client-secret":
		refuseOAuth(w, http.StatusUnauthorized, "invalid_client", "The OAuth client was not found.")
	default:
		if who := g.refreshed(fields.Get("refresh_token")); who != "" {
			g.give(w, who, []string{CloudPlatform}, nil)
			return
		}
		refuseOAuth(w, http.StatusBadRequest, "invalid_grant", "Token has been expired or revoked.")
	}
}

// assertion verifies a JSON Web Token of a service account:
// https://developers.google.com/identity/protocols/oauth2/service-account#authorizingrequests
func (g *Google) assertion(w http.ResponseWriter, fields url.Values) {
	var header struct{ Alg, Typ, Kid string }
	var claims struct {
		Iss, Aud, Scope string
		Iat, Exp        int64
	}
	parts := strings.Split(fields.Get("assertion"), ".")
	if fields.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" || len(parts) != 3 ||
		!googleClaims(parts[0], &header) || !googleClaims(parts[1], &claims) || header.Alg != "RS256" || header.Typ != "JWT" || header.Kid != keyID {
		refuseOAuth(w, http.StatusBadRequest, "invalid_grant", "Bad Request")
		return
	}
	g.mu.Lock()
	key := g.keys[claims.Iss]
	g.mu.Unlock()
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	issued, until, now := time.Unix(claims.Iat, 0), time.Unix(claims.Exp, 0), time.Now()
	scopes := googleScopes(claims.Scope)
	switch {
	case key == nil:
		refuseOAuth(w, http.StatusBadRequest, "invalid_grant", "Invalid grant: account not found")
	case err != nil || rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) != nil:
		refuseOAuth(w, http.StatusBadRequest, "invalid_grant", "Invalid JWT Signature.")
	case claims.Aud != googleToken:
		refuseOAuth(w, http.StatusBadRequest, "invalid_grant", "Invalid JWT: Failed audience check.")
	case issued.After(now.Add(time.Minute)) || !until.After(now) || until.Sub(issued) > time.Hour:
		refuseOAuth(w, http.StatusBadRequest, "invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes) and in a "+
			"reasonable timeframe. Check your iat and exp values in the JWT claim.")
	case len(scopes) == 0:
		refuseOAuth(w, http.StatusBadRequest, "invalid_scope", "Invalid OAuth scope or ID token audience provided.")
	default:
		g.give(w, claims.Iss, scopes, nil)
	}
}

// googleClaims reads a part of a JSON Web Token, which has no other fields than these.
func googleClaims(part string, into any) bool {
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return false
	}
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	return d.Decode(into) == nil
}

// exchange is https://sts.googleapis.com/v1/token (RFC 8693):
// https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token
func (g *Google) exchange(w http.ResponseWriter, r *http.Request) {
	fields, err := googleForm(r, "audience", "grant_type", "requested_token_type", "subject_token", "subject_token_type", "scope")
	if err != nil || fields.Get("grant_type") != googleExchange || fields.Get("requested_token_type") != googleAccessType ||
		r.Header.Get("Authorization") != "" {
		refuseOAuth(w, http.StatusBadRequest, "invalid_request", "Invalid value of a field, or another field than those of the exchange.")
		return
	}
	g.mu.Lock()
	provider, ok := g.trust[fields.Get("audience")]
	g.mu.Unlock()
	scopes := googleScopes(fields.Get("scope"))
	switch {
	case !ok:
		refuseOAuth(w, http.StatusBadRequest, "invalid_target", "The target service indicated by the \"audience\" parameters is invalid. "+
			"This might either be because the pool or provider is disabled or deleted or because it doesn't exist.")
		return
	case provider.tokenType != fields.Get("subject_token_type"):
		refuseOAuth(w, http.StatusBadRequest, "invalid_request", "Invalid value for \"subject_token_type\".")
		return
	case len(scopes) == 0:
		refuseOAuth(w, http.StatusBadRequest, "invalid_scope", "Invalid scope.")
		return
	}
	who, err := provider.verify(fields.Get("subject_token"))
	if err != nil {
		refuseOAuth(w, http.StatusBadRequest, "invalid_grant", err.Error())
		return
	}
	g.give(w, who, scopes, map[string]any{"issued_token_type": googleAccessType})
}

var generateAccessToken = regexp.MustCompile(`^/v1/projects/-/serviceAccounts/([^/:]+):generateAccessToken$`)

// impersonate is projects.serviceAccounts.generateAccessToken:
// https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken
func (g *Google) impersonate(w http.ResponseWriter, r *http.Request) {
	target := generateAccessToken.FindStringSubmatch(r.URL.EscapedPath())
	if target == nil || r.Method != http.MethodPost || r.URL.RawQuery != "" || r.Header.Get("Content-Type") != "application/json" {
		refuseAPI(w, http.StatusNotFound, "NOT_FOUND", "Requested entity was not found.")
		return
	}
	bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	caller, err := g.known(bearer)
	if err != nil {
		refuseAPI(w, http.StatusUnauthorized, "UNAUTHENTICATED", "Request had invalid authentication credentials. Expected OAuth 2 access token, "+
			"login cookie or other valid authentication credential.")
		return
	}
	var body struct {
		Scope     []string `json:"scope"`
		Lifetime  string   `json:"lifetime"`
		Delegates []string `json:"delegates"`
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err = d.Decode(&body)
	seconds, whole := strings.CutSuffix(body.Lifetime, "s")
	life, number := strconv.Atoi(seconds)
	if err != nil || !whole || number != nil || life <= 0 || life > 3600 || googleScopes(strings.Join(body.Scope, " ")) == nil {
		refuseAPI(w, http.StatusBadRequest, "INVALID_ARGUMENT", "Request contains an invalid argument.")
		return
	}
	who := caller.who
	for _, next := range append(body.Delegates, "projects/-/serviceAccounts/"+target[1]) {
		name, ok := strings.CutPrefix(next, "projects/-/serviceAccounts/")
		g.mu.Lock()
		ok = ok && g.may[[2]string{who, name}]
		g.mu.Unlock()
		if !ok {
			refuseAPI(w, http.StatusForbidden, "PERMISSION_DENIED",
				"Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).")
			return
		}
		who = name
	}
	made := g.Issue(who, body.Scope...)
	googleReply(w, http.StatusOK, map[string]any{"accessToken": made, "expireTime": g.expiry(made).UTC().Format(time.RFC3339)})
}

func (g *Google) expiry(bearer string) time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.issued[bearer].until
}
