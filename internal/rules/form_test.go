package rules_test

import (
	"strings"
	"testing"

	"github.com/kubemint/kubemint/internal/rules/syntax"
)

// secret stands in every file that is not one of rules; no error may repeat it.
const secret = "hunter2"

var notRules = map[string]string{
	"a .netrc on one line":           "machine api.example.com login ci password hunter2\n",
	"a .netrc on several lines":      "machine api.example.com\nlogin ci\npassword hunter2\n",
	"a .netrc behind rules":          "get pods\nmachine example.com\npassword hunter2\n",
	"a .env file":                    "# of the shop\nDATABASE_URL=postgres://ci:hunter2@db/shop\nexport TOKEN=hunter2\n",
	"a .env file with spaces":        "TOKEN = hunter2\n",
	"a private key":                  "-----BEGIN PRIVATE KEY-----\nhunter2hunter2\n-----END PRIVATE KEY-----\n",
	"a certificate in base64":        "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCmhunter2hunter2\n",
	"a .pgpass":                      "db:5432:shop:ci:hunter2\n",
	"a .pypirc":                      "[pypi]\nusername = ci\npassword = hunter2\n",
	"a curl config":                  "user ci:hunter2\nurl https://example.com\n",
	"a config of ssh":                "Host example.com\n  User hunter2\n",
	"a list of passwords":            "hunter2 correct\nhunter2 horse\n",
	"an SQL script":                  "use shop;\nset password hunter2;\n",
	"a Secret":                       "apiVersion: v1\nkind: Secret\nmetadata: {name: shop}\nstringData: {password: hunter2}\n",
	"a Secret with nothing":          "apiVersion: v1\nkind: hunter2\n",
	"a kubeconfig":                   "apiVersion: v1\nkind: Config\nusers:\n- name: ci\n  user: {token: hunter2}\n",
	"values of Helm":                 "password: hunter2\n",
	"a key that is a secret":         "hunter2: true\n",
	"a key with a line break":        "\"a\\n::add-path::/hunter2\": 1\n",
	"a value of another type":        "rules: hunter2\n",
	"a verb that is an object":       "rules:\n- verbs: {hunter2: x}\n",
	"a list of words":                "- hunter2\n- hunter2\n",
	"an anchor":                      "rules: *hunter2\n",
	"a tag":                          "rules: !hunter2 x\n",
	"a key twice":                    "metadata: {}\nmetadata: {hunter2: x}\n",
	"YAML that breaks off":           "rules: [{verbs: [\"hunter2\n",
	"a second document":              "rules: []\n---\nhunter2: x\n",
	"a List of other things":         "kind: List\nitems:\n- kind: hunter2\n",
	"Secrets alone":                  "apiVersion: v1\nkind: Secret\nstringData: {a: hunter2}\n---\napiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Secret, data: {a: hunter2}}]\n",
	"a kind that is a secret":        "apiVersion: hunter2\nkind: Secret\n---\nkind: Role\nrules: []\n",
	"a Role and values":              "apiVersion: v1\nkind: Secret\n---\nkind: Role\nrules: []\n---\nhunter2: {rules: [{verbs: [get]}]}\n",
	"a string for a list":            "rules: [{verbs: hunter2, apiGroups: [''], resources: [pods]}]\n",
	"a key of a service account":     `{"type": "service_account", "private_key": "hunter2"}`,
	"a config.json of Docker":        `{"auths": {"ghcr.io": {"auth": "hunter2"}}}`,
	"JSON that breaks off":           `{"hunter2": `,
	"a binary":                       "\x7fELF\x02\x01\x01\x00hunter2\x00",
	"an environment of /proc":        "HOME=/root\x00TOKEN=hunter2\x00",
	"UTF-16":                         "\xff\xfeh\x00u\x00n\x00t\x00e\x00r\x002\x00 hunter2 x",
	"a verb and a secret":            "login hunter2\n",
	"a slip and a secret":            "gte hunter2\n",
	"rules with a secret at the end": "get,list pods\n" + strings.Repeat("get pods\n", 50) + "password hunter2\n",
	"a name that could be no name":   "get secrets hunter2\"\nx y\n",
}

func TestCheckForm_NotRules(t *testing.T) {
	t.Parallel()
	for name, text := range notRules {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := syntax.ParseRules(text); err == nil {
				t.Fatal("it parses: then nothing of it is quoted, and the case shows nothing")
			}
			err := syntax.CheckForm(text)
			if err == nil {
				t.Fatal("it passes for a file of rules")
			}
			said := err.Error()
			if strings.Contains(said, secret) || strings.ContainsAny(said, "\n\"") {
				t.Errorf("it repeats the file: %s", said)
			}
			if !strings.HasPrefix(said, "line ") && !strings.HasPrefix(said, "document ") {
				t.Errorf("it does not say where: %s", said)
			}
		})
	}
}

// A slip in a file of rules goes on being shown with what was probably meant.
func TestCheckForm_RulesWithSlips(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a verb":                   "get pods\ngte pods,deployments.apps\n",
		"a resource":               "# of the shop\n\nget,list pdos\n",
		"a resource in another":    "get deployments.extension/scale\n",
		"a capital":                "get Pods\n",
		"a name with a pattern":    "get secrets app-*\n",
		"an URL":                   "get /healthz*/x\n",
		"a comma too many":         "get,,list pods\n",
		"a verb in YAML":           "rules: [{apiGroups: [\"\"], resources: [pods], verbs: [gte]}]\n",
		"a rule without resources": "kind: Role\nmetadata: {name: x}\nrules: [{verbs: [get]}]\n",
		"an aggregated role":       "kind: ClusterRole\naggregationRule: {x: y}\n",
		"nothing":                  "",
		"only comments":            "# get pods\n",
		"an empty list":            "[]",
		"a Role among others":      "apiVersion: v1\nkind: Secret\ndata: {a: b}\n---\nkind: Role\nrules: [{apiGroups: [\"\"], resources: [pods], verbs: [gte]}]\n",
		"Windows' line ends":       "get pods\r\ngte pods\r\n",
		"a byte order mark":        "\ufeffgte pods\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := syntax.ParseRules(text); err == nil {
				t.Fatal("it parses: the case shows nothing")
			}
			if err := syntax.CheckForm(text); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCheckForm_TooLong(t *testing.T) {
	t.Parallel()
	if err := syntax.CheckForm(strings.Repeat("get pods\n", 200_000)); err == nil || !strings.Contains(err.Error(), "the limit is 1048576") {
		t.Error(err)
	}
}
