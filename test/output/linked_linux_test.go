package output

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubemint/kubemint/test/harness"
)

// Between the choice of the output and the writing of the token lie the requests. A process that a pull
// request has started puts a link in the directory's place meanwhile: the token is not written through it,
// and is revoked.
func TestOutput_LinkedWhileTheTokenIsMinted(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t)
	l := harness.NewJob(t, cluster, false)
	v := &harness.Run{}
	l.RouteThrough(t, v, "swapped", func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.HasSuffix(r.URL.Path, "/token") {
			kube := filepath.Join(v.Dir, "kube")
			if err := os.Rename(kube, kube+"-moved"); err != nil {
				t.Error(err)
			}
			if err := os.Symlink("dist", kube); err != nil {
				t.Error(err)
			}
		}
		harness.Deliver(w, v.CarryOut(r, next))
	})
	if err := os.Mkdir(filepath.Join(v.Dir, "dist"), 0o700); err != nil {
		t.Fatal(err)
	}
	command, stderr := harness.Command(t, v.Dir, append(v.Env, "KUBEMINT_OUTPUT=kube/deep/config"))
	_ = command.Run()
	if code := command.ProcessState.ExitCode(); code != 2 {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	harness.AssertSays(t, stderr.String(), `^error: write \S+/kube/deep/config: the link "\S+/kube" of the workspace leads to its directory`)
	if left := files(t, filepath.Join(v.Dir, "dist")); len(left) > 0 {
		t.Errorf("written through the link: %v", left)
	}
	for name, content := range files(t, v.Dir) {
		if strings.Contains(content, "token: ey") {
			t.Errorf("%s holds a token", name)
		}
	}
	if len(l.Minted) != 1 {
		t.Fatalf("%d tokens: %s", len(l.Minted), stderr)
	}
	harness.AwaitDeath(t, "the token that was not written", l.NewBearer(t, l.Minted[0]))
}
