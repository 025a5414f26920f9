package explain_test

import (
	"errors"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/internal/client/explain"
	"github.com/kubemint/kubemint/internal/problem"
)

func TestKnownServers_BySubstringOfTheURL(t *testing.T) {
	t.Parallel()
	for server, want := range map[string]struct{ proxy, rights string }{
		"https://rancher.example.com/k8s/clusters/c-1":              {proxy: "Rancher's proxy"},
		"https://kas.gitlab.com/k8s-proxy":                          {proxy: "the proxy of GitLab's agent"},
		"https://gke-1.europe-west1.gke.goog":                       {proxy: "GKE's DNS endpoint", rights: "container.admin"},
		"https://connectgateway.googleapis.com/v1/projects/1":       {proxy: "Google's Connect Gateway"},
		"https://1.gr7.eu-west-1.eks.amazonaws.com":                 {rights: "AmazonEKSClusterAdminPolicy"},
		"https://1.gr7.cn-north-1.eks.amazonaws.com.cn:443":         {rights: "AmazonEKSClusterAdminPolicy"},
		"https://example.com/.eks.amazonaws.com":                    {},
		"https://gke.goog.example.com":                              {},
		"https://10.0.0.1:6443":                                     {},
		"https://example.com/k8s/clusters?at=connectgateway.google": {},
	} {
		err := explain.NameProxy(problem.Newf(problem.Mint, "prove token", "401").Hint("second"), server)
		var p *problem.Error
		if !errors.As(err, &p) {
			t.Fatal(err)
		}
		if named := len(p.Hints) == 2; named != (want.proxy != "") || !strings.Contains(p.Hints[0], want.proxy) {
			t.Errorf("%s: hints %q", server, p.Hints)
		}
		if advice := adviseRights(server); (advice != "") != (want.rights != "") || !strings.Contains(advice, want.rights) {
			t.Errorf("%s: %q", server, advice)
		}
	}
	if err := errors.New("other"); !errors.Is(explain.NameProxy(err, "https://x.gke.goog"), err) {
		t.Error("another error is replaced")
	}
}

// adviseRights returns what a refusal of a right says about the server, "" where that is nothing.
func adviseRights(server string) string {
	refused := metav1.Status{Message: `roles is forbidden: User "ci" cannot patch resource "roles" in API group "rbac.authorization.k8s.io"`}
	elsewhere := problem.Newf(problem.Mint, "apply Role", "403")
	explain.Explain(elsewhere, refused, "https://10.0.0.1:6443")
	here := problem.Newf(problem.Mint, "apply Role", "403")
	explain.Explain(here, refused, server)
	return strings.Join(here.Hints[len(elsewhere.Hints):], "\n")
}
