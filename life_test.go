package main

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kubemint/kubemint/internal/kubetest"
)

// deadWithin is how long a revoked token may still be taken: the API server caches what it has authenticated for 10 s.
const deadWithin = 15 * time.Second

// sharedCluster is the scripts' control plane, and a namespace of it for this test.
func sharedCluster(t *testing.T) (cluster *kubetest.ControlPlane, namespace string) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a control plane: make test runs it")
	}
	cluster, err := onCluster()
	if err != nil {
		t.Fatal(err)
	}
	if namespace, err = cluster.CreateNamespace(t.Context(), "life-"); err != nil {
		t.Fatal(err)
	}
	return cluster, namespace
}

// program is kubemint in a directory, with these variables and no others.
func program(t *testing.T, dir string, env []string, args ...string) (command *exec.Cmd, stderr *bytes.Buffer) {
	t.Helper()
	stderr = new(bytes.Buffer)
	command = exec.CommandContext(t.Context(), "kubemint", args...)
	command.Dir, command.Env, command.Stderr = dir, append([]string{stateIn(dir), raceExit}, env...), stderr
	return command, stderr
}

// stateIn has receipts of a checkout kept beside it, inside the test's own temporary directory.
func stateIn(dir string) string { return "XDG_STATE_HOME=" + dir + "-state" }

// receiptIn is where the receipt of a kubeconfig of a checkout lies then.
func receiptIn(dir, output string) string {
	return receiptOf(dir+"-state", filepath.Join(dir, output))
}

// raceExit spares a program that was built with the race detector the second that it waits for before it ends.
const raceExit = "GORACE=atexit_sleep_ms=0"

func run(t *testing.T, dir string, env []string, args ...string) {
	t.Helper()
	if command, stderr := program(t, dir, env, args...); command.Run() != nil {
		t.Fatalf("kubemint %v: %s", args, stderr)
	}
}

// awaitDeath waits until the API server refuses a credential as it does one that it does not know.
func awaitDeath(t *testing.T, what string, client *kubetest.Client) {
	t.Helper()
	var err error
	for start := time.Now(); time.Since(start) < deadWithin; time.Sleep(50 * time.Millisecond) {
		err = client.Do(t.Context(), http.MethodGet, "/apis/authentication.k8s.io/v1", nil, nil)
		if apierrors.IsUnauthorized(err) {
			return
		}
	}
	t.Errorf("%s: %s later the API server still takes the token (%v)", what, deadWithin, err)
}

// The promise of the whole program: dead when the job ends. By revoke, and by the command that its errors name.
func TestRevokedTokenIsRefused(t *testing.T) {
	t.Parallel()
	cluster, namespace := sharedCluster(t)
	for name, revoke := range map[string]func(t *testing.T, dir string, env []string){
		"kubemint revoke": func(t *testing.T, dir string, env []string) {
			t.Helper()
			run(t, dir, env, "revoke")
		},
		"kubectl delete lease": func(t *testing.T, _ string, _ []string) {
			t.Helper()
			if _, err := cluster.RunKubectl(t.Context(), cluster.AdminKubeconfig(), "", "-n", namespace, "delete", "leases", "-l", "kubemint/service-account="+namespace+".kubectl"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "source"), cluster.AdminKubeconfig(), 0o600); err != nil {
				t.Fatal(err)
			}
			account, _, _ := strings.Cut(name, " ")
			env := []string{"KUBECONFIG=source", "KUBEMINT_NAMESPACE=" + namespace, "KUBEMINT_SERVICE_ACCOUNT=" + account}
			run(t, dir, env)
			minted, err := os.ReadFile(filepath.Join(dir, "kubemint.kubeconfig"))
			if err != nil {
				t.Fatal(err)
			}
			client, err := kubetest.NewClient(minted)
			if err != nil {
				t.Fatal(err)
			}
			if err := client.Do(t.Context(), http.MethodGet, "/apis/authentication.k8s.io/v1", nil, nil); err != nil {
				t.Fatalf("the token is refused before it is revoked: %v", err)
			}
			revoke(t, dir, env)
			awaitDeath(t, name, client)
		})
	}
}

// What reads the log may end before the run does (| head): the run goes on, and what it makes can be revoked.
func TestLogThatNobodyReads(t *testing.T) {
	t.Parallel()
	cluster, namespace := sharedCluster(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "source"), cluster.AdminKubeconfig(), 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"KUBECONFIG=source", "KUBEMINT_NAMESPACE=" + namespace, "KUBEMINT_RULES=list pods"}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := read.Close(); err != nil {
		t.Fatal(err)
	}
	command, _ := program(t, dir, env)
	command.Stderr = write
	if err := command.Run(); err != nil {
		t.Fatal(err)
	}
	run(t, dir, env, "revoke")
}
