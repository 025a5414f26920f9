package cloud_test

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/source/cloud"
	"github.com/kubemint/kubemint/internal/source/cloud/plugin"
	"github.com/kubemint/kubemint/internal/source/program"
)

// fuzzCanary is in every secret of the runner's environment, and in those of the seeds' stanzas.
const fuzzCanary = "sesame"

// fuzzRunners are environments that a stanza may meet.
var fuzzRunners = []map[string]string{
	{},
	{"AWS_ACCESS_KEY_ID": "ASIAMADEUP", "AWS_SECRET_ACCESS_KEY": "sesame-key", "AWS_SESSION_TOKEN": "sesame-session", "AWS_REGION": "eu-west-1"},
	{"AWS_WEB_IDENTITY_TOKEN_FILE": "/runner/sesame", "AWS_ROLE_ARN": awsWeb},
	{"CLOUDSDK_AUTH_ACCESS_TOKEN": "ya29.sesame"},
	{"GOOGLE_APPLICATION_CREDENTIALS": "/runner/sesame"},
	{"AZURE_CLIENT_ID": "11111111-2222-3333-4444-555555555555", "AZURE_TENANT_ID": "contoso.onmicrosoft.com", "AZURE_CLIENT_SECRET": "sesame-secret"},
	{
		"AZURE_CLIENT_ID": "11111111-2222-3333-4444-555555555555", "AZURE_TENANT_ID": "contoso.com", "AZURE_FEDERATED_TOKEN_FILE": "/runner/sesame",
	},
}

// fuzzHosts are all that may be asked for a token, whatever a stanza says: what these end in is the clouds' own, and the numbers
// are the machine's.
var fuzzHosts = []string{
	".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".c2s.ic.gov", ".sc2s.sgov.gov", ".csp.hci.ic.gov", ".cloud.adc-e.uk",
	"oauth2.googleapis.com", "iamcredentials.googleapis.com", "sts.googleapis.com", "169.254.169.254",
	"login.microsoftonline.com", "login.microsoftonline.us", "login.chinacloudapi.cn",
}

// fuzzServers are all that a token may go to by name.
var fuzzServers = []string{
	".eks.amazonaws.com", ".eks.amazonaws.com.cn", ".eks.amazonaws.eu", ".eks.c2s.ic.gov", ".eks.sc2s.sgov.gov", ".eks.csp.hci.ic.gov",
	".eks.cloud.adc-e.uk", ".api.aws", ".api.amazonwebservices.com.cn", ".api.amazonwebservices.eu", ".api.aws.ic.gov", ".api.aws.scloud",
	".api.aws.hci.ic.gov", ".api.cloud-aws.adc-e.uk",
	".gke.goog", "connectgateway.googleapis.com", ".azmk8s.io", ".cx.aks.containerservice.azure.us", ".cx.prod.service.azk8s.cn",
}

