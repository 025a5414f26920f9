package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFiles_AreCurrent(t *testing.T) {
	for name, render := range files {
		have, err := os.ReadFile(filepath.Join("..", "..", "..", filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		want, err := render(have)
		if err != nil {
			t.Error(name, err)
		}
		if diff := cmp.Diff(string(have), string(want)); diff != "" {
			t.Errorf("%s is not what the declaration says: run make generate\n%s", name, diff)
		}
	}
}

// A release's commit differs from its parent in the image alone, and only in one that names the release's image by digest.
func TestAction_ImageIsDockerfileOrReleased(t *testing.T) {
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
		text, err := renderDockerAction([]byte("runs:\n" + have + "\n"))
		if err != nil {
			t.Fatal(err)
		}
		got := string(text)
		if !strings.Contains(got, "\n  using: docker\n  image: "+want+"\n  entrypoint: ") {
			t.Errorf("from %q: want image: %s in:\n%s", have, want, got[strings.Index(got, "runs:"):])
		}
	}
}

func TestReplaceBlock_MissingBlock(t *testing.T) {
	t.Parallel()
	for _, have := range []string{"", "<open>\n", "a\n<close>\n", "<open> \n<close>\n", "<close>\n<open>\n"} {
		if text, err := replaceBlock([]byte(have), "<open>", "x\n", "<close>"); err == nil {
			t.Errorf("%q became %q", have, text)
		}
	}
	text, err := replaceBlock([]byte("a\n<open>\nb\n<close>\nc\n"), "<open>", "x\n", "<close>")
	if want := "a\n<open>\nx\n<close>\nc\n"; err != nil || string(text) != want {
		t.Errorf("%q, %v", text, err)
	}
}
