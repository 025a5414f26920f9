package source

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/secret"
	"github.com/kubemint/kubemint/internal/source/program"
)

const (
	neverRuns = `, and kubemint never runs what a kubeconfig names`
	tokenWins = "\na token in the kubeconfig takes precedence: `kubectl config set-credentials USER --token=…`"
	mayNot    = ", which a kubeconfig of the workspace, or one that is given as content, may not: other secrets of the job are files as well\n" + flatten
	away      = "it lies outside the directories that a kubeconfig may name files in: " +
		"its own, the workspace, the job's temporary one, and the home directory if the kubeconfig is there\n" + flatten
	planted     = ", as a kubeconfig of the workspace says, which a pull request may have written\n"
	vouchByCA   = "if it is yours, give the fingerprint of its cluster's CA: `expect_cluster: sha256:…`\nthis prints it: "
	vouchByURL  = "if it is yours, give its server's URL: `expect_cluster: https://…`\n"
	orElsewhere = "or have the login write the kubeconfig outside the checkout, as in the job's temporary directory, " +
		"or give it as the input `kubeconfig` from a secret"
	ofEKS = "aws eks describe-cluster --name NAME --query cluster.certificateAuthority.data --output text" +
		" | base64 -d | openssl x509 -noout -fingerprint -sha256\n" + orElsewhere
	ofGKE = "gcloud container clusters describe NAME --location PLACE --format 'value(masterAuth.clusterCaCertificate)'" +
		" | base64 -d | openssl x509 -noout -fingerprint -sha256\n" + orElsewhere
	ofAKS = "az aks get-credentials -g GROUP -n NAME -f - | sed -n 's/.*certificate-authority-data: //p'" +
		" | base64 -d | openssl x509 -noout -fingerprint -sha256\n" + orElsewhere
	ofAny = "openssl x509 -in ca.crt -noout -fingerprint -sha256\n" + orElsewhere
	acts  = `use user "x": it acts as somebody else (as, as-uid, as-groups, as-user-extra), in a kubeconfig of the workspace, ` +
		"which a pull request may have written\n" + vouchByCA + ofAny
)

// wayAround returns the hints about a program.
func wayAround(name string) string {
	return "\n" + strings.Join(program.For(name, nil).Hints(), "\n")
}

