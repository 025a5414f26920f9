package manifest_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/rules/manifest"
	"github.com/kubemint/kubemint/internal/rules/needs"
	"github.com/kubemint/kubemint/internal/rules/syntax"
)

// TestDerive_ByTool compares, for each archive of testdata, what is printed for each tool that it names.
func TestDerive_ByTool(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) < 6 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			objects, err := manifest.Read(archive.Files[0].Data)
			if err != nil {
				t.Fatal(err)
			}
			for i, file := range archive.Files[1:] {
				lines := manifest.Derive(objects, manifest.Tool(file.Name)).Lines()
				got := strings.Join(lines, "\n") + "\n"
				if os.Getenv("UPDATE") != "" {
					archive.Files[i+1].Data = []byte(got)
				} else if diff := cmp.Diff(string(file.Data), got); diff != "" {
					t.Errorf("%s: %s", file.Name, diff)
				}
				checkPasteable(t, got)
			}
			if os.Getenv("UPDATE") != "" {
				if err := os.WriteFile(path, txtar.Format(archive), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// checkPasteable reads the lines back as the input `rules` does.
func checkPasteable(t *testing.T, lines string) {
	t.Helper()
	if _, err := syntax.ParseRules(lines); err != nil {
		t.Errorf("the input rules does not take it: %v\n%s", err, lines)
	}
}

func TestRead_Forms(t *testing.T) {
	t.Parallel()
	web := "Deployment web"
	for name, tt := range map[string]struct {
		text string
		want []string
	}{
		"nothing":               {"", nil},
		"comments":              {"# a\n---\n# b\n---\n", nil},
		"null":                  {"---\nnull\n---\n", nil},
		"windows line ends":     {"apiVersion: apps/v1\r\nkind: Deployment\r\nmetadata: {name: web}\r\n---\r\n", []string{web}},
		"byte order mark":       {"\ufeffapiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n", []string{web}},
		"json":                  {`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"}}`, []string{web}},
		"json in a row":         {`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}` + "\n" + `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"b"}}`, []string{"Pod a", "Pod b"}},
		"flow style":            {"{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}}", []string{web}},
		"a list":                {"apiVersion: v1\nkind: List\nitems:\n- {apiVersion: apps/v1, kind: Deployment, metadata: {name: web}}\n", []string{web}},
		"a list in a list":      {"apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Pod, metadata: {name: a}}]}\n", []string{"Pod a"}},
		"an empty list":         {"apiVersion: v1\nkind: List\nitems: []\n", nil},
		"a kind that ends so":   {"apiVersion: acme.io/v1\nkind: AllowList\nmetadata: {name: a}\n", []string{"AllowList a"}},
		"a generated name":      {"apiVersion: batch/v1\nkind: Job\nmetadata: {generateName: a-}\n", []string{"Job of a generated name"}},
		"dashes in a text":      {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  x: |\n    ---\n    y\n", []string{"ConfigMap a"}},
		"documents with tags":   {"--- # Source: a.yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\n", []string{"Pod a"}},
		"a document that ends…": {"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n...\n", []string{"Pod a"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			objects, err := manifest.Read([]byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, o := range objects {
				got = append(got, o.String())
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestRead_Faults(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("{apiVersion: v1, kind: List, items: [", 10) + strings.Repeat("]}", 10)
	for name, tt := range map[string]struct{ text, want string }{
		"a template":             {"kind: {{ .Values.kind }}\n", "render it first, as in  helm template . | kubemint rules -"},
		"a kustomization":        {"apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a]\n", "kustomize build . | kubemint rules -"},
		"values":                 {"replicas: 1\n", "document 1: it has no apiVersion and kind"},
		"words":                  {"hello", "document 1: it is not an object of the Kubernetes API"},
		"a sequence":             {"- a\n- b\n", "document 1: it is not an object of the Kubernetes API"},
		"broken":                 {"a: [\n", "document 1: it is not YAML: "},
		"the third":              {"---\napiVersion: v1\nkind: Pod\n---\napiVersion: v1\nkind: Pod\n---\nx: 1\n", "document 3: it has no apiVersion and kind"},
		"an item":                {"apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Pod}, {a: 1}]\n", "item 2: it has no apiVersion and kind"},
		"an apiVersion":          {"apiVersion: a/b/c\nkind: Pod\n", "apiVersion: "},
		"lists without end":      {deep, "lists in lists, more than 8 deep"},
		"a role":                 {"apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: a}\nrules: x\n", "Role a: its rules cannot be read"},
		"a binding":              {"apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: a}\n", "RoleBinding a: its roleRef cannot be read"},
		"a definition":           {"apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: a}\nspec: {group: a.io}\n", "it lacks spec.group, spec.names.kind or spec.names.plural"},
		"an encrypted one (age)": {"-----BEGIN AGE ENCRYPTED FILE-----\nabc\n-----END AGE ENCRYPTED FILE-----\n", "document 1: invalid Yaml document separator"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := manifest.Read([]byte(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// What --check compares: the rules that are declared, in the words of people.
func TestMissing(t *testing.T) {
	t.Parallel()
	const text = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
`
	const elsewhere = `
apiVersion: v1
kind: Secret
metadata: {name: a, namespace: elsewhere}
`
	const deployments = "get,list,watch,create,patch deployments.apps"
	const all = deployments + "; cluster get,create,patch namespaces"
	role := func(line string) []rbacv1.PolicyRule { return parseRules(t, line).Rules }
	for name, tt := range map[string]struct {
		text       string
		rules      string
		namespaces []string
		roles      map[string][]rbacv1.PolicyRule
		want       []string
	}{
		"all":                {text, all, nil, nil, nil},
		"more than that":     {text, "* *.apps; cluster * namespaces", nil, nil, nil},
		"all at cluster":     {text, "cluster " + deployments + "; cluster get,create,patch namespaces", nil, nil, nil},
		"a verb less":        {text, "get,list,watch,create deployments; cluster get,create,patch namespaces", nil, nil, []string{"patch  deployments.apps"}},
		"not at cluster":     {text, deployments + "; get,create,patch namespaces", nil, nil, []string{"cluster  get,create,patch  namespaces"}},
		"another one's name": {text, "get,list,watch,create,patch deployments web; cluster * *", nil, nil, []string{"get,list,watch,create,patch  deployments.apps"}},
		"a role in both": {text, "cluster * namespaces", []string{"a", "b"}, map[string][]rbacv1.PolicyRule{
			"a": role(deployments), "b": role("* *.apps"),
		}, nil},
		"a role in one of two": {text, "cluster * namespaces", []string{"a", "b"}, map[string][]rbacv1.PolicyRule{
			"a": role(deployments),
		}, []string{"get,list,watch,create,patch  deployments.apps"}},
		"a role in another namespace": {elsewhere, "", []string{"a", "elsewhere"}, map[string][]rbacv1.PolicyRule{
			"a": role("* secrets"), "elsewhere": role("get secrets"),
		}, []string{"create,patch  secrets"}},
		"a role of the whole cluster":      {elsewhere, "", []string{"a"}, map[string][]rbacv1.PolicyRule{"": role("* secrets")}, nil},
		"a namespace that is not declared": {elsewhere, "* secrets", []string{"a"}, nil, []string{"get,create,patch  secrets"}},
		"the same, at cluster scope":       {elsewhere, "cluster * secrets", []string{"a"}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			objects, err := manifest.Read([]byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			declared := needs.Declared{Rules: parseRules(t, tt.rules), Namespaces: tt.namespaces, Roles: tt.roles}
			var got []string
			for _, line := range manifest.Derive(objects, manifest.Apply).Missing(declared).Lines() {
				if line != "" && !strings.HasPrefix(line, "#") {
					got = append(got, line)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func parseRules(t *testing.T, text string) syntax.Scoped {
	t.Helper()
	parsed, err := syntax.ParseRules(text)
	if err != nil && text != "" {
		t.Fatal(err)
	}
	return parsed
}
