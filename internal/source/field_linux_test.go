package source

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubemint/kubemint/internal/disk"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/secret"
	"github.com/kubemint/kubemint/internal/source/authority"
)

// What people give, as the input and in a file: what is certain is read, what is not is named, with a remedy.
func TestLoad_ContentWhereAPathBelongs(t *testing.T) {
	dir := t.TempDir()
	good := kubeconfig("", "token: sesame-token")
	file := func(name, text string) string { return write(t, dir+"/"+name, text) }
	for name, c := range map[string]struct {
		in   Input
		want string // the first line of the error, and a part of a hint; "" where it works
	}{
		"base64 twice":                {in: Input{Given: Given{Kubeconfig: b64([]byte(b64([]byte(good))))}}},
		"quotes":                      {in: Input{Given: Given{Kubeconfig: `"` + b64([]byte(good)) + `"`}}},
		"a file of base64":            {in: Input{Host: Host{Getenv: env("KUBECONFIG", file("coded", b64([]byte(good))+"\n"))}}},
		"an indented block":           {in: Input{Given: Given{Kubeconfig: "  " + strings.ReplaceAll(strings.TrimSpace(good), "\n", "\n  ")}}},
		"one of a list is base64":     {in: Input{Host: Host{Getenv: env("KUBECONFIG", file("coded", b64([]byte(good)))+":"+dir+"/none")}}},
		"content in $KUBECONFIG":      {Input{Host: Host{Getenv: env("KUBECONFIG", good)}}, "read $KUBECONFIG: it holds a kubeconfig itself, and not the path of one\nKUBEMINT_KUBECONFIG"},
		"base64 in $KUBECONFIG":       {Input{Host: Host{Getenv: env("KUBECONFIG", b64([]byte(good)))}}, "read $KUBECONFIG: it holds a kubeconfig itself, and not the path of one\nKUBEMINT_KUBECONFIG"},
		"JSON in $KUBECONFIG":         {Input{Host: Host{Getenv: env("KUBECONFIG", `{"kind":"Config","contexts":[{"name":"a","context":{}}]}`)}}, "read $KUBECONFIG: it holds a kubeconfig itself, and not the path of one\nKUBEMINT_KUBECONFIG"},
		"a page in $KUBECONFIG":       {Input{Host: Host{Getenv: env("KUBECONFIG", "<html>\n")}}, "read $KUBECONFIG: it is a web page, of a login or an error as a rule\ncurl --fail"},
		"a variable":                  {Input{Given: Given{Kubeconfig: "$KUBE_CONFIG"}}, "read kubeconfig: the input `kubeconfig` is \"$KUBE_CONFIG\": no such file\nsingle quotes"},
		"a path in quotes":            {Input{Given: Given{Kubeconfig: `"/sesame/kubeconfig"`}}, "read kubeconfig: the input `kubeconfig` is \"\\\"/sesame/kubeconfig\\\"\": no such file\nleave the quotes out"},
		"a file that holds a path":    {Input{Given: Given{Kubeconfig: file("path", "/builds/shop.tmp/KUBE\n")}}, "read kubeconfig \"" + dir + "/path\": it holds a path, and not a kubeconfig\ngive the path itself"},
		"a file of SOPS":              {Input{Given: Given{Kubeconfig: file("sops", strings.Replace(good, "sesame-token", "'ENC[AES256_GCM,data:x]'", 1))}}, "read kubeconfig \"" + dir + "/sops\": it is encrypted by SOPS\nsops --decrypt"},
		"a path in a -data field":     {Input{Given: Given{Kubeconfig: kubeconfig("certificate-authority-data: /etc/ca.crt", "token: t")}}, "read the content of `kubeconfig`: not a kubeconfig: a field whose name ends in -data is not base64\ngoes into the field without -data"},
		"PEM in a -data field":        {Input{Given: Given{Kubeconfig: kubeconfig("certificate-authority-data: '-----BEGIN CERTIFICATE-----'", "token: t")}}, "read the content of `kubeconfig`: not a kubeconfig: a field whose name ends in -data is not base64\n`base64 -w0 FILE`"},
		"base64 in a field for paths": {Input{Given: Given{Kubeconfig: kubeconfig("certificate-authority: "+b64([]byte("-----BEGIN CERTIFICATE-----\nAAAA:\n")), "token: t")}}, "use cluster \"x\": its certificate-authority is the content itself, and not a path\n`certificate-authority-data`"},
		"PEM in a field for paths":    {Input{Given: Given{Kubeconfig: kubeconfig("", "client-certificate: \"-----BEGIN CERTIFICATE-----\\nAAAA\", client-key: x")}}, "use user \"x\": its client-certificate is the content itself, and not a path\n`client-certificate-data`"},
		"a token as tokenFile":        {Input{Given: Given{Kubeconfig: kubeconfig("", "tokenFile: "+jwt(`{"exp":1}`))}}, "use user \"x\": its tokenFile is the content itself, and not a path\n`token`"},
		"a token with its word":       {Input{Given: Given{Kubeconfig: kubeconfig("", "token: Bearer sesame")}}, "use user \"x\": its token begins with the word Bearer\nleave the word out"},
		"a token, left out":           {Input{Given: Given{Kubeconfig: kubeconfig("", "token: REDACTED")}}, "use user \"x\": its token or password was left out when the kubeconfig was printed\n--raw --minify --flatten"},
		"a password, left out":        {Input{Given: Given{Kubeconfig: kubeconfig("", "username: u, password: REDACTED")}}, "use user \"x\": its token or password was left out when the kubeconfig was printed\n--raw --minify --flatten"},
		"a CA, left out":              {Input{Given: Given{Kubeconfig: kubeconfig("certificate-authority-data: DATA+OMITTED", "token: t")}}, "use cluster \"x\": its certificate authority cannot be used: it was left out when the kubeconfig was printed\n--raw --minify --flatten"},
		"a certificate, left out":     {Input{Given: Given{Kubeconfig: kubeconfig("", "client-certificate-data: DATA+OMITTED, client-key-data: DATA+OMITTED")}}, "use user \"x\": its client-certificate or client-key was left out when the kubeconfig was printed\n--raw --minify --flatten"},
		"a token, masked":             {Input{Given: Given{Kubeconfig: kubeconfig("", "token: '***'")}}, "use user \"x\": its token is masked: somebody copied it out of a log\n--raw --minify --flatten"},
		"a name of two lines":         {Input{Given: Given{Kubeconfig: kubeconfig("", `token: t, as: "a\nb"`)}}, "use user \"x\": its as, as-uid, as-groups or as-user-extra has a line break or another control character in it\none line"},
		"too long":                    {Input{Given: Given{Kubeconfig: file("long", "# "+strings.Repeat("x", disk.MaxBytes))}}, "read kubeconfig \"" + dir + "/long\": it is longer than 1048576 bytes\n--minify --flatten --raw"},
		"plain http":                  {Input{Given: Given{Kubeconfig: kubeconfig("server: 'http://a.example'", "token: t")}}, "use cluster \"x\": its server is a plain http:// address, and no client sends a credential over http\nwrite https://"},
	} {
		if c.in.Getenv == nil {
			c.in.Getenv = env()
		}
		s, err := Load(c.in)
		if c.want == "" {
			if err != nil || s.REST.BearerToken != "sesame-token" {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		got := failure(t, err)
		first, hints, _ := strings.Cut(got, "\n")
		want, remedy, _ := strings.Cut(c.want, "\n")
		if first != want || !strings.Contains(hints, remedy) || strings.Contains(strings.ReplaceAll(got, `"\"/sesame`, ""), "sesame") {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// A pipe is read, as kubectl reads it, and counts as content: no receipt can lead to it again.
func TestLoad_Pipe(t *testing.T) {
	dir := t.TempDir()
	fifo := func(name string) string {
		path := dir + "/" + name
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	feed := func(path, text string) {
		go func() { _ = os.WriteFile(path, []byte(text), 0) }() // waits for the reader
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(writer, kubeconfig("", "token: sesame")); err != nil {
		t.Fatal(err)
	}
	_ = writer.Close()
	defer reader.Close()
	other := write(t, dir+"/other", entries("prod", "prod=p"))
	for name, in := range map[string]Input{
		"of a shell": {Host: Host{Getenv: env("KUBECONFIG", fmt.Sprintf("/dev/fd/%d", reader.Fd()))}},
	} {
		s := load(t, in)
		if diff := cmp.Diff(receipt.Source{Kind: receipt.KindContent, Context: "x"}, s.Origin); diff != "" || len(s.Files) > 0 {
			t.Errorf("%s: files %q, %s", name, s.Files, diff)
		}
	}
	reader2, writer2, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader2.Close()
	if _, err := io.WriteString(writer2, kubeconfig("", "token: sesame")); err != nil {
		t.Fatal(err)
	}
	_ = writer2.Close()
	s := load(t, Input{Host: Host{Getenv: env("KUBECONFIG", other+":"+fmt.Sprintf("/dev/fd/%d", reader2.Fd()))}})
	if s.Context != "prod" || s.Origin.Kind != receipt.KindContent || len(s.Files) != 1 {
		t.Errorf("in a list: %+v, files %q", s.Origin, s.Files)
	}
	// One that nobody writes to is not waited for, and none of the workspace is opened.
	if _, err := Load(Input{Given: Given{Kubeconfig: fifo("nobody")}, Host: Host{Getenv: env()}}); !strings.HasPrefix(failure(t, err), "read kubeconfig: there is no context in it") {
		t.Error(err)
	}
	planted := fifo("work-pipe")
	feed(planted, kubeconfig("", "token: sesame"))
	_, err = Load(Input{Given: Given{Kubeconfig: planted}, Host: Host{Workspace: []string{dir}, Getenv: env()}})
	if !strings.Contains(failure(t, err), "it is a pipe, and not a file") {
		t.Error(err)
	}
	drain, err := os.Open(planted) // lets the writer go
	if err == nil {
		_ = drain.Close()
	}
}

// The id-token of the auth-provider oidc is a bearer token while it is valid. Nobody is asked for another one.
func TestLoad_OIDC(t *testing.T) {
	var asked []string
	provider := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked = append(asked, r.URL.Path) }))
	defer provider.Close()
	valid := jwt(fmt.Sprintf(`{"exp":%d}`, time.Now().Add(time.Hour).Unix()))
	oidc := func(config string) string {
		return "auth-provider: {name: oidc, config: {client-id: kube, client-secret: sesame, refresh-token: sesame, idp-issuer-url: '" + provider.URL + "'" + config + "}}"
	}
	for name, c := range map[string]struct{ user, bearer, want string }{
		"valid":                {oidc(", id-token: " + valid), valid, ""},
		"with a line break":    {oidc(`, id-token: "` + valid + `\n"`), valid, ""},
		"without an issuer":    {"auth-provider: {name: oidc, config: {id-token: " + valid + "}}", valid, ""},
		"next to a token":      {"token: other, " + oidc(", id-token: "+valid), "other", ""},
		"expired":              {oidc(", id-token: " + jwt(`{"exp":946684800}`)), "", "the id-token of its auth-provider oidc expired at 2000-01-01T00:00:00Z, and kubemint refreshes none"},
		"without an end":       {oidc(", id-token: " + jwt(`{"sub":"a"}`)), "", "the id-token of its auth-provider oidc does not say when it expires: kubectl treats it as expired"},
		"not a JSON Web Token": {oidc(", id-token: sesame"), "", "the id-token of its auth-provider oidc is not a JSON Web Token"},
		"none":                 {oidc(""), "", "its auth-provider oidc has no id-token"},
		"left out":             {oidc(", id-token: REDACTED"), "", "its id-token was left out when the kubeconfig was printed"},
		"no config":            {"auth-provider: {name: oidc}", "", "its auth-provider oidc has no id-token"},
	} {
		s, err := Load(Input{Given: Given{Kubeconfig: kubeconfig("", c.user)}, Host: Host{Getenv: env()}})
		if c.want == "" {
			if err != nil || s.REST.BearerToken != c.bearer || s.REST.AuthProvider != nil || s.login != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		got := failure(t, err)
		if !strings.HasPrefix(got, `use user "x": `+c.want+"\n") || strings.Contains(got, "sesame") {
			t.Errorf("%s: %s", name, got)
		}
		if !strings.Contains(got, "run any kubectl command with this kubeconfig in an earlier step") && name != "left out" {
			t.Errorf("%s: no remedy in %s", name, got)
		}
	}
	if len(asked) > 0 {
		t.Errorf("the provider was asked for %q", asked)
	}
}

// Addresses are written as everybody writes them. A host alone is refused: kubectl speaks plain http to it, without the
// credential.
func TestLoad_Addresses(t *testing.T) {
	ca := ", certificate-authority-data: " + b64(load(t, Input{Given: Given{Kubeconfig: kubeconfigs + "kind.yaml"}}).CAData)
	for given, want := range map[string]string{
		"server: 'HTTPS://A.example:6443/x'":                                 "https://A.example:6443/x",
		"server: 'Https://a.example'":                                        "https://a.example",
		"server: 'https://a.example/'":                                       "https://a.example/",
		"server: 'a.example:6443'" + ca:                                      "",
		"server: '10.0.0.1:6443'" + ca:                                       "",
		"server: '10.0.0.1'" + ca:                                            "",
		"server: '10.0.0.1/x'" + ca:                                          "",
		"server: 'a.example:6443'":                                           "",
		"server: 'HTTP://a.example'" + ca:                                    "",
		"server: ' https://a.example'":                                       "",
		"server: 'https://a.example', proxy-url: 'HTTP://u:p@p.example:80/'": "https://a.example",
	} {
		s, err := Load(Input{Given: Given{Kubeconfig: kubeconfig(given, "token: t")}, Host: Host{Getenv: env()}})
		if want == "" {
			if !strings.HasPrefix(failure(t, err), `use cluster "x": its server is `) {
				t.Errorf("%s: %v", given, err)
			}
			continue
		}
		if err != nil || s.Server != want || s.REST.Host != want {
			t.Errorf("%s: %v", given, err)
		} else if s.ProxyURL != "" && s.ProxyURL != "http://u:p@p.example:80/" {
			t.Errorf("%s: the proxy is %s", given, s.ProxyURL)
		}
	}
}

func TestDescribe(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir+"/config", kubeconfig("", "token: t, as: root, as-groups: [ops, web]"))
	account := dir + "/account"
	write(t, account+"/token", "t")
	for name, c := range map[string]struct {
		in   Input
		want string
	}{
		"a file":             {Input{Given: Given{Kubeconfig: path}}, `kubeconfig "` + path + `", context "x", server https://a.example, acts as "root" in the groups "ops" "web"`},
		"content":            {Input{Given: Given{Kubeconfig: kubeconfig("", "token: t")}}, `a kubeconfig given as content, context "x", server https://a.example`},
		"a pod":              {Input{Host: Host{InClusterDir: account, Getenv: env("KUBERNETES_SERVICE_HOST", "h", "KUBERNETES_SERVICE_PORT", "1")}}, `the pod's ServiceAccount, server https://h:1`},
		"files":              {Input{Host: Host{Getenv: env("KUBECONFIG", path+":"+write(t, dir+"/other", entries("x", "other=o")))}}, `kubeconfig "` + path + `", "` + dir + `/other", context "x", server https://a.example, acts as "root" in the groups "ops" "web"`},
		"no line of its own": {Input{Given: Given{Kubeconfig: strings.ReplaceAll(strings.ReplaceAll(kubeconfig("", "token: t"), "contexts: [{name: x,", `contexts: [{name: "x\n::add-mask::y",`), "current-context: x\n", "current-context: \"x\\n::add-mask::y\"\n")}}, ""},
	} {
		if c.want == "" {
			if s := load(t, c.in); strings.Contains(s.Describe(), "\n") {
				t.Errorf("%s: %q", name, s.Describe())
			}
			continue
		}
		if diff := cmp.Diff(c.want, load(t, c.in).Describe()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// One bad certificate does not spoil the bundle, and the fingerprint of the whole bundle is `expect_cluster`.
func TestLoad_BundlesOfPeople(t *testing.T) {
	good := load(t, Input{Given: Given{Kubeconfig: kubeconfigs + "kind.yaml"}}).CAData
	other := load(t, Input{Given: Given{Kubeconfig: kubeconfigs + "k3s.yaml"}}).CAData
	negative := []byte(read(t, "certs/testdata/negative-serial.pem"))
	for name, given := range map[string][]byte{
		"comment":         append([]byte("# the roots\n"), append(bytes.Clone(good), other...)...),
		"empty line":      append(append(bytes.Clone(good), '\n'), other...),
		"CR LF":           bytes.ReplaceAll(append(bytes.Clone(good), other...), []byte("\n"), []byte("\r\n")),
		"no last break":   bytes.TrimSpace(append(bytes.Clone(good), other...)),
		"negative serial": append(append(bytes.Clone(negative), good...), other...),
	} {
		sum := fmt.Sprintf("%x", sha256.Sum256(given))
		path := write(t, filepath.Join(t.TempDir(), "ca.crt"), string(given))
		for how, cluster := range map[string]string{"data": "certificate-authority-data: " + b64(given), "file": "certificate-authority: " + path} {
			file := write(t, filepath.Dir(path)+"/config", kubeconfig(cluster, "token: t"))
			s := load(t, Input{Given: Given{Kubeconfig: file}, Expected: Expected{ExpectFingerprint: sum}})
			if string(s.CAData) != string(good)+string(other) {
				t.Errorf("%s, %s: the result has another CA", name, how)
			}
			if warned := strings.Contains(strings.Join(s.Warnings, "\n"), "a certificate of its certificate authority is left out"); warned != (name == "negative serial") {
				t.Errorf("%s, %s: warnings %q", name, how, s.Warnings)
			}
			load(t, Input{Given: Given{Kubeconfig: file}, Expected: Expected{ExpectFingerprint: fingerprint(t, append(bytes.Clone(good), other...))}})
			_, err := Load(Input{Given: Given{Kubeconfig: file}, Expected: Expected{ExpectFingerprint: fingerprint(t, good)}, Host: Host{Getenv: env()}})
			if !strings.Contains(failure(t, err), "and `expect_cluster` says sha256:") {
				t.Errorf("%s, %s: %v", name, how, err)
			}
		}
		server := Input{Direct: Direct{Server: "https://x", Bearer: secret.New("t"), Authority: func() ([]byte, error) { return given, nil }}, Expected: Expected{ExpectFingerprint: sum}}
		load(t, server)
		authority, err := authority.Read(string(bytes.TrimSpace(given)), func(path string) string { return path })
		if err != nil || string(authority.PEM) != string(good)+string(other) || len(authority.Warnings) != strings.Count(name, "negative") {
			t.Errorf("%s as an input: %v %q", name, err, authority.Warnings)
		}
	}
	_, err := Load(Input{Given: Given{Kubeconfig: kubeconfig("certificate-authority-data: "+b64(negative), "token: t")}, Host: Host{Getenv: env()}})
	if got := failure(t, err); !strings.HasPrefix(got, `use cluster "x": its certificate authority cannot be used: its certificate has a negative serial number`) {
		t.Error(got)
	}
}
