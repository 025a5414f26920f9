package source

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubemint/kubemint/internal/disk"
)

func entries(current string, names ...string) string {
	text := "current-context: " + current + "\n"
	for _, kind := range []string{"cluster", "user", "context"} {
		text += kind + "s:\n"
		for _, name := range names {
			name, value, _ := strings.Cut(name, "=")
			text += "- name: " + name + "\n  " + kind + ": " + map[string]string{
				"cluster": "{server: 'https://" + value + "'}", "user": "{token: " + value + "}",
				"context": "{cluster: " + name + ", user: " + name + ", namespace: ns-of-" + value[:1] + "}",
			}[kind] + "\n"
		}
	}
	return text
}

func TestListsAreMergedAsKubectlMergesThem(t *testing.T) {
	dir := t.TempDir()
	a := write(t, dir+"/a", entries(`""`, "one=a1", "two=a2"))
	b := write(t, dir+"/b", entries("two", "two=b2", "three=b3"))
	c := write(t, dir+"/sub/c", entries("three", "three=c3", "one=c1"))
	empty, missing := write(t, dir+"/empty", ""), dir+"/missing"
	for name, list := range map[string][]string{
		"one":               {b},
		"two":               {a, b},
		"the other way":     {b, a},
		"three":             {c, a, b},
		"missing and empty": {missing, a, empty, "", c},
		"twice":             {a, a, b},
	} {
		t.Run(name, func(t *testing.T) {
			rules := &clientcmd.ClientConfigLoadingRules{Precedence: list, DoNotResolvePaths: true}
			want, err := rules.Load()
			if err != nil {
				t.Fatal(err)
			}
			l := newLoader(Input{Host: Host{Getenv: env(), Inside: func(path string) string { return path }}})
			got, err := l.readFiles(list...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got.config, cmpopts.IgnoreFields(api.Context{}, "LocationOfOrigin"), cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
			s := load(t, Input{Host: Host{Getenv: env("KUBECONFIG", strings.Join(list, string(filepath.ListSeparator)))}})
			if s.Context != want.CurrentContext || s.Namespace != want.Contexts[s.Context].Namespace ||
				s.Server != want.Clusters[s.Context].Server || s.REST.BearerToken != want.AuthInfos[s.Context].Token {
				t.Errorf("got %+v, want what clientcmd says: %v", summarize(s), want)
			}
		})
	}
}

func TestRelativeFilesAreInTheirOwnKubeconfigsDirectory(t *testing.T) {
	dir := t.TempDir()
	first := write(t, dir+"/first", entries("x", "other=o"))
	second := write(t, dir+"/sub/second", "users: [{name: x, user: {tokenFile: ../sub/tokens/x}}]\nclusters: [{name: x, cluster: {server: 'https://x'}}]\n"+
		"contexts: [{name: x, context: {cluster: x, user: x}}]")
	tokenFile := write(t, dir+"/sub/tokens/x", "secret\n")
	s := load(t, Input{Host: Host{Getenv: env("KUBECONFIG", first+":"+second)}})
	if s.REST.BearerToken != "secret" || s.REST.BearerTokenFile != tokenFile {
		t.Errorf("got token %q of %q", s.REST.BearerToken, s.REST.BearerTokenFile)
	}
	if diff := cmp.Diff([]string{first, second, tokenFile}, s.Files); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{first, second}, s.Origin.Paths); diff != "" {
		t.Error(diff)
	}
}

