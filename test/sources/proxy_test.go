package sources

import (
	"cmp"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubemint/kubemint/test/clouds"
	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

const (
	apiName = "api.cluster.example" // that only an Internet knows
	// Go takes a proxy to this address, as it never does to 127.0.0.1, and without a proxy it is loopback too.
	apiAddress = "0.0.0.0"
	sesame     = "p@ss:sesame" // of the proxies, with what an URL has to escape
)

// Between the runner and the API server is a proxy, which the environment or the kubeconfig names.
func TestProxies(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs a control plane: make test runs it")
	}
	cluster := kubetest.New(t, kubetest.Options{Names: []string{apiName, apiAddress}})
	content, err := cluster.AdminTokenKubeconfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	job := func(t *testing.T, host string, change func(n *clouds.Internet, c *api.Cluster)) *cloudJob {
		t.Helper()
		config, err := clientcmd.Load(content)
		if err != nil {
			t.Fatal(err)
		}
		n := clouds.NewInternet(t)
		for _, c := range config.Clusters {
			c.Server = strings.Replace(c.Server, "127.0.0.1", host, 1)
			if change != nil {
				change(n, c)
			}
		}
		return newCloudJob(t, cluster, n, config)
	}
	t.Run("of the environment", func(t *testing.T) {
		t.Parallel()
		ofTheEnvironment(t, job)
	})
	for _, scheme := range []string{"http", "https", "socks5"} {
		for _, login := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s of the kubeconfig, login %t", scheme, login), func(t *testing.T) {
				t.Parallel()
				j := job(t, apiName, func(n *clouds.Internet, c *api.Cluster) {
					if login {
						n.RequireLogin("ci", sesame)
					}
					c.ProxyURL = n.ProxyURL(scheme)
					trustProxy(n, c)
				})
				ofTheKubeconfig(t, j, scheme)
			})
		}
	}
	for name, tc := range brokenProxies {
		for _, scheme := range []string{"http", "https", "socks5"} {
			t.Run(scheme+" that "+name, func(t *testing.T) {
				t.Parallel()
				j := job(t, apiName, func(n *clouds.Internet, c *api.Cluster) {
					trustProxy(n, c)
					c.ProxyURL = tc.url(t, n, c, scheme)
				})
				said := j.run(t, 3, tc.env)
				harness.AssertSays(t, said, `^error: read ServiceAccount `+j.namespace+`/kubemint: .*`+cmp.Or(tc.cause[scheme], tc.cause["http"]))
				if tc.env == nil { // it was asked for nothing, and so nothing can live on
					harness.AssertSays(t, said, `^error: .*: the proxy on the way to https://`+regexp.QuoteMeta(apiName)+`:\d+ does not let it through: `,
						`^hint: see whether the proxy runs and takes this runner: `)
					if strings.Contains(said, "may live on") {
						t.Errorf("it takes the request for sent:\n%s", said)
					}
				}
				j.hides(t, said, "sesame")
				if _, err := os.Stat(filepath.Join(j.dir, "kubemint.kubeconfig")); !os.IsNotExist(err) {
					t.Errorf("a kubeconfig is left: %v", err)
				}
				if asked := j.internet.Asked(); len(asked) > 0 {
					t.Errorf("it went another way: %q", asked)
				}
			})
		}
	}
}

// learns runs kubectl through kubemint learn, and returns what kubemint said. The command does not hear of the proxy.
func (j *cloudJob) learns(t *testing.T) (said string) {
	t.Helper()
	script := j.cluster.Kubectl() + ` get pods && cat "$KUBECONFIG"`
	said = j.run(t, 0, []string{"PATH=" + os.Getenv("PATH")}, "learn", "--", "sh", "-c", script)
	printed := harness.ReadFile(t, j.stdout)
	harness.AssertSays(t, printed, `^list  pods$`, `^ +server: https://127\.0\.0\.1:\d+$`)
	harness.AssertSaysNot(t, printed, "proxy-url")
	return said + printed
}

// trustProxy adds the CA of an https proxy to the cluster's: client-go checks both by the same CA, and the same
// tls-server-name.
func trustProxy(n *clouds.Internet, c *api.Cluster) {
	c.CertificateAuthorityData = slices.Concat(c.CertificateAuthorityData, n.CA())
}

