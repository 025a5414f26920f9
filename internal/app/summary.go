package app

import (
	"fmt"
	"strings"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/rules"

	"github.com/kubemint/kubemint/internal/console"
)

// summary is the job summary: who, where, until when, what it may do, what changed.
func (m *minting) summary() string {
	var b strings.Builder
	declared := m.desired.Access
	fmt.Fprintf(&b, "### kubemint: %s\n\n| | |\n|---|---|\n", code(declared.ServiceAccount.String()))
	row := func(name, value string) { fmt.Fprintf(&b, "| %s | %s |\n", name, value) }
	row("Cluster", code(m.written.Server))
	row("Access in", m.reach())
	if m.minted.Permanent() {
		row("Expires", "**never**: whoever reads the token has the access for good")
	} else {
		row("Expires", fmt.Sprintf("%s (in %s; asked: %s)", m.minted.ExpiresAt.Format("2006-01-02 15:04 MST"),
			short(m.minted.ExpiresAt.Sub(m.minted.Claims.IssuedAt).Round(time.Minute)), code(m.cfg.Token.Asked)))
	}
	row("Token id", code(m.minted.Claims.ID))
	switch {
	case m.lease != nil:
		row("Lease", code(m.lease.Namespace+"/"+m.lease.Name)+": "+m.platform.RevokeAdvice(m.output.path))
	case m.permanent != nil:
		row("Secret", code(m.permanent.Namespace+"/"+m.permanent.Name)+": deleting it revokes the token (`kubemint revoke --permanent`)")
	default:
		row("Lease", "none: the token lives until it expires")
	}
	row("Context", code(m.written.Name))

	if declared.Grants() {
		b.WriteString("\n#### What it may do\n\n")
		m.matrix(&b)
	} else {
		b.WriteString("\nNo access is declared: it may do what its ServiceAccount may do already.\n")
	}
	b.WriteString("\n#### What changed\n\n```diff\n")
	for _, line := range changeLines(m.plan) {
		b.WriteString(diffLine(line) + "\n")
	}
	b.WriteString("```\n")
	return b.String()
}

func (m *minting) reach() string {
	declared := m.desired.Access
	if declared.ClusterScope {
		return "the whole cluster"
	}
	const shown = 10
	var names []string
	for _, name := range declared.Namespaces[:min(shown, len(declared.Namespaces))] {
		names = append(names, code(name))
	}
	if more := len(declared.Namespaces) - shown; more > 0 {
		return strings.Join(names, ", ") + " and " + console.Plural(more, "more namespace")
	}
	return strings.Join(names, ", ")
}

// matrix is a table of verbs by resources, for the declared rules and those of the bound roles that could be read.
func (m *minting) matrix(b *strings.Builder) {
	all := append([]rbacv1.PolicyRule(nil), m.desired.Access.Rules...)
	for _, role := range m.desired.Access.Roles {
		read := false
		for ref, object := range m.observed.Named {
			if ref.Kind == role.Kind && ref.Name == role.Name {
				all, read = append(all, access.Rules(object)...), true
			}
		}
		note := ""
		if !read {
			note = " (not readable here, so not in the table)"
		}
		fmt.Fprintf(b, "Bound: %s %s%s\n\n", role.Kind, code(role.Name), note)
	}
	table := rules.NewMatrix(all)
	if len(table.Rows) == 0 {
		return
	}
	fmt.Fprintf(b, "| | %s |\n|---|%s\n", strings.Join(table.Verbs, " | "), strings.Repeat(":-:|", len(table.Verbs)))
	for _, line := range table.Rows {
		name := code(line.Resource)
		if len(line.Names) > 0 {
			name += " only " + code(strings.Join(line.Names, ", "))
		}
		cells := make([]string, len(line.Has))
		for i, has := range line.Has {
			if has {
				cells[i] = "✓"
			}
		}
		fmt.Fprintf(b, "| %s | %s |\n", name, strings.Join(cells, " | "))
	}
}

// short is a duration without the units that are zero: 2h, 90m, not 2h0m0s.
func short(d time.Duration) string {
	switch {
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}

// code puts text between backquotes, and a bar of a table beyond harm.
func code(text string) string {
	return "`" + strings.NewReplacer("`", "'", "|", `\|`).Replace(text) + "`"
}

// diffLine puts the sign of a rule at the line's beginning, where GitHub colours it.
func diffLine(line string) string {
	trimmed := strings.TrimLeft(line, " ")
	if trimmed != line && (strings.HasPrefix(trimmed, "+ ") || strings.HasPrefix(trimmed, "- ")) {
		return trimmed[:1] + line[1:len(line)-len(trimmed)] + trimmed[2:]
	}
	return line
}
