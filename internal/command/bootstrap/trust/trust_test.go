package trust_test

import (
	"strconv"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/kubemint/kubemint/internal/command/bootstrap/trust"
)

// renderConfiguration returns the marked lines of the output. All its lines have to be comments.
func renderConfiguration(t *testing.T, flags map[string][]string) string {
	t.Helper()
	read, err := trust.Read(trust.Asked{Flags: flags, Getenv: func(string) string { return "" }, Audience: "kubernetes"})
	if err != nil {
		return "" // refused: nothing is printed
	}
	lines, err := read.Render()
	if err != nil {
		t.Fatal(err)
	}
	var config strings.Builder
	for _, line := range lines {
		if !strings.HasPrefix(line, "#") || strings.ContainsAny(line, "\r\n\u2028\u0085") {
			t.Errorf("%q is not one line of a comment", line)
		}
		if text, ok := strings.CutPrefix(line, "#| "); ok {
			config.WriteString(text + "\n")
		}
	}
	return config.String()
}

// FuzzTrust gives a ref and an environment odd names: each stays one value, in YAML and in JSON, and in CEL.
func FuzzTrust(f *testing.F) {
	for _, name := range []string{
		"production", `a" || true || "`, `\`, "a'b", "#|", "# x", "- a", "{}", "é", "\u2028", "a\n- b", "::add-mask::x", "##[x]", "a: b", "${X}",
		"\xff", "<&>", "🙂", "yes", "0x1", "\u00a0a\u00a0b",
	} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		for _, form := range []string{"config", "aks", "eks"} {
			for flag, claim := range map[string]string{"environment": "environment", "ref": "ref"} {
				value := name
				if flag == "ref" {
					value = "refs/heads/" + name
				}
				config := renderConfiguration(t, map[string][]string{
					"trust": {"github:acme/shop"}, "id": {"74"}, "owner-id": {"65"}, flag: {value}, "for": {form},
				})
				if config != "" {
					holdsValue(t, config, claim, value)
				}
			}
		}
	})
}

// holdsValue demands that a configuration compares a claim with this value, and that the ids' rules are the only others.
func holdsValue(t *testing.T, config, claim, value string) {
	t.Helper()
	type authenticator struct{ ClaimValidationRules []struct{ Expression string } }
	var read struct {
		authenticator
		JWT            []authenticator
		RequiredClaims map[string]string
	}
	if err := yaml.Unmarshal([]byte(config), &read); err != nil {
		t.Fatalf("%v:\n%s", err, config)
	}
	if read.RequiredClaims != nil {
		if read.RequiredClaims[claim] != value || len(read.RequiredClaims) != 3 {
			t.Errorf("%q: the claims are %q", value, read.RequiredClaims)
		}
		return
	}
	rules := read.ClaimValidationRules
	if len(read.JWT) == 1 {
		rules = read.JWT[0].ClaimValidationRules
	}
	if len(rules) != 3 {
		t.Fatalf("%q: %d rules:\n%s", value, len(rules), config)
	}
	literal, ok := strings.CutPrefix(rules[2].Expression, "claims."+claim+" == ")
	if have, err := strconv.Unquote(literal); !ok || err != nil || have != value {
		t.Errorf("%q: the rule is %s", value, rules[2].Expression)
	}
}

func TestRead_WithoutTrustIsNone(t *testing.T) {
	t.Parallel()
	read, err := trust.Read(trust.Asked{Flags: map[string][]string{"subject": {"user:a"}, "steady": {"true"}}})
	if read != nil || err != nil {
		t.Errorf("%v, %v", read, err)
	}
}

// EKS compares at most 253 bytes of a claim.
func TestRead_RefusesWhatEKSCannotTake(t *testing.T) {
	t.Parallel()
	for form, want := range map[string]bool{"config": true, "eks": false} {
		long := map[string][]string{
			"trust": {"gitlab:a/b"}, "id": {"1"}, "owner-id": {"2"}, "environment": {strings.Repeat("a", 254)}, "for": {form},
		}
		if have := renderConfiguration(t, long) != ""; have != want {
			t.Errorf("%s: printed is %v", form, have)
		}
	}
}
