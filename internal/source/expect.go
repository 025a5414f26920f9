package source

import (
	"cmp"
	"net/url"
	"strings"

	"k8s.io/client-go/tools/clientcmd/api"
)

// expected refuses a cluster that is not the one of `expect_cluster`.
func (l *loader) expected(op string, c *api.Cluster) error {
	switch {
	case l.ExpectServer != "" && !SameServer(c.Server, l.ExpectServer):
		return fail(op, "its server is %s, and `expect_cluster` says %s", c.Server, l.ExpectServer).Hint(WrongCluster)
	case l.ExpectFingerprint == "":
		return nil
	case l.bundle == nil:
		return fail(op, "it has no certificate authority, and `expect_cluster` says sha256:%s", l.ExpectFingerprint).
			Hint("give `expect_cluster` the server's URL or the UID of the namespace kube-system instead").Hint(WrongCluster)
	case !l.bundle.Is(l.ExpectFingerprint):
		return fail(op, "its certificate authority is sha256:%s, and `expect_cluster` says sha256:%s",
			l.bundle.Fingerprint(), l.ExpectFingerprint).Hint(WrongCluster)
	}
	return nil
}

// WrongCluster is what to do about a cluster that `expect_cluster` does not name.
const WrongCluster = "see whether `kubeconfig` and `context` name the cluster that is meant"

// SameServer compares two addresses of API servers: https, and with the port that is left out.
func SameServer(a, b string) bool { return a == b || address(a) == address(b) }

func address(server string) string {
	u, err := url.Parse(server)
	if err != nil {
		return server
	}
	return strings.ToLower(u.Hostname()) + ":" + cmp.Or(u.Port(), "443") + strings.TrimSuffix(u.Path, "/")
}
