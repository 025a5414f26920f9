// Command gen writes the table of Kubernetes' own resources, from the discovery documents of the
// version that the test control plane is built of, and from what no API server serves and
// authorizers are asked for all the same. Run it in the root of the repository after
// test/controlplane/go.mod has changed:
//
//	go run ./internal/rules/names/gen
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/format"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const output = "internal/rules/names/builtin.go"

func main() {
	if err := write("."); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func write(root string) error {
	module, err := downloadKubernetes(root)
	if err != nil {
		return err
	}
	text, err := render(module)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, filepath.FromSlash(output)), text, 0o644) //nolint:gosec // a source file
}

// module is k8s.io/kubernetes as the test control plane requires it.
type module struct{ Version, Dir string }

// downloadKubernetes asks no network if the control plane was built on this machine before.
func downloadKubernetes(root string) (module, error) {
	command := exec.Command("go", "mod", "download", "-json", "k8s.io/kubernetes") //nolint:noctx // a developer waits
	command.Dir = filepath.Join(root, "test", "controlplane")
	answer, err := command.Output()
	if err != nil {
		return module{}, fmt.Errorf("download k8s.io/kubernetes: %w: %s", err, answer)
	}
	var found module
	err = json.Unmarshal(answer, &found)
	return found, err
}

// unserved are resources that authorizers are asked for and that no API server serves. Source:
// k8s.io/kubernetes, where each is named in a check of authorization: users, groups, uids and
// userextras by impersonation; signers by approval and signing; the kubelet's nodes/…;
// namespaces/finalizers by garbage collection; subresources of certificatesigningrequests by
// approvers, of resourceclaims by drivers.
var unserved = map[string][]string{
	"": {
		"groups", "namespaces/finalizers", "nodes/checkpoint", "nodes/configz", "nodes/healthz", "nodes/log",
		"nodes/metrics", "nodes/pods", "nodes/spec", "nodes/stats", "nodes/statusz", "users",
	},
	"authentication.k8s.io": {"admissionReviewAPIGroups", "uids", "userextras"},
	"certificates.k8s.io": {
		"certificatesigningrequests/nodeclient", "certificatesigningrequests/selfnodeclient",
		"certificatesigningrequests/selfnodeserver", "signers",
	},
	"resource.k8s.io": {"resourceclaims/binding", "resourceclaims/driver"},
}

// unservedWithoutNamespace lists those of them that are asked for without a namespace.
var unservedWithoutNamespace = []string{"groups", "signers", "uids", "userextras", "users"}

// discovery is a document of k8s.io/kubernetes/api/discovery: an APIResourceList.
type discovery struct {
	GroupVersion string `json:"groupVersion"`
	Resources    []struct {
		Name       string `json:"name"`
		Kind       string `json:"kind"`
		Namespaced bool   `json:"namespaced"`
	} `json:"resources"`
}

// tables hold what builtin.go has, by group.
type tables struct {
	resources     map[string]map[string]string // the names, subresources included; the values are empty
	kinds         map[string]map[string]string // the kind of each object: its resource
	clusterScoped map[string]string            // the names; the values are empty
}

// render returns the source of the tables.
func render(kubernetes module) ([]byte, error) {
	t := tables{
		resources: map[string]map[string]string{}, kinds: map[string]map[string]string{},
		clusterScoped: map[string]string{},
	}
	for group, names := range unserved {
		for _, name := range names {
			add(t.resources, group, name, "")
		}
	}
	for _, name := range unservedWithoutNamespace {
		t.clusterScoped[name] = ""
	}
	paths, err := filepath.Glob(filepath.Join(kubernetes.Dir, "api", "discovery", "*__v*.json"))
	if err != nil || len(paths) == 0 {
		return nil, fmt.Errorf("%s has no discovery documents (%w)", kubernetes.Dir, err)
	}
	for _, path := range paths {
		var document discovery
		text, err := os.ReadFile(path) //nolint:gosec // of the module cache
		if err == nil {
			err = json.Unmarshal(text, &document)
		}
		if err != nil {
			return nil, err
		}
		t.addDocument(document)
	}
	return t.render(kubernetes.Version)
}

func (t tables) addDocument(document discovery) {
	group, _, named := strings.Cut(document.GroupVersion, "/")
	if !named { // v1
		group = ""
	}
	for _, resource := range document.Resources {
		add(t.resources, group, resource.Name, "")
		if strings.Contains(resource.Name, "/") {
			continue
		}
		add(t.kinds, group, resource.Kind, resource.Name)
		// The URL of a Namespace is in itself: rules about it can count in a Role.
		if !resource.Namespaced && resource.Name != "namespaces" {
			t.clusterScoped[resource.Name] = ""
		}
	}
}

func add(groups map[string]map[string]string, group, key, value string) {
	if groups[group] == nil {
		groups[group] = map[string]string{}
	}
	groups[group][key] = value
}

func (t tables) render(version string) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, `// Code generated by internal/rules/names/gen. DO NOT EDIT.

package names

// Builtin has the resources of each group, subresources included: those of api/discovery of
// Kubernetes %s (which has all stable ones since 1.28), and those that are only ever authorized
// and never served.
var Builtin = map[string][]string{
`, strings.TrimPrefix(version, "v"))
	writeGroups(&b, t.resources)
	b.WriteString(`}

// kinds has the resource of each kind of object, by group.
var kinds = map[string]map[string]string{
`)
	writeGroups(&b, t.kinds)
	fmt.Fprintf(&b, `}

// clusterScoped are the built-in resources that belong to no namespace, but for namespaces
// themselves. Only one built-in group has each of them.
var clusterScoped = []string{
%s}
`, quoteWords(t.clusterScoped))
	return format.Source(b.Bytes())
}

func writeGroups(b *bytes.Buffer, groups map[string]map[string]string) {
	for _, group := range slices.Sorted(maps.Keys(groups)) {
		fmt.Fprintf(b, "%q: {\n%s},\n", group, quoteWords(groups[group]))
	}
}

// quoteWords returns the words as elements of a Go literal, each with its value unless that is
// empty, in lines of at most 100 columns.
func quoteWords(words map[string]string) string {
	const most = 92
	var text, line string
	for _, word := range slices.Sorted(maps.Keys(words)) {
		element := strconv.Quote(word) + ", "
		if value := words[word]; value != "" {
			element = fmt.Sprintf("%q: %q, ", word, value)
		}
		if len(line)+len(element) > most {
			text += strings.TrimSpace(line) + "\n"
			line = ""
		}
		line += element
	}
	return text + strings.TrimSpace(line) + "\n"
}