func TestFilesThatCannotBeRead(t *testing.T) {
	dir, home := t.TempDir(), t.TempDir()
	t.Chdir(dir)
	write(t, "empty", "")
	write(t, "spaces", " \n\n")
	write(t, "big", "# "+strings.Repeat("x", disk.MaxBytes))
	write(t, "words", "apiVersion: v1\nkind: Config\ntoken: a: b\n")
	write(t, "secret", "apiVersion: v1\nkind: Secret\n")
	write(t, "users", "users: [{name: a, user: {token: 1234567}}]")
	write(t, "twins", "users: [{name: a, user: {token: sesame}}, {name: a}]")
	write(t, "data", "clusters: [{name: a, cluster: {server: 'https://a', certificate-authority-data: 'sesame!'}}]")
	write(t, home+"/.kube/config", "{")
	if err := os.Mkdir("locked", 0o700); err != nil {
		t.Fatal(err)
	}
	jwt := "eyJhbGciOiJSUzI1NiJ9." + strings.Repeat("x", 400) + ".y"
	hint := "\nsee whether the path is right, and whether the step that logs in to the cluster has run before this one" +
		"\nthe host's files are not here"
	for name, c := range map[string]struct{ given, list, home, want string }{
		"missing":            {given: "none", want: "read kubeconfig: the input `kubeconfig` is \"none\": no such file" + hint},
		"a token as a path":  {given: jwt, want: "read the content of `kubeconfig`: it is a token, and not a kubeconfig"},
		"a list, all gone":   {list: "none:" + dir + "/no", want: "read kubeconfig: $KUBECONFIG is \"none:" + dir + "/no\": no such file" + hint},
		"a directory":        {given: "locked", want: "read kubeconfig \"locked\": it is not a regular file"},
		"empty":              {given: "empty", want: "read kubeconfig: there is no context in it"},
		"white space":        {given: "spaces", want: "read kubeconfig: there is no context in it"},
		"too long":           {given: "big", want: "read kubeconfig \"big\": it is longer than 1048576 bytes"},
		"not YAML":           {given: "words", want: "read kubeconfig \"words\": not a kubeconfig: invalid YAML, a name twice, or a field of the wrong type line 3"},
		"another kind":       {given: "secret", want: "read kubeconfig \"secret\": it is a Secret that may have a kubeconfig in it"},
		"a number for token": {given: "users", want: "read kubeconfig \"users\": not a kubeconfig: invalid YAML, a name twice, or a field of the wrong type"},
		"a name twice":       {given: "twins", want: "read kubeconfig \"twins\": not a kubeconfig: invalid YAML, a name twice, or a field of the wrong type"},
		"not base64":         {given: "data", want: "read kubeconfig \"data\": not a kubeconfig: a field whose name ends in -data is not base64"},
		"one bad in a list":  {list: "words:none", want: "read kubeconfig \"words\": not a kubeconfig: invalid YAML, a name twice, or a field of the wrong type line 3"},
		"bad content":        {given: "{", want: "read the content of `kubeconfig`: not a kubeconfig: invalid YAML, a name twice, or a field of the wrong type line 1"},
		"bad home":           {home: home, want: "read kubeconfig \"" + home + "/.kube/config\": not a kubeconfig: invalid YAML, a name twice, or a field of the wrong type line 1"},
		"long content":       {given: "{" + strings.Repeat(" ", disk.MaxBytes) + "}", want: "read the content of `kubeconfig`: it is longer than 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(Input{Given: Given{Kubeconfig: c.given}, Host: Host{Hint: "the host's files are not here", Getenv: env("KUBECONFIG", c.list, "HOME", c.home)}})
			if diff := refusedAs(t, c.want, err); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhatMayBeASecretIsNotShownAsAPath(t *testing.T) {
	for path, want := range map[string]string{
		"kubeconfig": `"kubeconfig"`,
		"/home/runner/work/_temp/kubeconfig_1700000000000": `"/home/runner/work/_temp/kubeconfig_1700000000000"`,
		"a\n::add-mask::": `"a\n::add-mask::"`,
		"sha256~0123456789012345678901234567890123456789": "(a value of 47 characters)",
		"AAAA/" + strings.Repeat("A", 251):                "(a value of 256 characters)",
	} {
		if got := disk.ShowPath(path); got != want {
			t.Errorf("shown(%q) = %s, want %s", path, got, want)
		}
	}
}

func TestNothingFoundNamesEveryPlace(t *testing.T) {
	home := t.TempDir()
	_, err := Load(Input{Host: Host{Getenv: env("HOME", home), Hint: "the host's files are not here"}})
	want := "find the cluster's credential: no input `kubeconfig`, no $KUBECONFIG, nothing in \"" + home + "/.kube/config\", and no " +
		"KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT as in a pod\n" +
		"set `kubeconfig` to the path or to the content of a kubeconfig\nthe host's files are not here"
	if diff := refusedAs(t, want, err); diff != "" {
		t.Error(diff)
	}
}
