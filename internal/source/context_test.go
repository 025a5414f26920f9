package source

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubemint/kubemint/internal/disk"
)

// kubeconfig is content with the fields that are given in its one cluster and its one user.
func kubeconfig(cluster, user string) string {
	if !strings.Contains(cluster, "server:") {
		cluster += ", server: 'https://a.example'"
	}
	return "current-context: x\nclusters: [{name: x, cluster: {" + strings.TrimPrefix(cluster, ", ") + "}}]\nusers: [{name: x, user: {" + user + "}}]\n" +
		"contexts: [{name: x, context: {cluster: x, user: x}}]\n"
}

func TestTheContext(t *testing.T) {
	var many []string
	for i := range 13 {
		many = append(many, fmt.Sprintf("c%02d=v", i))
	}
	for name, c := range map[string]struct{ text, context, want string }{
		"unknown": {
			entries("prod", "prod=a", "staging=b"), "elsewhere",
			"use context \"elsewhere\": the kubeconfig has only \"prod\" \"staging\"\nname one of them in the input `context`",
		},
		"nearly right": {
			entries("prod", "prod=a", "staging=b"), "stagign",
			"use context \"stagign\": the kubeconfig has only \"prod\" \"staging\"\ndid you mean \"staging\"?",
		},
		"current-context unknown": {
			entries("gone", "prod=a"), "",
			"use context \"gone\": the kubeconfig has only \"prod\"\nname one of them in the input `context`",
		},
		"none current": {
			entries(`""`, "prod=a", "staging=b"), "",
			"choose a context: the kubeconfig has no current-context, but \"prod\" \"staging\"\nname one of them in the input `context`",
		},
		"none current of one": {
			entries(`""`, "prod=a"), "",
			"choose a context: the kubeconfig has no current-context, but \"prod\"\nname one of them in the input `context`",
		},
		"many": {
			entries(`""`, many...), "",
			"choose a context: the kubeconfig has no current-context, but \"c00\" \"c01\" \"c02\" \"c03\" \"c04\" \"c05\" \"c06\" \"c07\" " +
				"\"c08\" \"c09\" \"c10\" \"c11\" \"c12\"\nname one of them in the input `context`",
		},
		"none at all": {"users: [{name: a, user: {token: b}}]\n", "", "read kubeconfig: there is no context in it"},
		"names that forge": {
			`{contexts: [{name: "a\n::add-mask::b", context: {}}], current-context: "c\n::d"}`, "",
			"use context \"c\\n::d\": the kubeconfig has only \"a\\n::add-mask::b\"\nname one of them in the input `context`",
		},
		"cluster missing":   {"contexts: [{name: a, context: {cluster: b}}]\n", "a", "use context \"a\": its cluster \"b\" or its user \"\" is not in the kubeconfig"},
		"user missing":      {"contexts: [{name: a, context: {cluster: b}}]\nclusters: [{name: b}]", "a", "use context \"a\": its cluster \"b\" or its user \"\" is not in the kubeconfig"},
		"invalid namespace": {entries("a", "a=/"), "", "use context \"a\": its namespace \"ns-of-/\" is not a valid name"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(Input{Given: Given{Kubeconfig: c.text, Context: c.context}, Host: Host{Getenv: env()}})
			if diff := refusedAs(t, c.want, err); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	const flatten = "\nembed the file: `kubectl config view --raw --flatten`"
	kind := load(t, Input{Given: Given{Kubeconfig: kubeconfigs + "kind.yaml"}})
	const outside = "it lies outside the directories that a kubeconfig may name files in: " +
		"its own, the workspace, the job's temporary one, and the home directory if the kubeconfig is there"
	dir := t.TempDir() // with the kubeconfig in it
	write(t, dir+"/long", strings.Repeat("x", disk.MaxBytes+1))
	certificate := fmt.Sprintf("client-certificate-data: %q", b64(kind.REST.CertData))
	for name, c := range map[string]struct{ cluster, user, want string }{
		"plain http": {
			"server: 'http://127.0.0.1:8001'", "token: t",
			"use cluster \"x\": its server is a plain http:// address, and no client sends a credential over http",
		},
		"no scheme":           {"server: 'a.example:6443'", "token: t", "use cluster \"x\": its server is not an https:// address without user, query and fragment"},
		"no server":           {"server: ''", "token: t", "use cluster \"x\": it has no server"},
		"not an address":      {"server: 'https://a b'", "token: t", "use cluster \"x\": its server is not an https:// address without user, query and fragment"},
		"password in server":  {"server: 'https://u:sesame@a'", "token: t", "use cluster \"x\": its server is not an https:// address without user, query and fragment"},
		"query in the server": {"server: 'https://a?k=sesame'", "token: t", "use cluster \"x\": its server is not an https:// address without user, query and fragment"},
		"proxy of no kind":    {"proxy-url: 'sesame://a'", "token: t", "use cluster \"x\": its proxy-url is not an http, https or socks5 address"},
		"proxy, not a URL":    {"proxy-url: 'http://u:sesame@a b'", "token: t", "use cluster \"x\": its proxy-url is not an http, https or socks5 address"},
		"unverified": {
			"insecure-skip-tls-verify: true", "token: t",
			"use cluster \"x\": it has insecure-skip-tls-verify: whoever answers would get the credential\n" +
				"give it certificate-authority-data instead, or accept this for source and result: `allow_insecure: true`",
		},
		"CA, not PEM":       {"certificate-authority-data: c2VzYW1l", "token: t", "use cluster \"x\": its certificate authority cannot be used: there is no PEM certificate in it"},
		"CA, missing":       {"certificate-authority: /sesame", "token: t", "use cluster \"x\": read its certificate-authority: no such file or directory" + flatten + "\nsee the host"},
		"CA, a directory":   {"certificate-authority: .", "token: t", "use cluster \"x\": read its certificate-authority: it is not a regular file" + flatten + "\nsee the host"},
		"CA, endless":       {"certificate-authority: /dev/zero", "token: t", "use cluster \"x\": read its certificate-authority: " + outside + flatten},
		"tokenFile, long":   {"", "tokenFile: long", "use user \"x\": read its tokenFile: it is longer than 1048576 bytes" + flatten + "\nsee the host"},
		"tokenFile gone":    {"", "tokenFile: /sesame", "use user \"x\": read its tokenFile: no such file or directory" + flatten + "\nsee the host"},
		"certificate gone":  {"", "client-certificate: /sesame", "use user \"x\": read its client-certificate: no such file or directory" + flatten + "\nsee the host"},
		"key is a secret":   {"", certificate + ", client-key: /LS0tLS1CRUdJTiBQ", "use user \"x\": read its client-key: no such file or directory" + flatten + "\nsee the host"},
		"key missing":       {"", certificate, "use user \"x\": its client-certificate has no client-key"},
		"token of lines":    {"", `token: "sesame\nopen"`, "use user \"x\": its token is not one line of ASCII"},
		"no credential":     {"", "", "use user \"x\": there is no credential in it"},
		"only a key":        {"", "client-key-data: c2VzYW1l", "use user \"x\": its client-key has no client-certificate"},
		"only a password":   {"", "password: sesame", "use user \"x\": there is no credential in it"},
		"token and user":    {"", "token: t, username: u, password: sesame", "use context \"x\": invalid configuration: more than one authentication method found for it; found [token basicAuth], only one is allowed"},
		"groups of no user": {"", "token: t, as-groups: [sesame]", "use context \"x\": invalid configuration: requesting uid, groups or user-extra for it without impersonating a user"},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, dir+"/kubeconfig", kubeconfig(c.cluster, c.user))
			_, err := Load(Input{Given: Given{Kubeconfig: path}, Host: Host{Hint: "see the host", Getenv: env()}})
			if diff := refusedAs(t, c.want, err); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	expired := jwt(`{"jti":"1","exp":946684800}`)
	certificate, key := expiredPair(t)
	for name, c := range map[string]struct {
		cluster, user, want string
		insecure            bool
	}{
		"unverified":    {"insecure-skip-tls-verify: true", "token: t", "cluster \"x\": its certificate is not verified (`allow_insecure`)", true},
		"proxy":         {"proxy-url: 'socks5://u:sesame@p.example:1080/x'", "token: t", "cluster \"x\" goes through the proxy socks5://p.example:1080, as the kubeconfig says", false},
		"impersonation": {"", "token: t, as: root, as-groups: [g]", "user \"x\" acts as \"root\" in the groups \"g\", and so does kubemint, but not the result", false},
		"expired token": {"", "token: " + expired, "the token of user \"x\" expired at 2000-01-01T00:00:00Z", false},
		"expired certificate": {
			"", "client-certificate-data: " + b64(certificate) + ", client-key-data: " + b64(key),
			"the client certificate of user \"x\" expired at 2000-01-01T00:00:00Z", false,
		},
		"no CA, token": {"", "token: t", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := load(t, Input{Given: Given{Kubeconfig: kubeconfig(c.cluster, c.user), AllowInsecure: c.insecure}})
			if diff := cmp.Diff(c.want, strings.Join(s.Warnings, "\n")); diff != "" {
				t.Error(diff)
			}
			if s.Insecure != c.insecure || s.REST.Insecure != c.insecure {
				t.Errorf("insecure: %v, in REST: %v", s.Insecure, s.REST.Insecure)
			}
		})
	}
}

func expiredPair(t *testing.T) (certificate, key []byte) {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)}
	public, err := x509.CreateCertificate(rand.Reader, template, template, &secret.PublicKey, secret)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: public}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private})
}

