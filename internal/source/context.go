package source

import (
	"crypto/tls"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/token"
)

// choose makes a Source of one context. clientcmd gets to see its cluster and its user alone, with every file already
// read and no plugin left.
func (l *loader) choose(at *place) (*Source, error) {
	chosen := at.chosen(l.Context)
	context := at.config.Contexts[chosen]
	if context == nil {
		return nil, noContext(at, chosen)
	}
	op := "use context " + named(chosen)
	cluster, user := at.config.Clusters[context.Cluster], at.config.AuthInfos[context.AuthInfo]
	switch {
	case cluster == nil || user == nil:
		return nil, fail(op, "its cluster %s or its user %s is not in the kubeconfig", named(context.Cluster), named(context.AuthInfo))
	case context.Namespace != "" && validation.IsDNS1123Label(context.Namespace) != nil:
		return nil, fail(op, "its namespace %s is not a valid name", named(context.Namespace))
	}
	if err := l.cluster(named(context.Cluster), cluster); err != nil {
		return nil, err
	}
	if err := l.expected(op, cluster); err != nil {
		return nil, err
	}
	if err := l.user(named(context.AuthInfo), user, cluster); err != nil {
		return nil, err
	}
	if err := l.paired(op, user, cluster); err != nil {
		return nil, err
	}
	if err := l.itself("use user "+named(context.AuthInfo), user, cluster); err != nil {
		return nil, err
	}
	const it = "it" // clientcmd would repeat the names in its errors as they are, line breaks and all
	config, err := clientcmd.NewNonInteractiveClientConfig(api.Config{
		Clusters:  map[string]*api.Cluster{it: cluster},
		AuthInfos: map[string]*api.AuthInfo{it: user},
		Contexts:  map[string]*api.Context{it: {Cluster: it, AuthInfo: it}},
	}, it, nil, nil).ClientConfig()
	if err != nil {
		return nil, problem.New(problem.Source, op, err)
	}
	config.QPS = -1
	origin := at.Source
	origin.Context = chosen
	return &Source{
		REST:   config,
		Server: config.Host, TLSServerName: cluster.TLSServerName, ProxyURL: cluster.ProxyURL,
		CAData: cluster.CertificateAuthorityData, Insecure: cluster.InsecureSkipTLSVerify,
		Namespace: context.Namespace, Cluster: context.Cluster, Context: chosen, User: context.AuthInfo,
		planted: l.written(context.LocationOfOrigin),
		Origin:  origin, Files: l.files, Warnings: l.warnings, Secrets: l.secrets, login: l.login,
	}, nil
}

func noContext(at *place, chosen string) error {
	there := slices.Sorted(maps.Keys(at.config.Contexts))
	if len(there) == 0 {
		return fail("read kubeconfig", "there is no context in it")
	}
	op, cause := "choose a context", "the kubeconfig has no current-context, but"
	if chosen != "" {
		op, cause = "use context "+named(chosen), "the kubeconfig has only"
	}
	err := fail(op, "%s %s", cause, strings.Trim(fmt.Sprintf("%q", there), "[]"))
	if near := problem.Nearest(chosen, there); near != "" {
		return err.Hint("did you mean %s?", named(near))
	}
	return err.Hint("name one of them in the input `context`")
}

