package house

import (
	_ "embed"
	"go/ast"
	"go/token"
	"regexp"
	"strconv"
	"strings"
)

//go:embed testdata/words.txt
var wordList string

// phrase is one line of testdata/words.txt.
type phrase struct {
	pattern *regexp.Regexp
	name    string
	instead string
}

// readPhrases reads lines of the form PATTERN => WHAT TO WRITE.
func readPhrases(text string) []phrase {
	var phrases []phrase
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, instead, _ := strings.Cut(line, " => ")
		pattern := regexp.MustCompile(`(?i)\b(?:` + name + `)\b`)
		phrases = append(phrases, phrase{name: name, instead: instead, pattern: pattern})
	}
	return phrases
}

// findWords looks into comments, strings and pages. The key has the phrase, since "instead" belongs to it.
func findWords(repo *Repo) []Finding {
	phrases := readPhrases(wordList)
	var found []Finding
	for _, file := range repo.Files {
		if !strings.HasPrefix(file.Path, "test/house/") {
			found = append(found, findPhrases(phrases, file.Path, wordsOf(file.AST))...)
		}
	}
	for _, page := range repo.Pages {
		found = append(found, findPhrases(phrases, page.Path, []string{page.Text})...)
	}
	return found
}

// fine are words that begin like a phrase of the list: as soon as it is.
var fine = regexp.MustCompile(`(?i)\b(?:soon|long|far|well|much) as\b`)

func findPhrases(phrases []phrase, name string, texts []string) []Finding {
	var found []Finding
	for _, text := range texts {
		text = fine.ReplaceAllString(strings.Join(strings.Fields(text), " "), "")
		for _, p := range phrases {
			if count := len(p.pattern.FindAllString(text, -1)); count > 0 {
				found = append(found, Finding{Key: name + ": " + p.name, Count: count})
			}
		}
	}
	return found
}

// wordsOf returns the comments and the strings of a file. A string that is continued on the next line is one text.
func wordsOf(file *ast.File) []string {
	var texts []string
	for _, group := range file.Comments {
		texts = append(texts, group.Text())
	}
	ast.Inspect(file, func(node ast.Node) bool {
		expression, ok := node.(ast.Expr)
		if !ok {
			return true
		}
		text, whole := joined(expression)
		if text != "" {
			texts = append(texts, text)
		}
		return !whole
	})
	return texts
}

// joined returns the text of a literal or of a sum of literals, and whether nothing else is in the expression.
func joined(expression ast.Expr) (text string, whole bool) {
	switch e := expression.(type) {
	case *ast.BasicLit:
		if e.Kind != token.STRING {
			return "", true
		}
		value, err := strconv.Unquote(e.Value)
		return value, err == nil
	case *ast.BinaryExpr:
		left, leftWhole := joined(e.X)
		right, rightWhole := joined(e.Y)
		if e.Op == token.ADD && leftWhole && rightWhole {
			return left + right, true
		}
	}
	return "", false
}
