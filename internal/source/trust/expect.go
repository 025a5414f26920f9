package trust

import (
	"cmp"
	"net/url"
	"strings"

	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubemint/kubemint/internal/source/certs"
)

// CheckExpected refuses a cluster other than that of `expect_cluster`. bundle is the cluster's
// certificate authority, nil for none.
func (p Policy) CheckExpected(op string, c *api.Cluster, bundle *certs.Bundle) error {
	switch {
	case p.Server != "" && !SameServer(c.Server, p.Server):
		return refuse(op, "its server is %s, and `expect_cluster` says %s", c.Server, p.Server).
			Hint(WrongCluster)
	case p.Fingerprint == "":
		return nil
	case bundle == nil:
		return refuse(
			op, "it has no certificate authority, and `expect_cluster` says sha256:%s", p.Fingerprint,
		).
			Hint("give `expect_cluster` the server's URL or the UID of the namespace " +
				"kube-system instead").
			Hint(WrongCluster)
	case !bundle.Is(p.Fingerprint):
		return refuse(op, "its certificate authority is sha256:%s, and `expect_cluster` says "+
			"sha256:%s",
			bundle.Fingerprint(), p.Fingerprint).Hint(WrongCluster)
	}
	return nil
}

// WrongCluster is the remedy for a cluster that `expect_cluster` does not name.
const WrongCluster = "see whether `kubeconfig` and `context` name the cluster that is meant"

// SameServer reports whether two https addresses name the same API server. The default port may be
// left out.
func SameServer(a, b string) bool { return a == b || normalizeAddress(a) == normalizeAddress(b) }

func normalizeAddress(server string) string {
	u, err := url.Parse(server)
	if err != nil {
		return server
	}
	port := cmp.Or(u.Port(), "443")
	return strings.ToLower(u.Hostname()) + ":" + port + strings.TrimSuffix(u.Path, "/")
}
