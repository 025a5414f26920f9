package house

import (
	"go/ast"
	"maps"
	"slices"
	"strings"
)

// mayWrite are the rooms that call the methods of client.Client that write. lease writes leases, Secrets and tokens,
// client/review and proof send reviews.
var mayWrite = []string{
	"client", "client/review", "lease/...", "mint/...", "proof", "revoke/...",
}

// mayReveal are the rooms that turn a secret.Value back into a string: to write it, send it, mask it, or compare it.
var mayReveal = []string{
	"client", "client/connect", "kubeconfig", "lease", "mint/...", "output", "platform", "proof", "secret",
	"source", "source/bearer", "source/cloud/aks", "source/cloud/eks", "source/cloud/gke", "source/cloud/plugin",
}

// clientMakers are the names with which an HTTP client is made or taken.
var clientMakers = []string{
	"http.Client", "http.DefaultClient", "http.DefaultTransport", "http.Get", "http.Head", "http.Post", "http.PostForm",
	"rest.HTTPClientFor", "rest.RESTClientFor", "rest.UnversionedRESTClientFor",
}

func findClients(repo *Repo) []Finding {
	var found []Finding
	for _, file := range repo.Program() {
		if file.Room == "client/wire" {
			continue
		}
		names := selectedNames(&file)
		for _, maker := range clientMakers {
			made := names[maker]
			if maker == "http.Client" {
				made = countLiterals(file.AST, maker) // the type may be named, but not made
			}
			if made > 0 {
				found = append(found, Finding{Key: file.Path + " " + maker, Count: made})
			}
		}
	}
	return found
}

// countLiterals counts T{…} and new(T).
func countLiterals(file *ast.File, kind string) int {
	count := 0
	ast.Inspect(file, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.CompositeLit:
			if selected(n.Type) == kind {
				count++
			}
		case *ast.CallExpr:
			name, ok := n.Fun.(*ast.Ident)
			if ok && name.Name == "new" && selected(n.Args[0]) == kind {
				count++
			}
		}
		return true
	})
	return count
}

func findRevealers(repo *Repo) []Finding {
	return findCallers(repo, mayReveal, func(call *ast.CallExpr) bool {
		method, ok := call.Fun.(*ast.SelectorExpr)
		return ok && method.Sel.Name == "Reveal" && len(call.Args) == 0
	})
}

func findWriters(repo *Repo) []Finding {
	writing := writingMethods(repo)
	return findCallers(repo, mayWrite, func(call *ast.CallExpr) bool {
		method, ok := call.Fun.(*ast.SelectorExpr)
		return ok && writing[method.Sel.Name] && len(call.Args) > 0 && isContext(call.Args[0])
	})
}

func findCallers(repo *Repo, allowed []string, is func(*ast.CallExpr) bool) []Finding {
	var found []Finding
	for _, file := range repo.Program() {
		if isListed(allowed, file.Room) {
			continue
		}
		ast.Inspect(file.AST, func(node ast.Node) bool {
			if call, ok := node.(*ast.CallExpr); ok && is(call) {
				found = append(found, Finding{Key: file.Room, Count: 1})
			}
			return true
		})
	}
	return found
}

// isListed says whether a list has the room, or has "outer/..." and the room is outer or nested in it.
func isListed(list []string, room string) bool {
	return slices.Contains(list, room) || slices.Contains(list, outer(room)+"/...")
}

// isContext recognises a context by its name, or as the call that made it.
func isContext(argument ast.Expr) bool {
	switch a := argument.(type) {
	case *ast.Ident:
		return a.Name == "ctx" || strings.HasSuffix(strings.ToLower(a.Name), "ctx")
	case *ast.SelectorExpr:
		return strings.HasSuffix(strings.ToLower(a.Sel.Name), "ctx")
	case *ast.CallExpr:
		return strings.HasPrefix(selected(a.Fun), "context.")
	}
	return false
}

// writingMethods returns the exported methods of client.Client that send a request other than GET, by what they
// call: a method that is new or renamed is found too.
func writingMethods(repo *Repo) map[string]bool {
	bodies := map[string]*ast.FuncDecl{}
	for _, file := range repo.Program() {
		if file.Room != "client" {
			continue
		}
		for _, function := range file.functions() {
			if receiver(function) == "Client." {
				bodies[function.Name.Name] = function
			}
		}
	}
	writing := map[string]bool{}
	for changed := true; changed; {
		changed = false
		for name, function := range bodies {
			if !writing[name] && writes(function, writing) {
				writing[name] = true
				changed = true
			}
		}
	}
	maps.DeleteFunc(writing, func(name string, _ bool) bool { return !ast.IsExported(name) })
	delete(writing, "Recognise") // it asks reviews, which change nothing
	return writing
}

func writes(function *ast.FuncDecl, writing map[string]bool) bool {
	found := false
	ast.Inspect(function.Body, func(node ast.Node) bool {
		selector, ok := node.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		switch selected(selector) {
		case "http.MethodPost", "http.MethodPut", "http.MethodPatch", "http.MethodDelete":
			found = true
		}
		of, ok := selector.X.(*ast.Ident)
		if ok && of.Name == receiverName(function) && writing[selector.Sel.Name] {
			found = true
		}
		return true
	})
	return found
}

func receiverName(function *ast.FuncDecl) string {
	if len(function.Recv.List[0].Names) == 0 {
		return ""
	}
	return function.Recv.List[0].Names[0].Name
}
