package app

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/client-go/rest"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/cluster"
	"github.com/kubemint/kubemint/internal/kubeconfig"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/token"
)

// connect opens nothing yet. Every client has a dialer of its own: client-go shares connections between equal
// configurations, and a connection with a client certificate would vouch for a token that is not even read.
func (r *run) connect(config *rest.Config) (*cluster.Client, error) {
	config = rest.CopyConfig(config)
	config.UserAgent = "kubemint/" + r.process.Version
	if config.Dial == nil {
		config.Dial = (&net.Dialer{}).DialContext
	}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return tracer{next: next, log: r.log} })
	config.WarningHandlerWithContext = warnings{r.log}
	client, err := cluster.New(config)
	if err != nil {
		return nil, problem.New(problem.Source, "connect to "+config.Host, err)
	}
	return client, nil
}

// tracer logs each request at debug level: method, path and status, never a header or a body.
type tracer struct {
	next http.RoundTripper
	log  *log
}

func (t tracer) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := t.next.RoundTrip(request)
	if err != nil {
		t.log.debugf("%s %s: no answer", request.Method, request.URL.Path)
		return response, err
	}
	t.log.debugf("%s %s: %d", request.Method, request.URL.Path, response.StatusCode)
	return response, nil
}

// warnings logs what the API server says in a Warning header.
type warnings struct{ log *log }

func (w warnings) HandleWarningHeaderWithContext(_ context.Context, code int, _, text string) {
	if code == http.StatusMultipleChoices-1 { // 299, the one that Kubernetes uses
		w.log.warnf("the API server says: %s", text)
	}
}

// prover asks the API server as the new credential, over a connection of its own that is opened before there is a token.
type prover struct {
	client *cluster.Client
	bearer *bearer
}

func (r *run) newProver(written kubeconfig.Config) (*prover, error) {
	b := &bearer{}
	config := &rest.Config{
		Host:            written.Server,
		TLSClientConfig: rest.TLSClientConfig{CAData: written.CAData, ServerName: written.TLSServerName, Insecure: written.Insecure},
	}
	if written.Insecure {
		config.CAData = nil
	}
	if written.ProxyURL != "" {
		proxy, err := url.Parse(written.ProxyURL)
		if err != nil {
			return nil, problem.New(problem.Source, "read proxy-url", errors.New("not a URL"))
		}
		config.Proxy = http.ProxyURL(proxy)
	}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { b.next = next; return b })
	client, err := r.connect(config)
	return &prover{client: client, bearer: b}, err
}

// bearer adds the token to requests once there is one.
type bearer struct {
	next  http.RoundTripper
	token atomic.Pointer[token.Token]
}

func (b *bearer) RoundTrip(request *http.Request) (*http.Response, error) {
	if t := b.token.Load(); t != nil {
		request = request.Clone(request.Context())
		request.Header.Set("Authorization", "Bearer "+t.Reveal())
	}
	return b.next.RoundTrip(request)
}

// prove shows that the credential is accepted, is the right identity, and has all the declared access in effect.
func (p *prover) prove(ctx context.Context, m *minting) error {
	p.bearer.token.Store(&m.minted.Token)
	defer p.client.Close()
	claims := m.claims()
	return cluster.Each(len(claims)+1, func(i int) error {
		if i == 0 {
			return p.client.Explain(problem.Mint, "prove token", token.WhoAmI(ctx, p.client, m.desired.Access.ServiceAccount))
		}
		return p.client.Explain(problem.Mint, "prove access", token.InEffect(ctx, p.client, claims[i-1]))
	})
}

// claims are what has to be in effect: the declared rules, and those of the bound roles that could be read.
func (m *minting) claims() []token.Claim {
	declared := m.desired.Access
	scopes := declared.Namespaces
	if declared.ClusterScope {
		scopes = []string{token.EveryNamespace}
	}
	held := map[string]bool{}
	for _, change := range m.plan.Changes {
		if change.Held {
			held[change.Ref.Namespace] = true
		}
	}
	var claims []token.Claim
	for _, scope := range scopes {
		rules := append([]rbacv1.PolicyRule(nil), declared.Rules...)
		for ref, role := range m.observed.Named {
			if ref.Namespace == "" || ref.Namespace == scope {
				rules = append(rules, access.Rules(role)...)
			}
		}
		if !declared.ClusterScope {
			rules = inNamespace(rules)
			if held[scope] {
				continue
			}
		} else if held[""] {
			continue
		}
		if len(rules) > 0 {
			claims = append(claims, token.Claim{Namespace: scope, Rules: rules})
		}
	}
	return claims
}

// inNamespace leaves out what a RoleBinding does not grant, whatever its ClusterRole says.
func inNamespace(rules []rbacv1.PolicyRule) []rbacv1.PolicyRule {
	var kept []rbacv1.PolicyRule
	for _, rule := range rules {
		if len(rule.NonResourceURLs) == 0 {
			kept = append(kept, rule)
		}
	}
	return kept
}
