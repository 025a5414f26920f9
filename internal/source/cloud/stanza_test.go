package cloud_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/kubemint/kubemint/internal/source/cloud/plugin"
)

const (
	awsDeployer     = "arn:aws:iam::123456789012:role/deployer"
	awsWeb          = "arn:aws:iam::123456789012:role/web"
	aksServer       = "6dae42f8-4368-4678-94ff-3960e28e3630"
	azureTestTenant = "00000000-0000-0000-0000-000000000002"
	azureTestClient = "00000000-0000-0000-0000-000000000001"
)

// flagName matches the names of flags, which an error may show.
var flagName = regexp.MustCompile(`^--?[A-Za-z0-9][A-Za-z0-9_-]{0,60}$`)

func awsStanza(t *testing.T, server, line string) plugin.Stanza {
	t.Helper()
	at, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(line)
	return plugin.Stanza{Program: words[0], Args: words[1:], Server: at}
}

func azureStanza(args ...string) plugin.Stanza {
	return plugin.Stanza{
		Program: "kubelogin", Args: append([]string{"get-token", "--server-id", aksServer}, args...),
		Server:   &url.URL{Scheme: "https", Host: "shop-dns-0a1b2c3d.hcp.westeurope.azmk8s.io:443"},
		ReadFile: func(string, string) ([]byte, error) { return []byte("sesame"), nil },
	}
}

func gkeStanza(args ...string) plugin.Stanza {
	return plugin.Stanza{
		Program: "gke-gcloud-auth-plugin", Args: args, Server: &url.URL{Scheme: "https", Host: "203.0.113.10"},
	}
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
