package source

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubemint/kubemint/internal/output/receipt"
)

// inNamespace is a kubeconfig whose only context has this namespace.
func inNamespace(namespace string) string {
	return strings.Replace(kubeconfig("", "token: t"), "{cluster: x, user: x}", "{cluster: x, user: x, namespace: "+namespace+"}", 1)
}

// Access is granted in the namespace of the context unless the workflow says otherwise: a pull request does not choose it.
func TestDefaultNamespace(t *testing.T) {
	dir := t.TempDir()
	work, home := dir+"/work", dir+"/home"
	planted := write(t, work+"/kubeconfig", inNamespace("kube-system"))
	trusted := write(t, home+"/.kube/config", inNamespace("shop"))
	other := write(t, home+"/other", entries("prod", "prod=p"))
	symlink(t, trusted, work+"/link")
	symlink(t, planted, home+"/link")
	symlink(t, work, home+"/dir")
	const why = ", in a kubeconfig of the workspace, which a pull request may have written\n" +
		"name the namespace that is meant in the input `namespace`"
	const refused = `use context "x": it chooses the namespace "kube-system"` + why
	chooses := write(t, work+"/chooses", "current-context: x\ncontexts: [{name: x, context: {cluster: prod, user: prod, namespace: kube-public}}]\n")
	ours := mint(t, home+"/ours", file("x", planted))
	for name, c := range map[string]struct {
		in         Input
		want, fail string
	}{
		"outside":                        {in: Input{Given: Given{Kubeconfig: trusted}}, want: "shop"},
		"content":                        {in: Input{Given: Given{Kubeconfig: inNamespace("kube-system")}}, want: "kube-system"},
		"of the workspace":               {in: Input{Given: Given{Kubeconfig: planted}}, fail: refused},
		"of the workspace, $KUBECONFIG":  {in: Input{Host: Host{Getenv: env("KUBECONFIG", planted)}}, fail: refused},
		"of the workspace, expected":     {in: Input{Given: Given{Kubeconfig: planted}, Expected: Expected{ExpectServer: "https://a.example"}}, fail: refused},
		"of the workspace, as HOME":      {in: Input{Host: Host{Getenv: env("HOME", work+"/home")}}, fail: refused},
		"of the workspace, and default":  {in: Input{Given: Given{Kubeconfig: write(t, work+"/default", inNamespace("default"))}}, want: "default"},
		"of the workspace, and none":     {in: Input{Given: Given{Kubeconfig: write(t, work+"/none", kubeconfig("", "token: t"))}}},
		"a link out of the workspace":    {in: Input{Given: Given{Kubeconfig: work + "/link"}}, fail: strings.Replace(refused, "kube-system", "shop", 1)},
		"a link into the workspace":      {in: Input{Given: Given{Kubeconfig: home + "/link"}}, fail: refused},
		"through a link to a directory":  {in: Input{Given: Given{Kubeconfig: home + "/dir/kubeconfig"}}, fail: refused},
		"up and down again":              {in: Input{Given: Given{Kubeconfig: home + "/../work/kubeconfig"}}, fail: refused},
		"a context of the workspace":     {in: Input{Host: Host{Getenv: env("KUBECONFIG", chooses+":"+other)}}, fail: `use context "x": it chooses the namespace "kube-public"` + why},
		"a context of another file":      {in: Input{Given: Given{Context: "prod"}, Host: Host{Getenv: env("KUBECONFIG", chooses+":"+other)}}, want: "ns-of-p"},
		"a receipt leads into workspace": {in: Input{Given: Given{Kubeconfig: ours}}, fail: refused},
	} {
		c.in.Workspace, c.in.Receipt = []string{dir + "/elsewhere", work}, receipt.Read
		if strings.HasSuffix(name, "HOME") {
			write(t, work+"/home/.kube/config", inNamespace("kube-system"))
		}
		if c.in.Getenv == nil {
			c.in.Getenv = env()
		}
		namespace, err := load(t, c.in).DefaultNamespace()
		failed := ""
		if err != nil {
			failed = failure(t, err)
		}
		if namespace != c.want || failed != c.fail {
			t.Errorf("%s: %q\n%s", name, namespace, cmp.Diff(c.fail, failed))
		}
	}
	// In a pod the namespace is that of the mount.
	account := dir + "/account"
	write(t, account+"/token", "t")
	write(t, account+"/namespace", "pods")
	s := load(t, Input{Host: Host{InClusterDir: account, Workspace: []string{work}, Getenv: env("KUBERNETES_SERVICE_HOST", "h", "KUBERNETES_SERVICE_PORT", "1")}})
	if namespace, err := s.DefaultNamespace(); namespace != "pods" || err != nil {
		t.Errorf("in a pod: %q, %v", namespace, err)
	}
}