func TestBothCAAndUnverifiedIsRefusedAsByKubectl(t *testing.T) {
	ca := load(t, Input{Given: Given{Kubeconfig: kubeconfigs + "kind.yaml"}}).CAData
	_, err := Load(Input{
		Given: Given{Kubeconfig: kubeconfig("insecure-skip-tls-verify: true, certificate-authority-data: "+b64(ca), "token: t"), AllowInsecure: true},
		Host:  Host{Getenv: env()},
	})
	if diff := refusedAs(t, "use cluster \"x\": it has both a certificate authority and insecure-skip-tls-verify", err); diff != "" {
		t.Error(diff)
	}
}

// Each error is provoked with a secret in the place that the parser stumbles over (Shopify/krane#718).
func TestNoErrorRepeatsContent(t *testing.T) {
	const secret = "S3cr3tSesame"
	broken := map[string]string{
		"not YAML":          "users: [{name: a, user: {token: " + secret,
		"a tab":             "users:\n\t- token: " + secret,
		"a mapping":         "token: " + secret + ": b\n",
		"an anchor":         "token: *" + secret + "\n",
		"binary":            "a: !!binary \"" + secret + "?\"\n",
		"a tag":             "a: !!int " + secret + "\n",
		"a list":            "- " + secret + "\n- b\n",
		"a string":          strings.Repeat(secret, 4) + "\n",
		"users as text":     "users: " + secret + "\n",
		"a key as number":   "users: [{name: a, user: {as-user-extra: {" + secret + ": [1]}}}]\n",
		"another kind":      "kind: " + secret + "\napiVersion: " + secret + "\n",
		"bad base64":        "users: [{name: a, user: {client-key-data: '" + secret + "!'}}]\n",
		"twins":             "users: [{name: a, user: {token: " + secret + "}}, {name: a}]\n",
		"control":           "token: \x01" + secret + "\n",
		"key, bad PEM":      kubeconfig("", "client-certificate-data: "+b64([]byte(secret))+", client-key-data: "+b64([]byte(secret))),
		"CA, bad PEM":       kubeconfig("certificate-authority-data: "+b64([]byte("-----BEGIN "+secret+"-----\nAAAA\n-----END "+secret+"-----\n")), "token: t"),
		"server":            kubeconfig("server: '"+secret+"'", "token: t"),
		"proxy":             kubeconfig("proxy-url: '"+secret+"'", "token: t"),
		"token in a file":   kubeconfig("", "tokenFile: "+secret),
		"token in a path":   kubeconfig("", "tokenFile: /tmp/"+secret),
		"two methods":       kubeconfig("", "token: "+secret+", username: "+secret+", password: "+secret),
		"program with args": kubeconfig("", "exec: {apiVersion: v1, command: sh, args: ["+secret+"], env: [{name: "+secret+", value: "+secret+"}]}"),
		"program as a line": kubeconfig("", "exec: {apiVersion: v1, command: 'curl -H "+secret+"'}"),
		"auth-provider":     kubeconfig("", "auth-provider: {name: gcp, config: {access-token: "+secret+"}}"),
	}
	for _, name := range slices.Sorted(maps.Keys(broken)) {
		for how, value := range map[string]string{"content": broken[name], "base64": b64([]byte(broken[name])), "file": write(t, t.TempDir()+"/config", broken[name])} {
			t.Run(name+" as "+how, func(t *testing.T) {
				_, err := Load(Input{Given: Given{Kubeconfig: value}, Host: Host{Getenv: env()}})
				got := failure(t, err)
				for _, form := range []string{secret, strings.ToLower(secret), b64([]byte(secret)), secret[:6]} {
					if strings.Contains(got, form) {
						t.Errorf("%q is in the error:\n%s", form, got)
					}
				}
			})
		}
	}
}
