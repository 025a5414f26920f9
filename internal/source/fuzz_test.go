package source

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
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
		text, ok := content(strings.TrimSpace(value))
		if !ok {
			t.Skip("a path")
		}
		s, err := Load(Input{Kubeconfig: value, Getenv: env(), AllowInsecure: true})
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
