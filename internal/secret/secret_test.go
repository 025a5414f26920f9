package secret_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/kubemint/kubemint/internal/lease"
	"github.com/kubemint/kubemint/internal/secret"
)

// jwt returns a token with claims and a made-up signature.
func jwt(claims string) string {
	return "header." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".signature"
}

// TestATokenDoesNotPrint goes every way that a value has taken into a log by accident.
func TestATokenDoesNotPrint(t *testing.T) {
	t.Parallel()
	const canary = "canary-canary"
	value := secret.New(canary)
	holders := map[string]any{
		"a value":               value,
		"a pointer":             &value,
		"an exported field":     struct{ Token secret.Value }{value},
		"a pointer to a struct": &struct{ Token *secret.Value }{&value},
		// fmt calls no method of what it reaches through an unexported field.
		"an unexported field":        struct{ token secret.Value }{value},
		"a pointer in a hidden one":  &struct{ token *secret.Value }{&value},
		"an embedded one":            struct{ secret.Value }{value},
		"a list":                     []secret.Value{value},
		"a hidden list":              struct{ list []secret.Value }{[]secret.Value{value}},
		"a map":                      map[string]secret.Value{"k": value},
		"the key of a map":           map[secret.Value]int{value: 1},
		"an interface":               []any{value, fmt.Stringer(value)},
		"an error":                   fmt.Errorf("send %v: %w", value, errors.New("refused")),
		"an error of several":        errors.Join(fmt.Errorf("%s and %+v", value, &value), errors.New("x")),
		"what was minted":            lease.Minted{Token: value},
		"what was minted, in hiding": struct{ minted lease.Minted }{lease.Minted{Token: value}},
	}
	leaks := []string{"canary", "63616e617279", "63616E617279", "63 61 6e 61", "99 97 110 97", base64.StdEncoding.EncodeToString([]byte("canary"))}
	for name, holder := range holders {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for way, text := range prints(holder) {
				for _, leak := range leaks {
					if strings.Contains(text, leak) {
						t.Errorf("%s prints it: %s", way, text)
						break
					}
				}
			}
		})
	}
	if got := value.Reveal(); got != canary {
		t.Errorf("Reveal gives %q", got)
	}
}

func prints(holder any) map[string]string {
	sprintf, errorf := fmt.Sprintf, fmt.Errorf // so that go vet does not refuse what this is about
	ways := map[string]string{"Sprint": fmt.Sprint(holder), "Errorf": errorf("%w", holder).Error()}
	ways["too many arguments"] = sprintf("x", holder) //nolint:staticcheck // that is what it is about
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "% x", "%#X", "%d", "%t", "%e", "%c", "%U", "%p", "%T", "%w", "%z", "%20s", "%.3s", "%*d", "%[3]v"} {
		ways["Sprintf "+verb] = sprintf(verb, holder)
	}
	for name, marshal := range map[string]func(any) ([]byte, error){"json": json.Marshal, "yaml": yaml.Marshal} {
		data, err := marshal(holder)
		ways[name] = fmt.Sprintf("%s %v", data, err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "holder", holder, slog.Any("group", slog.GroupValue(slog.Any("x", holder))))
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", "holder", holder, slog.Any("group", slog.GroupValue(slog.Any("x", holder))))
	ways["slog"] = log.String()
	return ways
}

func TestValue_PrintsPlaceholder(t *testing.T) {
	t.Parallel()
	secret := secret.New("canary")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if got := fmt.Sprintf(verb, secret); got != "[token]" {
			t.Errorf("%s: %q", verb, got)
		}
	}
	if got, err := json.Marshal(map[string]any{"a": secret, "b": &secret}); err != nil || string(got) != `{"a":"[token]","b":"[token]"}` {
		t.Errorf("json: %s, %v", got, err)
	}
	if got := secret.String() + secret.GoString(); got != "[token][token]" {
		t.Error(got)
	}
}

