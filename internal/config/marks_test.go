package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLabels_EachForm(t *testing.T) {
	t.Parallel()
	const (
		key   = " is not the key of a label"
		value = " has a value that a label cannot have"
		ours  = " is kubemint's own: objects are found by it"
	)
	for name, tt := range map[string]struct {
		given string
		want  map[string]string
		fault string
	}{
		"nothing":                       {"", nil, ""},
		"separators alone":              {" ,\n, ", nil, ""},
		"one":                           {"team=web", map[string]string{"team": "web"}, ""},
		"commas, line breaks, spaces":   {"team = web,\r\n example.com/cost=4711\n,a=b,", map[string]string{"team": "web", "example.com/cost": "4711", "a": "b"}, ""},
		"an empty value":                {"team=", map[string]string{"team": ""}, ""},
		"the same twice":                {"team=web,team=web", map[string]string{"team": "web"}, ""},
		"two values":                    {"team=web,team=till", nil, `"team=till" sets the label a second time, to another value`},
		"no value":                      {"team", nil, `"team" has no =`},
		"a colon, as in YAML":           {"team: web", nil, `"team: web" has no =`},
		"spaces between two":            {"team=web env=prod", nil, `"team=web env=prod"` + value},
		"a second equals sign":          {"team=a=b", nil, `"team=a=b"` + value},
		"no key":                        {"=web", nil, `input labels`},
		"a key with a space":            {"my team=web", nil, `"my team"` + key},
		"a key too long":                {strings.Repeat("k", 64) + "=x", nil, key},
		"a value too long":              {"k=" + strings.Repeat("v", 64), nil, value},
		"a control character":           {"k=a\x1bb", nil, value},
		"our manager":                   {"app.kubernetes.io/managed-by=helm", nil, `"app.kubernetes.io/managed-by"` + ours},
		"our account":                   {"kubemint/service-account=a.b", nil, `"kubemint/service-account"` + ours},
		"our prefix":                    {"kubemint/anything=x", nil, `"kubemint/anything"` + ours},
		"our prefix in another case":    {"KubeMint/anything=x", nil, `"KubeMint/anything"` + ours},
		"a neighbour of our manager":    {"app.kubernetes.io/managed-by-team=web", map[string]string{"app.kubernetes.io/managed-by-team": "web"}, ""},
		"a neighbour of our prefix":     {"kubemint.example.com/x=y", map[string]string{"kubemint.example.com/x": "y"}, ""},
		"rules for everybody with edit": {"rbac.authorization.k8s.io/aggregate-to-edit=true", nil, `would add the declared rules to other ClusterRoles`},
	} {
		cfg, faults := load(t, environment(inputs("labels", tt.given), nil))
		if tt.fault == "" {
			if diff := cmp.Diff(tt.want, cfg.Marks.Labels); diff != "" || len(faults) > 0 {
				t.Errorf("%s: %q\n%s", name, faults, diff)
			}
			continue
		}
		if len(faults) != 1 || !strings.Contains(faults[0], tt.fault) || !strings.HasPrefix(faults[0], "input labels: ") || !strings.Contains(faults[0], " | ") {
			t.Errorf("%s: %q, not %q with a remedy", name, faults, tt.fault)
		}
	}
}

func TestLabels_EachFaultIsReported(t *testing.T) {
	t.Parallel()
	_, faults := load(t, environment(inputs("labels", "team,kubemint/x=y,a b=c,ok=yes"), nil))
	if len(faults) != 3 {
		t.Errorf("%q", faults)
	}
}

func TestOwner_EachForm(t *testing.T) {
	t.Parallel()
	for given, fault := range map[string]string{
		"":                       "",
		" team web ":             "",
		"github:1234":            "",
		"Team Überall/shop":      "",
		strings.Repeat("x", 253): "",
		strings.Repeat("x", 254): "is too long",
		"a\nb":                   "holds a line break",
		"a\x1b[2J":               "holds a line break or another control character",
		"a\r::set-output::x":     "holds a line break",
	} {
		cfg, faults := load(t, environment(inputs("owner", given), nil))
		switch {
		case fault == "" && (len(faults) > 0 || cfg.Marks.Owner != strings.TrimSpace(given)):
			t.Errorf("%q: %q %q", given, cfg.Marks.Owner, faults)
		case fault != "" && (len(faults) != 1 || !strings.Contains(faults[0], fault) || !strings.HasPrefix(faults[0], "input owner: ")):
			t.Errorf("%q: %q, not %q", given, faults, fault)
		}
	}
}
