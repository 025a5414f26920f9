package main

import (
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mayImport is which rooms a room may import; each doc.go says it in words. app knows the order of things and may use
// every room, kubetest and kubetest/clouds are for tests, and config/gen, kubetest/gen and kubetest/serve are programs of their own.
var mayImport = map[string][]string{
	"access":            {"config", "kube", "problem", "rules"},
	"app":               {"access", "client", "client/discovery", "client/explain", "client/trace", "client/wire", "command/bootstrap", "command/process", "config", "console", "kube", "kubeconfig", "lease", "lease/lock", "output/private", "output/receipt", "parallel", "platform", "problem", "proof", "revoke", "revoke/prune", "revoke/sweep", "rules", "secret", "source", "source/workspace"},
	"client":            {"access", "client/astray", "client/discovery", "client/explain", "client/wire", "kube", "parallel", "problem", "rules"},
	"client/astray":     {"client/wire", "problem"},
	"client/discovery":  {"rules"},
	"client/explain":    {"console", "problem", "rules"},
	"client/trace":      {"console"},
	"client/wire":       {},
	"command/bootstrap": {"access", "config", "console", "lease", "problem"},
	"command/process":   {},
	"config":            {"problem", "rules"},
	"config/gen":        {"config"},
	"console":           {"access", "parallel", "problem", "rules", "secret"},
	"kube":              {},
	"kubeconfig":        {"secret"},
	"kubetest":          {},
	"kubetest/clouds":   {"kubetest"},
	"kubetest/gen":      {"kubetest"},
	"kubetest/serve":    {"kubetest"},
	"lease":             {"access", "kube", "problem", "secret"},
	"lease/lock":        {"access", "kube", "problem"},
	"output/private":    {},
	"output/receipt":    {},
	"parallel":          {},
	"platform":          {"access", "client/wire", "problem", "secret"},
	"problem":           {},
	"proof":             {"access", "client", "client/discovery", "client/explain", "console", "kube", "parallel", "problem", "rules"},
	"revoke":            {"kube", "lease"},
	"revoke/prune":      {"access", "client", "client/discovery", "console", "kube", "lease", "lease/lock", "parallel", "problem", "revoke"},
	"revoke/sweep":      {"access", "client", "client/discovery", "console", "kube", "lease", "parallel", "problem"},
	"rules":             {"problem", "rules/mistyped"},
	"rules/mistyped":    {"problem"},
	"secret":            {},
	"source":            {"output/receipt", "problem", "secret", "source/certs", "source/cloud", "source/disk", "source/form", "source/program", "source/workspace"},
	"source/certs":      {"problem"},
	"source/cloud":      {"client/wire", "problem", "secret", "source/program"},
	"source/disk":       {},
	"source/form":       {"problem"},
	"source/program":    {},
	"source/workspace":  {},
	"main":              {"app", "problem", "command/process"},
}

// pure rooms decide, and others act: no client, no os, no network. (That they have no clock is for golangci-lint.)
var pure = []string{"access", "config", "kube", "kubeconfig", "lease", "rules", "secret"}

const (
	module   = "github.com/kubemint/kubemint/internal/"
	mostFile = 250  // lines of code in one file, as in .golangci.yml
	mostRoom = 1000 // lines of code in one room: docs/adr/0005-size-by-room.md
)

// source is one Go file of the repository.
type source struct {
	path, room string
	imports    []string
	doc        string
	code       int // lines that are neither blank nor comment
}

func (s source) test() bool { return strings.HasSuffix(s.path, "_test.go") }

// sources reads every Go file of this module.
func sources(t *testing.T) []source {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir("internal", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && filepath.Ext(path) == ".go" {
			files = append(files, filepath.ToSlash(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var all []source
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		room := strings.TrimPrefix(path.Dir(name), "internal/")
		if room == "." {
			room = "main"
		}
		all = append(all, source{path: name, room: room, imports: imported(t, file), doc: file.Doc.Text(), code: codeLines(text)})
	}
	return all
}

func imported(t *testing.T, file *ast.File) (paths []string) {
	t.Helper()
	for _, spec := range file.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, name)
	}
	return paths
}

func codeLines(text []byte) int {
	files := token.NewFileSet()
	file := files.AddFile("", -1, len(text))
	var s scanner.Scanner
	s.Init(file, text, nil, 0)
	lines := map[int]bool{}
	for {
		at, kind, literal := s.Scan()
		if kind == token.EOF {
			return len(lines)
		}
		if kind == token.SEMICOLON && literal == "\n" {
			continue // the scanner's own
		}
		for i := range strings.Count(literal, "\n") + 1 {
			lines[files.Position(at).Line+i] = true
		}
	}
}

func TestRoomsImportWhatTheyMay(t *testing.T) {
	t.Parallel()
	rooms := map[string]bool{}
	for _, file := range sources(t) {
		rooms[file.room] = true
		allowed, known := mayImport[file.room]
		if !known {
			t.Errorf("%s: the room %s is not in the table of this test", file.path, file.room)
		}
		for _, name := range file.imports {
			if strings.HasPrefix(name, "k8s.io/client-go/kubernetes") || path.Base(name) == "fake" {
				t.Errorf("%s imports %s: the full clientset doubles the binary, and a fake can neither mint nor knows RBAC", file.path, name)
			}
			if file.test() {
				continue
			}
			if room, ours := strings.CutPrefix(name, module); ours && !slices.Contains(allowed, room) {
				t.Errorf("%s imports the room %s: %s may import %q", file.path, room, file.room, allowed)
			}
			if slices.Contains(pure, file.room) && acts(name) {
				t.Errorf("%s imports %s: the room %s is pure", file.path, name, file.room)
			}
		}
	}
	for room := range mayImport {
		if !rooms[room] {
			t.Errorf("the room %s of this test's table is gone", room)
		}
	}
}

// acts says whether a package reaches out of the process.
func acts(name string) bool {
	if strings.HasPrefix(name, "k8s.io/client-go/") {
		return !strings.HasPrefix(name, "k8s.io/client-go/tools/clientcmd/api") // types of the kubeconfig
	}
	first, _, _ := strings.Cut(name, "/")
	return first == "os" || first == "net" || first == "syscall"
}

func TestEveryRoomSaysWhatItIsFor(t *testing.T) {
	t.Parallel()
	said := map[string]bool{}
	for _, file := range sources(t) {
		if path.Base(file.path) == "doc.go" && strings.HasPrefix(file.doc, "Package "+path.Base(file.room)+" ") && strings.Contains(file.doc, "import") {
			said[file.room] = true
		}
	}
	for room := range mayImport {
		if !slices.Contains([]string{"main", "config/gen", "kubetest/gen", "kubetest/serve"}, room) && !said[room] { // programs have no doc.go
			t.Errorf("internal/%s/doc.go does not say what the room is for and what it may import", room)
		}
	}
}

// A client that another room makes would follow redirects with the credential in its hand, and read without a bound.
func TestHTTPClientsAreMadeInOneRoom(t *testing.T) {
	t.Parallel()
	maker := regexp.MustCompile(`\bhttp\.Client\{|\bnew\(http\.Client\)|\bhttp\.Default(Client|Transport)\b|\bhttp\.(Get|Head|Post|PostForm)\(|\brest\.(HTTPClientFor|RESTClientFor|UnversionedRESTClientFor)\(`)
	for _, file := range sources(t) {
		if file.test() || file.room == "client/wire" || strings.HasPrefix(file.room, "kubetest") {
			continue
		}
		text, err := os.ReadFile(file.path)
		if err != nil {
			t.Fatal(err)
		}
		if found := maker.FindString(string(text)); found != "" {
			t.Errorf("%s has %s: package wire makes the clients", file.path, found)
		}
	}
}

// larger are the rooms over the bound, with the size they may not pass until they are divided.
var larger = map[string]int{"access": 1200, "app": 4100, "source": 1400, "source/cloud": 1700, "client": 1200, "rules": 1300}

func TestEachRoomCanBeReadAtOneSitting(t *testing.T) {
	t.Parallel()
	rooms := map[string]int{}
	for _, file := range sources(t) {
		if file.test() || strings.HasPrefix(file.room, "kubetest") || file.room == "config/gen" {
			continue
		}
		rooms[file.room] += file.code
		if file.code > mostFile {
			t.Errorf("%s has %d lines of code, %d at most: it is about more than one thing", file.path, file.code, mostFile)
		}
	}
	for room, code := range rooms {
		if most := max(mostRoom, larger[room]); code > most {
			t.Errorf("the room %s has %d lines of code, %d at most", room, code, most)
		}
	}
}
