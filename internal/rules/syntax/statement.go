package syntax

import (
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"unicode"

	"github.com/kubemint/kubemint/internal/rules/names"
)

// statement is one rule of the shorthand as it was written.
type statement struct {
	where   string // for errors
	cluster bool
	columns []string // without the word cluster
}

// splitStatements are the rules of a text: one a line, or several with semicolons between them.
func splitStatements(text string) iter.Seq[statement] {
	return func(yield func(statement) bool) {
		for i, line := range strings.Split(text, "\n") {
			written := withColumns(strings.Split(withoutComment(line), ";"))
			for n, columns := range written {
				s := statement{where: "line " + strconv.Itoa(i+1), columns: columns}
				if len(written) > 1 {
					s.where += ", rule " + strconv.Itoa(n+1)
				}
				if columns[0] == names.ClusterWord {
					s.cluster = true
					s.columns = columns[1:]
				}
				if !yield(s) {
					return
				}
			}
		}
	}
}

// withColumns splits each rule into its columns and leaves out what is empty.
func withColumns(written []string) (all [][]string) {
	for _, rule := range written {
		if columns := strings.Fields(rule); len(columns) > 0 {
			all = append(all, columns)
		}
	}
	return all
}

// withoutComment cuts a line off at a # that begins a word.
func withoutComment(line string) string {
	begins := true
	for i, r := range line {
		if r == '#' && begins {
			return line[:i]
		}
		begins = unicode.IsSpace(r) || r == ';'
	}
	return line
}

// check says what is wrong with a statement's columns.
func (s statement) check() error {
	first := ""
	if len(s.columns) > 0 {
		first = s.columns[0]
	}
	switch {
	case s.hasLiteralBreak():
		return errors.New(literalBreak)
	case !s.cluster && strings.EqualFold(first, names.ClusterWord),
		strings.HasPrefix(strings.ToLower(first), names.ClusterWord+":"):
		return fmt.Errorf("%s: a rule for the whole cluster begins with the word cluster by itself, "+
			"as in cluster get,list nodes", names.QuoteWord(first))
	case len(s.columns) >= 2 && len(s.columns) <= 3:
		return nil
	case s.holdsSeveral():
		return errors.New("several rules on one line: write ; between them " +
			"(in YAML, | keeps line breaks and > joins lines)")
	case s.cluster:
		return errors.New(
			"after the word cluster, a rule is VERBS RESOURCES [NAMES], with no space inside a list",
		)
	}
	return errors.New("a rule is VERBS RESOURCES [NAMES], with no space inside a list")
}

// holdsSeveral says whether what stands after a rule's resources begins another rule.
func (s statement) holdsSeveral() bool {
	for i := 2; i < len(s.columns)-1; i++ {
		if s.columns[i] == names.ClusterWord ||
			allWords(strings.Split(s.columns[i], ","), isKnownVerb) {
			return true
		}
	}
	return false
}

const literalBreak = `it has the characters \n where a line break belongs: ` +
	"write a real one, or ; between rules"

// hasLiteralBreak says whether an escape stands where a line break belongs. A name alone may have a
// backslash before an n: a user of a Windows domain.
func (s statement) hasLiteralBreak() bool {
	written := s.columns
	if len(written) == 3 && !strings.HasSuffix(written[2], `\n`) {
		written = written[:2]
	}
	return hasLiteralBreak(strings.Join(written, " "))
}

// hasLiteralBreak says whether something on the way here wrote line breaks as escapes: JSON or a
// shell as \n, GitHub's commands as %0A.
func hasLiteralBreak(text string) bool {
	return strings.Contains(text, `\n`) || strings.Contains(text, "%0A")
}
