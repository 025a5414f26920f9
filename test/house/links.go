package house

import (
	"go/ast"
	"path"
	"regexp"
	"strings"
)

// linkInComment is a link to a declaration: [Name], [Type.Method], [package.Name].
var linkInComment = regexp.MustCompile(`\[((?:\w+\.)*\w+)\]`)

// findDeadLinks finds links in comments to what is not declared any more, in the room or in the package that they name.
func findDeadLinks(repo *Repo) []Finding {
	declared := declaredAnywhere(repo)
	var found []Finding
	for _, file := range repo.Program() {
		for _, group := range file.AST.Comments {
			for _, link := range linkInComment.FindAllStringSubmatch(group.Text(), -1) {
				if !leadsSomewhere(link[1], file.Room, repo, declared) {
					found = append(found, Finding{Key: file.Path + ": [" + link[1] + "]", Count: 1})
				}
			}
		}
	}
	return found
}

// declaredAnywhere are the names that each room declares: its types, functions, methods, fields, variables.
func declaredAnywhere(repo *Repo) map[string]map[string]bool {
	all := map[string]map[string]bool{}
	for _, file := range repo.Program() {
		if all[file.Room] == nil {
			all[file.Room] = map[string]bool{}
		}
		ast.Inspect(file.AST, func(node ast.Node) bool {
			var names []*ast.Ident
			switch n := node.(type) {
			case *ast.FuncDecl:
				names = []*ast.Ident{n.Name}
			case *ast.TypeSpec:
				names = []*ast.Ident{n.Name}
			case *ast.ValueSpec:
				names = n.Names
			case *ast.Field:
				names = n.Names
			}
			for _, name := range names {
				all[file.Room][name.Name] = true
			}
			return true
		})
	}
	return all
}

// leadsSomewhere says whether a link is one to a name that is declared, or to a package of others, whose names are not
// looked at, or no link to a declaration at all: an index.
func leadsSomewhere(link, room string, repo *Repo, declared map[string]map[string]bool) bool {
	parts := strings.Split(link, ".")
	if len(parts) == 1 && (parts[0] == strings.ToLower(parts[0]) || parts[0] == strings.ToUpper(parts[0])) {
		return true
	}
	if declaresAll(declared[room], parts) {
		return true
	}
	for other, names := range declared {
		if path.Base(other) == parts[0] && declaresAll(names, parts[1:]) {
			return true
		}
	}
	return isOthers(parts[0], repo)
}

// isOthers says whether some file calls a package of others so.
func isOthers(name string, repo *Repo) bool {
	for _, file := range repo.Program() {
		for _, spec := range file.AST.Imports {
			imported := strings.Trim(spec.Path.Value, `"`)
			called := path.Base(imported)
			if spec.Name != nil {
				called = spec.Name.Name
			}
			if called == name && !strings.HasPrefix(imported, module) {
				return true
			}
		}
	}
	return false
}

func declaresAll(names map[string]bool, parts []string) bool {
	for _, part := range parts {
		if !names[part] {
			return false
		}
	}
	return true
}
