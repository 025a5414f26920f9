package source

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/secret"
)

// mint writes a kubeconfig and its receipt as kubemint does.
func mint(t *testing.T, path string, from receipt.Source) string {
	t.Helper()
	bearer := jwt(`{"jti":"id-of-` + path + `"}`)
	writeReceipt(t, &receipt.Receipt{Server: "https://minted", Source: from, Made: receipt.Made{Output: path, TokenHash: secret.New(bearer).Hash()}})
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
	writeReceipt(t, &receipt.Receipt{Server: "https://a", Source: file("staging", cloud), Made: receipt.Made{Output: unfinished}})
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
		"first of a list":      {list: ours + ":" + other, want: file("staging", cloud), files: []string{cloud}},
		"last of a list":       {list: other + ":" + ours, want: file("other", other), files: []string{other}},
		"after its own source": {list: cloud + ":" + ours, want: file("prod", cloud), files: []string{cloud}},
		"in-cluster":           {list: pod, want: receipt.Source{Kind: receipt.KindInCluster}, files: []string{dir + "/account/token"}},
		"in-cluster, first":    {list: pod + ":" + cloud, want: receipt.Source{Kind: receipt.KindInCluster}, files: []string{dir + "/account/token"}},
		"in-cluster, and a context of another file": {list: pod + ":" + cloud, context: "staging", want: file("staging", cloud), files: []string{cloud}},
		"in-cluster, last":                          {list: cloud + ":" + pod, want: file("prod", cloud), files: []string{cloud}},
		"content, last":                             {list: cloud + ":" + content, want: file("prod", cloud), files: []string{cloud}},
		"of another token":                          {list: foreign, want: file("mine", foreign), files: []string{foreign}},
		"token without an ID":                       {list: unfinished, want: file("mine", unfinished), files: []string{unfinished}},
		"damaged receipt":                           {list: damaged, want: file("minted", damaged), files: []string{damaged}},
	} {
		t.Run(name, func(t *testing.T) {
			s := load(t, Input{
				Given:   Given{Kubeconfig: c.given, Context: c.context},
				Host:    Host{InClusterDir: dir + "/account", Getenv: env("KUBECONFIG", c.list, "KUBERNETES_SERVICE_HOST", "h", "KUBERNETES_SERVICE_PORT", "1")},
				Receipt: receipt.Read,
			})
			if diff := cmp.Diff(c.want, s.Origin); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.files, s.Files); diff != "" {
				t.Error(diff)
			}
			if warned := strings.Contains(strings.Join(s.Warnings, ""), "is used as any other"); warned != (name == "damaged receipt") {
				t.Errorf("warnings %q", s.Warnings)
			}
		})
	}

	circle := mint(t, dir+"/circle", file("minted", dir+"/circle"))
	chain := mint(t, dir+"/chain", file("prod", ours))
	gone := mint(t, dir+"/lost", file("prod", dir+"/gone"))
	for name, c := range map[string]struct{ list, context, want string }{
		"content": {content, "", "read kubeconfig: kubemint wrote it, with a source given as content, which no receipt holds\n" +
			"give this step the input `kubeconfig` as well"},
		"content, context": {content, "prod", "read kubeconfig: kubemint wrote it, with a source given as content, which no receipt holds\n" +
			"give this step the input `kubeconfig` as well"},
		"content, first":    {content + ":" + unset, "", "read kubeconfig: kubemint wrote it, with a source given as content, which no receipt holds\ngive this step the input `kubeconfig` as well"},
		"circle":            {circle, "", "read kubeconfig \"" + circle + "\": kubemint wrote it, though another receipt names it as a source"},
		"chain":             {chain, "", "read kubeconfig \"" + ours + "\": kubemint wrote it, though another receipt names it as a source"},
		"source gone":       {gone, "", "read kubeconfig \"" + gone + "\": kubemint wrote it, and the source in its receipt is gone: \"" + dir + "/gone\"\nlog in again in an earlier step, or give this step the input `kubeconfig`\nsee the host"},
		"no account of pod": {pod, "", "find the cluster's credential: its receipt names the pod's account, but there is no KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT as in a pod\nset `kubeconfig` to the path or to the content of a kubeconfig\nsee the host"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(Input{Given: Given{Context: c.context}, Host: Host{Hint: "see the host", Getenv: env("KUBECONFIG", c.list)}, Receipt: receipt.Read})
			if diff := refusedAs(t, c.want, err); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A login can add another cluster to our file and switch to it: kubectl config, aws, gcloud, az, kind and oc all do so to the
// first file of $KUBECONFIG. Then that cluster is the source.
func TestChosenContextDecidesBetweenOursAndAnother(t *testing.T) {
	dir := t.TempDir()
	cloud := write(t, dir+"/cloud", entries("prod", "prod=p", "staging=s"))
	plain := write(t, dir+"/plain", entries("b", "b=b"))
	ours := mint(t, dir+"/ours", file("staging", cloud))
	bearer := jwt(`{"jti":"id-of-` + ours + `"}`)
	merged := func(name, current string, more ...string) string {
		t.Helper()
		path := mint(t, dir+"/"+name, file("staging", cloud))
		return write(t, path, entries(current, append([]string{"minted=" + jwt(`{"jti":"id-of-`+path+`"}`)}, more...)...))
	}
	switched, stayed := merged("switched", "b", "b=b"), merged("stayed", "minted", "b=b")
	same := merged("same", "minted", "prod=b") // a foreign context called as one of the source is
	unset := merged("unset", `""`, "b=b")
	named := mint(t, dir+"/named", file("staging", cloud)) // by `context_name: prod`, as another context of the source
	write(t, named, entries("prod", "prod="+jwt(`{"jti":"id-of-`+named+`"}`)))
	copied := write(t, dir+"/copied", entries("minted", "minted="+bearer)) // kubectl config view --flatten
	replaced := mint(t, dir+"/replaced", file("staging", cloud))
	write(t, replaced, strings.Replace(entries("minted", "minted="+jwt(`{"jti":"id-of-`+replaced+`"}`)), "user: {token: ", "user: {tokenFile: "+write(t, dir+"/token", "mine")+", token: ", 1))
	pod := mint(t, dir+"/pod", receipt.Source{Kind: receipt.KindInCluster})
	write(t, dir+"/account/token", "pod-token")

	for name, c := range map[string]struct {
		list, context string
		want          receipt.Source
	}{
		"another was switched to":                     {switched, "", file("b", switched)},
		"another is named by the input":               {stayed, "b", file("b", stayed)},
		"another is there, and ours is current":       {stayed, "", file("staging", cloud)},
		"ours is named by the input":                  {switched, "minted", file("staging", cloud)},
		"ours is named, of a pod":                     {pod, "minted", receipt.Source{Kind: receipt.KindInCluster}},
		"one of the source is named":                  {switched, "prod", file("prod", cloud)},
		"one of the source, and another of that name": {same, "prod", file("prod", same)},
		"ours is called as another of the source":     {named, "prod", file("staging", cloud)},
		"another, before ours in a list":              {plain + ":" + ours, "", file("b", plain)},
		"another, after ours in a list":               {ours + ":" + plain, "b", file("b", plain)},
		"ours, before another in a list":              {ours + ":" + plain, "", file("staging", cloud)},
		"ours is named, after another in a list":      {plain + ":" + ours, "minted", file("staging", cloud)},
		"one of the source is named, with a list":     {plain + ":" + ours, "prod", file("prod", cloud)},
		"one of the second receipt's source":          {pod + ":" + switched, "b", file("b", switched)},
		"a copy of ours, before ours":                 {copied + ":" + ours, "", file("staging", cloud)},
		"our user with a tokenFile of its own":        {replaced, "", file("minted", replaced)},
	} {
		t.Run(name, func(t *testing.T) {
			s := load(t, Input{
				Given:   Given{Context: c.context},
				Host:    Host{InClusterDir: dir + "/account", Getenv: env("KUBECONFIG", c.list, "KUBERNETES_SERVICE_HOST", "h", "KUBERNETES_SERVICE_PORT", "1")},
				Receipt: receipt.Read,
			})
			if diff := cmp.Diff(c.want, s.Origin); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.want.Paths, s.Files[:1]); diff != "" && c.want.Kind == receipt.KindFile {
				t.Errorf("files: %s", diff)
			}
		})
	}

	moved := merged("moved", "x", "b=b")
	write(t, moved, strings.Replace(read(t, moved), "contexts:\n", "contexts:\n- name: x\n  context: {cluster: b, user: minted}\n", 1))
	relative := mint(t, dir+"/relative", file("prod", "cloud"))
	content := mint(t, dir+"/as-content", file("prod", entries("prod", "prod=p")))
	odd := mint(t, dir+"/odd", receipt.Source{Kind: "else"})
	for name, c := range map[string]struct{ list, context, want string }{
		"none is current":          {unset, "", "choose a context: the kubeconfig has no current-context, but \"b\" \"minted\"\nname one of them in the input `context`"},
		"nowhere":                  {switched, "stagign", "use context \"stagign\": the kubeconfig has only \"b\" \"minted\" \"prod\" \"staging\"\ndid you mean \"staging\"?"},
		"our user, another server": {moved, "", "use context \"x\": its user is one that kubemint wrote, and its cluster \"b\" is another one\nchoose a context that has a credential for that cluster, in the input `context`"},
		"a relative path":          {relative, "", "read kubeconfig \"" + relative + "\": kubemint wrote it, and the source in its receipt is not an absolute path\ngive this step the input `kubeconfig`"},
		"content in place of a path": {
			content, "",
			"read kubeconfig \"" + content + "\": kubemint wrote it, and the source in its receipt is not an absolute path\ngive this step the input `kubeconfig`",
		},
		"a kind that is not known": {odd, "", "read kubeconfig \"" + odd + "\": kubemint wrote it, and its receipt names a source of an unknown kind\ngive this step the input `kubeconfig`"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(Input{Given: Given{Context: c.context}, Receipt: receipt.Read, Host: Host{Getenv: env("KUBECONFIG", c.list)}})
			if diff := refusedAs(t, c.want, err); diff != "" {
				t.Error(diff)
			}
		})
	}
}