// What becomes of each: the error, or for those that say "works" a credential that is the kubeconfig's own.
var hostile = map[string]string{
	"exec.yaml":              `use user "x": its credential comes from canary` + neverRuns + wayAround("canary") + tokenWins,
	"exec-shell.yaml":        `use user "x": its credential comes from sh` + neverRuns + wayAround("sh") + tokenWins,
	"exec-relative.yaml":     `use user "x": its credential comes from canary` + neverRuns + wayAround("canary") + tokenWins,
	"exec-named-aws.yaml":    `use user "x": a token for EKS would go to 127.0.0.1` + planted + vouchByCA + ofEKS,
	"exec-with-a-token.yaml": "works",
	"auth-provider.yaml":     `use user "x": its auth-provider oidc has no id-token` + "\n" + refreshIt,
	"auth-provider-cmd.yaml": "use user \"x\": its auth-provider gcp no longer exists: Kubernetes removed it in 1.26\n" +
		"write the kubeconfig again: `gcloud container clusters get-credentials NAME --location PLACE`\n" +
		"google-github-actions/get-gke-credentials: leave `use_auth_provider` out" + tokenWins,
	"token-file.yaml":                          `use user "x": it names a file as its tokenFile` + mayNot,
	"token-file-of-the-workspace.yaml":         `use user "x": it names a file as its tokenFile` + mayNot,
	"token-file-up.yaml":                       `use user "x": it names a file as its tokenFile` + mayNot,
	"trusted/token-file.yaml":                  `use user "x": read its tokenFile: ` + away,
	"trusted/token-file-up.yaml":               `use user "x": read its tokenFile: ` + away,
	"trusted/token-file-link.yaml":             `use user "x": read its tokenFile: ` + away,
	"trusted/token-file-linked-directory.yaml": `use user "x": read its tokenFile: ` + away,
	"trusted/token-file-of-many-lines.yaml":    `use user "x": its token is not one line of ASCII`,
	"key-file.yaml":                            `use user "x": it names a file as its client-key` + mayNot,
	"certificate-file.yaml":                    `use user "x": read its client-certificate: ` + away,
	"ca-file.yaml":                             `use cluster "x": its certificate authority cannot be used: there is no PEM certificate in it`,
	"ca-file-elsewhere.yaml":                   `use cluster "x": read its certificate-authority: ` + away,
	"ca-file-link.yaml":                        `use cluster "x": read its certificate-authority: ` + away,
	"pipe.yaml":                                `use cluster "x": read its certificate-authority: it is a pipe, and not a file` + "\n" + flatten,
	"insecure.yaml": `use cluster "x": it has insecure-skip-tls-verify: whoever answers would get the credential` + "\n" +
		"give it certificate-authority-data instead, or accept this for source and result: `allow_insecure: true`",
	"plain-http.yaml":                   `use cluster "x": its server is a plain http:// address, and no client sends a credential over http`,
	"proxy-of-a-file.yaml":              `use cluster "x": its proxy-url is not an http, https or socks5 address`,
	"eks-elsewhere.yaml":                `use user "x": a token for EKS would go to 127.0.0.1` + planted + vouchByCA + ofEKS,
	"eks-name-as-a-beginning.yaml":      `use user "x": a token for EKS would go to 0a.gr7.eu-west-1.eks.amazonaws.com.example.com` + planted + vouchByCA + ofEKS,
	"eks-name-without-a-dot.yaml":       `use user "x": a token for EKS would go to evileks.amazonaws.com` + planted + vouchByCA + ofEKS,
	"gke-name-in-another-alphabet.yaml": `use cluster "x": its server's name has a letter that is not ASCII` + "\n" + "write it as in DNS: xn--…",
	"eks-through-a-proxy.yaml":          `use user "x": a token for EKS would go to 0a.gr7.eu-west-1.eks.amazonaws.com` + planted + vouchByCA + ofEKS,
	"eks-unverified.yaml": `use cluster "x": it has insecure-skip-tls-verify: whoever answers would get the credential` + "\n" +
		"give it certificate-authority-data instead, or accept this for source and result: `allow_insecure: true`",
	"eks-endpoint.yaml": `use user "x": its credential comes from aws: aws's argument --endpoint-url has no counterpart here` + "\n" +
		"take --endpoint-url out of the kubeconfig, or put a token into it in an earlier step" + tokenWins,
	"gke-address.yaml":           `use user "x": a token for GKE would go to 203.0.113.9` + planted + vouchByCA + ofGKE,
	"aks-other-application.yaml": `use user "x": a token for AKS would go to a.hcp.westeurope.azmk8s.io` + planted + vouchByCA + ofAKS,
	"aks-authority.yaml":         "~--authority-host",
	"eks-own-ca.yaml":            `use user "x": a token for EKS would go to 0a1b2c.gr7.us-east-1.eks.amazonaws.com` + planted + vouchByCA + ofEKS,
	"eks-role.yaml":              `use user "x": a token for EKS would go to 0a1b2c.gr7.us-east-1.eks.amazonaws.com` + planted + vouchByCA + ofEKS,
	"eks-session.yaml":           `use user "x": a token for EKS would go to 0a1b2c.gr7.us-east-1.eks.amazonaws.com` + planted + vouchByCA + ofEKS,
	"eks-server-name.yaml":       `use user "x": a token for EKS would go to 0a1b2c.gr7.us-east-1.eks.amazonaws.com` + planted + vouchByCA + ofEKS,
	"gke-own-ca.yaml":            `use user "x": a token for GKE would go to gke-0a1b2c.us-east1.gke.goog` + planted + vouchByCA + ofGKE,
	"gke-impersonates.yaml":      `use user "x": a token for GKE would go to gke-0a1b2c.us-east1.gke.goog` + planted + vouchByCA + ofGKE,
	"aks-own-ca.yaml":            `use user "x": a token for AKS would go to shop-0a1b2c.hcp.westeurope.azmk8s.io` + planted + vouchByCA + ofAKS,
	"aks-managed-identity.yaml":  `use user "x": a token for AKS would go to shop-0a1b2c.hcp.westeurope.azmk8s.io` + planted + vouchByCA + ofAKS,
	"aks-other-tenant.yaml":      `use user "x": a token for AKS would go to shop-0a1b2c.hcp.westeurope.azmk8s.io` + planted + vouchByCA + ofAKS,
	"acts-as-somebody.yaml":      acts,
	"acts-in-a-group.yaml":       acts,
	"acts-by-uid.yaml":           acts,
	"acts-with-extra.yaml":       acts,
	"aks-token-file.yaml":        "~it names a file as its --federated-token-file" + mayNot,
	"workflow-commands.yaml":     "read kubeconfig: there is no context in it",
	"bomb.yaml":                  "~not a kubeconfig: invalid YAML, a name twice, or a field of the wrong type",
	"twice.yaml":                 "~not a kubeconfig: invalid YAML, a name twice, or a field of the wrong type",
}

