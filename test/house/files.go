package house

import (
	"go/ast"
	"go/token"
	"maps"
	"path"
	"slices"
	"strings"
)

// findTangled finds files of a room that use each other's package-level names, directly or through other files.
// What is reached through a method alone is not seen: that takes types.
func findTangled(repo *Repo) []Finding {
	rooms := map[string][]File{}
	for _, file := range repo.Program() {
		if !isOtherSystem(file.Path) {
			rooms[file.Room] = append(rooms[file.Room], file)
		}
	}
	var found []Finding
	for room, files := range rooms {
		uses := usesBetween(files)
		for _, from := range slices.Sorted(maps.Keys(uses)) {
			for to := range uses[from] {
				if reaches(uses, to, from, map[string]bool{}) {
					found = append(found, Finding{Key: room + ": " + from + " -> " + to, Count: 1})
				}
			}
		}
	}
	return found
}

// isOtherSystem recognises the files that declare for another system what the one for Unix declares too.
func isOtherSystem(name string) bool {
	return strings.HasSuffix(name, "_other.go") || strings.HasSuffix(name, "_windows.go")
}

// usesBetween returns which file uses a name that another one declares.
func usesBetween(files []File) map[string]map[string]bool {
	declared := map[string]string{}
	for _, file := range files {
		for _, name := range declaredNames(file.AST) {
			declared[name] = path.Base(file.Path)
		}
	}
	uses := map[string]map[string]bool{}
	for _, file := range files {
		from := path.Base(file.Path)
		uses[from] = map[string]bool{}
		for _, name := range file.AST.Unresolved {
			if to, ok := declared[name.Name]; ok && to != from {
				uses[from][to] = true
			}
		}
	}
	return uses
}

// declaredNames returns what a file adds to the scope of its package.
func declaredNames(file *ast.File) []string {
	var names []string
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				names = append(names, d.Name.Name)
			}
		case *ast.GenDecl:
			if d.Tok != token.IMPORT {
				names = append(names, specNames(d)...)
			}
		}
	}
	return names
}

func specNames(d *ast.GenDecl) []string {
	var names []string
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			names = append(names, s.Name.Name)
		case *ast.ValueSpec:
			for _, name := range s.Names {
				names = append(names, name.Name)
			}
		}
	}
	return names
}
