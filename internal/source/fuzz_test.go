package source

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubemint/kubemint/internal/secret"
	"github.com/kubemint/kubemint/internal/source/cloud/plugin"
	"github.com/kubemint/kubemint/internal/source/form"
)

// Whatever the content: no panic, no program run, an error of exit code 3, and no secret in it.
func FuzzContent(f *testing.F) {
	files, err := filepath.Glob(kubeconfigs + "*.yaml")
	if err != nil || len(files) == 0 {
		f.Fatal("no kubeconfigs: ", err)
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
		f.Add(b64(data))
	}
	trace := filepath.Join(f.TempDir(), "trace")
	f.Add(kubeconfig("", "exec: {apiVersion: client.authentication.k8s.io/v1, command: /usr/bin/touch, args: ["+trace+"]}"))
	f.Add(kubeconfig("proxy-url: 'http://a:sesame12@b'", "token: sesame123, username: a, password: sesame456"))
	f.Add("users: [{name: a, user: {token: sesame123")
	f.Fuzz(func(t *testing.T, value string) {
		if !form.IsContent(value) {
			t.Skip("a path")
		}
		text := form.Unwrap([]byte(value))
		s, err := Load(Input{Given: Given{Kubeconfig: value, AllowInsecure: true}, Host: Host{Getenv: env()}})
		if _, err := os.Stat(trace); err == nil {
			t.Fatal("a program was run")
		}
		if err == nil {
			if s.REST.ExecProvider != nil || s.REST.AuthProvider != nil || !strings.HasPrefix(strings.ToLower(s.Server), "https://") {
				t.Fatalf("accepted %q with a plugin or without TLS", s.Server)
			}
			return
		}
		told := failure(t, err)
		parsed, err := clientcmd.Load(text)
		if err != nil {
			if strings.Contains(told, "sesame") {
				t.Fatalf("content in the error: %s", told)
			}
			return
		}
		for _, secret := range secrets(parsed) {
			if strings.Contains(told, secret) {
				t.Fatalf("%q is in the error: %s", secret, told)
			}
		}
	})
}

// secrets are the values of a kubeconfig that nobody may see, unless one is the name of an entry as well.
func secrets(config *api.Config) (found []string) {
	names := config.CurrentContext
	for name, context := range config.Contexts {
		names += " " + name + " " + context.Cluster + " " + context.AuthInfo + " " + context.Namespace
	}
	for _, user := range config.AuthInfos {
		for _, value := range []string{user.Token, user.Password, user.TokenFile, user.ClientKey, string(user.ClientKeyData)} {
			if len(value) >= 8 && !strings.Contains(names, value) {
				found = append(found, value)
			}
		}
	}
	return found
}

// theirs are the names below which a cloud's own API servers are, and nothing else.
var theirs = regexp.MustCompile(`(?i)^[a-z0-9.-]+\.(eks\.(amazonaws\.com|amazonaws\.com\.cn|amazonaws\.eu|c2s\.ic\.gov|sc2s\.sgov\.gov|csp\.hci\.ic\.gov|` +
	`cloud\.adc-e\.uk)|eks-cluster\.[a-z0-9-]+\.(api\.aws|api\.amazonwebservices\.com\.cn|api\.amazonwebservices\.eu|api\.aws\.ic\.gov|api\.aws\.scloud|` +
	`api\.aws\.hci\.ic\.gov|api\.cloud-aws\.adc-e\.uk)|gke\.goog|azmk8s\.io|cx\.aks\.containerservice\.azure\.us|cx\.prod\.service\.azk8s\.cn)\.?$` +
	`|^([a-z]+-[a-z]+[0-9]+-)?connectgateway\.googleapis\.com\.?$`)

