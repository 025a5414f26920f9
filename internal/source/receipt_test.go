package source

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubemint/kubemint/internal/receipt"
	"github.com/kubemint/kubemint/internal/token"
)

// mint writes a kubeconfig and its receipt as kubemint does.
func mint(t *testing.T, path string, from receipt.Source) string {
	t.Helper()
	bearer := jwt(`{"jti":"id-of-` + path + `"}`)
	writeReceipt(t, &receipt.Receipt{Server: "https://minted", Source: from, Output: path, TokenHash: token.New(bearer).Hash()})
	return write(t, path, entries("minted", "minted="+bearer))
}

func writeReceipt(t *testing.T, r *receipt.Receipt) {
	t.Helper()
	r.Account = receipt.Object{Kind: "ServiceAccount", Namespace: "shop", Name: "kubemint"}
	data, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	write(t, receipt.Path(r.Output), string(data))
}

func file(context string, paths ...string) receipt.Source {
	return receipt.Source{Kind: receipt.KindFile, Paths: paths, Context: context}
}

func TestOurOwnKubeconfigStandsForItsSource(t *testing.T) {
	dir := t.TempDir()
	cloud := write(t, dir+"/cloud", entries("prod", "prod=p", "staging=s"))
	other := write(t, dir+"/other", entries("other", "other=o", "staging=not-this"))
	unset := write(t, dir+"/unset", entries(`""`, "unset=u"))
	ours := mint(t, dir+"/ours", file("staging", cloud))
	two := mint(t, dir+"/two", file("other", cloud, other))
	pod := mint(t, dir+"/pod", receipt.Source{Kind: receipt.KindInCluster})
	content := mint(t, dir+"/content", receipt.Source{Kind: receipt.KindContent, Context: "prod"})
	foreign := mint(t, dir+"/foreign", file("staging", cloud))
	write(t, foreign, entries("mine", "mine="+jwt(`{"jti":"x"}`))) // somebody wrote his own over it
	unfinished := mint(t, dir+"/unfinished", file("staging", cloud))
	write(t, unfinished, entries("mine", "mine="+jwt(`{}`)))
	writeReceipt(t, &receipt.Receipt{Server: "https://a", Source: file("staging", cloud), Output: unfinished})
	damaged := mint(t, dir+"/damaged", file("staging", cloud))
	write(t, damaged+".receipt", "{")
	write(t, dir+"/account/token", "pod-token")

	for name, c := range map[string]struct {
		given, list, context string
		want                 receipt.Source
		files                []string
	}{
		"the input":            {given: ours, want: file("staging", cloud), files: []string{cloud}},
		"$KUBECONFIG":          {list: ours, want: file("staging", cloud), files: []string{cloud}},
		"context chosen again": {list: ours, context: "prod", want: file("prod", cloud), files: []string{cloud}},
		"recorded as a list":   {list: two, want: file("other", cloud, other), files: []string{cloud, other}},
		"first of a list":      {list: ours + ":" + other, want: file("staging", cloud, other), files: []string{cloud, other}},
		"last of a list":       {list: other + ":" + ours, want: file("other", other, cloud), files: []string{other, cloud}},
		"after its own source": {list: cloud + ":" + ours, want: file("prod", cloud, cloud), files: []string{cloud, cloud}},
		"in-cluster":           {list: pod, want: receipt.Source{Kind: receipt.KindInCluster}, files: []string{dir + "/account/token"}},
		"in-cluster, first":    {list: pod + ":" + cloud, want: receipt.Source{Kind: receipt.KindInCluster}, files: []string{dir + "/account/token"}},
		"in-cluster, last":     {list: cloud + ":" + pod, want: file("prod", cloud), files: []string{cloud}},
		"content, last":        {list: cloud + ":" + content, want: file("prod", cloud), files: []string{cloud}},
		"of another token":     {list: foreign, want: file("mine", foreign), files: []string{foreign}},
		"token without an ID":  {list: unfinished, want: file("mine", unfinished), files: []string{unfinished}},
		"damaged receipt":      {list: damaged, want: file("minted", damaged), files: []string{damaged}},
	} {
		t.Run(name, func(t *testing.T) {
			s := load(t, Input{
				Kubeconfig: c.given, Context: c.context, InClusterDir: dir + "/account", Receipt: receipt.Read,
				Getenv: env("KUBECONFIG", c.list, "KUBERNETES_SERVICE_HOST", "h", "KUBERNETES_SERVICE_PORT", "1"),
			})
			if diff := cmp.Diff(c.want, s.Origin); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.files, s.Files); diff != "" {
				t.Error(diff)
			}
			if warned := strings.Contains(strings.Join(s.Warnings, ""), "is used as it is"); warned != (name == "damaged receipt") {
				t.Errorf("warnings %q", s.Warnings)
			}
		})
	}

	circle := mint(t, dir+"/circle", file("minted", dir+"/circle"))
	chain := mint(t, dir+"/chain", file("prod", ours))
	gone := mint(t, dir+"/lost", file("prod", dir+"/gone"))
	for name, c := range map[string]struct{ list, context, want string }{
		"in-cluster, context": {pod + ":" + cloud, "staging", "find the cluster's credential: its receipt names the pod's account, but there is no KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT as in a pod\nset `kubeconfig` to the path or to the content of a kubeconfig\nsee the host"},
		"content": {content, "", "read kubeconfig: kubemint wrote it, with a source given as content, which no receipt holds\n" +
			"give this step the input `kubeconfig` as well"},
		"content, context": {content, "prod", "read kubeconfig: kubemint wrote it, with a source given as content, which no receipt holds\n" +
			"give this step the input `kubeconfig` as well"},
		"content, first":    {content + ":" + unset, "", "read kubeconfig: kubemint wrote it, with a source given as content, which no receipt holds\ngive this step the input `kubeconfig` as well"},
		"circle":            {circle, "", "read kubeconfig \"" + circle + "\": kubemint wrote it, though another receipt names it as a source"},
		"chain":             {chain, "", "read kubeconfig \"" + ours + "\": kubemint wrote it, though another receipt names it as a source"},
		"source gone":       {gone, "", "read kubeconfig \"" + gone + "\": kubemint wrote it, and the source in its receipt is gone: \"" + dir + "/gone\"\nsee the host"},
		"no account of pod": {pod, "", "find the cluster's credential: its receipt names the pod's account, but there is no KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT as in a pod\nset `kubeconfig` to the path or to the content of a kubeconfig\nsee the host"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(Input{Context: c.context, Hint: "see the host", Receipt: receipt.Read, Getenv: env("KUBECONFIG", c.list)})
			if diff := cmp.Diff(c.want, failure(t, err)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