// brokenProxies are proxies that let nothing through, by what they do; cause is by scheme, or the same for all.
var brokenProxies = map[string]struct {
	url   func(t *testing.T, n *clouds.Internet, c *api.Cluster, scheme string) string
	env   []string
	cause map[string]string
}{
	"is away": {
		url: func(t *testing.T, _ *clouds.Internet, _ *api.Cluster, scheme string) string {
			t.Helper()
			listener := listens(t)
			_ = listener.Close()
			return scheme + "://ci:p%40ss%3Asesame@" + listener.Addr().String()
		},
		cause: map[string]string{"http": `proxyconnect tcp: dial tcp 127\.0\.0\.1:\d+: connect: connection refused`},
	},
	"never answers": {
		url: func(t *testing.T, _ *clouds.Internet, _ *api.Cluster, scheme string) string {
			t.Helper()
			return scheme + "://ci:p%40ss%3Asesame@" + listens(t).Addr().String()
		},
		env:   []string{"KUBEMINT_TIMEOUT=1s"},
		cause: map[string]string{"http": `no answer in time: `},
	},
	"has another password": {
		url: func(_ *testing.T, n *clouds.Internet, _ *api.Cluster, scheme string) string {
			n.RequireLogin("ci", sesame)
			right := n.ProxyURL(scheme)
			n.RequireLogin("ci", "another")
			return right
		},
		cause: map[string]string{"http": `Proxy Authentication Required$`, "socks5": `username/password authentication failed$`},
	},
	"refuses the server": {
		url: func(t *testing.T, _ *clouds.Internet, c *api.Cluster, scheme string) string {
			t.Helper()
			nobody := clouds.NewInternet(t)
			trustProxy(nobody, c)
			return nobody.ProxyURL(scheme)
		},
		cause: map[string]string{"http": `Bad Gateway$`, "socks5": `connection not allowed by ruleset$`},
	},
}

// listens takes connections and says nothing.
func listens(t *testing.T) net.Listener {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

func ofTheEnvironment(t *testing.T, job func(*testing.T, string, func(*clouds.Internet, *api.Cluster)) *cloudJob) {
	t.Helper()
	t.Run("is used", func(t *testing.T) {
		t.Parallel()
		j := job(t, apiName, nil)
		j.mints(t)
		j.run(t, 0, nil, "revoke")
		j.asked(t)
		if refused := j.internet.Refused(); len(refused) > 0 {
			t.Errorf("asked was also %q", refused)
		}
	})
	t.Run("is used in lower case, with a login", func(t *testing.T) {
		t.Parallel()
		j := job(t, apiName, nil)
		j.internet.RequireLogin("ci", sesame)
		said := j.mints(t, "HTTPS_PROXY=", "HTTP_PROXY=")
		j.asked(t)
		j.hides(t, said, "sesame")
		for _, c := range j.written(t).Clusters {
			if c.ProxyURL != "" { // it is this machine's own, not the cluster's
				t.Errorf("the result has the proxy-url %s", c.ProxyURL)
			}
		}
	})
	t.Run("is kept from what NO_PROXY names", func(t *testing.T) {
		t.Parallel()
		for _, variable := range []string{"NO_PROXY", "no_proxy"} {
			j := job(t, apiAddress, nil)
			j.mints(t, variable+"=example.com,"+apiAddress)
			if asked := j.internet.Asked(); len(asked) > 0 {
				t.Errorf("with %s the proxy was asked for %q", variable, asked)
			}
		}
		j := job(t, apiAddress, nil)
		j.mints(t, "NO_PROXY=example.com")
		j.asked(t)
	})
	t.Run("gives way to the kubeconfig's", func(t *testing.T) {
		t.Parallel()
		j := job(t, apiName, func(n *clouds.Internet, c *api.Cluster) { c.ProxyURL = n.ProxyURL("socks5") })
		j.mints(t, "NO_PROXY="+apiName)
		if n := j.internet; n.Connections("http") > 0 || n.Connections("socks5") == 0 {
			t.Errorf("%d connections to the proxy of the environment, %d to the kubeconfig's", n.Connections("http"), n.Connections("socks5"))
		}
	})
}

// ofTheKubeconfig mints, uses and revokes, each through the proxy.
func ofTheKubeconfig(t *testing.T, j *cloudJob, scheme string) {
	t.Helper()
	before := 0
	more := func(what string) {
		t.Helper()
		now := j.internet.Connections(scheme)
		if now <= before {
			t.Errorf("%s did not go through the proxy", what)
		}
		before = now
	}
	said := j.mints(t)
	more("mint")
	harness.AssertSays(t, said, `^warning: cluster "controlplane" goes through the proxy `+scheme+`://127\.0\.0\.1:\d+, as the kubeconfig says$`)
	content, err := os.ReadFile(filepath.Join(j.dir, "kubemint.kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.cluster.RunKubectl(t.Context(), content, "", "get", "pods"); err != nil { // it has nothing of the environment
		t.Error(err)
	}
	more("kubectl with the written kubeconfig")
	learned := j.learns(t)
	more("learn")
	j.hides(t, said+learned+j.run(t, 0, nil, "revoke"), "sesame")
	more("revoke")
	connect := regexp.MustCompile(`^CONNECT ` + regexp.QuoteMeta(apiName) + `:\d+$`)
	for _, asked := range j.internet.Asked() {
		if !connect.MatchString(asked) {
			t.Errorf("asked was also %s", asked)
		}
	}
	for _, other := range []string{"http", "https", "socks5"} {
		if n := j.internet.Connections(other); other != scheme && n > 0 {
			t.Errorf("%d connections to the %s proxy", n, other)
		}
	}
}
