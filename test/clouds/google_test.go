package clouds

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// What Google would refuse, the fake refuses: each of these differs in one thing from a request that is answered.
func TestGoogleIsStrict(t *testing.T) {
	t.Parallel()
	const sa, audience = "a@p.iam.gserviceaccount.com", "//iam.googleapis.com/provider"
	g := NewGoogle()
	var file struct {
		Key string `json:"private_key"`
	}
	if err := json.Unmarshal(g.ServiceAccountKey(t, sa), &file); err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(file.Key))
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		t.Fatal("not an RSA key")
	}
	g.Trust(audience, "jwt", func(subject string) (string, error) {
		if subject != "right" {
			return "", errors.New("wrong subject")
		}
		return "principal://a", nil
	})
	g.Allow(sa, "b@p.iam.gserviceaccount.com")
	now := time.Now().Unix()
	assertion := func(changes map[string]any) url.Values {
		claims := map[string]any{"iss": sa, "aud": googleToken, "scope": CloudPlatform, "iat": now, "exp": now + 3600}
		maps.Copy(claims, changes)
		signed := jwtSegment(map[string]any{"alg": "RS256", "typ": "JWT", "kid": keyID}) + "." + jwtSegment(claims)
		sum := sha256.Sum256([]byte(signed))
		signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		return url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"},
			"assertion":  {signed + "." + base64.RawURLEncoding.EncodeToString(signature)},
		}
	}
	exchange := func(changes url.Values) url.Values {
		fields := url.Values{
			"audience": {audience}, "grant_type": {googleExchange}, "requested_token_type": {googleAccessType},
			"subject_token": {"right"}, "subject_token_type": {"jwt"}, "scope": {CloudPlatform},
		}
		maps.Copy(fields, changes)
		return fields
	}
	const form, tokens, sts = "application/x-www-form-urlencoded", "https://oauth2.googleapis.com/token", "https://sts.googleapis.com/v1/token"
	const to = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/b@p.iam.gserviceaccount.com:generateAccessToken"
	right, narrow := g.Issue(sa, CloudPlatform), g.Issue(sa, UserinfoEmail)
	const body = `{"scope": ["` + CloudPlatform + `"], "lifetime": "3600s"}`
	for name, c := range map[string]struct{ at, kind, bearer, body, want string }{
		"an assertion":               {tokens, form, "", assertion(nil).Encode(), ""},
		"for another audience":       {tokens, form, "", assertion(map[string]any{"aud": sts}).Encode(), "Failed audience check"},
		"for too long":               {tokens, form, "", assertion(map[string]any{"exp": now + 3700}).Encode(), "short-lived token"},
		"too old":                    {tokens, form, "", assertion(map[string]any{"iat": now - 3600, "exp": now - 1}).Encode(), "short-lived token"},
		"of the future":              {tokens, form, "", assertion(map[string]any{"iat": now + 300}).Encode(), "short-lived token"},
		"without a scope":            {tokens, form, "", assertion(map[string]any{"scope": ""}).Encode(), "invalid_scope"},
		"of another account":         {tokens, form, "", assertion(map[string]any{"iss": "c"}).Encode(), "account not found"},
		"with another claim":         {tokens, form, "", assertion(map[string]any{"target_audience": "c"}).Encode(), "invalid_grant"},
		"with a bearer":              {tokens, form, right, assertion(nil).Encode(), "invalid_request"},
		"as JSON":                    {tokens, "application/json", "", assertion(nil).Encode(), "invalid_request"},
		"an exchange":                {sts, form, "", exchange(nil).Encode(), ""},
		"with another field":         {sts, form, "", exchange(url.Values{"options": {"{}"}}).Encode(), "invalid_request"},
		"with a field twice":         {sts, form, "", exchange(url.Values{"scope": {CloudPlatform, CloudPlatform}}).Encode(), "invalid_request"},
		"of another grant":           {sts, form, "", exchange(url.Values{"grant_type": {"a"}}).Encode(), "invalid_request"},
		"for another token":          {sts, form, "", exchange(url.Values{"requested_token_type": {"a"}}).Encode(), "invalid_request"},
		"of another type":            {sts, form, "", exchange(url.Values{"subject_token_type": {"a"}}).Encode(), "subject_token_type"},
		"at another provider":        {sts, form, "", exchange(url.Values{"audience": {"a"}}).Encode(), "invalid_target"},
		"of another subject":         {sts, form, "", exchange(url.Values{"subject_token": {"a"}}).Encode(), "wrong subject"},
		"for another scope":          {sts, form, "", exchange(url.Values{"scope": {"a"}}).Encode(), "invalid_scope"},
		"an impersonation":           {to, "application/json", right, body, ""},
		"by nobody":                  {to, "application/json", "", body, "UNAUTHENTICATED"},
		"by a narrow token":          {to, "application/json", narrow, body, "UNAUTHENTICATED"},
		"for two hours":              {to, "application/json", right, strings.Replace(body, "3600", "7200", 1), "INVALID_ARGUMENT"},
		"for no scope":               {to, "application/json", right, `{"lifetime": "3600s"}`, "INVALID_ARGUMENT"},
		"with a field unknown":       {to, "application/json", right, `{"a": 1, ` + body[1:], "INVALID_ARGUMENT"},
		"not allowed to impersonate": {strings.Replace(to, "b@", "c@", 1), "application/json", right, body, "PERMISSION_DENIED"},
		"by way of a stranger":       {to, "application/json", right, `{"delegates": ["projects/-/serviceAccounts/c"], ` + body[1:], "PERMISSION_DENIED"},
		"by way of a name":           {to, "application/json", right, `{"delegates": ["b@p.iam.gserviceaccount.com"], ` + body[1:], "PERMISSION_DENIED"},
		"at another place":           {to + "?a", "application/json", right, body, "NOT_FOUND"},
		"at a host that is not it":   {"https://example.com/token", form, "", assertion(nil).Encode(), "no such service"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, c.at, strings.NewReader(c.body))
			r.Header.Set("Content-Type", c.kind)
			if c.bearer != "" {
				r.Header.Set("Authorization", "Bearer "+c.bearer)
			}
			w := httptest.NewRecorder()
			g.ServeHTTP(w, r)
			if c.want == "" && w.Code != http.StatusOK || c.want != "" && (w.Code == http.StatusOK || !strings.Contains(w.Body.String(), c.want)) {
				t.Errorf("%d %s, want %q", w.Code, w.Body, c.want)
			}
		})
	}
}
