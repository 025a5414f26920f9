package trust

import (
	"net/url"
	"os"
	"runtime"
	"testing"

	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubemint/kubemint/internal/source/cloud/plugin"
	"github.com/kubemint/kubemint/internal/workspace"
)

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func symlink(t *testing.T, to, path string) {
	t.Helper()
	if err := os.Symlink(to, path); err != nil && runtime.GOOS != "windows" {
		t.Fatal(err)
	}
}

func TestPolicy_CheckRelease(t *testing.T) {
	work := t.TempDir()
	const outside, content = "/home/runner/.kube/config", ""
	inside := write(t, work+"/kubeconfig", "")
	named, bare := &plugin.Login{Cloud: "EKS", Servers: []string{".eks.amazonaws.com"}}, &plugin.Login{Cloud: "GKE", Servers: []string{".gke.goog"}, BareIP: true}
	odd := &plugin.Login{Cloud: "AKS", Servers: []string{".azmk8s.io"}, Unusual: "something else"}
	aks, ownCA := &plugin.Login{Cloud: "AKS", Servers: []string{".azmk8s.io"}}, api.Cluster{CertificateAuthorityData: []byte("x")}
	home, other := t.TempDir(), t.TempDir()
	leadsOut, leadsIn, second := work+"/link", home+"/link", write(t, other+"/kubeconfig", "")
	symlink(t, write(t, home+"/kubeconfig", ""), leadsOut)
	symlink(t, inside, leadsIn)
	const eks, ip = "https://a.eks.amazonaws.com", "https://203.0.113.9"
	byURL, byCA := func(p *Policy) { p.Server = "https://expected" }, func(p *Policy) { p.Fingerprint = "00" }
	for name, c := range map[string]struct {
		login    *plugin.Login
		server   string
		from     string
		cluster  api.Cluster
		expect   func(p *Policy)
		released bool
	}{
		"its own name":                        {login: named, server: eks, from: outside, released: true},
		"its own name, upper case":            {login: named, server: "https://A.EKS.AmazonAWS.com:443", from: outside, released: true},
		"its own name, of the workspace":      {login: named, server: eks, from: inside},
		"its own name, of the workspace, URL": {login: named, server: eks, from: inside, expect: byURL, released: true},
		"URL, and its own CA":                 {login: named, server: eks, from: inside, cluster: ownCA, expect: byURL},
		"CA, and its own CA":                  {login: named, server: eks, from: inside, cluster: ownCA, expect: byCA, released: true},
		"URL, and a name to verify":           {login: named, server: eks, from: inside, cluster: api.Cluster{TLSServerName: "evil"}, expect: byURL},
		"URL, its own CA, not the workspace's": {
			login: named, server: "https://a.example.com", from: outside, cluster: ownCA, expect: byURL, released: true,
		},
		"GKE's name, of the workspace":        {login: bare, server: "https://a.gke.goog", from: inside},
		"AKS's name, of the workspace":        {login: aks, server: "https://a.azmk8s.io", from: inside},
		"AKS's name, of the workspace, by CA": {login: aks, server: "https://a.azmk8s.io", from: inside, cluster: ownCA, expect: byCA, released: true},
		"by a link out of the workspace":      {login: named, server: eks, from: leadsOut},
		"by a link into the workspace":        {login: named, server: eks, from: leadsIn},
		"in the second directory of it":       {login: named, server: eks, from: second},
		"its own name, as content":            {login: named, server: eks, from: content, released: true},
		"another name":                        {login: named, server: "https://a.example.com", from: outside},
		"the ending alone":                    {login: named, server: "https://eks.amazonaws.com", from: outside},
		"another name, expected":              {login: named, server: "https://a.example.com", from: inside, expect: byURL, released: true},
		"another name, its CA expected":       {login: named, server: "https://a.example.com", from: inside, expect: byCA, released: true},
		"an address":                          {login: named, server: ip, from: outside},
		"GKE's address":                       {login: bare, server: ip, from: outside, released: true},
		"GKE's address, IPv6":                 {login: bare, server: "https://[2001:db8::1]:443", from: outside, released: true},
		"GKE's address, as content":           {login: bare, server: ip, from: content, released: true},
		"GKE's address, of the workspace":     {login: bare, server: ip, from: inside},
		"GKE's address, workspace, expected":  {login: bare, server: ip, from: inside, expect: byCA, released: true},
		"another name for GKE":                {login: bare, server: "https://a.example.com", from: outside},
		"a proxy":                             {login: named, server: eks, from: outside, cluster: api.Cluster{ProxyURL: "http://p"}, released: true},
		"a proxy, of the workspace":           {login: named, server: eks, from: inside, cluster: api.Cluster{ProxyURL: "http://p"}},
		"a proxy, as content":                 {login: named, server: eks, from: content, cluster: api.Cluster{ProxyURL: "http://p"}},
		"a proxy, of the workspace, URL":      {login: named, server: eks, from: inside, cluster: api.Cluster{ProxyURL: "http://p"}, expect: byURL},
		"a proxy, of the workspace, CA":       {login: named, server: eks, from: inside, cluster: api.Cluster{ProxyURL: "http://p"}, expect: byCA, released: true},
		"unverified":                          {login: named, server: eks, from: outside, cluster: api.Cluster{InsecureSkipTLSVerify: true}},
		"unverified, expected":                {login: named, server: eks, from: outside, cluster: api.Cluster{InsecureSkipTLSVerify: true}, expect: byURL},
		"unusual":                             {login: odd, server: "https://a.azmk8s.io", from: outside, released: true},
		"unusual, of the workspace":           {login: odd, server: "https://a.azmk8s.io", from: inside},
		"unusual, as content":                 {login: odd, server: "https://a.azmk8s.io", from: content},
		"unusual, of the workspace, expected": {login: odd, server: "https://a.azmk8s.io", from: inside, expect: byURL, released: true},
	} {
		t.Run(name, func(t *testing.T) {
			policy := Policy{Workspace: workspace.Dirs{work, other}}
			if c.expect != nil {
				c.expect(&policy)
			}
			u, err := url.Parse(c.server)
			if err != nil {
				t.Fatal(err)
			}
			c.cluster.LocationOfOrigin = c.from
			err = policy.CheckRelease("use user", c.login, u, &api.AuthInfo{LocationOfOrigin: c.from}, &c.cluster)
			if c.released != (err == nil) {
				t.Errorf("released: %t, error: %v", c.released, err)
			}
		})
	}
	// The user comes from one file, and the cluster from another: either may be a pull request's.
	for i, from := range [][2]string{{inside, outside}, {outside, inside}, {inside, content}} {
		policy := Policy{Workspace: workspace.Dirs{work, other}}
		u, _ := url.Parse([]string{ip, "https://a.gke.goog", eks}[i])
		if policy.CheckRelease("use user", bare, u, &api.AuthInfo{LocationOfOrigin: from[0]}, &api.Cluster{LocationOfOrigin: from[1]}) == nil {
			t.Errorf("released to %q", from)
		}
	}
}
