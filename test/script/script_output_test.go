package script

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/test/harness"
)

// leases demands how many credentials are live in a namespace.
func leases(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	cluster, err := harness.Shared()
	ts.Check(err)
	var list metav1.PartialObjectMetadataList
	path := "/apis/coordination.k8s.io/v1/namespaces/" + args[1] + "/leases?labelSelector=app.kubernetes.io/managed-by=kubemint"
	ts.Check(cluster.Admin.Do(context.Background(), http.MethodGet, path, nil, &list))
	list.Items = slices.DeleteFunc(list.Items, harness.IsLock)
	if len(list.Items) != want {
		ts.Fatalf("%d leases in %s, not %d", len(list.Items), args[1], want)
	}
}

// commands reads a command file as GitHub's runner does and writes each value to a file of a fresh directory:
// the last one of each name counts.
func commands(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[1])
	ts.Check(os.RemoveAll(dir))
	ts.Check(os.Mkdir(dir, 0o700))
	lines := strings.Split(strings.TrimSuffix(ts.ReadFile(args[0]), "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		if lines[i] == "" {
			continue
		}
		name, delimiter, ok := strings.Cut(lines[i], "<<")
		if !ok || name == "" || delimiter == "" || strings.Contains(name, "=") {
			ts.Fatalf("%s: kubemint does not write such a command: %q", args[0], lines[i])
		}
		var value []string
		for i++; i < len(lines) && lines[i] != delimiter; i++ {
			value = append(value, lines[i])
		}
		if i == len(lines) {
			ts.Fatalf("%s: the value of %s does not end", args[0], name)
		}
		ts.Check(os.WriteFile(filepath.Join(dir, name), []byte(strings.Join(value, "\n")), 0o600))
	}
}

// clears unsets variables: to kubemint an empty one is an unset one, which other programs need not agree with.
func clears(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		ts.Setenv(name, "")
	}
}
