package idtoken

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
)

const github = `"iss":"https://token.actions.githubusercontent.com","sub":"repo:acme@65/shop@74:ref:refs/heads/main","repository":"acme/shop",` +
	`"repository_id":"74","repository_owner_id":"65","ref":"refs/heads/main"`

// describeRefusal returns the refusal of a token with these claims, as one of the given kind.
func describeRefusal(t *testing.T, token string, code problem.Code) (*problem.Error, bool) {
	t.Helper()
	latest := &Latest{}
	login := latest.Follow(func(context.Context) (secret.Value, time.Time, error) {
		return secret.New(token), time.Time{}, nil
	})
	if given, _, err := login(t.Context()); err != nil || given.Reveal() != token {
		t.Fatal("it is not the login that was followed")
	}
	refusal := problem.New(code, "create Lease", errors.New("no"))
	return refusal, latest.Describe(refusal)
}

func encodeToken(claims string) string {
	return "eyJhbGciOiJSUzI1NiJ9." + base64.RawURLEncoding.EncodeToString([]byte("{"+claims+"}")) + ".c2lnbmF0dXJl"
}

func TestDescribe_WhatWasRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		claims string
		code   problem.Code
		want   []string // the details, then the hints
	}{
		"a login, by GitHub's token": {github + `,"aud":"vault","exp":946684800`, problem.Source, []string{
			"the job's ID token says", "  iss: https://token.actions.githubusercontent.com", "  aud: vault",
			"  sub: repo:acme@65/shop@74:ref:refs/heads/main", "  repository_id: 74", "  repository_owner_id: 65", "  ref: refs/heads/main",
			"  exp: 2000-01-01T00:00:00Z",
			"an API server accepts the token until it expires, if it trusts this issuer for this audience, and if its rules fit the other claims",
			"an administrator sees what the API server needs for it:  kubemint bootstrap --trust github:acme/shop --id 74 --owner-id 65 --ref refs/heads/main",
		}},
		"a right": {github + `,"aud":["a","b"],"environment":"production"`, problem.Rights, []string{
			"the job's ID token says  iss: https://token.actions.githubusercontent.com; aud: a, b; sub: repo:acme@65/shop@74:ref:refs/heads/main; " +
				"repository_id: 74; repository_owner_id: 65; ref: refs/heads/main; environment: production",
			"an administrator can have the API server name the user by the repository's id, which outlives its name:  " +
				"kubemint bootstrap --trust github:acme/shop --id 74 --owner-id 65 --environment production",
		}},
		"another failure": {github, problem.Mint, nil},
		"an instance of GitLab, an odd branch": {
			`"iss":"https://gitlab.example.com","sub":"s","project_path":"a/b/c","project_id":"22","namespace_id":"72","ref_path":"refs/heads/$(x)"`,
			problem.Rights,
			[]string{
				"the job's ID token says  iss: https://gitlab.example.com; sub: s; project_id: 22; namespace_id: 72; ref_path: refs/heads/$(x)",
				"an administrator can have the API server name the user by the repository's id, which outlives its name:  " +
					"kubemint bootstrap --trust gitlab:a/b/c --id 22 --owner-id 72 --issuer https://gitlab.example.com",
			},
		},
		"another issuer": {`"iss":"https://dex.example.com","aud":"k","sub":"` + strings.Repeat("ü", 300) + `"`, problem.Rights, []string{
			"the job's ID token says  iss: https://dex.example.com; aud: k; sub: " + strings.Repeat("ü", 200) + "…",
		}},
		"a path that is a command": {
			`"iss":"i","repository":"a/b;rm","repository_id":"74"`, problem.Rights, []string{"the job's ID token says  iss: i"},
		},
	} {
		refusal, said := describeRefusal(t, encodeToken(c.claims), c.code)
		if diff := cmp.Diff(c.want, append(refusal.Details, refusal.Hints...)); diff != "" || !said {
			t.Errorf("%s: %v\n%s", name, said, diff)
		}
	}
}

func TestDescribe_WhatIsNoIDTokenSaysNothing(t *testing.T) {
	t.Parallel()
	for _, token := range []string{"sesame", "a.b.c", "", encodeToken("not json")} {
		if refusal, said := describeRefusal(t, token, problem.Source); said || len(refusal.Details)+len(refusal.Hints) > 0 {
			t.Errorf("%q: %v", token, refusal)
		}
	}
	latest := &Latest{}
	latest.said.Store(readToken(secret.New(encodeToken(github))))
	bound := problem.New(problem.Rights, "create Lease", errors.New(`user "github:repository_id:74" may not create leases`))
	if latest.Describe(bound); len(bound.Hints) != 1 {
		t.Errorf("the user is named by the id already: %q", bound.Hints)
	}
	var none *Latest
	if none.Describe(problem.New(problem.Source, "x", errors.New("no"))) || (&Latest{}).Describe(nil) {
		t.Error("a source without an ID token describes one")
	}
}

// The signature makes claims a credential: no text has it, nor the encoded claims.
func TestDescribe_ShowsNoPartOfTheToken(t *testing.T) {
	t.Parallel()
	token := encodeToken(github + `,"aud":"k"`)
	for _, code := range []problem.Code{problem.Source, problem.Rights} {
		refusal, _ := describeRefusal(t, token, code)
		text := refusal.Error() + strings.Join(refusal.Hints, " ")
		for part := range strings.SplitSeq(token, ".") {
			if strings.Contains(text, part) {
				t.Errorf("%s holds %s", text, part)
			}
		}
	}
}
