package kubetest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
)

// oldTokens issues tokens as Kubernetes 1.29 and older did: without jti. It signs them with a key
// of its own, knows whose they are, and hands the API server's own token on in their place.
type oldTokens struct {
	mu   sync.Mutex
	key  *rsa.PrivateKey
	real map[string]string // the API server's token, by ours
}

func (o *oldTokens) before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		o.mu.Lock()
		known := o.real[bearer]
		o.mu.Unlock()
		if known != "" {
			r.Header.Set("Authorization", "Bearer "+known)
		}
		if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/token") {
			next.ServeHTTP(w, r)
			return
		}
		r.Header.Set("Accept", "application/json")
		r.Header.Del("Accept-Encoding")
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		answer.Header().Del("Content-Length")
		deliver(w, answer, o.reissue(answer.Body.Bytes()))
	})
}

// reissue replaces the token of an answer, where there is one.
func (o *oldTokens) reissue(body []byte) []byte {
	var request map[string]any
	if json.Unmarshal(body, &request) != nil {
		return body
	}
	status, _ := request["status"].(map[string]any)
	issued, ok := status["token"].(string)
	if !ok {
		return body
	}
	status["token"] = o.sign(issued)
	body, err := json.Marshal(request)
	if err != nil {
		panic(err) // it was JSON
	}
	return body
}

// sign is a token with the same claims, but for the jti.
func (o *oldTokens) sign(issued string) string {
	parts := strings.Split(issued, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims map[string]json.RawMessage
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		panic("the API server's token has no claims")
	}
	delete(claims, "jti")
	if payload, err = json.Marshal(claims); err != nil {
		panic(err) // it was JSON
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.key == nil {
		o.real = map[string]string{}
		if o.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			panic(err)
		}
	}
	signed := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","kid":"old"}`)) +
		"." + base64.RawURLEncoding.EncodeToString(payload)
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, o.key, crypto.SHA256, digest[:])
	if err != nil {
		panic(err) // a key of 2048 bits signs
	}
	ours := signed + "." + base64.RawURLEncoding.EncodeToString(signature)
	o.real[ours] = issued
	return ours
}
