package lease_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/lease"
	"github.com/kubemint/kubemint/internal/problem"
)

// What an API server issues at now for an hour, to bots/ci.
const (
	issuedAt, expiresAt = 1767323045, 1767326645
	ours                = `{"jti":"0f1e2d3c","sub":"system:serviceaccount:bots:ci","iat":1767323045,"exp":1767326645,` +
		`"kubernetes.io":{"namespace":"bots","serviceaccount":{"name":"ci","uid":"u1"}}}`
	legacy = `{"iss":"kubernetes/serviceaccount","sub":"system:serviceaccount:bots:ci","kubernetes.io/serviceaccount/namespace":"bots",` +
		`"kubernetes.io/serviceaccount/service-account.name":"ci","kubernetes.io/serviceaccount/service-account.uid":"u1"}`
)

// signed returns a token in its wire form, with a made-up signature.
func signed(claims string) string { return assemble(`{"alg":"RS256","kid":"k"}`, claims, "signature") }

func assemble(header, claims, signature string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(header)) + "." + encode([]byte(claims)) + "." + encode([]byte(signature))
}

// issuer answers a TokenRequest with this.
type issuer struct {
	token   string
	expires time.Time
}

func (issuer) Create(context.Context, kube.Object) error { return errors.ErrUnsupported }
func (issuer) Delete(context.Context, kube.Object) error { return errors.ErrUnsupported }
func (i issuer) RequestToken(_ context.Context, _ types.NamespacedName, request *authenticationv1.TokenRequest) error {
	request.Status.Token, request.Status.ExpirationTimestamp = i.token, metav1.NewTime(i.expires)
	return nil
}

func mintFrom(t *testing.T, i issuer, clock time.Time) (lease.Minted, error) {
	t.Helper()
	return lease.Mint(t.Context(), i, lease.Wanted{Account: account, Lifetime: time.Hour, Now: func() time.Time { return clock }})
}

// What real servers answer is taken.
func TestMintTakesWhatServersIssue(t *testing.T) {
	t.Parallel()
	replace := func(old, with string) string { return strings.Replace(ours, old, with, 1) }
	for name, claims := range map[string]string{
		"Kubernetes":                      ours,
		"Kubernetes 1.29: no jti":         replace(`"jti":"0f1e2d3c",`, ""),
		"Kubernetes, extended for itself": replace("1767326645", "1798859045"),
		"karpor-server: bound, no jti": replace(`"jti":"0f1e2d3c",`, `"aud":["karpor"],`)[:len(replace(`"jti":"0f1e2d3c",`, `"aud":["karpor"],`))-1] +
			`,"nbf":1767323045}`,
		"kcp":                  replace(`{"namespace"`, `{"clusterName":"x","namespace"`),
		"times with fractions": replace(`"iat":1767323045`, `"iat":1767323045.25`),
	} {
		for clock, at := range map[string]time.Time{"known": now, "unknown": {}, "a second ahead": now.Add(time.Second)} {
			minted, err := mintFrom(t, issuer{signed(claims), now.Add(time.Hour)}, at)
			if err != nil || minted.Token.Reveal() != signed(claims) {
				t.Errorf("%s, the clock %s: %v", name, clock, err)
			}
		}
	}
	if _, err := lease.Mint(t.Context(), issuer{signed(ours), now.Add(time.Hour)}, lease.Wanted{Account: account, Lifetime: time.Hour}); err != nil {
		t.Errorf("without a clock: %v", err)
	}
}

