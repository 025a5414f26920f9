//go:build clients

package clients

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/kubemint/kubemint/test/harness"
)

// The page docs/tasks/helm.md, from the mint to the revocation, with a chart of one ConfigMap.
func TestClientHelm_TaskPage(t *testing.T) {
	t.Parallel()
	cluster, namespace := harness.NewNamespace(t)
	accounts := namespace + "-accounts"
	manifest := "{apiVersion: v1, kind: Namespace, metadata: {name: " + accounts + "}}"
	if err := cluster.Apply(t.Context(), manifest); err != nil {
		t.Fatal(err)
	}
	r := harness.NewReader(t, cluster, "helm.md",
		"kubemint/", accounts+"/", "NAMESPACE=shop", "NAMESPACE="+namespace)
	r.LogInAsAdmin(t)
	helm := os.Getenv("CLIENT_HELM")
	if helm == "" {
		t.Fatal("CLIENT_HELM is not set: run make test-clients")
	}
	if err := os.Symlink(helm, filepath.Join(r.Tools, "helm")); err != nil {
		t.Fatal(err)
	}
	chart := os.DirFS(filepath.Join("testdata", "clients", "chart"))
	if err := os.CopyFS(filepath.Join(r.Dir, "chart"), chart); err != nil {
		t.Fatal(err)
	}
	r.Typed = r.ReadBlock(t, "sh mint")
	said := r.TypeBlock(t, "sh deploy")
	harness.AssertSays(t, said, `^NAMESPACE: `+namespace+`$`, `^STATUS: deployed$`)
	r.Typed = ""
	r.TypeBlock(t, "sh revoke")
	if live := harness.CountLeases(t, cluster, accounts); live != 0 {
		t.Errorf("%d leases remain", live)
	}
}
