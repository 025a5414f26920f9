package console

import (
	"fmt"
	"regexp"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/rules"
)

// Summary is the job summary: who, where, until when, what it may do, what changed.
type Summary struct {
	Account string
	Facts   []Fact
	Access  []Access // none where no access is declared
	Plan    access.Plan
}

// Access lists what the credential may do in one place.
type Access struct {
	Where Markdown
	Roles []Bound
	Rules []rbacv1.PolicyRule // declared, and of the bound roles that could be read
}

// Fact is a row of the summary's first table.
type Fact struct {
	Name  string
	Value Markdown
}

// Bound is a role that is bound by its name.
type Bound struct {
	Kind, Name string
	Read       bool
}

// Render returns the summary as Markdown.
func (s Summary) Render() string {
	var b strings.Builder
	fmt.Fprintf(&b, "### kubemint: %s\n\n| | |\n|---|---|\n", CodeSpan(s.Account))
	for _, fact := range s.Facts {
		fmt.Fprintf(&b, "| %s | %s |\n", fact.Name, fact.Value)
	}
	for _, may := range s.Access {
		b.WriteString(may.renderPlace(len(s.Access) > 1))
	}
	if len(s.Access) == 0 {
		b.WriteString("\nNo access is declared: it may do what its ServiceAccount may do already.\n")
	}
	lines := ChangeLines(s.Plan)
	for i, line := range lines {
		lines[i] = diffLine(line)
	}
	fmt.Fprintf(&b, "\n#### What changed\n\n%s", CodeBlock("diff", lines))
	return b.String()
}

// renderPlace is the section of one place, which is named where there are more of them.
func (a Access) renderPlace(named bool) string {
	var b strings.Builder
	b.WriteString("\n#### What it may do")
	if named {
		fmt.Fprintf(&b, " in %s", a.Where)
	}
	b.WriteString("\n\n")
	for _, role := range a.Roles {
		note := ""
		if !role.Read {
			note = " (not readable here, so not in the table)"
		}
		fmt.Fprintf(&b, "Bound: %s %s%s\n\n", ProseOrCode(role.Kind), CodeSpan(role.Name), note)
	}
	b.WriteString(string(renderMatrix(rules.NewMatrix(a.Rules))))
	return b.String()
}

// renderMatrix is a table of verbs by resources.
func renderMatrix(table rules.Matrix) Markdown {
	if len(table.Rows) == 0 {
		return ""
	}
	var b strings.Builder
	heads := make([]string, len(table.Verbs))
	for i, verb := range table.Verbs {
		heads[i] = string(CodeSpan(verb))
		// a role that others made can have any verb
		if regexp.MustCompile(`^([a-z]+|\*)$`).MatchString(verb) {
			heads[i] = verb
		}
	}
	fmt.Fprintf(
		&b, "| | %s |\n|---|%s\n", strings.Join(heads, " | "), strings.Repeat(":-:|", len(heads)),
	)
	for _, line := range table.Rows {
		name := CodeSpan(line.Resource)
		if len(line.Names) > 0 {
			name += " only " + CodeSpan(strings.Join(line.Names, ", "))
		}
		cells := make([]string, len(line.Has))
		for i, has := range line.Has {
			if has {
				cells[i] = "✓"
			}
		}
		fmt.Fprintf(&b, "| %s | %s |\n", name, strings.Join(cells, " | "))
	}
	return Markdown(b.String())
}

// diffLine puts the sign of a rule at the line's beginning, where GitHub colours it.
func diffLine(line string) string {
	trimmed := strings.TrimLeft(line, " ")
	if trimmed != line && (strings.HasPrefix(trimmed, "+ ") || strings.HasPrefix(trimmed, "- ")) {
		return trimmed[:1] + line[1:len(line)-len(trimmed)] + trimmed[2:]
	}
	return line
}