// FuzzStanza: whatever a stanza says, no program runs, only the clouds are asked, and only files that somebody has named are
// read; it is a login whose token goes to the cloud's servers, or an error of one line that says nothing of a secret.
func FuzzStanza(f *testing.F) {
	for _, seed := range [][4]string{
		{"aws", "https://0A.gr7.eu-west-1.eks.amazonaws.com", "--region\neu-west-1\neks\nget-token\n--cluster-name\nshop\n--output\njson", "AWS_PROFILE=sesame"},
		{"aws", "https://0A.h.eks-cluster.eu-west-1.api.aws", "eks\nget-token\n--cluster-name=shop\n--role=" + awsDeployer, ""},
		{"aws", "https://x", "eks\nget-token\n--cluster-name\nshop\n--endpoint-url\nhttps://sesame.example", "AWS_ENDPOINT_URL=https://sesame"},
		{"aws", "https://x", "eks\nget-token\n--cluster-name\nshop\n--region\nx.example#", ""},
		{"aws", "https://x", "eks\nget-token\n--cluster-name\nshop\n-H sesame", ""},
		{"aws-iam-authenticator", "https://0A.gr7.cn-north-1.eks.amazonaws.com.cn", "token\n-i\nshop\n-r\n" + awsDeployer + "\n-e\nsesame-id\n--cache", ""},
		{"gke-gcloud-auth-plugin", "https://203.0.113.9", "", "CLOUDSDK_AUTH_ACCESS_TOKEN=sesame"},
		{"gke-gcloud-auth-plugin", "https://gke-1.europe-west1.gke.goog", "--use_application_default_credentials", ""},
		{"gke-gcloud-auth-plugin", "https://europe-west1-connectgateway.googleapis.com/v1/x", "--impersonate_service_account=a@p.iam.gserviceaccount.com", ""},
		{"kubelogin", "https://a.hcp.westeurope.azmk8s.io:443", "get-token\n--login\nspn\n--server-id\n" + aksServer + "\n--client-secret\nsesame", ""},
		{"kubelogin", "https://a.hcp.westeurope.azmk8s.io:443", "get-token\n-l\nspn\n--server-id\n" + aksServer + "\n--client-certificate\n/k/sesame.pem", ""},
		{"kubelogin", "https://a.cx.prod.service.azk8s.cn", "get-token\n-l\nmsi\n--server-id\n" + aksServer, ""},
		{"kubelogin", "https://a", "get-token\n-l\nworkloadidentity\n--authority-host\nhttps://sesame\n--server-id\n" + aksServer, "AZURE_AUTHORITY_HOST=https://sesame"},
		{"kubelogin", "https://a", "get-token\n--oidc-client-secret=sesame", ""},
	} {
		for runner := range fuzzRunners {
			f.Add(uint8(runner), seed[0], seed[1], seed[2], seed[3])
		}
	}
	bin := f.TempDir()
	for _, name := range []string{"aws", "aws-iam-authenticator", "az", "gcloud", "gke-gcloud-auth-plugin", "kubelogin", "sh"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n: >"+bin+"/trace\n"), 0o700); err != nil {
			f.Fatal(err)
		}
	}
	f.Setenv("PATH", bin)
	f.Fuzz(func(t *testing.T, runner uint8, program, server, args, env string) {
		at, err := url.Parse(server)
		if err != nil || !strings.Contains(" aws aws-iam-authenticator gke-gcloud-auth-plugin kubelogin ", " "+program+" ") {
			return // of the source's room
		}
		s := fuzzStanza(program, args, env)
		own := fuzzRunners[int(runner)%len(fuzzRunners)]
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		asked := false
		stop := func(format string, args ...any) {
			cancel()
			t.Errorf(format, args...)
		}
		s.Server, s.ReadFile = at, func(field, path string) ([]byte, error) {
			if asked = true; !strings.Contains("\n"+args+"\n", path) || field != "--client-certificate" && field != "--federated-token-file" {
				stop("read as its %s: %q", field, path)
			}
			return []byte("eyJ.sesame.file"), nil
		}
		r := plugin.Runner{
			Getenv: func(name string) string { return own[name] },
			ReadFile: func(path string) ([]byte, error) {
				if asked = true; !slices.Contains(slices.Collect(maps.Values(own)), path) {
					stop("read: %q", path)
				}
				return []byte("eyJ.sesame.file"), nil
			},
			HTTP: &http.Client{Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
				asked = true
				if host := r.URL.Hostname(); !endsIn(host, fuzzHosts) || r.URL.Scheme != "https" && net.ParseIP(host) == nil {
					stop("asked: %s", r.URL)
				}
				cancel() // or it would be tried again
				return nil, errors.New("no route")
			})},
		}
		login, err := cloud.For(s, r)
		if asked {
			t.Error("something was read or asked before a token was wanted")
		}
		switch {
		case err != nil:
			isHarmless(t, s, err)
			return
		case login == nil && kubeloginOfOIDC(program, s.Args):
			return
		case login == nil:
			t.Fatalf("%s is not served", program)
		}
		if login.Cloud == "" || login.Token == nil || len(login.Servers) == 0 || len(login.Secrets) == 0 {
			t.Fatalf("it lacks something: %+v", login)
		}
		for _, name := range login.Servers {
			if !endsIn(name, fuzzServers) {
				t.Errorf("its token may go to %q", name)
			}
		}
		for _, note := range login.Notes {
			isHarmless(t, s, problem.New(problem.Source, "note", errors.New(note)))
		}
		got, _, err := login.Token(ctx)
		if err != nil {
			isHarmless(t, s, err)
		} else if got.IsEmpty() {
			t.Error("it gives an empty token")
		}
		if _, err := os.Stat(bin + "/trace"); err == nil {
			t.Fatal("a program was run")
		}
	})
}

func endsIn(host string, names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		return host == name || strings.HasPrefix(name, ".") && strings.HasSuffix(host, name) || strings.HasSuffix(host, "-"+name)
	})
}

// fuzzStanza takes arguments and variables of a line each.
func fuzzStanza(program, args, env string) plugin.Stanza {
	s := plugin.Stanza{Program: program}
	if args != "" {
		s.Args = strings.Split(args, "\n")
	}
	settings := map[string]string{}
	for line := range strings.SplitSeq(env, "\n") {
		if name, value, ok := strings.Cut(line, "="); ok {
			settings[name] = value
		}
	}
	s.Env = settings
	return s
}

// isHarmless demands an error for people: of exit code 3, on one line, and without a secret, unless that is a name or a login mode,
// which are shown.
func isHarmless(t *testing.T, s plugin.Stanza, err error) {
	t.Helper()
	told, ok := errors.AsType[*problem.Error](err)
	if !ok || told.Code != problem.Source {
		t.Fatalf("of another kind: %v", err)
	}
	text := told.Error() + " " + strings.Join(told.Hints, " ")
	if strings.ContainsFunc(text, unicode.IsControl) || len(text) > 2000 {
		t.Errorf("not fit for a log: %q", text)
	}
	for i, arg := range s.Args {
		name, value, _ := strings.Cut(arg, "=")
		mode := i > 0 && (s.Args[i-1] == "-l" || s.Args[i-1] == "--login") || name == "-l" || name == "--login"
		if flagName.MatchString(name) && strings.Contains(name, fuzzCanary) || mode && strings.Contains(arg+value, fuzzCanary) {
			return
		}
	}
	for name := range s.Env {
		if plugin.VariableName.Matches(name) && strings.Contains(name, fuzzCanary) || strings.Contains(s.Env["AAD_LOGIN_METHOD"], fuzzCanary) {
			return
		}
	}
	if strings.Contains(text, fuzzCanary) {
		t.Errorf("a secret is in it: %s", text)
	}
}

func kubeloginOfOIDC(name string, args []string) bool { return program.IsOIDC(name, args) }
