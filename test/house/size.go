package house

import (
	"go/ast"
	"go/token"
	"strings"
	"unicode/utf8"
)

// The bounds: docs/adr/0001-size-by-room.md has the reasons.
const (
	mostRoomLines     = 1000
	mostExported      = 20
	mostFileLines     = 250
	mostFunctionLines = 40
	mostFields        = 8
	mostColumns       = 110 // a tab counts as one; as in .golangci.yml and .editorconfig
	mostPathLines     = 3500
)

func findLargeRooms(repo *Repo) []Finding {
	var found []Finding
	for room, lines := range repo.Rooms() {
		if lines > mostRoomLines {
			found = append(found, Finding{Key: room, Count: lines})
		}
	}
	return found
}

func findWideRooms(repo *Repo) []Finding {
	names := map[string]int{}
	for _, file := range repo.Program() {
		names[file.Room] += countExported(file.AST)
	}
	var found []Finding
	for room, count := range names {
		if count > mostExported {
			found = append(found, Finding{Key: room, Count: count})
		}
	}
	return found
}

// countExported counts the exported names of a package's scope; methods and fields come with their type.
func countExported(file *ast.File) int {
	count := 0
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil && d.Name.IsExported() {
				count++
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				count += countExportedInSpec(spec)
			}
		}
	}
	return count
}

func countExportedInSpec(spec ast.Spec) int {
	count := 0
	switch s := spec.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() {
			count++
		}
	case *ast.ValueSpec:
		for _, name := range s.Names {
			if name.IsExported() {
				count++
			}
		}
	}
	return count
}

func findLongFiles(repo *Repo) []Finding {
	var found []Finding
	for _, file := range repo.Program() {
		if file.Code > mostFileLines {
			found = append(found, Finding{Key: file.Path, Count: file.Code})
		}
	}
	return found
}

// findLongFunctions counts the lines between the braces, comments left out, as funlen does.
func findLongFunctions(repo *Repo) []Finding {
	var found []Finding
	for _, file := range repo.Program() {
		for _, function := range file.functions() {
			if lines := bodyLines(repo.Set, &file, function); lines > mostFunctionLines {
				found = append(found, Finding{Key: functionKey(&file, function), Count: lines})
			}
		}
	}
	return found
}

func bodyLines(set *token.FileSet, file *File, function *ast.FuncDecl) int {
	first := set.Position(function.Body.Lbrace).Line
	last := set.Position(function.Body.Rbrace).Line
	lines := last - first - 1
	for _, group := range file.AST.Comments {
		if group.Pos() < function.Body.Lbrace || group.End() > function.Body.Rbrace {
			continue
		}
		for _, comment := range group.List {
			if startsLine(file.Text, set.Position(comment.Pos()).Offset) {
				lines -= strings.Count(comment.Text, "\n") + 1
			}
		}
	}
	return lines
}

// startsLine says whether nothing but blanks stands before an offset on its line.
func startsLine(text []byte, offset int) bool {
	line := string(text[:offset])
	line = line[strings.LastIndex(line, "\n")+1:]
	return strings.TrimSpace(line) == ""
}

func findLargeStructs(repo *Repo) []Finding {
	var found []Finding
	for _, file := range repo.Program() {
		ast.Inspect(file.AST, func(node ast.Node) bool {
			spec, ok := node.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if structure, ok := spec.Type.(*ast.StructType); ok {
				if fields := structure.Fields.NumFields(); fields > mostFields {
					found = append(found, Finding{Key: file.Room + "." + spec.Name.Name, Count: fields})
				}
			}
			return true
		})
	}
	return found
}

// findLongLines leaves out the struct tags of the inputs: the language has them on one line.
func findLongLines(repo *Repo) []Finding {
	var found []Finding
	for _, file := range repo.Program() {
		if lines := countWider(file.Text, mostColumns); lines > 0 {
			found = append(found, Finding{Key: file.Path, Count: lines})
		}
	}
	return found
}

// countWider counts lines over a number of columns, a tag of a field and a web address left out: neither can be broken.
func countWider(text []byte, columns int) int {
	count := 0
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		tag := strings.HasSuffix(line, "\"`")
		if utf8.RuneCountInString(line) > columns && !tag && !strings.Contains(line, "https://") {
			count++
		}
	}
	return count
}
