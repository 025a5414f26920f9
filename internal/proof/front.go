package proof

import (
	"errors"
	"strings"

	"github.com/kubemint/kubemint/internal/problem"
)

// fronts are what stands before clusters and mostly takes no ServiceAccount tokens, by a part of the server's URL.
var fronts = []struct{ part, who, remedy string }{
	{
		"/k8s/clusters/", "Rancher's proxy",
		"use the context of an authorized cluster endpoint in the same kubeconfig, " +
			"or enable JWT Authentication for the cluster in Rancher (2.9 and newer)",
	},
	{"/k8s-proxy", "the proxy of GitLab's agent", "give the API server's own address as `server`"},
	{".gke.goog", "GKE's DNS endpoint", "its setting enableK8sTokensViaDns has it take them"},
	{"connectgateway.googleapis.com", "Google's Connect Gateway", "give the API server's own address as `server`"},
}

// NameFront adds to the refusal of a token what stands before the API server, as far as the address tells. It comes first.
func NameFront(err error, server string) error {
	p, ok := errors.AsType[*problem.Error](err)
	for _, f := range fronts {
		if ok && strings.Contains(server, f.part) {
			first := server + " is " + f.who + ", which takes no ServiceAccount tokens unless it is told to: " + f.remedy
			p.Hints = append([]string{first}, p.Hints...)
		}
	}
	return err
}
