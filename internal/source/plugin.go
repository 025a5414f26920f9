package source

import (
	"regexp"
	"strings"

	"k8s.io/client-go/tools/clientcmd/api"
)

// waysOut say, by the program or auth-provider that a kubeconfig wants to be run, how an earlier step gets a credential.
// They are taken from each vendor's documentation.
var waysOut = map[string]string{
	"aws":                    "EKS: `aws eks get-token --cluster-name NAME --query status.token --output text` prints a token for 15 minutes",
	"aws-iam-authenticator":  "EKS: `aws-iam-authenticator token -i NAME --token-only` prints a token for 15 minutes",
	"gke-gcloud-auth-plugin": "GKE: google-github-actions/get-gke-credentials writes a kubeconfig with a token",
	"gcp":                    "GKE: google-github-actions/get-gke-credentials without `use_auth_provider` writes a kubeconfig with a token",
	"kubelogin":              "AKS: `kubelogin get-token` prints a token; `az aks get-credentials --admin` writes one with local accounts",
	"azure":                  "AKS: `az aks get-credentials --admin` writes a client certificate, with local accounts",
	"doctl":                  "DigitalOcean: `doctl kubernetes cluster kubeconfig show NAME` prints a kubeconfig with a token",
	"oci":                    "OKE: `oci ce cluster generate-token --cluster-id OCID` prints a token",
	"rancher":                "Rancher: with the setting kubeconfig-generate-token, a downloaded kubeconfig holds a token",
	"tsh":                    "Teleport: its proxy may refuse the ServiceAccount token that is made; use a kubeconfig of the cluster itself",
	"kubectl":                "OIDC: such a login needs a person; use the token of a ServiceAccount",
	"oidc":                   "OIDC: such a login needs a person; use the token of a ServiceAccount",
}

// programName is what may be shown: a command line in the place of a name can hold a secret.
var programName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// noCredential refuses a user without token, certificate and password. A user who has one never reaches the plugin with
// client-go either (Authenticator.UpdateTransportConfig in its exec package), and its stanza is dropped without a word.
func noCredential(op string, u *api.AuthInfo) error {
	var plugin string
	switch {
	case u.Exec != nil:
		plugin = strings.TrimSuffix(u.Exec.Command[strings.LastIndexAny(u.Exec.Command, `/\`)+1:], ".exe")
	case u.AuthProvider != nil:
		plugin = u.AuthProvider.Name
	default:
		return fail(op, "there is no credential in it")
	}
	if !programName.MatchString(plugin) {
		plugin = "a program"
	}
	err := fail(op, "its credential comes from %s, and kubemint never runs what a kubeconfig names", plugin)
	if way := waysOut[plugin]; way != "" {
		err = err.Hint("%s", way)
	}
	return err.Hint("a token in the kubeconfig goes before the program: `kubectl config set-credentials USER --token=…`")
}
