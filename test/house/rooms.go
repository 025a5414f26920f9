package house

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// pure rooms decide, and others act: no client, no os, no network. The linter sees to it that they have no clock.
var pure = []string{"access/...", "config", "kube", "kubeconfig", "lease", "owner", "rights", "rules/...", "secret"}

// leaves are rooms that import no other room.
var leaves = []string{"kube", "parallel", "problem", "secret"}

// auditorsPath are the rooms that decide what reaches the cluster and where a secret goes, with the rooms nested in them.
var auditorsPath = []string{
	"access", "kube", "kubeconfig", "lease", "mint", "output", "owner", "parallel", "problem", "proof", "revoke", "secret",
}

// outer returns the room that a nested room belongs to.
func outer(room string) string {
	first, _, _ := strings.Cut(room, "/")
	return first
}

// onAuditorsPath says whether an auditor reads the room.
func onAuditorsPath(room string) bool { return slices.Contains(auditorsPath, outer(room)) }

// roomImports returns which rooms each room imports; tests may import more.
func roomImports(repo *Repo) map[string][]string {
	imports := map[string][]string{}
	for _, file := range repo.Program() {
		seen := imports[file.Room]
		for _, name := range file.imports() {
			room, ours := strings.CutPrefix(name, module)
			if ours && !slices.Contains(seen, room) {
				seen = append(seen, room)
			}
		}
		slices.Sort(seen)
		imports[file.Room] = seen
	}
	return imports
}

// FormatImports writes which room imports which, as testdata/imports.txt has it: whoever is imported stands above.
func FormatImports(repo *Repo) string {
	var b strings.Builder
	b.WriteString("# Which rooms of internal/ a room imports. A room imports only rooms that stand above it.\n" +
		"# A new import is a decision: go test ./test/house -update writes it here for review.\n\n")
	imports := roomImports(repo)
	for _, room := range bottomUp(imports) {
		fmt.Fprintf(&b, "%s\n", strings.TrimSpace(room+": "+strings.Join(imports[room], " ")))
	}
	return b.String()
}

// bottomUp sorts rooms so that each stands after those it imports.
func bottomUp(imports map[string][]string) []string {
	var sorted []string
	seen := map[string]bool{}
	var visit func(room string)
	visit = func(room string) {
		if seen[room] {
			return
		}
		seen[room] = true
		for _, imported := range imports[room] {
			visit(imported)
		}
		sorted = append(sorted, room)
	}
	for _, room := range slices.Sorted(maps.Keys(imports)) {
		visit(room)
	}
	return sorted
}

// findUpward finds two rooms that import each other, each taken together with what is nested in it. Within
// one, the compiler forbids it.
func findUpward(repo *Repo) []Finding {
	between := map[string]map[string]bool{}
	for room, imported := range roomImports(repo) {
		from := outer(room)
		if between[from] == nil {
			between[from] = map[string]bool{}
		}
		for _, name := range imported {
			if outer(name) != from {
				between[from][outer(name)] = true
			}
		}
	}
	var found []Finding
	for from := range between {
		for to := range between[from] {
			if reaches(between, to, from, map[string]bool{}) {
				found = append(found, Finding{Key: from + " -> " + to, Count: 1})
			}
		}
	}
	return found
}

func reaches(between map[string]map[string]bool, from, to string, seen map[string]bool) bool {
	if from == to {
		return true
	}
	seen[from] = true
	for next := range between[from] {
		if !seen[next] && reaches(between, next, to, seen) {
			return true
		}
	}
	return false
}

func findLeaves(repo *Repo) []Finding {
	var found []Finding
	imports := roomImports(repo)
	for _, room := range leaves {
		for _, imported := range imports[room] {
			found = append(found, Finding{Key: room + " -> " + imported, Count: 1})
		}
	}
	return found
}

func findImpure(repo *Repo) []Finding {
	var found []Finding
	for _, file := range repo.Program() {
		if !isListed(pure, file.Room) {
			continue
		}
		for _, name := range file.imports() {
			if acts(name) {
				found = append(found, Finding{Key: file.Path + " " + name, Count: 1})
			}
		}
	}
	return found
}

// acts says whether a package reaches out of the process.
func acts(name string) bool {
	if strings.HasPrefix(name, "k8s.io/client-go/") {
		return !strings.HasPrefix(name, "k8s.io/client-go/tools/clientcmd/api") // types of the kubeconfig
	}
	first, _, _ := strings.Cut(name, "/")
	return first == "os" || first == "net" || first == "syscall"
}

func findClientset(repo *Repo) []Finding {
	var found []Finding
	for _, file := range repo.Files {
		for _, name := range file.imports() {
			if strings.HasPrefix(name, "k8s.io/client-go/kubernetes") || path.Base(name) == "fake" {
				found = append(found, Finding{Key: file.Path + " " + name, Count: 1})
			}
		}
	}
	return found
}
