package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Between the choice of the output and the writing of the token lie the requests. A process that a pull
// request has started puts a link in the directory's place meanwhile: the token is not written through it,
// and is revoked.
func TestOutput_LinkedWhileTheTokenIsMinted(t *testing.T) {
	t.Parallel()
	cluster, _ := sharedCluster(t)
	l := newLife(t, cluster, false)
	v := &victim{}
	l.through(t, v, "swapped", func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.HasSuffix(r.URL.Path, "/token") {
			kube := filepath.Join(v.dir, "kube")
			if err := os.Rename(kube, kube+"-moved"); err != nil {
				t.Error(err)
			}
			if err := os.Symlink("dist", kube); err != nil {
				t.Error(err)
			}
		}
		deliver(w, v.carriedOut(r, next))
	})
	if err := os.Mkdir(filepath.Join(v.dir, "dist"), 0o700); err != nil {
		t.Fatal(err)
	}
	command, stderr := program(t, v.dir, append(v.env, "KUBEMINT_OUTPUT=kube/deep/config"))
	_ = command.Run()
	if code := command.ProcessState.ExitCode(); code != 2 {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	says(t, stderr.String(), `^error: write \S+/kube/deep/config: the link "\S+/kube" of the workspace leads to its directory`)
	if left := files(t, filepath.Join(v.dir, "dist")); len(left) > 0 {
		t.Errorf("written through the link: %v", left)
	}
	for name, content := range files(t, v.dir) {
		if strings.Contains(content, "token: ey") {
			t.Errorf("%s holds a token", name)
		}
	}
	if len(l.minted) != 1 {
		t.Fatalf("%d tokens: %s", len(l.minted), stderr)
	}
	awaitDeath(t, "the token that was not written", l.bearer(t, l.minted[0]))
}
