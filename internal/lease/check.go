package lease

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
)

const (
	// bytes; a ServiceAccount's has some 1,000, and no server takes a header of this size.
	longestToken = 64 << 10
	longestID    = 253 // bytes; a jti is a UUID
)

// checkToken refuses an answer of the API server that is not a ServiceAccount's token: it would be
// sent, written and published. The error quotes nothing of it. A jti is not required: Kubernetes
// 1.29 and older, and servers built from its libraries, give none. The returned claims have
// [secret.Value.ID] in its place.
func checkToken(t secret.Value, account types.NamespacedName) (secret.Claims, error) {
	value := t.Reveal()
	if len(value) > longestToken {
		return secret.Claims{}, fmt.Errorf("the token is longer than %d KiB", longestToken>>10)
	}
	if strings.ContainsFunc(value, outsideWord) {
		return secret.Claims{}, errors.New("the token is not one word of ASCII")
	}
	claims, err := t.Claims()
	if err != nil {
		return secret.Claims{}, err
	}
	named, err := accountIn(value)
	if err != nil {
		return secret.Claims{}, err
	}
	want := "system:serviceaccount:" + account.Namespace + ":" + account.Name
	if claims.Subject != want || named != account {
		return secret.Claims{}, fmt.Errorf("the token is not one of ServiceAccount %s", account)
	}
	if len(claims.ID) > longestID || strings.ContainsFunc(claims.ID, outsideWord) {
		return secret.Claims{}, errors.New("the token's jti is not one word of ASCII")
	}
	claims.ID = t.ID()
	return claims, nil
}

// outsideWord says whether a character cannot be part of a word of ASCII.
func outsideWord(r rune) bool { return r <= ' ' || r > '~' }

// accountIn returns the ServiceAccount that the claims of Kubernetes name. No other issuer's token
// has these claims: under kubernetes.io (k8s.io/kubernetes pkg/serviceaccount/claims.go), or flat
// in the token of a Secret (legacy.go there).
func accountIn(token string) (account types.NamespacedName, err error) {
	parts := strings.Split(token, ".")
	var decoded [][]byte
	for _, part := range parts {
		data, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil || len(data) == 0 {
			return account, errors.New("decode token: not a signed JSON Web Token")
		}
		decoded = append(decoded, data)
	}
	var header struct {
		Algorithm string `json:"alg"`
	}
	if json.Unmarshal(decoded[0], &header) != nil ||
		header.Algorithm == "" || strings.EqualFold(header.Algorithm, "none") {
		return account, errors.New("decode token: not a signed JSON Web Token")
	}
	var body struct {
		Kubernetes struct {
			Namespace      string                `json:"namespace"`
			ServiceAccount struct{ Name string } `json:"serviceaccount"`
		} `json:"kubernetes.io"`
		Namespace string `json:"kubernetes.io/serviceaccount/namespace"`
		Name      string `json:"kubernetes.io/serviceaccount/service-account.name"`
	}
	if err := json.Unmarshal(decoded[1], &body); err != nil {
		return account, errors.New("decode token: payload is not a set of claims")
	}
	account = types.NamespacedName{
		Namespace: body.Kubernetes.Namespace, Name: body.Kubernetes.ServiceAccount.Name,
	}
	if account.Name == "" {
		account = types.NamespacedName{Namespace: body.Namespace, Name: body.Name}
	}
	return account, nil
}

// inTime refuses a token whose expiry makes no sense. now is the API server's time. If it is zero,
// the time is unknown, and only the token's own times are compared. The claim exp may be far later
// than the expiry that the API server names: it extends tokens for itself
// (--service-account-extend-token-expiration).
func (m Minted) inTime(now time.Time) error {
	at := m.ExpiresAt.Format(time.RFC3339)
	issued := m.Claims.IssuedAt
	ends := m.Claims.ExpiresAt
	switch {
	case m.ExpiresAt.IsZero() || ends.IsZero():
		return errors.New("the token has no expiry, although one was asked for")
	case issued.IsZero():
		return errors.New("the token does not say when it was issued")
	case !m.ExpiresAt.After(issued) || !ends.After(issued):
		return fmt.Errorf("the token expires at %s, before it was issued", at)
	case !now.IsZero() && (!m.ExpiresAt.After(now) || !ends.After(now)):
		return fmt.Errorf("the token has expired already, at %s", at)
	}
	return nil
}

// Minted is a token as the API server granted it.
type Minted struct {
	Token     secret.Value
	Claims    secret.Claims
	ExpiresAt time.Time
}

// IsShortened says whether less was granted than asked. It allows a minute for the request and for
// clocks that differ.
func (m Minted) IsShortened(asked time.Duration) bool {
	return !m.IsPermanent() && m.ExpiresAt.Sub(m.Claims.IssuedAt) < asked-time.Minute
}

// IsPermanent says whether the token never expires.
func (m Minted) IsPermanent() bool { return m.ExpiresAt.IsZero() }

func (m Minted) sameAccount(uid types.UID) error {
	if uid != "" && m.Claims.UID != "" && string(uid) != m.Claims.UID {
		return problem.Newf(
			problem.Mint, "mint token",
			"the ServiceAccount was deleted and made again meanwhile: run again",
		)
	}
	return nil
}
