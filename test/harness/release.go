package harness

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// MirrorRelease serves the program of this commit as a release does, and returns the address with the checksums.txt that
// names it.
func MirrorRelease(t *testing.T) (url string, checksums []byte) {
	t.Helper()
	const version = "0.0.0-test"
	mirror := t.TempDir()
	asset := fmt.Sprintf("kubemint_%s_%s_%s", version, runtime.GOOS, runtime.GOARCH)
	built := filepath.Join(mirror, "v"+version, asset)
	build := exec.CommandContext(t.Context(), "go", "build", "-o", built, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	content, err := os.ReadFile(built)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.FileServer(http.Dir(mirror)))
	t.Cleanup(server.Close)
	return server.URL, fmt.Appendf(nil, "%x  %s\n", sha256.Sum256(content), asset)
}
