package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubemint/kubemint/test/kubetest"
)

func TestReadmeNamesTheServersThatAreTested(t *testing.T) {
	root := filepath.Join("..", "..", "..")
	have, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := renderReadme(root)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(have), string(want)); diff != "" {
		t.Errorf("README.md is out of date: run make generate\n%s", diff)
	}
}

func TestTable(t *testing.T) {
	servers, err := kubetest.Servers([]byte(`
# name   build   store  flags
old      1.1.1   etcd   --a=b --c
old-jti  1.1.1   kine   --feature-gates=X=true,ServiceAccountTokenJTI=false
new      1.2.0   etcd
`))
	if err != nil {
		t.Fatal(err)
	}
	if have, want := sentence(servers), "Tested on Kubernetes 1.1.1 and 1.2.0: [what was run](#tested-servers).\n"; have != want {
		t.Errorf("have %q, want %q", have, want)
	}
	have := table(servers, contract([]byte("# none\nrole          access-role\nrevoke --wait  revoke-wait\n")))
	want := "| 1.1.1 | etcd | `--a=b --c` | the contract |\n" +
		"| 1.1.1 | SQLite (kine, as in k3s) | tokens have no `jti` and no node claims, as those of Kubernetes 1.29 and older | the contract |\n" +
		"| 1.2.0 | etcd |  | every test |\n\nThe contract: role; revoke --wait.\n"
	if !strings.HasSuffix(have, want) {
		t.Errorf("have:\n%s\nwant at the end:\n%s", have, want)
	}
}

// A README without the place for it is an error, and so is a line that says nothing.
func TestGenRefuses(t *testing.T) {
	for _, page := range []string{"", "<!-- servers: written by \"make generate\" -->\n", "<!-- end -->\n"} {
		if _, err := replaceBlock([]byte(page), "servers", "x"); err == nil {
			t.Errorf("%q is taken", page)
		}
	}
	for _, text := range []string{"", "# nothing\n", "1.31.14 1.31.14\n", "1.31.14 1.31.14 sqlite\n"} {
		if servers, err := kubetest.Servers([]byte(text)); err == nil {
			t.Errorf("%q is taken as %v", text, servers)
		}
	}
}
