package syntax

import (
	"errors"
	"fmt"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/rules"
	"github.com/kubemint/kubemint/internal/rules/names"
)

// Bounds of what is parsed. An object in etcd has 1.5 MiB at most; comparing rules costs the
// product of their sizes.
const (
	maxText   = 1 << 20
	maxRules  = 1000
	maxGrants = 20_000 // verbs × groups × resources × names, over all rules
	maxFaults = 50
)

// Scoped are rules by where they are granted.
type Scoped struct {
	Rules   []rbacv1.PolicyRule // where the input `scope` says
	Cluster []rbacv1.PolicyRule // at cluster scope: those that begin with the word cluster
	// kinds of objects that have no rules, which stood in the same manifest
	PassedOver []string
}

// All are the rules, wherever they are granted.
func (s Scoped) All() []rbacv1.PolicyRule { return slices.Concat(s.Rules, s.Cluster) }

// builder gathers rules and faults, and stops both where there are too many.
type builder struct {
	parsed Scoped
	faults []error
	grants float64 // which does not overflow
	full   bool
}

func (b *builder) countRules() int { return len(b.parsed.Rules) + len(b.parsed.Cluster) }

// addFault records an error, if there is one, and where it is.
func (b *builder) addFault(where string, err error) {
	if err == nil || b.full {
		return
	}
	if len(b.faults) >= maxFaults {
		b.full = true
		err = errors.New("there are more faults from here on")
	}
	b.faults = append(b.faults, fmt.Errorf("%s: %w", where, err))
}

// fitsLimits counts a rule before anything looks at its parts, and is false when there is too much:
// parts multiply, and YAML aliases repeat them.
func (b *builder) fitsLimits(where string, verbs, targets, names int) bool {
	b.grants += float64(verbs) * float64(targets) * float64(max(names, 1))
	if b.grants > maxGrants || b.countRules() >= maxRules {
		b.addFault(
			where,
			fmt.Errorf(
				"too much: the limits are %d rules, and %d combinations of verb, resource and name",
				maxRules, maxGrants,
			),
		)
		b.full = true
	}
	return !b.full
}

// checkLine checks the line, but for its groups.
func (b *builder) checkLine(where string, l rules.Line) {
	url := false
	resource := false
	custom := true
	for _, t := range l.Targets {
		url = url || t.URL != ""
		resource = resource || t.URL == ""
		custom = custom && t.Group != "*" && names.Builtin[t.Group] == nil
	}
	if url && (resource || len(l.Names) > 0) {
		b.addFault(
			where,
			errors.New("a rule with URLs has no names and no resources: write a rule for each"),
		)
	}
	checkEach(b, where, l.Verbs, func(verb string) error { return checkVerb(verb, url, custom) })
	if !l.IsAudience() {
		checkEach(b, where, l.Targets, checkTarget)
	}
	checkEach(b, where, l.Names, func(name string) error { return checkName(name, l.Targets) })
}

// checkEach records the faults of all items, until there are too many: the nearest word has its
// cost.
func checkEach[T any](b *builder, where string, items []T, check func(T) error) {
	for _, item := range items {
		if b.full {
			return
		}
		b.addFault(where, check(item))
	}
}
