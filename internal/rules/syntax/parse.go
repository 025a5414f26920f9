package syntax

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/kubemint/kubemint/internal/rules"
)

// ParseRules reads rules from shorthand or YAML; see the package's documentation for both and for
// how they are told apart. Its error is a join of all faults, each a line for a person: "line 3:
// unknown verb "lst": did you mean "list"?". Text without any rule is an error, since it would
// grant nothing and take away what was granted.
func ParseRules(text string) (Scoped, error) {
	if len(text) > maxText {
		return Scoped{}, fmt.Errorf("the rules have %d bytes, the limit is %d", len(text), maxText)
	}
	text = strings.TrimPrefix(text, "\ufeff")
	b := &builder{}
	if isYAML.MatchString(text) {
		b.readYAML(text)
	} else {
		b.readShorthand(text)
	}
	if len(b.faults) > 0 {
		return Scoped{}, errors.Join(b.faults...)
	}
	if b.countRules() == 0 && len(b.parsed.PassedOver) > 0 {
		others := strings.Join(b.parsed.PassedOver, ", ")
		return Scoped{}, fmt.Errorf("no rule found: it has %s, and no Role or ClusterRole", others)
	}
	if b.countRules() == 0 {
		return Scoped{}, errors.New(
			"no rule found: the shorthand is VERBS RESOURCES [NAMES], as in get,list pods",
		)
	}
	return b.parsed, nil
}

// isYAML is, after blank lines and comments, a character that begins YAML or JSON, or a first word
// that ends with a colon.
var isYAML = regexp.MustCompile(`^(\s*#.*\n)*\s*([-{[%]|[^\s#]\S*:(\s|$))`)

func (b *builder) readShorthand(text string) {
	for s := range splitStatements(text) {
		if err := s.check(); err != nil {
			b.addFault(s.where, err)
			continue
		}
		var lists [3][]string
		for i, column := range s.columns {
			lists[i] = strings.Split(column, ",")
		}
		verbs := lists[0]
		resources := lists[1]
		names := lists[2]
		if !b.fitsLimits(s.where, len(verbs), len(resources), len(names)) {
			return
		}
		if slices.Contains(slices.Concat(verbs, resources, names), "") {
			b.addFault(
				s.where,
				errors.New("an empty item next to a comma: lists are written without spaces"),
			)
			continue
		}
		l := rules.Line{Verbs: verbs, Names: names}
		for _, resource := range resources {
			l.Targets = append(l.Targets, resolveWord(resource))
		}
		checkEach(b, s.where, l.Targets, func(t rules.Target) error { return checkGroup(t.Group) })
		b.checkLine(s.where, l)
		if s.cluster {
			b.parsed.Cluster = append(b.parsed.Cluster, l.Rules()...)
		} else {
			b.parsed.Rules = append(b.parsed.Rules, l.Rules()...)
		}
	}
}