func TestEmpty(t *testing.T) {
	t.Parallel()
	var none secret.Value
	for name, tt := range map[string]struct {
		token secret.Value
		want  bool
	}{"zero": {none, true}, "of nothing": {secret.New(""), true}, "of something": {secret.New("x"), false}} {
		if got := tt.token.IsEmpty(); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	if none.Reveal() != "" {
		t.Error("the zero token has a value")
	}
}

func TestClaimsAccount(t *testing.T) {
	t.Parallel()
	for subject, want := range map[string]string{
		"system:serviceaccount:bots:ci":        "bots/ci",
		"system:serviceaccount:bots:a.b-c":     "bots/a.b-c",
		"system:serviceaccount:bots":           "",
		"system:serviceaccount:bots:":          "",
		"system:serviceaccount::ci":            "",
		"system:serviceaccount:bots:ci:x":      "",
		"system:serviceaccount:../kube:ci":     "",
		"system:serviceaccount:bots:ci\n::x::": "",
		"system:admin":                         "",
		"":                                     "",
	} {
		account, ok := secret.Claims{Subject: subject}.Account()
		if ok != (want != "") || (ok && account.String() != want) {
			t.Errorf("%q: %s, %v", subject, account, ok)
		}
	}
}

func TestClaims(t *testing.T) {
	t.Parallel()
	const payload = `{"aud":["https://kubernetes.default.svc"],"exp":1700003600,"iat":1700000000,"iss":"x","jti":"0f1e2d3c",
		"kubernetes.io":{"namespace":"bots","secret":{"name":"kubemint-ci-x","uid":"u2"},"serviceaccount":{"name":"ci","uid":"u1"}},
		"nbf":1700000000,"sub":"system:serviceaccount:bots:ci"}`
	got, err := secret.New(jwt(payload)).Claims()
	want := secret.Claims{
		Payload: payload,
		ID:      "0f1e2d3c", Subject: "system:serviceaccount:bots:ci", UID: "u1", Secret: "kubemint-ci-x", SecretUID: "u2",
		IssuedAt: time.Date(2023, 11, 14, 22, 13, 20, 0, time.UTC), ExpiresAt: time.Date(2023, 11, 14, 23, 13, 20, 0, time.UTC),
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	for name, tt := range map[string]struct {
		claims string
		want   secret.Claims
	}{
		"a legacy token: no jti, no times": {`{"sub":"s"}`, secret.Claims{Subject: "s"}},
		"times with fractions":             {`{"iat":1700000000.9}`, secret.Claims{IssuedAt: want.IssuedAt}},
		"times that no clock shows":        {`{"exp":1e300,"iat":-1}`, secret.Claims{}},
	} {
		got, err := secret.New(jwt(tt.claims)).Claims()
		tt.want.Payload = tt.claims
		if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}

	for name, tt := range map[string]struct{ token, want string }{
		"opaque":       {"canary", "decode token: not a JSON Web Token"},
		"empty":        {"", "decode token: not a JSON Web Token"},
		"four parts":   {"canary.canary.canary.canary", "decode token: not a JSON Web Token"},
		"no base64":    {"canary.=canary=.canary", "decode token: payload is not base64url"},
		"no JSON":      {"canary.Y2FuYXJ5.canary", "decode token: payload is not a set of claims"},
		"other claims": {jwt(`{"jti":["canary"]}`), "decode token: payload is not a set of claims"},
	} {
		if got, err := secret.New(tt.token).Claims(); err == nil || err.Error() != tt.want || got != (secret.Claims{}) {
			t.Errorf("%s: %v, %v; want %s", name, got, err, tt.want)
		}
	}
}

func TestShortened(t *testing.T) {
	t.Parallel()
	issued := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for granted, want := range map[time.Duration]bool{
		time.Hour: false, 59 * time.Minute: false, 59*time.Minute - time.Second: true, 10 * time.Minute: true, 2 * time.Hour: false,
	} {
		minted := lease.Minted{Claims: secret.Claims{IssuedAt: issued}, ExpiresAt: issued.Add(granted)}
		if got := minted.IsShortened(time.Hour); got != want {
			t.Errorf("of 1h, %s granted: shortened %t", granted, got)
		}
	}
}
