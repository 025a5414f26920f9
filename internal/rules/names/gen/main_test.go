package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTables_Current(t *testing.T) {
	root := filepath.Join("..", "..", "..", "..")
	kubernetes, err := downloadKubernetes(root)
	if err != nil {
		t.Fatal(err)
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
