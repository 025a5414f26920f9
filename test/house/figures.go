package house

import (
	"fmt"
	"go/ast"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Figure is a number that says how the code reads. It may only get better.
type Figure struct {
	Name   string
	Unit   string
	Value  float64
	Target float64 // negative: none
}

// Figures measures the program, and then the tests.
func Figures(repo *Repo) []Figure {
	figures := []Figure{{Name: "the auditor's path", Unit: "lines", Value: float64(PathLines(repo)), Target: mostPathLines}}
	figures = append(figures, measureQuestions(repo)...)
	figures = append(figures, measure("program", repo.Program(), []float64{45, 2, 1.5, 0})...)
	return append(figures, measure("tests", repo.Tests(), []float64{-1, -1, -1, -1})...)
}

// PathLines returns the lines of code that an auditor reads.
func PathLines(repo *Repo) int {
	sum := 0
	for room, lines := range repo.Rooms() {
		if onAuditorsPath(room) {
			sum += lines
		}
	}
	return sum
}

// measureQuestions returns the lines of code for each question by which docs/architecture.md sorts the auditor's path.
func measureQuestions(repo *Repo) []Figure {
	lines := map[string]int{}
	for _, file := range repo.Program() {
		lines[strings.TrimPrefix(file.Path, "internal/")] = file.Code
	}
	var figures []Figure
	_, questions, found := strings.Cut(section(repo.page(architecture), pathHeading), "\n### ")
	if !found {
		return nil
	}
	for part := range strings.SplitSeq(questions, "\n### ") {
		title, table, _ := strings.Cut(part, "\n")
		sum := 0
		for _, name := range listed(table) {
			sum += lines[name]
		}
		figures = append(figures, Figure{Name: "the auditor's path: " + strings.ToLower(title), Unit: "lines", Value: float64(sum), Target: mostPathLines})
	}
	return figures
}

func measure(what string, files []File, targets []float64) []Figure {
	var c counts
	for _, file := range files {
		c.add(&file)
	}
	return []Figure{
		{Name: what + ": one-word function names", Unit: "%", Value: share(c.oneWord, c.functions), Target: targets[0]},
		{Name: what + ": lines over 100 columns", Unit: "%", Value: share(c.wide, c.lines), Target: targets[1]},
		{Name: what + ": parallel assignments", Unit: "%", Value: share(c.parallel, c.assignments), Target: targets[2]},
		{Name: what + ": && in || without parentheses", Unit: "places", Value: float64(c.mixed), Target: targets[3]},
	}
}

type counts struct {
	functions, oneWord    int
	lines, wide           int
	assignments, parallel int
	mixed                 int
}

func (c *counts) add(file *File) {
	for _, function := range file.functions() {
		if isNamedFreely(function) {
			c.functions++
			if countWords(function.Name.Name) < 2 {
				c.oneWord++
			}
		}
		c.parallel += countParallel(function)
		c.assignments += countAssignments(function)
		c.mixed += countMixed(function)
	}
	for line := range strings.Lines(string(file.Text)) {
		line = strings.TrimRight(line, "\n")
		if strings.TrimSpace(line) != "" {
			c.lines++
		}
		if utf8.RuneCountInString(line) > 100 {
			c.wide++
		}
	}
}

func countAssignments(root ast.Node) int {
	count := 0
	ast.Inspect(root, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.AssignStmt:
			count++
		case *ast.ValueSpec:
			if len(n.Values) > 0 {
				count++
			}
		}
		return true
	})
	return count
}

// namedByInterfaces are methods whose names the interfaces of the standard library give.
var namedByInterfaces = []string{
	"String", "GoString", "Format", "Error", "Unwrap", "Is", "As", "Read", "Write", "Close", "Seek", "Scan",
	"Len", "Less", "Swap", "Push", "Pop", "Enabled", "Handle", "Deadline", "Done", "Err", "Timeout", "Temporary",
}

// isNamedFreely leaves out what the language, the test tool or an interface names.
func isNamedFreely(function *ast.FuncDecl) bool {
	name := function.Name.Name
	if function.Recv != nil {
		return !slices.Contains(namedByInterfaces, name)
	}
	if name == "main" || name == "init" {
		return false
	}
	for _, prefix := range []string{"Test", "Benchmark", "Fuzz", "Example"} {
		if strings.HasPrefix(name, prefix) {
			return false
		}
	}
	return true
}

// countWords counts the words of a name in camel case; an abbreviation in capitals is one word.
func countWords(name string) int {
	words := 0
	letters := []rune(name)
	for i, letter := range letters {
		switch {
		case i == 0:
			words++
		case unicode.IsUpper(letter) && !unicode.IsUpper(letters[i-1]):
			words++
		case unicode.IsUpper(letters[i-1]) && unicode.IsLower(letter) && i > 1 && unicode.IsUpper(letters[i-2]):
			words++ // the word after an abbreviation: HTTPClient
		}
	}
	return words
}

func share(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return 100 * float64(part) / float64(whole)
}

// FormatFigures writes one line a figure: its bound, its target, its name.
func FormatFigures(figures []Figure) string {
	var b strings.Builder
	b.WriteString("# How the code reads: value, unit, target, figure. A value may only get closer to its target.\n\n")
	for _, f := range figures {
		target := "-"
		if f.Target >= 0 {
			target = strconv.FormatFloat(f.Target, 'f', -1, 64)
		}
		fmt.Fprintf(&b, "%7s %-7s %5s  %s\n", printValue(f), f.Unit, target, f.Name)
	}
	return b.String()
}

func printValue(f Figure) string {
	if f.Unit == "%" {
		return strconv.FormatFloat(f.Value, 'f', 1, 64)
	}
	return strconv.FormatFloat(f.Value, 'f', 0, 64)
}

// ParseBounds reads the values of a table of figures by the figures' names.
func ParseBounds(text string) (map[string]float64, error) {
	bounds := map[string]float64{}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 4 || fields[0] == "#" {
			continue
		}
		value, err := strconv.ParseFloat(fields[0], 64)
		if err != nil {
			return nil, fmt.Errorf("read figure %q: %w", line, err)
		}
		bounds[strings.Join(fields[3:], " ")] = value
	}
	return bounds, nil
}

// FormatRooms prints the rooms with their lines of code, exported names, and lines of unit tests.
func FormatRooms(repo *Repo) string {
	exported, tests := map[string]int{}, map[string]int{}
	for _, file := range repo.Files {
		switch {
		case file.IsProgram():
			exported[file.Room] += countExported(file.AST)
		case file.IsTest():
			tests[file.Room] += file.Code
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%-20s %6s %9s %6s  %s\n", "room", "lines", "exported", "tests", "lines of unit tests for a line of code")
	rooms := repo.Rooms()
	for _, room := range sortedKeys(rooms) {
		mark := ""
		if onAuditorsPath(room) {
			mark = "  on the auditor's path"
		}
		ratio := float64(tests[room]) / float64(rooms[room])
		fmt.Fprintf(&b, "%-20s %6d %9d %6d  %.2f%s\n", room, rooms[room], exported[room], tests[room], ratio, mark)
	}
	total := slices.Collect(maps.Values(rooms))
	fmt.Fprintf(&b, "%-20s %6d\n", "all", sum(total))
	return b.String()
}

func sum(numbers []int) int {
	total := 0
	for _, n := range numbers {
		total += n
	}
	return total
}
