//go:build container

package image

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The image's binary was built in a container, in another directory and with an empty cache. The one of a release is
// built on this machine with the cache that it has: anybody can build either again and get the same bytes.
func TestImageHasTheBinaryOfARelease(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), ".ci/release-build", "v0.0.0-test", dir, "linux/"+runtime.GOARCH)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	released, err := os.ReadFile(dir + "/kubemint_0.0.0-test_linux_" + runtime.GOARCH)
	if err != nil {
		t.Fatal(err)
	}
	imaged := []byte(docker(t, "run", "--rm", "--network", "none", image, "cat", "/usr/local/bin/kubemint"))
	info := readBuildInfo(t, imaged)
	if sha256.Sum256(released) != sha256.Sum256(imaged) {
		t.Errorf("the image has another binary than the release (-release +image):\n%s",
			cmp.Diff(readBuildInfo(t, released).String(), info.String()))
	}

	content, err := os.ReadFile(dir + "/sbom.cdx.json")
	if err != nil {
		t.Fatal(err)
	}
	var sbom struct {
		Components []struct{ Name, Version string }
	}
	if err := json.Unmarshal(content, &sbom); err != nil {
		t.Fatal(err)
	}
	listed := map[string]string{}
	for _, component := range sbom.Components {
		listed[component.Name] = component.Version
	}
	linked := map[string]string{"std": strings.TrimPrefix(info.GoVersion, "go")}
	for _, module := range info.Deps {
		linked[module.Path] = module.Version
	}
	if diff := cmp.Diff(linked, listed); diff != "" || len(linked) < 10 {
		t.Errorf("the SBOM is not of this binary (-binary +SBOM):\n%s", diff)
	}
}

func readBuildInfo(t *testing.T, binary []byte) *buildinfo.BuildInfo {
	t.Helper()
	info, err := buildinfo.Read(bytes.NewReader(binary))
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// What kubemint adds to the start of an empty container. It is printed and not judged, since the machine decides. Not
// parallel, so that it runs before the tests that keep the machine busy.
func TestImageStarts(t *testing.T) {
	fastest := map[string]time.Duration{}
	for range 5 {
		for name, args := range map[string][]string{"empty": {"--entrypoint", "true", image}, "kubemint": {image, "version"}} {
			start := time.Now()
			docker(t, slices.Concat([]string{"run", "--rm", "--network", "none"}, args)...)
			if took := time.Since(start); fastest[name] == 0 || took < fastest[name] {
				fastest[name] = took
			}
		}
	}
	t.Logf("start of a container: empty %s, kubemint version %s: %.2f times as long", fastest["empty"].Round(time.Millisecond),
		fastest["kubemint"].Round(time.Millisecond), fastest["kubemint"].Seconds()/fastest["empty"].Seconds())
}

func TestImageSaysWhatItIs(t *testing.T) {
	t.Parallel()
	var labels map[string]string
	if err := json.Unmarshal([]byte(docker(t, "image", "inspect", "--format", "{{json .Config.Labels}}", image)), &labels); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"title":         "kubemint",
		"description":   "A scoped, short-lived, proven and revocable cluster credential for a pipeline",
		"source":        "https://github.com/kubemint/kubemint",
		"url":           "https://github.com/kubemint/kubemint",
		"documentation": "https://github.com/kubemint/kubemint/tree/main/docs",
		"licenses":      "Apache-2.0",
		"version":       "v0.0.0-test", // .ci/test-container
		"revision":      "test",
	}
	have := map[string]string{}
	for name, value := range labels { // a base image may have labels of other kinds
		if name, ours := strings.CutPrefix(name, "org.opencontainers.image."); ours {
			have[name] = value
		}
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("annotations (-want +have):\n%s", diff)
	}
}
