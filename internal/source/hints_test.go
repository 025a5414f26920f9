package source

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// makers make an error of a source; those whose name is here with true take the remedy as an argument.
var makers = map[string]bool{
	"problem.New": false, "problem.Newf": false, "refuse": false, "form.refuse": true, "fault": true,
	"refuseSyntax": false,
}

// helped are functions that add a remedy to the error that they are given, whatever it is.
var helped = []string{"addVouching", "explainMode"}

// without are the functions that may make an error without a remedy, with the reason.
var without = map[string]string{
	"source.refuse":         "makes the others",
	"source.wrapCause":      "keeps the remedies of another room's error, which has one",
	"trust.refuse":          "makes the others",
	"bearer.refuse":         "makes the others",
	"confine.refuse":        "makes the others",
	"form.refuseSyntax":     "makes the others",
	"plugin.ExplainFailure": "adds CheckLogin where there is no better remedy",
	"plugin.Refuse":         "makes the others: replaceProgram adds byToken to each",
	"bearer.Start":          "a signal has no remedy",
	"source.replaceProgram": "adds byToken to what the rooms below cloud refuse",
}

// Every error of a source says what to do about it. This walks all places where one is made; what the other tests of these
// rooms provoke has to have a hint as well (failure, allOf, reason).
func TestEveryErrorOfASourceHasAHint(t *testing.T) {
	made := 0
	for _, room := range []string{
		".", "authority", "bearer", "certs", "cloud/aks", "cloud/eks", "cloud/gke", "cloud/plugin",
		"confine", "form", "trust",
	} {
		files, err := filepath.Glob(filepath.Join(room, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatal(room, err)
		}
		for _, name := range files {
			if !strings.HasSuffix(name, "_test.go") {
				made += walkErrors(t, name)
			}
		}
	}
	if made < 100 {
		t.Errorf("only %d errors were looked at: the walk has lost them", made)
	}
}

func walkErrors(t *testing.T, name string) (made int) {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, declaration := range file.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if !ok || function.Body == nil || without[file.Name.Name+"."+function.Name.Name] != "" {
			continue
		}
		var path []ast.Node
		ast.Inspect(function.Body, func(node ast.Node) bool {
			if node == nil {
				path = path[:len(path)-1]
				return true
			}
			if call, isCall := node.(*ast.CallExpr); isCall && isMaker(call) {
				made++
				if !hasHint(file.Name.Name, call, path, function) {
					t.Errorf("%s: an error without a hint", set.Position(call.Pos()))
				}
			}
			path = append(path, node)
			return true
		})
	}
	return made
}

func nameOf(call *ast.CallExpr) string {
	switch called := call.Fun.(type) {
	case *ast.Ident:
		return called.Name
	case *ast.SelectorExpr:
		if of, ok := called.X.(*ast.Ident); ok {
			return of.Name + "." + called.Sel.Name
		}
		return called.Sel.Name
	}
	return ""
}

func isMaker(call *ast.CallExpr) bool {
	name := nameOf(call)
	_, ok := makers[name]
	return ok
}

// hasHint reports whether a call is followed by .Hint, has the hint among its arguments, goes to a function that adds one, or
// is kept in a variable that gets one.
func hasHint(room string, call *ast.CallExpr, path []ast.Node, function *ast.FuncDecl) bool {
	name := nameOf(call)
	if makers[name] || makers[room+"."+name] {
		return len(call.Args) == 2
	}
	if name == "problem.New" && len(call.Args) > 3 {
		return true
	}
	for _, node := range slices.Backward(path) {
		switch parent := node.(type) {
		case *ast.SelectorExpr:
			if parent.Sel.Name == "Hint" {
				return true
			}
		case *ast.CallExpr:
			last := nameOf(parent)
			if slices.Contains(helped, last[strings.LastIndex(last, ".")+1:]) {
				return true
			}
		case *ast.AssignStmt:
			kept, ok := parent.Lhs[0].(*ast.Ident)
			return ok && getsHint(kept.Name, function)
		case ast.Stmt:
			return false
		}
	}
	return false
}

func getsHint(variable string, function *ast.FuncDecl) (found bool) {
	ast.Inspect(function.Body, func(node ast.Node) bool {
		if selector, ok := node.(*ast.SelectorExpr); ok {
			of, isName := selector.X.(*ast.Ident)
			found = found || (isName && of.Name == variable && strings.HasPrefix(selector.Sel.Name, "Hint"))
		}
		return true
	})
	return found
}
