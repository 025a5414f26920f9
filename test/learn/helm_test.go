//go:build clients

package learn

import (
	"os"
	"path/filepath"
	"testing"
)

// A chart with hooks and a Role, installed, changed and rolled back by a real helm.
func TestClientHelm_Loop(t *testing.T) { //nolint:tparallel // those of proveRules are
	t.Parallel()
	cluster := shareCluster(t)
	helm := os.Getenv("CLIENT_HELM")
	if helm == "" {
		t.Fatal("CLIENT_HELM is not set: run make test-clients")
	}
	tools := t.TempDir()
	if err := os.Symlink(helm, filepath.Join(tools, "helm")); err != nil {
		t.Fatal(err)
	}
	chart, err := filepath.Abs(filepath.Join("testdata", "clients", "shop"))
	if err != nil {
		t.Fatal(err)
	}
	d := deployer{
		name: "a chart with hooks and a Role", cluster: cluster, tools: tools, tool: "helm", render: "helm template shop " + chart,
		script: "helm install shop --timeout 20s " + chart + "\nhelm upgrade shop " + chart + " --timeout 20s --set image=2\n" +
			"helm rollback shop --timeout 20s\n",
	}
	d.proveRules(t)
}
