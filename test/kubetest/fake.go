package kubetest

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Fake is an API server in memory, for the unit tests of rooms that take a whole client: what they
// send in which order, and what they leave after a failure. It compares UIDs and versions, knows
// namespaces, dry runs, owners and bound tokens, and works out from its roles and bindings what a
// token may do. A request that it does not know is an error of the test.
//
// The runner may do everything: [Fake.Intercept] has it refused. What depends on
// admission, field managers or the runner's own RBAC belongs into a script, on a real API server.
type Fake struct {
	URL  string
	CA   []byte           // PEM
	Now  func() time.Time // its clock; no answer tells it
	Kept bool             // no garbage collector runs: what a deleted object owned stays
	// Longest is the longest lifetime of a token; a longer one is shortened. 0 is any.
	Longest time.Duration
	// Runner holds the rules that a review of the runner returns; nil stands for all rights. It refuses
	// no request: Intercept does.
	Runner []rbacv1.PolicyRule
	// Lacks is a resource that it does not serve.
	Lacks string
	// Custom are resources of other groups, as CustomResourceDefinitions declare them. They can be
	// discovered, and not used.
	Custom []schema.GroupResource

	t        testing.TB
	mu       sync.Mutex
	objects  map[string]*unstructured.Unstructured
	tokens   map[string]fakeToken
	requests []string
	hooks    []func(asked string) error
	last     int // resourceVersion, and number of the last UID
}

// RunnerToken is the bearer token of the runner.
const RunnerToken = "runner-token"

// StartFake starts one that holds namespaces, and then objects. It ends with the test.
func StartFake(t testing.TB, now time.Time, namespaces ...string) *Fake {
	t.Helper()
	authority, err := NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	certificate, key, err := authority.Server("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	f := &Fake{
		CA: authority.PEM, Now: func() time.Time { return now }, t: t,
		objects: map[string]*unstructured.Unstructured{}, tokens: map[string]fakeToken{},
	}
	server := httptest.NewUnstartedServer(f)
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // connections that nobody needed after all
	server.StartTLS()
	t.Cleanup(server.Close)
	f.URL = server.URL
	for _, namespace := range namespaces {
		f.Put(&unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": namespace},
		}})
	}
	return f
}

// Config connects as the runner.
func (f *Fake) Config() *rest.Config {
	return &rest.Config{
		Host: f.URL, BearerToken: RunnerToken, TLSClientConfig: rest.TLSClientConfig{CAData: f.CA},
		Dial: (&net.Dialer{}).DialContext, // one of its own, so that client-go shares no connection between tests
	}
}

// Kubeconfig is that of the runner, with one context.
func (f *Fake) Kubeconfig() []byte {
	config := clientcmdapi.NewConfig()
	config.Clusters["fake"] = &clientcmdapi.Cluster{Server: f.URL, CertificateAuthorityData: f.CA}
	config.AuthInfos["runner"] = &clientcmdapi.AuthInfo{Token: RunnerToken}
	config.Contexts["fake"] = &clientcmdapi.Context{Cluster: "fake", AuthInfo: "runner"}
	config.CurrentContext = "fake"
	data, err := clientcmd.Write(*config)
	if err != nil {
		f.t.Fatal(err)
	}
	return data
}

// Intercept has a function see each request from now on, as [Fake.Asked] has it, before it is
// carried out. An error takes the place of the answer: an *apierrors.StatusError is sent, and any
// other error breaks the connection. The function may use the fake.
func (f *Fake) Intercept(hook func(asked string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hooks = append(f.hooks, hook)
}

// Forbid has the API server refuse the requests that match a pattern, as RBAC does.
func (f *Fake) Forbid(pattern string) {
	matches := regexp.MustCompile(pattern)
	f.Intercept(func(asked string) error {
		if !matches.MatchString(asked) {
			return nil
		}
		words := strings.Fields(strings.TrimPrefix(asked, "token: "))
		return apierrors.NewForbidden(groupOf(words[1]), "", denial(
			`User "runner" cannot `+words[0]+` resource "`+words[1]+`" in API group "" in the namespace "x"`,
		))
	})
}

// randomEnd is that of a lease's name.
var randomEnd = regexp.MustCompile(`-[a-z2-7]{10}( |$)`)

// Asked are the requests so far: "create leases shop/kubemint-ci-…", with "token: " before those of
// a minted token, and " (dry run)" after those that change nothing. Random ends of names are left
// out.
func (f *Fake) Asked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.requests)
}

// Writes are those of the requests that change something.
func (f *Fake) Writes() []string {
	return slices.DeleteFunc(f.Asked(), func(asked string) bool {
		return strings.HasSuffix(asked, "(dry run)") || strings.HasPrefix(asked, "get ") ||
			strings.HasPrefix(asked, "list ") || strings.Contains(asked, "reviews")
	})
}
