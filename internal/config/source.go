package config

import (
	"regexp"
	"strings"
)

func (c *checker) source(raw *sourceInputs) Source {
	s := Source{
		Kubeconfig:           raw.Kubeconfig,
		Context:              strings.TrimSpace(raw.Context),
		Server:               c.server(raw.Server),
		CertificateAuthority: strings.TrimSpace(raw.CertificateAuthority),
		BearerToken:          strings.TrimSpace(raw.BearerToken),
		OIDCAudience:         c.line("oidc_audience", raw.OIDCAudience),
		AllowInsecure:        c.boolean("allow_insecure", raw.AllowInsecure),
		Expect:               c.expect(raw.ExpectCluster),
	}
	if strings.ContainsFunc(s.BearerToken, func(r rune) bool { return r <= ' ' || r > '~' }) {
		c.fault("bearer_token", "", "it is not one line of ASCII", "give the token alone, as the CI system made it")
	}
	for _, input := range []struct{ name, value string }{{"bearer_token", s.BearerToken}, {"oidc_audience", s.OIDCAudience}} {
		if input.value == "" {
			continue
		}
		if strings.TrimSpace(raw.Server) == "" {
			c.fault(input.name, "", "it is the credential for `server`, which is not given",
				"give `server` and its `certificate_authority`, or leave it out")
		}
		if strings.TrimSpace(s.Kubeconfig) != "" {
			c.fault(input.name, "", "`kubeconfig` is a credential as well", "leave one of the two out")
		}
		if s.Context != "" {
			c.fault("context", s.Context, "belongs to a kubeconfig, and with `"+input.name+"` there is none", "leave it out")
		}
	}
	if s.BearerToken != "" && s.OIDCAudience != "" {
		c.fault("oidc_audience", "", "a token is requested with it, and `bearer_token` is one", "leave one of the two out")
	}
	return s
}

// server takes what client-go can use as an address. A faulty one is not shown: it can hold a password.
func (c *checker) server(value string) string {
	value = strings.TrimSpace(value)
	if value != "" && !matches(address, value) {
		c.fault("server", "", "it is not an https:// address without user, query and fragment", "write https://HOST or https://HOST:PORT")
	}
	return lowerScheme(value)
}

// lowerScheme writes HTTPS:// as everybody else does.
func lowerScheme(address string) string {
	if scheme, rest, ok := strings.Cut(address, "://"); ok {
		return strings.ToLower(scheme) + "://" + rest
	}
	return address
}

// Patterns, compiled where they are used: few runs have these inputs.
const (
	// address is an https:// address without user, query and fragment.
	address = `^(?i:https)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?(/[^\s?#]*)?$`

	uid = `^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`
	// sha256 as openssl ("sha256 Fingerprint=AA:BB…"), kubemint ("sha256:…") and sha256sum print it.
	sha256 = `^(?:sha-?256(?: fingerprint)?[:=])?((?:[0-9a-f]{2}:?){31}[0-9a-f]{2})$`
)

func matches(pattern, text string) bool { return regexp.MustCompile(pattern).MatchString(text) }

// expect tells by its form which of the three the value is.
func (c *checker) expect(value string) Expect {
	value = strings.TrimSpace(value)
	lower := strings.ToLower(value)
	switch found := regexp.MustCompile(sha256).FindStringSubmatch(lower); {
	case value == "":
	case matches(address, value):
		return Expect{Server: lowerScheme(value)}
	case found != nil:
		return Expect{Fingerprint: strings.ReplaceAll(found[1], ":", "")}
	case matches(uid, lower):
		return Expect{UID: lower}
	default:
		c.fault("expect_cluster", value, "is no https:// address, no SHA-256 fingerprint and no UID",
			"`kubectl get namespace kube-system -o jsonpath={.metadata.uid}` prints the UID, "+
				"`openssl x509 -in ca.crt -noout -fingerprint -sha256` the CA's fingerprint")
	}
	return Expect{}
}
