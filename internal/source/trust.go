package source

import (
	"cmp"
	"net"
	"net/url"

	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/source/cloud"
)

// What the refusals of this file have in common. None of them shows the fingerprint of the kubeconfig that is
// refused: whoever pasted it would vouch for a pull request's cluster.
const (
	mayBePlanted = "which a pull request may have written"
	byCA         = "if it is yours, give the fingerprint of its cluster's CA: `expect_cluster: sha256:…`"
	byURL        = "if it is yours, give its server's URL: `expect_cluster: https://…`"
	elsewhere    = "or have the login write the kubeconfig outside the checkout, " +
		"as in the job's temporary directory, or give it as the input `kubeconfig` from a secret"
)

// fingerprints are commands that print the fingerprint of a cluster's CA, as the cloud itself knows it.
var fingerprints = map[string]string{
	"EKS": "aws eks describe-cluster --name NAME --query cluster.certificateAuthority.data --output text" + ofCA,
	"GKE": "gcloud container clusters describe NAME --location PLACE" +
		" --format 'value(masterAuth.clusterCaCertificate)'" + ofCA,
	"AKS": "az aks get-credentials -g GROUP -n NAME -f - | sed -n 's/.*certificate-authority-data: //p'" + ofCA,
}

const ofCA = " | base64 -d | openssl x509 -noout -fingerprint -sha256"

// proven says whether `expect_cluster` shows who answers at a cluster entry, before anything is sent there.
// That the entry is the expected one, [loader.expected] has seen to. A fingerprint shows it. A URL is only a
// name: the name of a private EKS or AKS endpoint leads wherever its owner wants. So it counts for an entry
// of the workspace only where the entry says nothing else that decides who answers: no CA of its own, no
// proxy, no tls-server-name. The UID of kube-system does not count: to read it, the credential has to be
// sent.
func (l *loader) proven(c *api.Cluster) bool {
	switch {
	case l.ExpectFingerprint != "":
		return true
	case l.ExpectServer == "":
		return false
	}
	return !l.written(c.LocationOfOrigin) || !ownEnd(c)
}

func ownEnd(c *api.Cluster) bool {
	own := len(c.CertificateAuthorityData) > 0 || c.InsecureSkipTLSVerify
	return own || c.ProxyURL != "" || c.TLSServerName != ""
}

// vouch adds how to say that a cluster entry is the right one.
func (l *loader) vouch(err *problem.Error, c *api.Cluster, cloudName string) *problem.Error {
	own := len(c.CertificateAuthorityData) > 0
	if l.ExpectServer != "" {
		err = err.Hint("a URL alone does not show who answers where a kubeconfig of the workspace brings " +
			"a CA, a proxy or a tls-server-name")
	}
	switch {
	case own:
		command := cmp.Or(fingerprints[cloudName], "openssl x509 -in ca.crt -noout -fingerprint -sha256")
		err = err.Hint("%s", byCA).Hint("this prints it: %s", command)
	case !ownEnd(c):
		err = err.Hint("%s", byURL)
	}
	return err.Hint("%s", elsewhere)
}

// release is the one rule for a token of the runner's cloud identity. Such a token opens more than a cluster,
// and whoever wrote the kubeconfig chose the server, its CA, the proxy on the way, and who the job is: by a
// role to assume, a managed identity, a client id, an account to impersonate. So
//
//   - a kubeconfig of the workspace, be it the cluster or the user, gets none unless the cluster is proven;
//   - content, which is the workflow author's, may not ask for a proxy or for another application's token;
//   - any other server than the cloud's own has to be expected.
func (l *loader) release(
	op string, login *cloud.Login, server *url.URL, u *api.AuthInfo, c *api.Cluster,
) error {
	proven := l.proven(c)
	host := server.Hostname()
	content := u.LocationOfOrigin == "" || c.LocationOfOrigin == ""
	known := login.Serves(host) || (login.BareIP && net.ParseIP(host) != nil)
	switch {
	case c.InsecureSkipTLSVerify:
		return fail(op, "a token for %s is not sent to a server whose certificate is not verified",
			login.Cloud).Hint("give the cluster its certificate-authority-data, and leave insecure-skip-tls-verify out")
	case !proven && (l.written(u.LocationOfOrigin) || l.written(c.LocationOfOrigin)):
		return l.vouch(fail(op, "a token for %s would go to %s, as a kubeconfig of the workspace says, %s",
			login.Cloud, host, mayBePlanted), c, login.Cloud)
	case c.ProxyURL != "" && content && l.ExpectFingerprint == "":
		return fail(op, "a token for %s would go through a proxy that a kubeconfig names %s",
			login.Cloud, mayBePlanted).Hint("%s", byCA)
	case login.Unusual != "" && content && !proven:
		return fail(op, "it asks for %s, in a kubeconfig %s", login.Unusual, mayBePlanted).Hint("%s", byCA)
	case !known && !proven:
		return fail(op, "a token for %s would go to %s, which is not known to be a server of %s",
			login.Cloud, host, login.Cloud).Hint("%s", byCA).Hint("%s", byURL)
	}
	return nil
}

// paired refuses to send a credential of the runner's to a server that the workspace names: where kubeconfigs
// are merged, or a receipt names several, a file of the workspace chooses among all users of the others.
func (l *loader) paired(op string, u *api.AuthInfo, c *api.Cluster) error {
	if l.login != nil || l.proven(c) || !l.written(c.LocationOfOrigin) || l.written(u.LocationOfOrigin) {
		return nil
	}
	return l.vouch(fail(op, "the credential of another kubeconfig would go to the server of one of the "+
		"workspace, %s", mayBePlanted), c, "")
}

// itself refuses a user of the workspace that acts as somebody else.
func (l *loader) itself(op string, u *api.AuthInfo, c *api.Cluster) error {
	named := u.Impersonate != "" || u.ImpersonateUID != ""
	acts := named || len(u.ImpersonateGroups) > 0 || len(u.ImpersonateUserExtra) > 0
	if !acts || l.proven(c) || !l.written(u.LocationOfOrigin) {
		return nil
	}
	return l.vouch(fail(op, "it acts as somebody else (as, as-uid, as-groups, as-user-extra), "+
		"in a kubeconfig of the workspace, %s", mayBePlanted), c, "")
}
