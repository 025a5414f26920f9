package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGeneratedFilesAreCurrent(t *testing.T) {
	for name, render := range files {
		have, err := os.ReadFile(filepath.Join("..", "..", "..", name))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(have), string(render(have))); diff != "" {
			t.Errorf("%s is not what the declaration says: run make generate\n%s", name, diff)
		}
	}
}

// A release's commit differs from its parent in the image alone, and only in one that names the release's image by digest.
func TestImageOfTheAction(t *testing.T) {
	digest := strings.Repeat("0123456789abcdef", 4)
	for have, want := range map[string]string{
		"":                    "Dockerfile",
		"  image: Dockerfile": "Dockerfile",
		"  image: docker://ghcr.io/kubemint/kubemint@sha256:" + digest:          "docker://ghcr.io/kubemint/kubemint@sha256:" + digest,
		"  image: docker://ghcr.io/kubemint/kubemint@sha256:" + digest[1:]:      "Dockerfile",
		"  image: docker://ghcr.io/kubemint/kubemint@sha256:" + digest + " # x": "Dockerfile",
		"  image: docker://ghcr.io/kubemint/kubemint:v1":                        "Dockerfile",
		"  image: docker://ghcr.io/somebody/kubemint@sha256:" + digest:          "Dockerfile",
	} {
		got := string(files["action.yml"]([]byte("runs:\n" + have + "\n")))
		if !strings.Contains(got, "\n  using: docker\n  image: "+want+"\n  entrypoint: ") {
			t.Errorf("from %q: want image: %s in:\n%s", have, want, got[strings.Index(got, "runs:"):])
		}
	}
}
