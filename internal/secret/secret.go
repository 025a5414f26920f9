package secret

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Value is a secret that does not print: fmt, encoding/json and encoding/text give [Redacted]
// instead. Only [Value.Reveal] gives the value, so that every place where a secret leaves is found
// by searching for that one word.
//
// The value stands behind a pointer, as fmt calls no method of what it reaches through an
// unexported field, nor for a verb that it does not know: then it prints the address.
type Value struct{ value *string }

// Redacted is the text that a Value prints.
const Redacted = "[token]"

// New wraps a secret.
func New(value string) Value { return Value{value: &value} }

// Reveal returns the secret itself: for the kubeconfig, the mask command, the declared secret
// outputs and the Authorization header, and for nothing else.
func (t Value) Reveal() string {
	if t.value == nil {
		return ""
	}
	return *t.value
}

// IsEmpty says whether the secret is empty.
func (t Value) IsEmpty() bool { return t.Reveal() == "" }

func (t Value) String() string { return Redacted }

// GoString covers %#v.
func (t Value) GoString() string { return Redacted }

// Format covers every other verb, %x among them.
func (t Value) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Redacted) }

// MarshalText covers encoders, encoding/json among them.
func (t Value) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// ID names a token without giving it away: its jti, or the beginning of its SHA-256 where it has
// none (permanent tokens, and those of Kubernetes 1.29 and older).
func (t Value) ID() string {
	if claims, err := t.Claims(); err == nil && claims.ID != "" {
		return claims.ID
	}
	if t.IsEmpty() {
		return ""
	}
	return "sha256:" + t.Hash()[:idDigits]
}

// idDigits is how many hex digits of the SHA-256 name a token.
const idDigits = 16

// Hash is the SHA-256 of the token in lower-case hex, "" for an empty one: by it a file that holds
// the token is known again, whatever claims the token has (tokens of Kubernetes 1.29 and older, and
// permanent ones, have no jti).
func (t Value) Hash() string {
	if t.IsEmpty() {
		return ""
	}
	sum := sha256.Sum256([]byte(t.Reveal()))
	return hex.EncodeToString(sum[:])
}

// WithBrokenSignature is the token with another signature, which no API server takes that looks at
// tokens.
func (t Value) WithBrokenSignature() Value {
	value := t.Reveal()
	// the bits of the last character need not all count
	middle := (strings.LastIndexByte(value, '.') + 1 + len(value)) / 2
	if middle >= len(value) {
		return New(value + "A")
	}
	other := "A"
	if value[middle:middle+1] == other {
		other = "B"
	}
	return New(value[:middle] + other + value[middle+1:])
}

// Claims has the payload of a ServiceAccount token. Nobody here has verified the signature:
// good for reporting and for recognising our own file, not for trust.
//
// Source of the names: k8s.io/kubernetes pkg/serviceaccount/claims.go.
type Claims struct {
	// jti, "" if the token has no jti; the audit log has it as
	// authentication.kubernetes.io/issued-credential-id
	ID        string
	Subject   string    // sub: system:serviceaccount:NAMESPACE:NAME
	IssuedAt  time.Time // iat
	ExpiresAt time.Time // exp; zero where the token never expires
	UID       string    // of the ServiceAccount
	// name of the Secret that the token is bound to; "" where it is bound to none
	Secret    string
	SecretUID string
	Payload   string // all of it, in JSON: tokens of other issuers have other claims
}

// Account is the ServiceAccount that the subject names, false where it names none.
func (c Claims) Account() (types.NamespacedName, bool) {
	rest, ok := strings.CutPrefix(c.Subject, "system:serviceaccount:")
	namespace, name, two := strings.Cut(rest, ":")
	valid := len(validation.IsDNS1123Label(namespace)) == 0 &&
		len(validation.IsDNS1123Subdomain(name)) == 0
	return types.NamespacedName{Namespace: namespace, Name: name}, ok && two && valid
}

// Claims decodes the payload of a JSON Web Token. The error never holds any part of the token.
func (t Value) Claims() (Claims, error) {
	parts := strings.Split(t.Reveal(), ".")
	if len(parts) != 3 {
		return Claims{}, errors.New("decode token: not a JSON Web Token")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return Claims{}, errors.New("decode token: payload is not base64url")
	}
	var body struct {
		ID         string  `json:"jti"`
		Subject    string  `json:"sub"`
		IssuedAt   float64 `json:"iat"`
		ExpiresAt  float64 `json:"exp"`
		Kubernetes struct {
			ServiceAccount struct {
				UID string `json:"uid"`
			} `json:"serviceaccount"`
			Secret struct {
				Name string `json:"name"`
				UID  string `json:"uid"`
			} `json:"secret"`
		} `json:"kubernetes.io"`
		PermanentUID string `json:"kubernetes.io/serviceaccount/service-account.uid"`
	}
	if json.Unmarshal(payload, &body) != nil {
		return Claims{}, errors.New("decode token: payload is not a set of claims")
	}
	return Claims{
		ID: body.ID, Subject: body.Subject, Payload: string(payload),
		IssuedAt:  toTime(body.IssuedAt),
		ExpiresAt: toTime(body.ExpiresAt),
		UID:       cmp.Or(body.Kubernetes.ServiceAccount.UID, body.PermanentUID),
		Secret:    body.Kubernetes.Secret.Name,
		SecretUID: body.Kubernetes.Secret.UID,
	}, nil
}

func toTime(s float64) time.Time {
	if s <= 0 || s > 1<<53 {
		return time.Time{}
	}
	return time.Unix(int64(s), 0).UTC()
}
