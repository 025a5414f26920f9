package explain

import (
	"errors"
	"net/url"
	"strings"

	"github.com/kubemint/kubemint/internal/problem"
)

// knownServer describes the API servers, or the proxies in front of them, whose URLs have a part in
// common.
type knownServer struct {
	in     string // the part of the URL; one that begins with a dot ends the host's name
	name   string
	tokens string // how to have it accept ServiceAccount tokens; "" where it does
	// what the right to write roles and bindings takes there; "" where RBAC alone decides
	rights string
}

const directAddress = "give the API server's own address as `server`"

// knownServers is the one table of what is known about servers.
//
// Sources: Rancher's docs, "Authorized Cluster Endpoint" and "JWT Authentication"; GitLab's docs,
// "Using GitLab CI/CD with a Kubernetes cluster"; Google's docs, "DNS-based endpoint" and "Connect
// gateway"; the EKS User Guide, "Access policy permissions".
var knownServers = []knownServer{
	{
		in: "/k8s/clusters/", name: "Rancher's proxy",
		tokens: "use the context of an authorized cluster endpoint in the same kubeconfig, " +
			"or enable JWT Authentication for the cluster in Rancher (2.9 and newer)",
	},
	{in: "/k8s-proxy", name: "the proxy of GitLab's agent", tokens: directAddress},
	{
		in: ".gke.goog", name: "GKE's DNS endpoint",
		tokens: "its setting enableK8sTokensViaDns has it take them",
		rights: "on GKE it takes roles/container.admin to write roles and bindings " +
			"(container.developer may not), " +
			"or these rules for the Google identity",
	},
	{in: "connectgateway.googleapis.com", name: "Google's Connect Gateway", tokens: directAddress},
	{in: ".eks.amazonaws.com", name: "EKS", rights: eksRights},
	{in: ".eks.amazonaws.com.cn", name: "EKS in China", rights: eksRights},
}

const eksRights = "on EKS the access policy AmazonEKSAdminPolicy lets nobody write roles and bindings: " +
	"take AmazonEKSClusterAdminPolicy, or a group of the access entry with these rules"

// matches says whether a server's URL is one of these.
func (k knownServer) matches(server string) bool {
	if !strings.HasPrefix(k.in, ".") {
		return strings.Contains(server, k.in)
	}
	parsed, err := url.Parse(server)
	return err == nil && strings.HasSuffix(parsed.Hostname(), k.in)
}

// adviseRights adds to a refused right what the right to write roles and bindings takes at a server
// of this URL.
func adviseRights(p *problem.Error, server string) {
	for _, known := range knownServers {
		if p.Code == problem.Rights && known.rights != "" && known.matches(server) {
			p.Hint("%s", known.rights)
			return
		}
	}
}

// NameProxy adds to the refusal of a token the proxy that the server's URL shows, and what to do
// about it. That hint comes first. An error that is not a [problem.Error] comes back unchanged.
func NameProxy(err error, server string) error {
	p, ok := errors.AsType[*problem.Error](err)
	if !ok {
		return err
	}
	for _, known := range knownServers {
		if known.tokens != "" && known.matches(server) {
			first := server + " is " + known.name +
				", which takes no ServiceAccount tokens unless it is told to: " + known.tokens
			p.Hints = append([]string{first}, p.Hints...)
		}
	}
	return err
}
