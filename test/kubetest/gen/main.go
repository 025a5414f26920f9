// Command gen writes into README.md which API servers the tests run on: controlplane/servers lists them, and
// test/script/contract what is run. `make generate` runs it; a test of this package fails if README differs.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubemint/kubemint/test/kubetest"
)

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	if err := writeReadme(root); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func writeReadme(root string) error {
	path := filepath.Join(root, "README.md")
	text, err := renderReadme(root)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

// renderReadme returns README.md with its two generated blocks as they must be.
func renderReadme(root string) ([]byte, error) {
	var texts [3][]byte
	for i, name := range []string{"README.md", "test/controlplane/servers", "test/script/contract"} {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			return nil, err
		}
		texts[i] = text
	}
	servers, err := kubetest.Servers(texts[1])
	if err != nil {
		return nil, err
	}
	readme, err := replaceBlock(texts[0], "servers", sentence(servers))
	if err != nil {
		return nil, err
	}
	return replaceBlock(readme, "servers-table", table(servers, contract(texts[2])))
}

// replaceBlock puts text between the two comments that enclose the block of that name.
func replaceBlock(page []byte, name, text string) ([]byte, error) {
	opening := fmt.Sprintf("<!-- %s: written by \"make generate\" -->\n", name)
	before, rest, found := bytes.Cut(page, []byte(opening))
	_, after, closed := bytes.Cut(rest, []byte("<!-- end -->\n"))
	if !found || !closed {
		return nil, errors.New("README.md lacks the block " + name)
	}
	return slices.Concat(before, []byte(opening+text+"<!-- end -->\n"), after), nil
}

// sentence names each version once, in the order of the list.
func sentence(servers []kubetest.Server) string {
	var versions []string
	for _, server := range servers {
		if !slices.Contains(versions, server.Build) {
			versions = append(versions, server.Build)
		}
	}
	list := versions[0]
	if last := len(versions) - 1; last > 0 {
		list = strings.Join(versions[:last], ", ") + " and " + versions[last]
	}
	return "Tested on Kubernetes " + list + ": [what was run](#tested-servers).\n"
}

func table(servers []kubetest.Server, topics []string) string {
	var b strings.Builder
	b.WriteString("| kube-apiserver | its objects are in | particulars | tests |\n|---|---|---|---|\n")
	for i, server := range servers {
		tests := "the contract"
		if i == len(servers)-1 {
			tests = "every test"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", server.Build, stores[server.Store], particulars(server), tests)
	}
	fmt.Fprintf(&b, "\nThe contract: %s.\n", strings.Join(topics, "; "))
	return b.String()
}

// particulars says what the flags of a server do, where a reader would know it by another name.
func particulars(server kubetest.Server) string {
	flags := strings.Join(server.Flags, " ")
	switch {
	case flags == "":
		return ""
	case strings.Contains(flags, "ServiceAccountTokenJTI=false"):
		return "tokens have no `jti` and no node claims, as those of Kubernetes 1.29 and older"
	}
	return "`" + flags + "`"
}

// contract returns the topics of test/script/contract.
func contract(text []byte) (topics []string) {
	for line := range strings.Lines(string(text)) {
		if topic, _, found := strings.Cut(line, "  "); found && !strings.HasPrefix(line, "#") {
			topics = append(topics, topic)
		}
	}
	return topics
}

var stores = map[string]string{"etcd": "etcd", "kine": "SQLite (kine, as in k3s)"}