func TestMintRefusesWhatIsNotOfThisAccount(t *testing.T) {
	t.Parallel()
	replace := func(old, with string) string { return signed(strings.Replace(ours, old, with, 1)) }
	const (
		another  = "the token is not one of ServiceAccount bots/ci"
		word     = "the token is not one word of ASCII"
		unsigned = "decode token: not a signed JSON Web Token"
	)
	for name, c := range map[string]struct{ token, want string }{
		"another account":                    {replace("bots:ci", "kube-system:admin"), another},
		"the account's name in another case": {replace("bots:ci", "bots:CI"), another},
		"a longer name":                      {replace("bots:ci", "bots:ci-x"), another},
		"another namespace in the claims":    {replace(`"namespace":"bots"`, `"namespace":"shop"`), another},
		"another account in the claims":      {replace(`"name":"ci"`, `"name":"admin"`), another},
		"a user":                             {replace("system:serviceaccount:bots:ci", "jane@example.com"), another},
		"no subject":                         {replace(`"sub":"system:serviceaccount:bots:ci",`, ""), another},
		"a CI system's":                      {signed(`{"iss":"https://token.actions.githubusercontent.com","sub":"repo:acme/shop:ref:refs/heads/main","iat":1767323045,"exp":1767326645}`), another},
		"the subject without the claims":     {signed(`{"sub":"system:serviceaccount:bots:ci","iat":1767323045,"exp":1767326645}`), another},
		"claims of another form":             {replace(`"serviceaccount":{"name":"ci","uid":"u1"}`, `"serviceaccount":"ci"`), "decode token: payload is not a set of claims"},

		"a line break at the end": {signed(ours) + "\n", word},
		"a header behind it":      {signed(ours) + "\r\nImpersonate-User: admin", word},
		"white space":             {" " + signed(ours), word},
		"a tab in it":             {strings.Replace(signed(ours), ".", ".\t", 1), word},
		"ESC":                     {signed(ours) + "\x1b[2J", word},
		"NUL":                     {signed(ours) + "\x00", word},
		"not ASCII":               {signed(ours) + "é", word},
		"a bidi control":          {signed(ours) + "\u202e", word},
		"not UTF-8":               {signed(ours) + "\xff", word},

		"no signature":          {assemble(`{"alg":"RS256"}`, ours, ""), unsigned},
		"the algorithm none":    {assemble(`{"alg":"none"}`, ours, "x"), unsigned},
		"the algorithm NONE":    {assemble(`{"alg":"NONE"}`, ours, "x"), unsigned},
		"a header of no JSON":   {assemble(`header`, ours, "x"), unsigned},
		"a header without alg":  {assemble(`{}`, ours, "x"), unsigned},
		"base64 with padding":   {signed(ours) + "=", unsigned},
		"base64, not base64url": {signed(ours) + "+/", unsigned},
		"encrypted: five parts": {"a.b.c.d.e", "decode token: not a JSON Web Token"},
		"two parts":             {strings.TrimSuffix(assemble(`{"alg":"RS256"}`, ours, ""), "."), "decode token: not a JSON Web Token"},

		"absurdly long":           {assemble(`{"alg":"RS256"}`, ours, strings.Repeat("x", 64<<10)), "the token is longer than 64 KiB"},
		"a jti with a line break": {replace("0f1e2d3c", `x\n::add-mask::y`), "the token's jti is not one word of ASCII"},
		"a jti with ESC":          {replace("0f1e2d3c", `x\u001b`), "the token's jti is not one word of ASCII"},
		"a long jti":              {replace("0f1e2d3c", strings.Repeat("x", 254)), "the token's jti is not one word of ASCII"},
	} {
		_, err := mintFrom(t, issuer{c.token, now.Add(time.Hour)}, now)
		refusedFor(t, name, err, c.want)

		secret := &corev1.Secret{Data: map[string][]byte{"token": []byte(c.token), "ca.crt": []byte("x")}}
		secret.Namespace, secret.Name = "bots", "kubemint-token-ci"
		_, err = lease.AwaitPermanent(t.Context(), nil, secret, account, "")
		var p *problem.Error
		if !errors.As(err, &p) || p.Code != problem.Mint || p.Cause.Error() != c.want {
			t.Errorf("%s, in a Secret: %v", name, err)
		}
	}
}

