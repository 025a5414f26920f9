package source

import (
	"net"
	"path/filepath"
	"strings"

	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubemint/kubemint/internal/source/certs"
	"github.com/kubemint/kubemint/internal/source/disk"
)

// inCluster is the pod's own account as a kubeconfig, with one context that has no name. It is rest.InClusterConfig, over
// an environment and a directory that are given: the mounted token, read again as it rotates, and the mounted CA, or else
// the system's. The error begins with lead where there is no such account.
func (l *loader) inCluster(lead string) (*api.Config, error) {
	host, port := l.Getenv("KUBERNETES_SERVICE_HOST"), l.Getenv("KUBERNETES_SERVICE_PORT")
	tokenFile, caFile := filepath.Join(l.InClusterDir, "token"), filepath.Join(l.InClusterDir, "ca.crt")
	const op = "find the cluster's credential"
	switch _, err := disk.Read(tokenFile); {
	case host == "" || port == "":
		return nil, l.missing(fail(op, "%sno KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT as in a pod", lead).
			Hint("set `kubeconfig` to the path or to the content of a kubeconfig"))
	case err != nil:
		return nil, l.missing(fail(op, "%sno token of the pod: %s: %w", lead, tokenFile, err).
			Hint("set `kubeconfig`, or `automountServiceAccountToken: true` in the pod"))
	case l.Context != "":
		return nil, fail("use context "+named(l.Context), "the source is the pod's own account, which has no contexts").
			Hint("leave `context` out, or set `kubeconfig` as well")
	}
	mount := filepath.Join(l.InClusterDir, "kubeconfig") // which its files may be named by
	cluster := &api.Cluster{Server: "https://" + net.JoinHostPort(host, port), CertificateAuthority: caFile, LocationOfOrigin: mount}
	pem, _ := disk.Read(caFile)
	if _, err := certs.Read(pem); err != nil { // client-go, too, goes on
		cluster.CertificateAuthority = ""
		l.warn("the system's certificate authorities are used: there is no certificate in %s", caFile)
	}
	namespace, _ := disk.Read(filepath.Join(l.InClusterDir, "namespace"))
	return &api.Config{
		Clusters:  map[string]*api.Cluster{"": cluster},
		AuthInfos: map[string]*api.AuthInfo{"": {TokenFile: tokenFile, LocationOfOrigin: mount}},
		Contexts:  map[string]*api.Context{"": {Namespace: strings.TrimSpace(string(namespace))}},
	}, nil
}
