//go:build container

package image

import (
	"context"
	"encoding/base64"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubemint/kubemint/test/kubetest"
)

// onCluster is the control plane of these tests. It listens on loopback, which a container with the host's network
// reaches, and ends with this process.
var onCluster = sync.OnceValues(func() (*kubetest.ControlPlane, error) {
	return kubetest.Start(context.Background(), kubetest.Options{})
})

func newNamespace(t *testing.T) (*kubetest.ControlPlane, string) {
	t.Helper()
	cluster, err := onCluster()
	if err != nil {
		t.Fatal(err)
	}
	namespace, err := cluster.CreateNamespace(t.Context(), "container-")
	if err != nil {
		t.Fatal(err)
	}
	return cluster, namespace
}

// user is the uid that owns a job's files: that one where the tests run as root, else that of the tests, since only root
// gives files away.
func user(uid int) int {
	if self := os.Geteuid(); self != 0 {
		return self
	}
	return uid
}

// workDir is a job's directory, which ends with the test. Every user may enter it. In it lies kubectl, the real one.
func workDir(t *testing.T, uid int) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "kubemint-job-") //nolint:usetesting // t.TempDir is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	chown(t, dir, uid)
	cluster, err := onCluster()
	if err != nil {
		t.Fatal(err)
	}
	binary, err := filepath.EvalSymlinks(cluster.Kubectl())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Link(binary, dir+"/kubectl"); err != nil { // another file system
		if out, err := exec.CommandContext(t.Context(), "cp", binary, dir+"/kubectl").CombinedOutput(); err != nil {
			t.Fatalf("%s", out)
		}
	}
	return dir
}

// makeDir makes a directory as a user's process does.
func makeDir(t *testing.T, path string, uid int) {
	t.Helper()
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	chown(t, path, uid)
}

func chown(t *testing.T, path string, uid int) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	if err := os.Lchown(path, uid, uid); err != nil {
		t.Fatal(err)
	}
}

func writeAs(t *testing.T, uid int, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	chown(t, path, uid)
}

// onHost runs a program on the host as that user.
func onHost(t *testing.T, uid int, dir string, env []string, name string, args ...string) (string, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, args...)
	command.Dir, command.Env = dir, env
	if os.Geteuid() == 0 {
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	}
	out, err := command.CombinedOutput()
	return string(out), err
}

// relative writes the administrator's credential to dir as some tools do: the CA in a file next to the kubeconfig, named
// without a directory. The token is in a file as well where that is wanted, which a kubeconfig of the workspace may not
// have.
func relative(t *testing.T, uid int, dir string, kubeconfig []byte, tokenFile bool) (path string) {
	t.Helper()
	config, err := clientcmd.Load(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	makeDir(t, dir, uid)
	for _, cluster := range config.Clusters {
		writeAs(t, uid, dir+"/ca.crt", cluster.CertificateAuthorityData)
		cluster.CertificateAuthority, cluster.CertificateAuthorityData = "ca.crt", nil
	}
	for _, user := range config.AuthInfos {
		if !tokenFile {
			continue
		}
		writeAs(t, uid, dir+"/token", []byte(user.Token))
		user.TokenFile, user.Token = "token", ""
	}
	content, err := clientcmd.Write(*config)
	if err != nil {
		t.Fatal(err)
	}
	writeAs(t, uid, dir+"/config", content)
	return dir + "/config"
}

func adminToken(t *testing.T, cluster *kubetest.ControlPlane) []byte {
	t.Helper()
	content, err := cluster.AdminTokenKubeconfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// live are the leases and the Secrets of a namespace: nothing but kubemint makes any in these tests.
func live(t *testing.T, cluster *kubetest.ControlPlane, namespace string) (names []string) {
	t.Helper()
	for _, path := range []string{"/apis/coordination.k8s.io/v1/namespaces/" + namespace + "/leases", "/api/v1/namespaces/" + namespace + "/secrets"} {
		var list metav1.PartialObjectMetadataList
		if err := cluster.Admin.Do(t.Context(), http.MethodGet, path, nil, &list); err != nil {
			t.Fatal(err)
		}
		for _, item := range list.Items {
			if strings.HasSuffix(path, "/leases") && item.Annotations["kubemint/expires-at"] == "" {
				continue // the lock of an account's access
			}
			names = append(names, path+"/"+item.Name)
		}
	}
	return names
}

// nothingLive waits for the garbage collector, and for nothing else.
func nothingLive(t *testing.T, cluster *kubetest.ControlPlane, namespace string) {
	t.Helper()
	var left []string
	for start := time.Now(); time.Since(start) < 10*time.Second; time.Sleep(20 * time.Millisecond) {
		if left = live(t, cluster, namespace); len(left) == 0 {
			return
		}
		if strings.Contains(left[0], "/leases/") {
			break
		}
	}
	t.Errorf("left on the server: %s", left)
}

// awaitDeath waits until the API server refuses a token as it does one that it does not know. It remembers for 10 s what
// it has accepted.
func awaitDeath(t *testing.T, cluster *kubetest.ControlPlane, token string) {
	t.Helper()
	client := cluster.NewTokenClient(t, token)
	var err error
	for start := time.Now(); time.Since(start) < 15*time.Second; time.Sleep(100 * time.Millisecond) {
		err = client.Do(t.Context(), http.MethodGet, "/apis/authentication.k8s.io/v1", nil, nil)
		if apierrors.IsUnauthorized(err) {
			return
		}
	}
	t.Errorf("15 s later the API server still takes the token: %v", err)
}

// leaks says whether a text holds the token, in its own form or in base64 at any of the three alignments.
func leaks(text, token string) bool {
	_, signature, _ := strings.Cut(token[strings.Index(token, ".")+1:], ".")
	if strings.Contains(text, signature) {
		return true
	}
	for shift := range 3 {
		code := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + signature))
		if strings.Contains(text, code[4:len(code)-4]) {
			return true
		}
	}
	return false
}

// filesWith are the files below a directory that hold the token.
func filesWith(t *testing.T, dir, token string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || entry.Name() == "kubectl" {
			return err
		}
		content, err := os.ReadFile(path)
		if leaks(string(content), token) {
			found = append(found, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
