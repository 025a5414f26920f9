package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

const module = "github.com/kubemint/kubemint/internal/"

// Repo is the repository as the rules see it: every Go file of the main module, parsed, and the pages.
type Repo struct {
	Root  string
	Set   *token.FileSet
	Files []File
	Pages []Page
}

// File is one Go file.
type File struct {
	AST  *ast.File
	Path string // from the root of the repository, with slashes
	Room string // the path of its folder below internal/; "main" for main.go; "" elsewhere
	Text []byte
	Code int // lines that are neither blank nor comment
}

// Page is one Markdown file.
type Page struct {
	Path, Text string
}

// IsTest says whether the file is compiled for tests only.
func (f *File) IsTest() bool { return strings.HasSuffix(f.Path, "_test.go") }

// IsProgram says whether the file becomes part of the kubemint binary.
func (f *File) IsProgram() bool {
	return f.Room != "" && !f.IsTest() && !strings.HasPrefix(f.Room, "kubetest") && !f.IsGenerator()
}

// IsGenerator says whether the file belongs to a program that `make generate` runs.
func (f *File) IsGenerator() bool { return path.Base(f.Room) == "gen" }

// ReadRepo reads the repository whose root folder is given.
func ReadRepo(root string) (*Repo, error) {
	repo := &Repo{Root: root, Set: token.NewFileSet()}
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return skipFolder(root, name, entry)
		}
		return repo.readFile(root, name)
	})
	return repo, err
}

// skipFolder leaves out modules of their own, test data, and what git and node keep.
func skipFolder(root, name string, entry fs.DirEntry) error {
	if name == root {
		return nil
	}
	_, err := os.Stat(filepath.Join(name, "go.mod"))
	hidden := strings.HasPrefix(entry.Name(), ".")
	if err == nil || hidden || entry.Name() == "testdata" || entry.Name() == "node_modules" {
		return filepath.SkipDir
	}
	return nil
}

func (r *Repo) readFile(root, name string) error {
	kind := filepath.Ext(name)
	if kind != ".go" && kind != ".md" {
		return nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	below, err := filepath.Rel(root, name)
	if err != nil {
		return err
	}
	below = filepath.ToSlash(below)
	if kind == ".md" {
		r.Pages = append(r.Pages, Page{Path: below, Text: string(text)})
		return nil
	}
	parsed, err := parser.ParseFile(r.Set, below, text, parser.ParseComments)
	if err != nil {
		return err
	}
	r.Files = append(r.Files, File{AST: parsed, Path: below, Room: roomOf(below), Text: text, Code: countCode(text)})
	return nil
}

func roomOf(name string) string {
	folder := path.Dir(name)
	if room, ok := strings.CutPrefix(folder, "internal/"); ok {
		return room
	}
	if name == "main.go" {
		return "main"
	}
	return ""
}

// countCode counts the lines that hold a token of the language.
func countCode(text []byte) int {
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
			continue // inserted by the scanner
		}
		for i := range strings.Count(literal, "\n") + 1 {
			lines[files.Position(at).Line+i] = true
		}
	}
}

// Program returns the files of the kubemint binary.
func (r *Repo) Program() []File {
	return r.filter(func(f *File) bool { return f.IsProgram() })
}

// Tests returns the files that only tests need: test/, and every _test.go.
func (r *Repo) Tests() []File {
	return r.filter(func(f *File) bool { return !f.IsProgram() && !f.IsGenerator() })
}

func (r *Repo) filter(keep func(*File) bool) []File {
	var kept []File
	for i := range r.Files {
		if keep(&r.Files[i]) {
			kept = append(kept, r.Files[i])
		}
	}
	return kept
}

// Rooms returns the lines of code of each room of the program.
func (r *Repo) Rooms() map[string]int {
	rooms := map[string]int{}
	for _, file := range r.Program() {
		rooms[file.Room] += file.Code
	}
	return rooms
}

// imports returns the paths that a file imports.
func (f *File) imports() []string {
	var paths []string
	for _, spec := range f.AST.Imports {
		if name, err := strconv.Unquote(spec.Path.Value); err == nil {
			paths = append(paths, name)
		}
	}
	return paths
}

// functions returns the functions and methods of a file that have a body.
func (f *File) functions() []*ast.FuncDecl {
	var found []*ast.FuncDecl
	for _, decl := range f.AST.Decls {
		if function, ok := decl.(*ast.FuncDecl); ok && function.Body != nil {
			found = append(found, function)
		}
	}
	return found
}

// functionKey names a function without its file: functions move between files.
func functionKey(f *File, function *ast.FuncDecl) string {
	return fmt.Sprintf("%s.%s%s", f.Room, receiver(function), function.Name.Name)
}

func receiver(function *ast.FuncDecl) string {
	if function.Recv == nil || len(function.Recv.List) == 0 {
		return ""
	}
	kind := function.Recv.List[0].Type
	for {
		switch t := kind.(type) {
		case *ast.StarExpr:
			kind = t.X
		case *ast.IndexExpr:
			kind = t.X
		case *ast.Ident:
			return t.Name + "."
		default:
			return ""
		}
	}
}
