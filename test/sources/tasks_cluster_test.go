package sources

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"testing"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubemint/kubemint/test/clouds"
	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// workstation is a login to a cloud, as the page's reader has it.
type workstation struct {
	block  string // of the page
	user   string // who the login is in the cluster
	tool   string // the cloud's own
	prints string // by the tool
	job    *cloudJob
}

// workstations has one for each cloud of the page. Their tools are stand-ins; whose the tokens are, the API
// server asks its webhook, as the clouds' API servers do.
func workstations(t *testing.T, c *cloud) []workstation {
	t.Helper()
	eks, gke := c.eks(t, "aws.yaml", ""), c.gke(t, "gcloud.yaml")
	aks := c.aks(t, "aks-devicecode.yaml", federated())
	c.takes(func(bearer string) (string, []string, error) {
		if bearer != "entra-user-token" {
			return "", nil, errors.New("nobody")
		}
		return "somebody@example.com", nil, nil
	})
	keys := fmt.Sprintf("export AWS_ACCESS_KEY_ID=%s\nexport AWS_SECRET_ACCESS_KEY=%s", eks.key, eks.secret)
	token := gke.google.Issue(gkeAccount, clouds.CloudPlatform, clouds.UserinfoEmail)
	return []workstation{
		{"sh eks", eks.arn("aws.yaml", "user/ci"), "aws", keys, eks.cloudJob},
		{"sh gke", gkeAccount, "gcloud", token, gke.cloudJob},
		{"sh aks", "somebody@example.com", "az", "entra-user-token", aks.cloudJob},
	}
}

// Seed 000: from a workstation that is logged in to a cloud to a kubeconfig that does not die, and its end.
func TestTask_JoinCluster(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	for _, w := range workstations(t, c) { // one after the other: they share the ServiceAccount of the page
		if err := c.Apply(t.Context(), fmt.Sprintf(clusterAdmin, w.tool, w.user)); err != nil {
			t.Fatal(err)
		}
		r := harness.NewReader(t, c.ControlPlane, "join-cluster.md")
		r.Env = append(r.Env, w.job.internet.Env()...)
		r.WriteFile(t, filepath.Join(r.Tools, "kubeconfig"), string(w.job.kubeconfig), 0o600)
		r.WriteFile(t, filepath.Join(r.Tools, "said"), w.prints+"\n", 0o600)
		r.WriteFile(t, filepath.Join(r.Tools, w.tool), cloudCLI, 0o700)
		r.Typed = r.ReadBlock(t, w.block)
		said := r.TypeBlock(t, "sh mint")
		harness.AssertSays(t, said, `^warning: a permanent token never expires`, `^wrote .*joined.kubeconfig`)
		joined := w.job.joined(t, filepath.Join(r.Dir, "joined.kubeconfig"))
		if err := joined.Do(t.Context(), http.MethodGet, "/api/v1/nodes", nil, nil); err != nil {
			t.Errorf("%s: %v", w.tool, err)
		}
		r.Typed += "export KUBEMINT_SERVICE_ACCOUNT=kube-system/eks-admin KUBEMINT_DURATION=permanent\n" +
			"export KUBEMINT_OUTPUT=joined.kubeconfig\n"
		r.TypeBlock(t, "sh revoke")
		harness.AwaitDeath(t, w.tool, joined)
	}
}

const clusterAdmin = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "%s"}
subjects: [{kind: User, name: "%s"}]
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
`

// cloudCLI is aws, gcloud or az: it writes the kubeconfig, or prints the file that the test has put next to it.
const cloudCLI = `#!/bin/sh
here=$(dirname "$0")
case "$*" in
*update-kubeconfig* | *get-credentials*) mkdir -p "$HOME/.kube" && cp "$here/kubeconfig" "$HOME/.kube/config" ;;
*export-credentials* | *print-access-token* | *get-access-token*) cat "$here/said" ;;
*) echo "stand-in: $*" >&2 && exit 1 ;;
esac
`

// joined is a client with a kubeconfig of this cloud, whose server the test reaches at another address.
func (j *cloudJob) joined(t *testing.T, path string) *kubetest.Client {
	t.Helper()
	config, err := clientcmd.LoadFromFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, cluster := range config.Clusters {
		if cluster.InsecureSkipTLSVerify || len(cluster.CertificateAuthorityData) == 0 {
			t.Error("the kubeconfig does not have the cluster's CA")
		}
		cluster.Server, cluster.ProxyURL, cluster.TLSServerName = j.cluster.URL, "", ""
	}
	content, err := clientcmd.Write(*config)
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubetest.NewClient(content)
	if err != nil {
		t.Fatal(err)
	}
	return client
}
