package needs

import (
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/rules"
)

// mostNamed is how many objects a comment names.
const mostNamed = 6

// Lines print the needs in the shorthand, ready to paste into `rules`.
func (n List) Lines() (lines []string) {
	if slices.ContainsFunc(n.Places, func(p Place) bool { return p.Namespace != "" }) {
		lines = append(lines, n.describeNamespaces()...)
	}
	for i, place := range n.Places {
		if i > 0 || len(lines) > 0 {
			lines = append(lines, "")
		}
		lines = append(lines, "# "+place.title())
		for _, line := range place.Lines {
			lines = append(lines, "# "+line.purpose())
			lines = append(lines, place.format(line.Rules)...)
		}
	}
	if len(n.Comments) > 0 && len(lines) > 0 {
		lines = append(lines, "")
	}
	for _, comment := range n.Comments {
		lines = append(lines, "# note: "+oneLine(comment))
	}
	return lines
}

// describeNamespaces says how rules for several namespaces are declared.
func (n List) describeNamespaces() []string {
	var named int
	for _, p := range n.Places {
		if !p.Cluster {
			named++
		}
	}
	if named < 2 {
		return nil
	}
	return []string{
		"# A run grants the same rules in each namespace that it declares: mint once for each section below.",
	}
}

// title says where the rules hold.
func (p Place) title() string {
	switch {
	case p.Cluster:
		return "at cluster scope"
	case p.Namespace == "":
		return "in the namespace of the deployment, which the manifests leave open"
	}
	return "in namespace " + oneLine(p.Namespace)
}

// format prints rules as they are granted in a place.
func (p Place) format(rs []rbacv1.PolicyRule) []string {
	if p.Cluster {
		return rules.FormatCluster(rs)
	}
	return rules.Format(rs)
}

// purpose names the objects that a rule is for.
func (l Line) purpose() string {
	named := l.For[:min(len(l.For), mostNamed)]
	text := strings.Join(named, ", ")
	if more := len(l.For) - len(named); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	if l.Because != "" {
		text += ": " + l.Because
	}
	return oneLine(text)
}

// oneLine keeps a name from an input on the line of its comment.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 {
			return '?'
		}
		return r
	}, text)
}
