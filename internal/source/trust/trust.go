package trust

import (
	"cmp"
	"net"
	"net/url"

	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/source/cloud/plugin"
	"github.com/kubemint/kubemint/internal/workspace"
)

// Policy holds what a run knows about the cluster before it sends anything.
type Policy struct {
	Server      string         // URL of `expect_cluster`; empty: any
	Fingerprint string         // of the CA, as [certs.Bundle.Is] takes it; empty: any
	Workspace   workspace.Dirs // directories that a pull request can have written
}

// Parts of several refusals. None of them shows the fingerprint of the refused kubeconfig: whoever
// pasted it would vouch for a pull request's cluster.
const (
	MayBePlanted = "which a pull request may have written"

	byCA = "if it is yours, give the fingerprint of its cluster's CA: `expect_cluster: " +
		"sha256:…`"
	byURL     = "if it is yours, give its server's URL: `expect_cluster: https://…`"
	elsewhere = "or have the login write the kubeconfig outside the checkout, " +
		"as in the job's temporary directory, or give it as the input `kubeconfig` from a secret"
)

// fingerprintCommands print the fingerprint of a cluster's CA, as the cloud itself knows it.
var fingerprintCommands = map[string]string{
	"EKS": "aws eks describe-cluster --name NAME --query cluster.certificateAuthority.data " +
		"--output text" + ofCA,
	"GKE": "gcloud container clusters describe NAME --location PLACE" +
		" --format 'value(masterAuth.clusterCaCertificate)'" + ofCA,
	"AKS": "az aks get-credentials -g GROUP -n NAME -f - | sed -n " +
		"'s/.*certificate-authority-data: //p'" + ofCA,
}

const ofCA = " | base64 -d | openssl x509 -noout -fingerprint -sha256"

// IsPlanted reports whether a pull request can have written this file: it lies in the workspace. ""
// is content, which comes from the workflow's author.
func (p Policy) IsPlanted(file string) bool { return file != "" && p.Workspace.Hold(file) }

// IsProven reports whether `expect_cluster` shows who answers at a cluster entry, before anything
// is sent there. [Policy.CheckExpected] has compared the entry. A fingerprint shows it. A URL is
// only a name: the name of a private EKS or AKS endpoint leads wherever its owner wants. So for an
// entry of the workspace it only counts where nothing else in the entry decides who answers: no CA
// of its own, no proxy, no tls-server-name. The UID of kube-system does not count: to read it, the
// credential has to be sent.
func (p Policy) IsProven(c *api.Cluster) bool {
	switch {
	case p.Fingerprint != "":
		return true
	case p.Server == "":
		return false
	}
	return !p.IsPlanted(c.LocationOfOrigin) || !choosesAnswerer(c)
}

// choosesAnswerer reports whether more than the URL of a cluster entry decides who answers.
func choosesAnswerer(c *api.Cluster) bool {
	ownCA := len(c.CertificateAuthorityData) > 0 || c.InsecureSkipTLSVerify
	return ownCA || c.ProxyURL != "" || c.TLSServerName != ""
}

// addVouching adds how to say that a cluster entry is the right one.
func (p Policy) addVouching(err *problem.Error, c *api.Cluster, cloudName string) *problem.Error {
	if p.Server != "" {
		err = err.Hint("a URL alone does not show who answers where a kubeconfig of the " +
			"workspace brings a CA, a proxy or a tls-server-name")
	}
	switch {
	case len(c.CertificateAuthorityData) > 0:
		command := cmp.Or(fingerprintCommands[cloudName], "openssl x509 -in ca.crt -noout "+
			"-fingerprint -sha256")
		err = err.Hint("%s", byCA).Hint("this prints it: %s", command)
	case !choosesAnswerer(c):
		err = err.Hint("%s", byURL)
	}
	return err.Hint("%s", elsewhere)
}

// CheckRelease is the one rule for a token of the runner's cloud identity. Such a token opens more
// than a cluster, and whoever wrote the kubeconfig chose the server, its CA, the proxy on the way,
// and who the job is: by a role to assume, a managed identity, a client id, an account to
// impersonate. So
//
//   - a kubeconfig of the workspace, be it the cluster or the user, gets none unless the cluster is proven;
//   - content, which is the workflow author's, may not ask for a proxy or for another application's token;
//   - any server other than the cloud's own has to be expected.
func (p Policy) CheckRelease(
	op string, login *plugin.Login, server *url.URL, u *api.AuthInfo, c *api.Cluster,
) error {
	host := server.Hostname()
	proven := p.IsProven(c)
	planted := p.IsPlanted(u.LocationOfOrigin) || p.IsPlanted(c.LocationOfOrigin)
	content := u.LocationOfOrigin == "" || c.LocationOfOrigin == ""
	known := login.Serves(host) || (login.BareIP && net.ParseIP(host) != nil)
	switch {
	case c.InsecureSkipTLSVerify:
		return refuse(op, "a token for %s is not sent to a server whose certificate is not "+
			"verified",
			login.Cloud).
			Hint("give the cluster its certificate-authority-data, and leave " +
				"insecure-skip-tls-verify out")
	case planted && !proven:
		return p.addVouching(refuse(op,
			"a token for %s would go to %s, as a kubeconfig of the workspace says, %s",
			login.Cloud, host, MayBePlanted), c, login.Cloud)
	case c.ProxyURL != "" && content && p.Fingerprint == "":
		return refuse(op, "a token for %s would go through a proxy that a kubeconfig names %s",
			login.Cloud, MayBePlanted).Hint("%s", byCA)
	case login.Unusual != "" && content && !proven:
		return refuse(op, "it asks for %s, in a kubeconfig %s", login.Unusual, MayBePlanted).Hint("%s", byCA)
	case !known && !proven:
		return refuse(op, "a token for %s would go to %s, which is not known to be a server of %s",
			login.Cloud, host, login.Cloud).Hint("%s", byCA).Hint("%s", byURL)
	}
	return nil
}

// CheckPairing refuses to send a credential of the runner's to a server that the workspace names.
// Where kubeconfigs are merged, or a receipt names several, a file of the workspace could choose
// among all users of the others.
func (p Policy) CheckPairing(op string, u *api.AuthInfo, c *api.Cluster) error {
	if p.IsProven(c) || !p.IsPlanted(c.LocationOfOrigin) || p.IsPlanted(u.LocationOfOrigin) {
		return nil
	}
	return p.addVouching(refuse(op, "the credential of another kubeconfig would go to the "+
		"server of one "+
		"of the workspace, %s", MayBePlanted), c, "")
}

func refuse(op, format string, args ...any) *problem.Error {
	return problem.Newf(problem.Source, op, format, args...)
}
