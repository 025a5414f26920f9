package program

import (
	"slices"
	"strings"
)

// Way is a way to a kubeconfig with a token, without the program.
type Way struct {
	Who     string // the vendor or the tool
	Why     string // what kubemint cannot do, or what the command returns; often empty
	Command string // for an earlier step
}

const (
	// byAccount is for logins of people, and for programs that give certificates: somebody who is
	// logged in makes an account for the runner once, and a token of it.
	byAccount = `kubectl config set-credentials USER --token="$(kubectl create token ACCOUNT -n NAMESPACE ` +
		`--duration=1h)"`

	azureToken = `kubectl config set-credentials USER --token="$(az account get-access-token ` +
		`--resource 6dae42f8-4368-4678-94ff-3960e28e3630 --query accessToken -o tsv)"`
	eksGet = `aws eks get-token --cluster-name NAME --query status.token --output text`
)

// ways maps the name of a program, or of kubectl's plugin, to the way around it. They come from
// each vendor's documentation.
var ways = map[string]Way{
	"doctl": {Who: "DigitalOcean", Command: "doctl kubernetes cluster kubeconfig show NAME " +
		"--expiry-seconds 3600 > kubeconfig"},
	"oci": {Who: "Oracle Cloud (OKE)", Command: withToken("oci ce cluster generate-token " +
		"--cluster-id OCID --region REGION")},
	"rancher": {
		Who: "Rancher", Command: `curl --fail -u "$RANCHER_ACCESS_KEY:$RANCHER_SECRET_KEY" -X POST ` +
			`"https://RANCHER/v3/clusters/ID?action=generateKubeconfig" | jq -r .config > kubeconfig`,
	},
	"tsh": {
		Who: "Teleport", Command: byAccount,
		Why: "its proxy may refuse the ServiceAccount token that kubemint makes: use a " +
			"kubeconfig of the cluster itself",
	},
	"yc": {Who: "Yandex Cloud", Command: withToken("yc managed-kubernetes create-token")},
	"kops": {
		Who: "kOps", Why: "this kubeconfig has a client certificate, which kubemint takes as well",
		Command: "kops export kubeconfig NAME --admin=1h --kubeconfig kubeconfig",
	},
	"vcluster": {
		Who: "vCluster",
		Command: "vcluster connect NAME -n NAMESPACE --service-account ACCOUNT " +
			"--token-expiration 3600 --print > kubeconfig",
	},
	"loft": {Who: "vCluster Platform (Loft)", Command: withToken("loft token --silent")},
	"pinniped": {
		Who: "Pinniped", Why: "it exchanges a person's login for a client certificate",
		Command: byAccount,
	},
	"tanzu": {
		Who: "Tanzu", Why: "it exchanges a person's login for a client certificate",
		Command: byAccount,
	},
	"ibmcloud": {
		Who: "IBM Cloud", Why: "this kubeconfig has a client certificate; one without --admin " +
			"has an id-token, which kubemint takes",
		Command: "ibmcloud ks cluster config --cluster NAME --admin --output yaml > kubeconfig",
	},
	"scw": {Who: "Scaleway", Command: "scw k8s kubeconfig get ID auth-method=copy-token > " +
		"kubeconfig"},
	"stackit": {
		Who: "STACKIT", Why: "this kubeconfig has a client certificate, which kubemint takes " +
			"as well",
		Command: "stackit ske kubeconfig create NAME --expiration 1h --filepath kubeconfig",
	},
	"gardenlogin": {
		Who: "Gardener", Why: "the plugin gardenlogin asks the garden cluster for a client " +
			"certificate, and so does this, as the garden's user",
		Command: gardener,
	},
	"aws-vault": {
		Who: "aws-vault", Why: "it keeps AWS keys in a keychain, which this step does not have",
		Command: `kubectl config set-credentials USER --token="$(aws-vault exec PROFILE -- ` + eksGet + `)"`,
	},
	"saml2aws": {
		Who: "saml2aws", Why: "it logs in a person",
		Command: `kubectl config set-credentials USER --token="$(saml2aws exec -- ` + eksGet + `)"`,
	},
	"aws-okta": {
		Who: "aws-okta", Why: "it logs in a person",
		Command: `kubectl config set-credentials USER --token="$(aws-okta exec PROFILE -- ` + eksGet + `)"`,
	},
	"heptio-authenticator-aws": {
		Who: "aws-iam-authenticator by its old name", Why: "kubemint serves it by the new one",
		Command: `kubectl config set-credentials USER --token="$(aws-iam-authenticator token -i NAME ` +
			`--token-only)"`,
	},
	"oc": {Who: "OpenShift", Command: "oc login --server=https://API:6443 --token=TOKEN " +
		"--kubeconfig=kubeconfig"},
	"oidc-login": {
		Who: "OIDC (kubelogin)", Why: "such a login needs a person, unless it uses the grant " +
			"client-credentials. An API server that trusts " +
			"the CI system takes the job's own ID token: `server` with `oidc_audience` or " +
			"`bearer_token`",
		Command: withToken("kubectl oidc-login get-token --grant-type=client-credentials …"),
	},
	"azurepipelines": {
		Who: "Azure Pipelines", Why: "run this in a step AzureCLI@2 with the service " +
			"connection, which logs az in",
		Command: azureToken,
	},
}

const gardener = `printf '{"apiVersion":"authentication.gardener.cloud/v1alpha1",` +
	`"kind":"AdminKubeconfigRequest","spec":{"expirationSeconds":3600}}' | ` +
	`kubectl create --raw ` +
	`/apis/core.gardener.cloud/v1beta1/namespaces/garden-PROJECT/shoots/SHOOT/adminkubeconfig -f - | ` +
	`jq -r .status.kubeconfig | base64 -d > kubeconfig`

// aliases are other names of the same programs.
var aliases = map[string]string{
	"oidc_login": "oidc-login", "kubectl-oidc_login": "oidc-login", "kubectl-oidc-login": "oidc-login",
	"oidc":                "oidc-login",
	"kubectl-gardenlogin": "gardenlogin", "garden-login": "gardenlogin", "pinniped-auth": "pinniped",
}

// withToken returns the command that puts the token of a credential program into a kubeconfig.
func withToken(command string) string {
	return `kubectl config set-credentials USER --token="$(` + command + ` | jq -r .status.token)"`
}

// For returns the way around a program. It never suggests running an unknown program: the
// kubeconfig may be a pull request's.
func For(program string, args []string) Way {
	name := program
	if program == "kubectl" && len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name = args[0]
	}
	if IsOIDC(program, args) {
		name = "oidc-login"
	}
	if alias := aliases[name]; alias != "" {
		name = alias
	}
	if way, ok := ways[name]; ok {
		return way
	}
	return Way{
		Who: "a program that is not known here", Why: "whoever can log in to the cluster makes " +
			"a token for the runner",
		Command: byAccount,
	}
}

// IsOIDC reports whether the program is the kubelogin of OIDC, and not Azure's of the same name.
func IsOIDC(program string, args []string) bool {
	return program == "kubelogin" && slices.ContainsFunc(args, func(arg string) bool {
		return strings.HasPrefix(arg, "--oidc-")
	})
}

// Hints returns the way as hints of an error.
func (w Way) Hints() (hints []string) {
	if w.Why != "" {
		hints = append(hints, w.Who+": "+w.Why)
	}
	where := ""
	if strings.Contains(w.Command, "> kubeconfig") { // pull requests and artifacts must not reach it
		where = ", outside the checkout"
	}
	return append(hints, w.Who+", in an earlier step"+where+": `"+w.Command+"`")
}
