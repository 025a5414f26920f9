package program

import (
	"strings"
	"testing"
)

// Each row ends in a command that leaves a credential in a kubeconfig: by a token, or by writing the file. Those that
// give a client certificate say so.
func TestFor_EachProgramHasItsOwnWay(t *testing.T) {
	t.Parallel()
	const set = "kubectl config set-credentials USER --token="
	seen := map[string]bool{}
	for _, c := range []struct {
		line    string
		who     string
		command []string
	}{
		{"doctl kubernetes cluster kubeconfig exec-credential", "DigitalOcean", []string{"doctl kubernetes cluster kubeconfig show NAME", "> kubeconfig"}},
		{"oci ce cluster generate-token", "Oracle Cloud (OKE)", []string{set, "oci ce cluster generate-token --cluster-id OCID", "jq -r .status.token"}},
		{"rancher token", "Rancher", []string{"?action=generateKubeconfig", "jq -r .config > kubeconfig"}},
		{"tsh kube credentials", "Teleport", []string{set, "kubectl create token ACCOUNT"}},
		{"yc k8s create-token", "Yandex Cloud", []string{set, "yc managed-kubernetes create-token", "jq -r .status.token"}},
		{"kops helpers kubectl-auth", "kOps", []string{"kops export kubeconfig NAME --admin=1h --kubeconfig kubeconfig"}},
		{"vcluster platform token", "vCluster", []string{"vcluster connect NAME", "--service-account ACCOUNT", "--print > kubeconfig"}},
		{"loft token --silent", "vCluster Platform (Loft)", []string{set, "loft token --silent"}},
		{"pinniped login oidc", "Pinniped", []string{set, "kubectl create token ACCOUNT"}},
		{"pinniped-auth login", "Pinniped", []string{set, "kubectl create token ACCOUNT"}},
		{"tanzu pinniped-auth login", "Tanzu", []string{set, "kubectl create token ACCOUNT"}},
		{"ibmcloud ks cluster credential", "IBM Cloud", []string{"ibmcloud ks cluster config --cluster NAME", "> kubeconfig"}},
		{"scw k8s exec-credential", "Scaleway", []string{"auth-method=copy-token > kubeconfig"}},
		{"stackit ske kubeconfig login", "STACKIT", []string{"stackit ske kubeconfig create NAME", "--filepath kubeconfig"}},
		{"kubectl gardenlogin get-client-certificate", "Gardener", []string{"AdminKubeconfigRequest", "/adminkubeconfig", "> kubeconfig"}},
		{"kubectl-gardenlogin get-client-certificate", "Gardener", []string{"/adminkubeconfig", "> kubeconfig"}},
		{"gardenlogin get-client-certificate", "Gardener", []string{"/adminkubeconfig", "> kubeconfig"}},
		{"kubectl oidc-login get-token", "OIDC (kubelogin)", []string{set, "kubectl oidc-login get-token --grant-type=client-credentials"}},
		{"kubectl-oidc_login get-token", "OIDC (kubelogin)", []string{set, "oidc-login get-token"}},
		{"kubectl oidc_login get-token", "OIDC (kubelogin)", []string{set, "oidc-login get-token"}},
		{"kubelogin get-token --oidc-issuer-url=https://id.example.com", "OIDC (kubelogin)", []string{set, "oidc-login get-token"}},
		{"aws-vault exec ci -- aws eks get-token", "aws-vault", []string{set, "aws-vault exec PROFILE -- aws eks get-token", "--query status.token"}},
		{"saml2aws exec -- aws eks get-token", "saml2aws", []string{set, "saml2aws exec -- aws eks get-token"}},
		{"aws-okta exec ci -- aws eks get-token", "aws-okta", []string{set, "aws-okta exec PROFILE -- aws eks get-token"}},
		{"heptio-authenticator-aws token -i shop", "aws-iam-authenticator by its old name", []string{set, "aws-iam-authenticator token -i NAME"}},
		{"oc get-token", "OpenShift", []string{"oc login", "--kubeconfig=kubeconfig"}},
		{"azurepipelines", "Azure Pipelines", []string{set, "az account get-access-token --resource 6dae42f8-4368-4678-94ff-3960e28e3630"}},
		{"kubectl krew-thing token", "a program that is not known here", []string{set, "kubectl create token ACCOUNT"}},
		{"kubectl --flag", "a program that is not known here", []string{set, "kubectl create token ACCOUNT"}},
		{"kubectl", "a program that is not known here", []string{set, "kubectl create token ACCOUNT"}},
		{"sh -c x", "a program that is not known here", []string{set, "kubectl create token ACCOUNT"}},
	} {
		words := strings.Fields(c.line)
		way := For(words[0], words[1:])
		seen[way.Who] = true
		if way.Who != c.who {
			t.Errorf("%s is taken for %s, not %s", c.line, way.Who, c.who)
		}
		for _, part := range c.command {
			if !strings.Contains(way.Command, part) {
				t.Errorf("%s: %q is not in %s", c.line, part, way.Command)
			}
		}
		hints, step := way.Hints(), ", in an earlier step: `"
		if strings.HasSuffix(way.Command, "> kubeconfig") {
			step = ", in an earlier step, outside the checkout: `"
		}
		if last := hints[len(hints)-1]; !strings.Contains(last, step+way.Command+"`") {
			t.Errorf("%s: the last hint is %s", c.line, last)
		}
		if (way.Why != "") != (len(hints) == 2) {
			t.Errorf("%s: hints %q", c.line, hints)
		}
	}
	for name, way := range ways {
		if !seen[way.Who] {
			t.Errorf("no case above has %s", name)
		}
		if !strings.Contains(way.Command, "--token=") && !strings.Contains(way.Command, "kubeconfig") {
			t.Errorf("%s: the command leaves no kubeconfig: %s", name, way.Command)
		}
	}
	for _, name := range aliases {
		if _, known := ways[name]; !known {
			t.Errorf("there is no row %s", name)
		}
	}
}

// Azure's kubelogin is served, and is not the one of OIDC.
func TestIsOIDC(t *testing.T) {
	t.Parallel()
	if IsOIDC("kubelogin", []string{"get-token", "--login", "spn"}) || IsOIDC("aws", []string{"--oidc-x"}) {
		t.Error("taken for OIDC's")
	}
	if !IsOIDC("kubelogin", []string{"get-token", "--oidc-client-id", "x"}) {
		t.Error("not taken for OIDC's")
	}
}
