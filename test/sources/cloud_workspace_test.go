package sources

import (
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubemint/kubemint/test/clouds"
)

// planted is a kubeconfig of the checkout that the job's cloud login would work with: the server is named as the cloud names
// its own, and answers with the CA that the kubeconfig brings.
type planted struct {
	job   *cloudJob
	cloud string
	user  string
}

// plantedJobs has one for each cloud, and those in which the kubeconfig also says who the job is.
var plantedJobs = map[string]func(t *testing.T, c *cloud) planted{
	"EKS": func(t *testing.T, c *cloud) planted {
		t.Helper()
		j := c.eks(t, "aws.yaml", "")
		j.keys("")
		return planted{j.cloudJob, "EKS", j.arn("aws.yaml", "user/ci")}
	},
	"EKS, and a role": func(t *testing.T, c *cloud) planted {
		t.Helper()
		j := c.eks(t, "aws-role.yaml", "")
		j.keys("")
		return planted{j.cloudJob, "EKS", j.role}
	},
	"GKE, a bare address": func(t *testing.T, c *cloud) planted {
		t.Helper()
		j := c.gke(t, "gcloud.yaml")
		token := j.google.Issue(gkeAccount, clouds.CloudPlatform, clouds.UserinfoEmail)
		j.env = append(j.env, "CLOUDSDK_AUTH_ACCESS_TOKEN="+token)
		return planted{j.cloudJob, "GKE", gkeAccount}
	},
	"AKS": func(t *testing.T, c *cloud) planted {
		t.Helper()
		j := c.aks(t, "aks-kubelogin.yaml", clouds.Application{Secret: "of-the-environment"})
		j.env = append(j.env, "AZURE_CLIENT_SECRET=of-the-environment")
		return planted{j.cloudJob, "AKS", j.user()}
	},
}

// A kubeconfig of the checkout gets no cloud's token by the name of its server: nothing is asked of the cloud, and nothing is
// sent. With the fingerprint of its CA in the workflow it gets one.
func ofTheWorkspace(t *testing.T, c *cloud) {
	t.Helper()
	block, _ := pem.Decode(c.CA)
	var fingerprint []string // as openssl prints it
	for _, b := range sha256.Sum256(block.Bytes) {
		fingerprint = append(fingerprint, fmt.Sprintf("%02X", b))
	}
	for name, plant := range plantedJobs {
		for on, start := range map[string]func(*testing.T, *cloudJob){
			"GitHub": func(t *testing.T, j *cloudJob) { t.Helper(); j.onGitHub(t, j.dir) },
			"GitLab": func(_ *testing.T, j *cloudJob) { j.onGitLab() },
			"plain": func(t *testing.T, j *cloudJob) { // HOME is the checkout, for two of the clouds
				t.Helper()
				if err := os.Mkdir(filepath.Join(j.dir, ".git"), 0o700); err != nil {
					t.Fatal(err)
				}
			},
			"Buildkite, working elsewhere": func(t *testing.T, j *cloudJob) {
				t.Helper()
				j.env = append(j.env, "BUILDKITE=true", "BUILDKITE_BUILD_CHECKOUT_PATH="+j.dir, "KUBEMINT_OUTPUT="+filepath.Join(j.dir, "kubemint.kubeconfig"))
			},
		} {
			t.Run(name+" on "+on, func(t *testing.T) {
				t.Parallel()
				p := plant(t, c)
				p.job.grants(t, p.user)
				p.job.source = filepath.Join(p.job.dir, "source")
				start(t, p.job)
				p.isRefused(t)
				p.job.env = append(p.job.env, "KUBEMINT_EXPECT_CLUSTER=sha256:"+strings.Repeat("0", 64))
				p.job.refused(t, `its certificate authority is sha256:[0-9a-f]{64}, and .expect_cluster. says sha256:0{64}$`)
				if asked := p.job.internet.Asked(); len(asked) > 0 {
					t.Errorf("asked was %q", asked)
				}
				p.job.env = append(p.job.env, "KUBEMINT_EXPECT_CLUSTER="+strings.Join(fingerprint, ":"))
				p.job.mints(t)
				p.job.run(t, 0, nil, "revoke")
			})
		}
	}
}

// isRefused tries what proves nothing before the token is sent.
func (p planted) isRefused(t *testing.T) {
	t.Helper()
	const why = `^error: use user ".*": a token for %s would go to \S+, as a kubeconfig of the workspace says, which a pull request may have written$`
	for expect, hint := range map[string]string{
		"": "^hint: this prints it: .* [|] base64 -d [|] openssl x509 -noout -fingerprint -sha256$",
		p.server(t): "^hint: a URL alone does not show who answers where a kubeconfig of the workspace brings a CA, " +
			"a proxy or a tls-server-name$",
		"01234567-89ab-cdef-0123-456789abcdef": "^hint: or have the login write the kubeconfig outside the checkout, ",
	} {
		before := slices.Clone(p.job.env)
		p.job.env = append(p.job.env, "KUBEMINT_EXPECT_CLUSTER="+expect)
		p.job.refused(t, fmt.Sprintf(why, p.cloud), hint)
		p.job.env = before
	}
	if asked := p.job.internet.Asked(); len(asked) > 0 {
		t.Errorf("asked was %q", asked)
	}
}

// server is the URL of the kubeconfig's cluster.
func (p planted) server(t *testing.T) string {
	t.Helper()
	config, err := clientcmd.Load(p.job.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	return config.Clusters[config.Contexts[config.CurrentContext].Cluster].Server
}
