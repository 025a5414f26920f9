package lifecycle

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// The promise of the whole program: dead when the job ends. By revoke, and by the command that its errors name.
func TestRevokedTokenIsRefused(t *testing.T) {
	t.Parallel()
	cluster, namespace := harness.NewNamespace(t)
	for name, revoke := range map[string]func(t *testing.T, dir string, env []string){
		"kubemint revoke": func(t *testing.T, dir string, env []string) {
			t.Helper()
			harness.RunProgram(t, dir, env, "revoke")
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
			harness.RunProgram(t, dir, env)
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
			harness.AwaitDeath(t, name, client)
		})
	}
}

// What reads the log may end before the run does (| head): the run goes on, and what it makes can be revoked.
func TestLogThatNobodyReads(t *testing.T) {
	t.Parallel()
	cluster, namespace := harness.NewNamespace(t)
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
	command, _ := harness.Command(t, dir, env)
	command.Stderr = write
	if err := command.Run(); err != nil {
		t.Fatal(err)
	}
	harness.RunProgram(t, dir, env, "revoke")
}