func TestHostileKubeconfigs(t *testing.T) {
	var sent []string
	attacker := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { sent = append(sent, r.Header.Get("Authorization")) }))
	defer attacker.Close()
	dir := t.TempDir()
	work, temp, trusted := dir+"/work", dir+"/temp", dir+"/home/.kube"
	other := write(t, temp+"/secret", "canary-of-another-step")
	write(t, temp+"/other-secret", "canary-of-another-step") // it may be read as a CA, and is not one
	inWorkspace := write(t, work+"/in-workspace", "canary-of-another-step")
	write(t, trusted+"/lines", "canary-of-another-step\nand more\n")
	beyond := write(t, dir+"/beyond/secret", "canary-of-another-step")
	for _, link := range []string{work + "/leads-away", trusted + "/leads-away"} {
		symlink(t, beyond, link)
	}
	symlink(t, dir+"/beyond", trusted+"/directory-leads-away")
	makePipe(t, work+"/pipe")
	canary := write(t, work+"/canary", "#!/bin/sh\ntouch "+dir+"/trace\necho '{}'\n")
	for _, program := range []string{canary, write(t, work+"/aws", read(t, canary))} {
		if err := os.Chmod(program, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write(t, work+"/config", "[default]\ncredential_process = "+canary+"\n")
	unread := unreadSince(t, other, beyond, inWorkspace)

	archive, err := txtar.ParseFile("../../testdata/hostile/kubeconfigs.txtar")
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{
		"CANARY": canary, "SECRET": other, "SERVER": attacker.URL, "WORK": work, "TEMP": temp,
		"CA": b64(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: attacker.Certificate().Raw})),
	}
	met := map[string]bool{}
	for _, file := range archive.Files {
		met[file.Name] = true
		t.Run(file.Name, func(t *testing.T) {
			path := work + "/" + file.Name
			if name, ok := strings.CutPrefix(file.Name, "trusted/"); ok {
				path = trusted + "/" + name
			}
			write(t, path, os.Expand(string(file.Data), func(name string) string { return values[name] }))
			expected := "" // but for one, no cluster is: see what is left when the token may go there
			if file.Name == "aks-token-file.yaml" {
				expected = fingerprint(t, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: attacker.Certificate().Raw}))
			}
			s, err := Load(Input{
				Expected: Expected{ExpectFingerprint: expected},
				Given:    Given{Kubeconfig: path},
				Host: Host{Workspace: []string{work}, Temp: temp, HTTP: attacker.Client(), Getenv: env("HOME", dir+"/home", "PATH", work, "AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY", "canary-of-a-cloud",
					"CLOUDSDK_AUTH_ACCESS_TOKEN", "canary-of-a-cloud", "AZURE_CLIENT_ID", "00000000-0000-0000-0000-000000000001",
					"AZURE_TENANT_ID", "00000000-0000-0000-0000-000000000002", "AZURE_CLIENT_SECRET", "canary-of-a-cloud")},
			})
			want := hostile[file.Name]
			if err == nil && strings.HasPrefix(want, "~") { // it shows when the file would be read
				err = s.Authenticate(t.Context(), func(secret.Value) error { return nil })
			}
			switch {
			case want == "works":
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Authenticate(t.Context(), func(secret.Value) error { return nil }); err != nil {
					t.Fatal(err)
				}
				ask(t, s)
			case strings.HasPrefix(want, "~"):
				if got := failure(t, err); !strings.Contains(got, want[1:]) {
					t.Errorf("got  %s\nwant …%s", got, want[1:])
				}
			default:
				if diff := refusedAs(t, want, err); diff != "" {
					t.Error(diff)
				}
			}
			if err != nil && strings.Contains(failure(t, err), "canary-of") {
				t.Error("a secret is in the error")
			}
		})
	}
	for name := range hostile {
		if !met[name] {
			t.Errorf("%s is not in the corpus", name)
		}
	}
	if diff := cmp.Diff([]string{"Bearer mine"}, sent); diff != "" {
		t.Errorf("what the attacker's server was sent: %s", diff)
	}
	if _, err := os.Stat(dir + "/trace"); err == nil {
		t.Error("a program was run")
	}
	unread()
}

