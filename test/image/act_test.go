//go:build container

package image

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubemint/kubemint/test/harness"
)

// nektos/act reads the repository's action.yml and a workflow by its own lights, and runs them with this engine. It differs from
// GitHub's runner: only the workspace is shared by the containers of a job, under its path on the host, and the post step has the
// inputs that the workflow gives, but neither defaults nor state. So revoke goes by `output` there.
func TestImageThroughAct(t *testing.T) {
	t.Parallel()
	act := buildAct(t)
	for name, code := range map[string]int{"a job that succeeds": 0, "a job that fails": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster, namespace := newNamespace(t)
			root, uid := workDir(t, os.Getuid()), os.Getuid()
			repository, kept := root+"/shop", root+"/kept"
			for _, dir := range []string{repository, repository + "/.github", repository + "/.github/workflows", kept, root + "/act"} {
				makeDir(t, dir, uid)
			}
			writeAs(t, uid, root+"/act/actrc", nil) // else it asks which images to use
			for path, change := range map[string][2]string{
				"action.yml":                {"image: Dockerfile", "image: docker://" + image}, // as a release has it
				"testdata/act/workflow.yml": {"name: kubemint-test", "name: " + namespace},     // act names its containers by it
			} {
				content, err := os.ReadFile(path)
				if err != nil || strings.Count(string(content), change[0]) != 1 {
					t.Fatalf("%s: %q: %v", path, change[0], err)
				}
				to := map[bool]string{true: "/action.yml", false: "/.github/workflows/workflow.yml"}[path == "action.yml"]
				writeAs(t, uid, repository+to, []byte(strings.Replace(string(content), change[0], change[1], 1)))
			}
			env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + root, "XDG_CONFIG_HOME=" + root, "XDG_CACHE_HOME=" + root + "/cache"}
			commitAll(t, uid, repository, env)
			job := exec.CommandContext(t.Context(), act, "push", "--pull=false", "--network=host", "--rm", "--container-daemon-socket=-",
				"--platform=ubuntu-latest="+image, "--secret=RUNNER_KUBECONFIG", "--var=NAMESPACE="+namespace, fmt.Sprintf("--var=CODE=%d", code),
				fmt.Sprintf("--container-options=--volume=%s:/kept --volume=%s/kubectl:/usr/local/bin/kubectl:ro", kept, root))
			job.Dir = repository
			job.Env = append(env, "DOCKER_HOST="+os.Getenv("DOCKER_HOST"), "RUNNER_KUBECONFIG="+string(adminToken(t, cluster)))
			out, err := job.CombinedOutput()
			log := string(out)
			if (err == nil) != (code == 0) || code != 0 && !strings.Contains(log, "exitcode '3': failure") {
				t.Fatalf("%v: %s", err, log)
			}
			if !strings.Contains(log, "revoked: lease "+namespace+"/kubemint-") || strings.Count(log, "Success - Post") != 1 {
				t.Errorf("the post step did not revoke: %s", log)
			}
			config, err := clientcmd.LoadFromFile(kept + "/kubeconfig")
			if err != nil || len(config.AuthInfos) != 1 {
				t.Fatalf("%v: %s", err, log)
			}
			for _, user := range config.AuthInfos {
				if found := filesWith(t, root, user.Token); leaks(log, user.Token) || strings.Join(found, " ") != "kept/kubeconfig" {
					t.Errorf("the token is in the log, or in one of %q", found)
				}
				awaitDeath(t, cluster, user.Token)
			}
			if modes, err := os.ReadFile(kept + "/modes"); err != nil || string(modes) != "600\n700\n" {
				t.Errorf("modes of kubeconfig and directory: %q, %v", modes, err)
			}
			nothingLive(t, cluster, namespace)
		})
	}
}

func buildAct(t *testing.T) (act string) {
	t.Helper()
	act = filepath.Join(t.TempDir(), "act")
	build := exec.CommandContext(t.Context(), "go", "build", "-modfile=tools/act/go.mod", "-o", act, "github.com/nektos/act")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return act
}

// commitAll makes a directory a repository with one commit, which act asks git for.
func commitAll(t *testing.T, uid int, repository string, env []string) {
	t.Helper()
	for _, args := range [][]string{
		{"init", "-q"},
		{"remote", "add", "origin", "https://github.com/acme/shop"},
		{"add", "."},
		{"-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "-m", "Deploy"},
	} {
		if out, err := onHost(t, uid, repository, env, "git", args...); err != nil {
			t.Fatal(out)
		}
	}
}

// The setup action by act, on the host: it reads setup/action.yml, starts its script, and takes PATH and outputs from the
// runner's files as a runner does. The release is a mirror with the program of this commit.
func TestImageSetupThroughAct(t *testing.T) {
	t.Parallel()
	cluster, namespace := newNamespace(t)
	mirror, checksums := harness.MirrorRelease(t)
	root, uid := t.TempDir(), os.Getuid()
	repository := filepath.Join(root, "shop")
	for _, path := range []string{"setup/action.yml", "setup/main.js", "native/binary.js", "testdata/act/setup.yml"} {
		to := path
		if path == "testdata/act/setup.yml" {
			to = ".github/workflows/setup.yml"
		}
		harness.WriteFile(t, filepath.Join(repository, to), []byte(harness.ReadFile(t, path)))
	}
	harness.WriteFile(t, filepath.Join(repository, "native/checksums.txt"), checksums)
	manifest := "{apiVersion: v1, kind: ConfigMap, metadata: {name: app}}"
	harness.WriteFile(t, filepath.Join(repository, "app.yaml"), []byte(manifest))
	harness.WriteFile(t, filepath.Join(root, "act", "actrc"), nil) // else it asks which images to use
	env := []string{
		"PATH=" + filepath.Dir(cluster.Kubectl()) + ":" + os.Getenv("PATH"), "HOME=" + root, "XDG_CONFIG_HOME=" + root,
		"XDG_CACHE_HOME=" + root + "/cache",
	}
	commitAll(t, uid, repository, env)
	job := exec.CommandContext(t.Context(), buildAct(t), "push", "--platform=ubuntu-latest=-self-hosted",
		"--secret=RUNNER_KUBECONFIG", "--var=NAMESPACE="+namespace, "--var=MIRROR="+mirror)
	job.Dir, job.Env = repository, append(env, "RUNNER_KUBECONFIG="+string(adminToken(t, cluster)))
	out, err := job.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	harness.AssertSays(t, string(out), `VERSION=0\.0\.0-test$`, `the declared access is enough for 1 object$`, `configmap/app created$`)
	nothingLive(t, cluster, namespace)
}