// cluster refuses what would send the credential to a stranger, and embeds the CA.
func (l *loader) cluster(name string, c *api.Cluster) error {
	op := "use cluster " + name
	server, err := url.Parse(c.Server)
	if err != nil || server.Scheme != "https" || server.Host == "" || server.User != nil || server.RawQuery != "" || server.Fragment != "" {
		// Over plain http clientcmd sends no credential, even with allow_insecure: source and result would be anonymous.
		return fail(op, "its server is not an https:// address without user, query and fragment; no client sends a credential over http")
	}
	if strings.ContainsFunc(server.Host, func(r rune) bool { return r > unicode.MaxASCII }) {
		// "googleap\u0130s.com" is Google's in small letters, and somebody else's in DNS: no comparison of names would hold.
		return fail(op, "its server's name has a letter that is not ASCII").Hint("write it as it is in DNS: xn--…")
	}
	if c.ProxyURL != "" {
		proxy, err := url.Parse(c.ProxyURL)
		if err != nil || !slices.Contains([]string{"http", "https", "socks5"}, proxy.Scheme) || proxy.Host == "" {
			return fail(op, "its proxy-url is not an http, https or socks5 address")
		}
		l.warn("cluster %s goes through the proxy %s://%s, as the kubeconfig says", name, proxy.Scheme, proxy.Host)
	}
	_, err = l.embed(op, "certificate-authority", &c.CertificateAuthority, &c.CertificateAuthorityData, c.LocationOfOrigin)
	switch {
	case err != nil:
		return err
	case c.InsecureSkipTLSVerify && !l.AllowInsecure:
		return fail(op, "it has insecure-skip-tls-verify, so that whoever answers would be sent the credential").
			Hint("give it certificate-authority-data instead, or accept this for source and result: `allow_insecure: true`")
	case c.InsecureSkipTLSVerify && len(c.CertificateAuthorityData) > 0:
		return fail(op, "it has both a certificate authority and insecure-skip-tls-verify")
	case c.InsecureSkipTLSVerify:
		l.warn("cluster %s: its certificate is not verified (`allow_insecure`)", name)
	case len(c.CertificateAuthorityData) > 0:
		if c.CertificateAuthorityData, err = certificates(c.CertificateAuthorityData); err != nil {
			return fail(op, "its certificate authority is not a PEM certificate")
		}
	}
	return nil
}

// user embeds what files hold, and drops the plugins.
func (l *loader) user(name string, u *api.AuthInfo, c *api.Cluster) (err error) {
	op, bearer := "use user "+name, []byte(u.Token)
	if u.TokenFile != "" { // it goes before the token and, as with client-go, is read again when it rotates
		bearer = nil
		if u.TokenFile, err = l.embed(op, "tokenFile", &u.TokenFile, &bearer, u.LocationOfOrigin); err != nil {
			return err
		}
	}
	u.Token = strings.TrimSpace(string(bearer))
	if (len(bearer) > 0 || u.TokenFile != "") && !oneLine(u.Token) {
		return fail(op, "its token is not one line of ASCII")
	}
	if _, err = l.embed(op, "client-certificate", &u.ClientCertificate, &u.ClientCertificateData, u.LocationOfOrigin); err != nil {
		return err
	}
	if _, err = l.embed(op, "client-key", &u.ClientKey, &u.ClientKeyData, u.LocationOfOrigin); err != nil {
		return err
	}
	if len(u.ClientCertificateData) > 0 {
		pair, err := tls.X509KeyPair(u.ClientCertificateData, u.ClientKeyData)
		if err != nil { // which can name what it found instead, so it is not repeated
			return fail(op, "its client-certificate and client-key are not a PEM pair")
		}
		l.warnExpired("the client certificate of user "+name, pair.Leaf.NotAfter)
	} else if u.Token == "" && u.Username == "" && l.login == nil {
		if err := l.plugin(op, u, c); err != nil {
			return err
		}
	}
	claims, _ := token.New(u.Token).Claims() // none where it is no such token
	l.warnExpired("the token of user "+name, claims.ExpiresAt)
	if u.Impersonate != "" {
		l.warn("user %s acts as %s, and so does kubemint, but not the result", name, named(u.Impersonate))
	}
	u.Exec, u.AuthProvider = nil, nil
	return nil
}

// named is a name as an error shows it: quoted, since a line break could forge a workflow command.
func named(name string) string { return strconv.Quote(name[:min(len(name), 128)]) }

// oneLine says whether a token can go into an HTTP header.
func oneLine(bearer string) bool {
	return bearer != "" && !strings.ContainsFunc(bearer, func(r rune) bool { return r <= ' ' || r > '~' })
}

// warnExpired explains the 401 that is about to come. It does not refuse: this machine's clock can be the wrong one.
func (l *loader) warnExpired(what string, end time.Time) {
	if !end.IsZero() && time.Now().After(end) {
		l.warn("%s expired at %s", what, end.UTC().Format(time.RFC3339))
	}
}
