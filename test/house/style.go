package house

import (
	"go/ast"
	"go/token"
	"path"
	"strings"
)

// findParallel finds a, b = x, y. It cannot know which values are related.
func findParallel(repo *Repo) []Finding {
	var found []Finding
	for _, file := range repo.Program() {
		for _, function := range file.functions() {
			if count := countParallel(function); count > 0 {
				found = append(found, Finding{Key: functionKey(&file, function), Count: count})
			}
		}
	}
	return found
}

func countParallel(root ast.Node) int {
	count := 0
	ast.Inspect(root, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.AssignStmt:
			if len(n.Rhs) > 1 && !isSwap(n) {
				count++
			}
		case *ast.ValueSpec:
			if len(n.Values) > 1 {
				count++
			}
		}
		return true
	})
	return count
}

// isSwap says whether the left side has the same expressions as the right side: a, b = b, a.
func isSwap(n *ast.AssignStmt) bool {
	left := map[string]bool{}
	for _, expression := range n.Lhs {
		left[printed(expression)] = true
	}
	for _, expression := range n.Rhs {
		if !left[printed(expression)] {
			return false
		}
	}
	return true
}

// printed is enough of an expression to compare the two sides of a swap.
func printed(expression ast.Expr) string {
	switch e := expression.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return printed(e.X) + "." + e.Sel.Name
	case *ast.IndexExpr:
		return printed(e.X) + "[" + printed(e.Index) + "]"
	default:
		return "?"
	}
}

func findMixed(repo *Repo) []Finding {
	var found []Finding
	for _, file := range repo.Program() {
		for _, function := range file.functions() {
			if count := countMixed(function); count > 0 {
				found = append(found, Finding{Key: functionKey(&file, function), Count: count})
			}
		}
	}
	return found
}

func countMixed(root ast.Node) int {
	count := 0
	ast.Inspect(root, func(node ast.Node) bool {
		either, ok := node.(*ast.BinaryExpr)
		if ok && either.Op == token.LOR && (isAnd(either.X) || isAnd(either.Y)) {
			count++
		}
		return true
	})
	return count
}

func isAnd(expression ast.Expr) bool {
	both, ok := expression.(*ast.BinaryExpr)
	return ok && both.Op == token.LAND
}

func findGlobals(repo *Repo) []Finding {
	var found []Finding
	for _, file := range repo.Program() {
		for _, decl := range file.AST.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil && d.Name.Name == "init" {
					found = append(found, Finding{Key: file.Path + " init", Count: 1})
				}
			case *ast.GenDecl:
				found = append(found, findGlobalsIn(&file, d)...)
			}
		}
	}
	return found
}

func findGlobalsIn(file *File, d *ast.GenDecl) []Finding {
	var found []Finding
	if d.Tok != token.VAR {
		return nil
	}
	for _, spec := range d.Specs {
		values, ok := spec.(*ast.ValueSpec)
		if !ok {
			continue
		}
		for i, name := range values.Names {
			stamped := file.Room == "main" && name.Name == "version" // by the linker
			if stamped || name.Name == "_" || (i < len(values.Values) && isConstant(values.Values[i])) {
				continue
			}
			found = append(found, Finding{Key: file.Room + "." + name.Name, Count: 1})
		}
	}
	return found
}

// isConstant says whether a value is an error, a compiled pattern or a table. That nobody writes a table is for review.
func isConstant(value ast.Expr) bool {
	switch v := value.(type) {
	case *ast.CompositeLit:
		switch v.Type.(type) {
		case *ast.MapType, *ast.ArrayType:
			return true
		}
	case *ast.CallExpr:
		switch selected(v.Fun) {
		case "errors.New", "fmt.Errorf", "regexp.MustCompile":
			return true
		}
	}
	return false
}

// selected returns "package.Name" for a qualified name, and "" for anything else.
func selected(expression ast.Expr) string {
	selector, ok := expression.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	of, ok := selector.X.(*ast.Ident)
	if !ok {
		return ""
	}
	return of.Name + "." + selector.Sel.Name
}

// forbidden are names that no room uses, with the room that is allowed to.
var forbidden = map[string]string{
	"os.Getenv":             "main",
	"os.LookupEnv":          "main",
	"os.Environ":            "main",
	"os.Exit":               "main",
	"context.TODO":          "",
	"context.Background":    "main",
	"http.DefaultClient":    "",
	"http.DefaultTransport": "",
}

func findProcess(repo *Repo) []Finding {
	var found []Finding
	for _, file := range repo.Program() {
		for name, count := range selectedNames(&file) {
			room, listed := forbidden[name]
			if listed && room != file.Room {
				found = append(found, Finding{Key: file.Path + " " + name, Count: count})
			}
		}
	}
	return found
}

// selectedNames counts the qualified names of a file by the last word of the package's path.
func selectedNames(file *File) map[string]int {
	paths := map[string]string{}
	for _, spec := range file.AST.Imports {
		imported := strings.Trim(spec.Path.Value, `"`)
		name := path.Base(imported)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		paths[name] = path.Base(imported)
	}
	names := map[string]int{}
	ast.Inspect(file.AST, func(node ast.Node) bool {
		expression, ok := node.(ast.Expr)
		if !ok {
			return true
		}
		local, name, qualified := strings.Cut(selected(expression), ".")
		if qualified && paths[local] != "" {
			names[paths[local]+"."+name]++
		}
		return true
	})
	return names
}
