package issuer_test

import (
	"strings"
	"testing"

	"github.com/kubemint/kubemint/internal/source/issuer"
)

func findSystem(t *testing.T, name string) issuer.System {
	t.Helper()
	for _, system := range issuer.Systems() {
		if system.Name == name {
			return system
		}
	}
	t.Fatalf("no system %s", name)
	return issuer.System{}
}

func TestLocate_EachInstance(t *testing.T) {
	t.Parallel()
	for server, want := range map[string]string{
		"github ":                             "https://token.actions.githubusercontent.com",
		"github https://github.com":           "https://token.actions.githubusercontent.com",
		"github https://acme.ghe.com":         "https://token.actions.acme.ghe.com",
		"github https://ghes.example.com":     "https://ghes.example.com/_services/token",
		"github https://ghes.example.com/":    "https://ghes.example.com/_services/token",
		"github https://evil.com/x.ghe.com":   "https://evil.com/x.ghe.com/_services/token",
		"gitlab https://gitlab.com":           "https://gitlab.com",
		"gitlab https://example.com/gitlab/":  "https://example.com/gitlab",
		"gitlab https://gitlab.example:8443":  "https://gitlab.example:8443",
		"gitlab http://gitlab.example":        "http://gitlab.example",
		"gitlab https://gitlab.com.evil.test": "https://gitlab.com.evil.test",
	} {
		name, at, _ := strings.Cut(server, " ")
		if have := findSystem(t, name).Locate(at); have != want {
			t.Errorf("%q: %s, not %s", server, have, want)
		}
	}
}

// Two instances count their ids alike: their repositories must not be one user.
func TestUserPrefix_NamesTheInstance(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, system := range issuer.Systems() {
		for _, at := range []string{system.URL, "https://a.example", "https://b.example", "https://a.example/b"} {
			prefix := system.UserPrefix(at)
			if other := seen[prefix]; other != "" || strings.HasPrefix(prefix, "system:") {
				t.Errorf("%s and %s are both %s", at, other, prefix)
			}
			seen[prefix] = at
		}
	}
	if have := findSystem(t, "github").UserPrefix(findSystem(t, "github").URL); have != "github:repository_id:" {
		t.Error(have)
	}
}