// refusedFor demands this cause, and that it does not repeat anything of the token.
func refusedFor(t *testing.T, name string, err error, want string) {
	t.Helper()
	var p *problem.Error
	if !errors.As(err, &p) || p.Code != problem.Mint || p.Cause.Error() != want {
		t.Errorf("%s: %v (code %d), and not %q", name, err, problem.ExitCode(err), want)
		return
	}
	if len(p.Hints) != 1 || !strings.HasPrefix(p.Hints[0], "it is not used: ") {
		t.Errorf("%s: hints %q", name, p.Hints)
	}
}

func TestMintRefusesAnExpiryThatMakesNoSense(t *testing.T) {
	t.Parallel()
	claims := func(issued, ends int64) string {
		return signed(strings.NewReplacer(fmt.Sprint(issuedAt), fmt.Sprint(issued), fmt.Sprint(expiresAt), fmt.Sprint(ends)).Replace(ours))
	}
	year := 365 * 24 * time.Hour
	for name, c := range map[string]struct {
		token   string
		expires time.Time
		clock   time.Time
		want    string
	}{
		"an expiry in the past":           {signed(ours), now.Add(-26 * year), now, "the token expires at 2000-01-09T03:04:05Z, before it was issued"},
		"that of the epoch":               {signed(ours), time.Unix(1, 0), now, "the token expires at 1970-01-01T00:00:01Z, before it was issued"},
		"at the second of its issue":      {signed(ours), now, time.Time{}, "the token expires at 2026-01-02T03:04:05Z, before it was issued"},
		"no expiry":                       {signed(ours), time.Time{}, now, "the token has no expiry, although one was asked for"},
		"no expiry in the claims":         {claims(issuedAt, 0), now.Add(time.Hour), now, "the token has no expiry, although one was asked for"},
		"no time of issue":                {claims(0, expiresAt), now.Add(time.Hour), now, "the token does not say when it was issued"},
		"claims that end before issue":    {claims(issuedAt, issuedAt-1), now.Add(time.Hour), now, "the token expires at 2026-01-02T04:04:05Z, before it was issued"},
		"of last year":                    {claims(issuedAt-31536000, issuedAt-31532400), now.Add(time.Hour - year), now, "the token has expired already, at 2025-01-02T04:04:05Z"},
		"claims of last year":             {claims(issuedAt-31536000, issuedAt-31532400), now.Add(time.Hour), now, "the token has expired already, at 2026-01-02T04:04:05Z"},
		"expired by the server's clock":   {signed(ours), now.Add(time.Hour), now.Add(time.Hour), "the token has expired already, at 2026-01-02T04:04:05Z"},
		"an expiry that no calendar has":  {claims(issuedAt, 1<<60), now.Add(time.Hour), now, "the token has no expiry, although one was asked for"},
		"a negative expiry in the claims": {claims(issuedAt, -5), now.Add(time.Hour), now, "the token has no expiry, although one was asked for"},
	} {
		_, err := mintFrom(t, issuer{c.token, c.expires}, c.clock)
		refusedFor(t, name, err, c.want)
	}
}

// In a Secret the controller's token is taken, which has neither jti nor times. One that expires was put there by others.
func TestAwaitPermanentTakesTheControllersToken(t *testing.T) {
	t.Parallel()
	secret := &corev1.Secret{Data: map[string][]byte{"token": []byte(signed(legacy)), "ca.crt": []byte("x")}}
	minted, err := lease.AwaitPermanent(t.Context(), nil, secret, account, "u1")
	if err != nil || !minted.IsPermanent() || !strings.HasPrefix(minted.Claims.ID, "sha256:") {
		t.Errorf("got %+v, %v", minted, err)
	}
	secret.Data["token"] = []byte(signed(ours))
	_, err = lease.AwaitPermanent(t.Context(), nil, secret, account, "u1")
	var p *problem.Error
	if !errors.As(err, &p) || p.Cause.Error() != "the token expires, so it is not the controller's" {
		t.Errorf("an expiring token: %v", err)
	}
}
