package house

import (
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const architecture = "docs/architecture.md"

// findUndocumented wants a doc.go that names the package, and says in words what it may import.
func findUndocumented(repo *Repo) []Finding {
	said := map[string]bool{}
	for _, file := range repo.Program() {
		text := file.AST.Doc.Text()
		named := strings.HasPrefix(text, "Package "+path.Base(file.Room)+" ")
		if path.Base(file.Path) == "doc.go" && named && strings.Contains(text, "import") {
			said[file.Room] = true
		}
	}
	var found []Finding
	for room := range repo.Rooms() {
		if room != "main" && !said[room] {
			found = append(found, Finding{Key: room, Count: 1})
		}
	}
	return found
}

var roomInText = regexp.MustCompile(`[a-z][a-z/]*[a-z]`)

// findMisdocumented compares the rooms that doc.go names in the sentence of its last "import" with those that the room imports.
func findMisdocumented(repo *Repo) []Finding {
	imports := roomImports(repo)
	var found []Finding
	for _, file := range repo.Program() {
		text := strings.Join(strings.Fields(file.AST.Doc.Text()), " ")
		at := strings.LastIndex(text, "import")
		if path.Base(file.Path) != "doc.go" || at < 0 {
			continue
		}
		sentence, _, _ := strings.Cut(text[at:], ". ")
		var told []string
		for _, word := range roomInText.FindAllString(sentence, -1) {
			if _, isRoom := imports[word]; isRoom {
				told = append(told, word)
			}
		}
		for _, finding := range differ(imports[file.Room], told) {
			said := strings.NewReplacer("is missing", "is imported and not said", "does not exist", "is said and not imported")
			found = append(found, Finding{Key: file.Room + ": " + said.Replace(finding.Key), Count: 1})
		}
	}
	return found
}

// page returns the text of a page.
func (r *Repo) page(name string) string {
	for _, page := range r.Pages {
		if page.Path == name {
			return page.Text
		}
	}
	return ""
}

// section returns the text from a heading to the next of its level.
func section(text, heading string) string {
	_, after, found := strings.Cut(text, "\n## "+heading+"\n")
	if !found {
		return ""
	}
	inside, _, _ := strings.Cut(after, "\n## ")
	return inside
}

var firstCell = regexp.MustCompile("(?m)^\\| *`([^`]+)`")

// listed returns what stands as code in the first cells of a section's tables.
func listed(text string) []string {
	var names []string
	for _, match := range firstCell.FindAllStringSubmatch(text, -1) {
		names = append(names, match[1])
	}
	return names
}

// findUnpictured compares the rooms with the table in docs/architecture.md.
func findUnpictured(repo *Repo) []Finding {
	var rooms []string
	for room := range repo.Rooms() {
		rooms = append(rooms, room)
	}
	return differ(rooms, listed(section(repo.page(architecture), "Rooms")))
}

// pathHeading is where docs/architecture.md lists the auditor's path.
const pathHeading = "The auditor's path"

// findUnexplained compares the files on the auditor's path with the table in docs/architecture.md.
func findUnexplained(repo *Repo) []Finding {
	var files []string
	for _, file := range repo.Program() {
		if onAuditorsPath(file.Room) && path.Base(file.Path) != "doc.go" && !isOtherSystem(file.Path) {
			files = append(files, strings.TrimPrefix(file.Path, "internal/"))
		}
	}
	return differ(files, listed(section(repo.page(architecture), pathHeading)))
}

// differ returns a finding for each name that only one of the lists has.
func differ(there, told []string) []Finding {
	var found []Finding
	for _, name := range there {
		if !slices.Contains(told, name) {
			found = append(found, Finding{Key: name + " is missing", Count: 1})
		}
	}
	for _, name := range told {
		if !slices.Contains(there, name) {
			found = append(found, Finding{Key: name + " does not exist", Count: 1})
		}
	}
	return found
}

var repositoryPath = regexp.MustCompile("`((?:internal|test|docs|examples)/[\\w./*-]+)`")

// findLost wants every path that docs/architecture.md names to exist.
func findLost(repo *Repo) []Finding {
	var found []Finding
	for _, match := range repositoryPath.FindAllStringSubmatch(repo.page(architecture), -1) {
		there, err := filepath.Glob(filepath.Join(repo.Root, filepath.FromSlash(match[1])))
		if err != nil || len(there) == 0 {
			found = append(found, Finding{Key: match[1], Count: 1})
		}
	}
	return found
}
