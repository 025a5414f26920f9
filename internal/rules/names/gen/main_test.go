package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The modules of the test control plane are there as soon as it has been built once.
func TestTablesAreCurrent(t *testing.T) {
	root := filepath.Join("..", "..", "..", "..")
	kubernetes, err := findKubernetes(root)
	if err != nil || kubernetes.Dir == "" {
		t.Skipf("run controlplane/build.sh first: the module k8s.io/kubernetes is not downloaded (%v)", err)
	}
	want, err := render(kubernetes)
	if err != nil {
		t.Fatal(err)
	}
	have, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(output)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(have)); diff != "" {
		t.Errorf("%s is out of date: go run ./internal/rules/names/gen\n%s", output, diff)
	}
}