// A token that stands in a kubeconfig of the workspace is its own, as get-gke-credentials writes it.
func TestATokenOfTheWorkspaceIsItsOwn(t *testing.T) {
	work := t.TempDir()
	s := load(t, Input{Given: Given{Kubeconfig: write(t, work+"/gha-kubeconfig-0a1b2c", kubeconfig("", "token: ya29.made-up"))}, Host: Host{Workspace: []string{work}}})
	if s.REST.BearerToken != "ya29.made-up" {
		t.Errorf("the token is %q", s.REST.BearerToken)
	}
	if _, err := os.Stat(work + "/gha-kubeconfig-0a1b2c"); err != nil {
		t.Error(err)
	}
}

// A user of the workspace for a server of another file is sent nothing of the runner's; a server of the workspace for a user
// of another file would be.
func TestUsersAndServersOfTwoFiles(t *testing.T) {
	dir := t.TempDir()
	work := dir + "/work"
	trusted := write(t, dir+"/home/config", entries("prod", "prod=p"))
	ca := b64(load(t, Input{Given: Given{Kubeconfig: kubeconfigs + "kind.yaml"}}).CAData)
	named := func(name, cluster, user, more string) string {
		return write(t, work+"/"+name, "current-context: x\ncontexts: [{name: x, context: {cluster: "+cluster+", user: "+user+"}}]\n"+more)
	}
	evil := func(fields string) string {
		return "clusters: [{name: x, cluster: {server: 'https://evil'" + fields + "}}]\n"
	}
	const refused = `use context "x": the credential of another kubeconfig would go to the server of one of the workspace, `
	for name, c := range map[string]struct {
		first string
		in    Input
		want  string
	}{
		"its user, another's server":           {first: named("user", "prod", "x", "users: [{name: x, user: {token: mine}}]\n")},
		"its user that acts, another's server": {first: named("acts", "prod", "x", "users: [{name: x, user: {token: mine, as: root}}]\n"), want: `use user "x": it acts as somebody else `},
		"its server, another's user":           {first: named("server", "x", "prod", evil("")), want: refused},
		"the same, by URL":                     {first: named("url", "x", "prod", evil("")), in: Input{Expected: Expected{ExpectServer: "https://evil"}}},
		"the same, by URL, with a CA":          {first: named("ca", "x", "prod", evil(", certificate-authority-data: "+ca)), in: Input{Expected: Expected{ExpectServer: "https://evil"}}, want: refused},
		"the same, by URL, with a name":        {first: named("name", "x", "prod", evil(", tls-server-name: e")), in: Input{Expected: Expected{ExpectServer: "https://evil"}}, want: refused},
		"the same, by URL, unverified":         {first: named("insecure", "x", "prod", evil(", insecure-skip-tls-verify: true")), in: Input{Expected: Expected{ExpectServer: "https://evil"}, Given: Given{AllowInsecure: true}}, want: refused},
		"the same, by CA": {
			first: named("sum", "x", "prod", evil(", certificate-authority-data: "+ca)),
			in:    Input{Expected: Expected{ExpectFingerprint: fingerprint(t, load(t, Input{Given: Given{Kubeconfig: kubeconfigs + "kind.yaml"}}).CAData)}},
		},
	} {
		c.in.Workspace, c.in.Getenv = []string{work}, env("KUBECONFIG", c.first+":"+trusted)
		_, err := Load(c.in)
		if (err == nil) != (c.want == "") || (err != nil && !strings.HasPrefix(failure(t, err), c.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func symlink(t *testing.T, to, path string) {
	t.Helper()
	if err := os.Symlink(to, path); err != nil {
		t.Fatal(err)
	}
}
