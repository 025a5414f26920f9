package source

import (
	"net"
	"path/filepath"
	"strings"

	"k8s.io/client-go/rest"

	"github.com/kubemint/kubemint/internal/receipt"
)

// inCluster is rest.InClusterConfig, over an environment and a directory that are given: the mounted token, read again
// as it rotates, and the mounted CA, or else the system's. The error begins with lead where there is no such account.
func (l *loader) inCluster(lead string) (*Source, error) {
	host, port := l.Getenv("KUBERNETES_SERVICE_HOST"), l.Getenv("KUBERNETES_SERVICE_PORT")
	tokenFile, caFile := filepath.Join(l.InClusterDir, "token"), filepath.Join(l.InClusterDir, "ca.crt")
	bearer, err := readFile(tokenFile)
	const op = "find the cluster's credential"
	switch {
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
	s := &Source{
		Server: "https://" + net.JoinHostPort(host, port),
		Origin: receipt.Source{Kind: receipt.KindInCluster},
		Files:  []string{tokenFile},
	}
	if pem, err := readFile(caFile); err == nil {
		s.CAData, _ = certificates(pem)
		s.Files = append(s.Files, caFile)
	}
	if len(s.CAData) == 0 { // client-go, too, goes on
		l.warn("the system's certificate authorities are used: there is no certificate in %s", caFile)
	}
	if namespace, err := readFile(filepath.Join(l.InClusterDir, "namespace")); err == nil {
		s.Namespace = strings.TrimSpace(string(namespace))
	}
	s.Warnings = l.warnings
	s.REST = &rest.Config{
		Host: s.Server, BearerToken: strings.TrimSpace(string(bearer)), BearerTokenFile: tokenFile,
		TLSClientConfig: rest.TLSClientConfig{CAData: s.CAData}, QPS: -1,
	}
	return s, nil
}