// FuzzStanza: whatever stands in a user's exec or auth-provider, no program runs, and it is a login whose token goes to a server of
// that cloud and whose variables no command gets, or an error with a remedy and exit code 3, which says nothing of a secret.
func FuzzStanza(f *testing.F) {
	for _, seed := range [][4]string{
		{"aws", "0A.gr7.eu-west-1.eks.amazonaws.com", "--region\neu-west-1\neks\nget-token\n--cluster-name\nshop", "AWS_PROFILE=sesame"},
		{"aws", "0A.h.eks-cluster.eu-west-1.api.aws", "eks\nget-token\n--cluster-name\nshop", "AWS_REGION=eu-west-1"},
		{"/opt/aws.exe", "eks.example", "eks\nget-token\n--cluster-name\nshop\n--region\neu-west-1", ""},
		{"gke-gcloud-auth-plugin", "203.0.113.9", "--use_application_default_credentials", "GOOGLE_APPLICATION_CREDENTIALS=/sesame"},
		{"gke-gcloud-auth-plugin", "europe-west1-connectgateway.googleapis.com", "--impersonate_service_account=a@p.iam.gserviceaccount.com", ""},
		{"gcp", "gke-1.europe-west1.gke.goog.", "", "cmd-path=gcloud\ncmd-args=config config-helper --format=json\naccess-token=sesame"},
		{"kubelogin", "a.hcp.westeurope.azmk8s.io", "get-token\n-l\nspn\n--server-id\n6dae42f8-4368-4678-94ff-3960e28e3630\n--client-id\n" +
			"11111111-2222-3333-4444-555555555555\n-t\ncontoso.com\n--client-secret\nsesame", ""},
		{"kubelogin", "a.azmk8s.io", "get-token\n-l\nspn\n--client-certificate\n/etc/sesame.pem", ""},
		{"azure", "a.azmk8s.io", "", "apiserver-id=6dae42f8-4368-4678-94ff-3960e28e3630\ntenant-id=contoso.com\nconfig-mode=1\nrefresh-token=sesame"},
		{"aws", "a.example", "eks\nget-token\n-H sesame", ""},
		{"kubectl", "a.example", "oidc-login\n--oidc-client-secret=sesame", ""},
		{"sh", "a.example", "-c\ncurl -H sesame", "TOKEN=sesame"},
		{"curl -H sesame", "a.example", "", ""},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	bin := f.TempDir()
	for _, name := range []string{"aws", "aws-iam-authenticator", "az", "gcloud", "gke-gcloud-auth-plugin", "kubectl", "kubelogin", "curl"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n: >"+bin+"/trace\n"), 0o700); err != nil {
			f.Fatal(err)
		}
	}
	f.Setenv("PATH", bin)
	f.Fuzz(func(t *testing.T, command, host, args, variables string) {
		user := &api.AuthInfo{Exec: &api.ExecConfig{APIVersion: "client.authentication.k8s.io/v1", Command: command, InteractiveMode: api.NeverExecInteractiveMode}}
		if args != "" {
			user.Exec.Args = strings.Split(args, "\n")
		}
		settings := map[string]string{}
		for line := range strings.SplitSeq(variables, "\n") {
			if name, value, ok := strings.Cut(line, "="); ok {
				settings[name] = value
				user.Exec.Env = append(user.Exec.Env, api.ExecEnvVar{Name: name, Value: value})
			}
		}
		if command == "gcp" || command == "azure" || command == "oidc" {
			user.Exec, user.AuthProvider = nil, &api.AuthProviderConfig{Name: command, Config: settings}
		}
		content, err := clientcmd.Write(api.Config{
			Clusters:  map[string]*api.Cluster{"c": {Server: "https://" + host}},
			AuthInfos: map[string]*api.AuthInfo{"u": user},
			Contexts:  map[string]*api.Context{"x": {Cluster: "c", AuthInfo: "u"}}, CurrentContext: "x",
		})
		if err != nil {
			return // no kubeconfig can say it
		}
		s, err := Load(Input{
			Given: Given{Kubeconfig: string(content)},
			Host:  Host{Getenv: env("AZURE_CLIENT_ID", "11111111-2222-3333-4444-555555555555", "AZURE_TENANT_ID", "contoso.com", "AWS_REGION", "eu-west-1"), HTTP: &http.Client{Transport: nobody{t}}},
			Direct: Direct{IDToken: func(context.Context, string) (secret.Value, error) {
				return secret.Value{}, errors.New("not asked for yet")
			}},
		})
		if _, err := os.Stat(bin + "/trace"); err == nil {
			t.Fatal("a program was run")
		}
		if err == nil {
			if s.login == nil || len(s.Secrets) == 0 || s.REST.ExecProvider != nil || s.REST.AuthProvider != nil {
				t.Fatalf("accepted without a login in-process: %+v", s)
			}
			at, err := url.Parse(s.Server)
			if err != nil || !theirs.MatchString(at.Hostname()) && (net.ParseIP(at.Hostname()) == nil || command[strings.LastIndexAny(command, `/\`)+1:][0] != 'g') {
				t.Errorf("its token may go to %s (%v)", s.Server, err)
			}
			for _, warning := range s.Warnings {
				if strings.Contains(warning, "sesame") && !strings.Contains(variables, "sesame=") {
					t.Errorf("a secret is in the warning: %s", warning)
				}
			}
			return
		}
		told := failure(t, err)
		first, hints, _ := strings.Cut(told, "\n")
		if strings.HasPrefix(first, "use user") && hints == "" {
			t.Errorf("no remedy: %s", told)
		}
		if strings.Contains(told, "sesame") && !shownOf(command, host, args, settings) {
			t.Errorf("a secret is in the error: %s", told)
		}
	})
}

// shownOf reports whether "sesame" stands where an error may show it: in the name of a program, host, flag or variable, or of a login
// mode.
func shownOf(command, host, args string, settings map[string]string) bool {
	names := host + " " + settings["AAD_LOGIN_METHOD"]
	program := strings.TrimSuffix(command[strings.LastIndexAny(command, `/\`)+1:], ".exe")
	if plugin.ProgramName.Matches(program) {
		names += " " + program
	}
	before := ""
	for arg := range strings.SplitSeq(args, "\n") {
		name, value, _ := strings.Cut(arg, "=")
		if regexp.MustCompile(`^--?[A-Za-z0-9][A-Za-z0-9_-]*$`).MatchString(name) {
			names += " " + name
		}
		if before == "-l" || before == "--login" {
			names += " " + arg
		} else if name == "-l" || name == "--login" {
			names += " " + value
		}
		before = arg
	}
	for name := range settings {
		names += " " + name
	}
	return strings.Contains(names, "sesame")
}

// nobody is a network that must not be asked.
type nobody struct{ t *testing.T }

func (n nobody) RoundTrip(r *http.Request) (*http.Response, error) {
	n.t.Errorf("asked: %s", r.URL)
	return nil, errors.New("no route")
}