// A kubeconfig of the workspace may not have the credential of another file sent to its own server: where both are merged,
// or where a receipt that a pull request has put next to it names both.
func TestACredentialOfAnotherKubeconfig(t *testing.T) {
	dir := t.TempDir()
	work := dir + "/work"
	const one, two = "contexts: [{name: x, context: {cluster: %, user: prod}}]\ncurrent-context: x\n", "clusters: [{name: x, cluster: {server: 'https://evil'"
	trusted := write(t, dir+"/home/.kube/config", entries("prod", "prod=p"))
	evil := write(t, work+"/evil", strings.Replace(one, "%", "x", 1)+two+"}}]\n")
	proxied := write(t, work+"/proxied", strings.Replace(one, "%", "x", 1)+two+", proxy-url: 'http://evil'}}]\n")
	known := write(t, work+"/known", strings.Replace(one, "%", "prod", 1))
	const refused = `use context "x": the credential of another kubeconfig would go to the server of one of the workspace, which a pull request may have written` + "\n"
	const urlAlone = "a URL alone does not show who answers where a kubeconfig of the workspace brings a CA, a proxy or a tls-server-name\n"
	for name, c := range map[string]struct {
		in   Input
		want string
	}{
		"merged":                     {Input{Host: Host{Getenv: env("KUBECONFIG", evil+":"+trusted)}}, refused + vouchByURL + orElsewhere},
		"by a receipt":               {Input{Given: Given{Kubeconfig: mint(t, work+"/ours", file("x", evil, trusted))}}, refused + vouchByURL + orElsewhere},
		"expected":                   {Input{Host: Host{Getenv: env("KUBECONFIG", evil+":"+trusted)}, Expected: Expected{ExpectServer: "https://evil"}}, ""},
		"expected, through a proxy":  {Input{Host: Host{Getenv: env("KUBECONFIG", proxied+":"+trusted)}, Expected: Expected{ExpectServer: "https://evil"}}, refused + urlAlone + orElsewhere},
		"the other file's server":    {Input{Host: Host{Getenv: env("KUBECONFIG", known+":"+trusted)}}, ""},
		"none of them, by a receipt": {Input{Given: Given{Kubeconfig: mint(t, work+"/mine", file("prod", trusted))}}, ""},
		"both of the workspace":      {Input{Host: Host{Getenv: env("KUBECONFIG", evil+":"+write(t, work+"/all", entries("prod", "prod=p")))}}, ""},
	} {
		c.in.Workspace, c.in.Receipt = []string{work}, receipt.Read
		if c.in.Getenv == nil {
			c.in.Getenv = env()
		}
		_, err := Load(c.in)
		got := ""
		if err != nil {
			got = failure(t, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// What a link of /proc leads to need not have a path, and so lies in no directory.
func TestAFileWithoutAPath(t *testing.T) {
	deleted, err := os.Open(write(t, t.TempDir()+"/deleted", "canary-of-another-step"))
	if err != nil {
		t.Fatal(err)
	}
	defer deleted.Close()
	if err := os.Remove(deleted.Name()); err != nil {
		t.Fatal(err)
	}
	given := kubeconfig(fmt.Sprintf("certificate-authority: /proc/self/fd/%d", deleted.Fd()), "token: t")
	_, err = Load(Input{Given: Given{Kubeconfig: given}, Host: Host{Getenv: env()}})
	want := "use cluster \"x\": read its certificate-authority: no such file or directory\n" + flatten
	if diff := refusedAs(t, want, err); diff != "" {
		t.Error(diff)
	}
}

// What is large or deep ends with an error: after some memory and time that do not depend on what it holds.
func TestHugeKubeconfigs(t *testing.T) {
	dir := t.TempDir()
	huge := write(t, dir+"/huge", "a: b\n")
	if err := os.Truncate(huge, 100<<20); err != nil {
		t.Fatal(err)
	}
	const invalid = "not a kubeconfig: invalid YAML, a name twice, or a field of the wrong type"
	for name, c := range map[string]struct{ given, want string }{
		"100 MB":           {huge, `read kubeconfig "` + huge + `": it is longer than 1048576 bytes`},
		"deep YAML":        {write(t, dir+"/deep", "a: "+strings.Repeat("[", 500_000)), `read kubeconfig "` + dir + `/deep": ` + invalid},
		"deep JSON":        {write(t, dir+"/json", strings.Repeat(`{"a":`, 200_000)), `read kubeconfig "` + dir + `/json": ` + invalid},
		"deep, and closed": {write(t, dir+"/closed", `{"a":`+strings.Repeat("[", 500_000)+strings.Repeat("]", 500_000)+"}"), `read kubeconfig "` + dir + `/closed": ` + invalid},
		"content of 2 MB":  {"a: b\n" + strings.Repeat("# x\n", 500_000), "read the content of `kubeconfig`: it is longer than 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(Input{Given: Given{Kubeconfig: c.given}, Host: Host{Getenv: env()}})
			if got := failure(t, err); !strings.HasPrefix(got, c.want) {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// unreadSince gives a function that fails the test where a file was read meanwhile: the kernel notes a read in the access
// time, if that is older than the last change (relatime, mount(8)). A control shows whether this file system does.
func unreadSince(t *testing.T, paths ...string) func() {
	t.Helper()
	old := time.Now().Add(-48 * time.Hour)
	accessed := func(path string) time.Time {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		at := info.Sys().(*syscall.Stat_t).Atim
		return time.Unix(at.Sec, at.Nsec)
	}
	control := write(t, t.TempDir()+"/control", "x")
	for _, path := range append(paths, control) {
		if err := os.Chtimes(path, old, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		t.Helper()
		if read(t, control); !accessed(control).After(old.Add(time.Hour)) {
			t.Log("this file system keeps no access times: that nothing was read is shown by what was sent alone")
			return
		}
		for _, path := range paths {
			if accessed(path).After(old.Add(time.Hour)) {
				t.Errorf("%s was read", path)
			}
		}
	}
}

func makePipe(t *testing.T, path string) {
	t.Helper()
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
}
