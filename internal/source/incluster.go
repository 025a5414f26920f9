package source

import (
	"net"
	"path/filepath"
	"strings"

	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubemint/kubemint/internal/disk"
	"github.com/kubemint/kubemint/internal/source/certs"
)

// usePodAccount returns the pod's own account as a kubeconfig with one context, which has no name.
// It does the same as rest.InClusterConfig, with the given environment and directory: it uses the
// mounted token, which is read again when it rotates, and the mounted CA, or else the system's.
// Outside a pod the error begins with lead.
func (l *loader) usePodAccount(lead string) (*api.Config, error) {
	host := l.Getenv("KUBERNETES_SERVICE_HOST")
	port := l.Getenv("KUBERNETES_SERVICE_PORT")
	tokenFile := filepath.Join(l.InClusterDir, "token")
	caFile := filepath.Join(l.InClusterDir, "ca.crt")
	const op = "find the cluster's credential"
	switch _, err := disk.Read(tokenFile); {
	case host == "" || port == "":
		return nil, l.hintHidden(refuse(op, "%sno KUBERNETES_SERVICE_HOST and "+
			"KUBERNETES_SERVICE_PORT as in a pod", lead).
			Hint("set `kubeconfig` to the path or to the content of a kubeconfig"))
	case err != nil:
		return nil, l.hintHidden(refuse(op, "%sno token of the pod: %s: %w", lead, tokenFile, err).
			Hint("set `kubeconfig`, or `automountServiceAccountToken: true` in the pod"))
	case l.Context != "":
		return nil, refuse("use context "+quoteName(l.Context), "the source is the pod's own "+
			"account, which has no contexts").
			Hint("leave `context` out, or set `kubeconfig` as well")
	}
	mount := filepath.Join(l.InClusterDir, "kubeconfig") // a kubeconfig there may name the account's files
	cluster := &api.Cluster{
		Server: "https://" + net.JoinHostPort(host, port), CertificateAuthority: caFile,
		LocationOfOrigin: mount,
	}
	pem, _ := disk.Read(caFile)
	if _, err := certs.Read(pem); err != nil { // client-go goes on, too
		cluster.CertificateAuthority = ""
		l.addWarning("the system's certificate authorities are used: there is no certificate "+
			"in %s", caFile)
	}
	namespace, _ := disk.Read(filepath.Join(l.InClusterDir, "namespace"))
	return &api.Config{
		Clusters:  map[string]*api.Cluster{"": cluster},
		AuthInfos: map[string]*api.AuthInfo{"": {TokenFile: tokenFile, LocationOfOrigin: mount}},
		Contexts:  map[string]*api.Context{"": {Namespace: strings.TrimSpace(string(namespace))}},
	}, nil
}
