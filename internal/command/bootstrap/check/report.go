package check

import (
	"slices"
	"strings"

	"github.com/kubemint/kubemint/internal/client/review"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/problem"
)

// mostPlaces keeps the report readable.
const mostPlaces = 20

// report says what was found, and what could not be.
func report(log *console.Log, places []*place, steady bool) error {
	sawAll := tellLimits(log, places)
	command := "kubemint bootstrap"
	if steady {
		command += " --steady"
	}
	isMore := func(p *place) bool { return len(p.more) > 0 }
	isMissing := func(p *place) bool { return len(p.missing) > 0 }
	more := slices.ContainsFunc(places, isMore)
	missing := slices.ContainsFunc(places, isMissing)
	code := problem.Mint
	said := "the runner may do more than this configuration needs"
	switch {
	case more && missing:
		said += ", and lacks some of what it needs"
	case missing:
		code = problem.Rights
		said = "the runner lacks some of what this configuration needs"
	case !more && !sawAll:
		log.Printf("the runner has the rights that %s prints; no other was found, "+
			"but not all could be asked for: see the notes", command)
		return nil
	case !more:
		log.Printf("the runner's rights are those that %s prints, and no more", command)
		return nil
	}
	failed := problem.Newf(code, "check rights", "%s", said).Detail(listFindings(places)...)
	if more {
		failed.Hint("have an administrator apply what  %s --subject KIND:NAME  prints, "+
			"and take the runner out of the bindings named above", command)
		if slices.ContainsFunc(places[0].more, func(g review.Grant) bool { return g.Reason == "" }) {
			failed.Hint("where no binding is named, the runner may be a member of system:masters, " +
				"which no binding limits: give it another identity")
		}
		failed.Hint("docs/rights.md lists the rights that are worth adding, and what for")
	}
	if missing {
		failed.Hint("an administrator gives it what is missing:  %s --subject KIND:NAME | kubectl apply -f -",
			command)
	}
	return failed
}

// tellLimits says what no review tells, and whether the API server has listed all that it grants in
// these places.
func tellLimits(log *console.Log, places []*place) (sawAll bool) {
	var unlisted bool
	var unresolved []string
	for _, p := range places {
		unlisted = unlisted || p.review.Incomplete
		if said := p.review.Evaluation; said != "" && !slices.Contains(unresolved, said) {
			unresolved = append(unresolved, said)
		}
	}
	if unlisted {
		log.Printf("note: an authorizer besides RBAC decides too, and cannot list what it allows: " +
			"only the rights that matter most were asked for, one by one")
	}
	for _, said := range unresolved {
		log.Printf("note: the API server could not resolve everything: %s", said)
	}
	log.Printf("note: not looked at: RBAC in other namespaces, admission policies, " +
		"and what a cloud lets the runner do outside of this API server")
	return !unlisted && len(unresolved) == 0
}

// listFindings are lines by place: the rights beyond those needed, with the bindings that grant them,
// and the missing ones.
func listFindings(places []*place) (lines []string) {
	told := 0
	for _, p := range places {
		if len(p.more)+len(p.missing) == 0 {
			continue
		}
		if told++; told > mostPlaces {
			continue
		}
		if len(p.more) > 0 {
			lines = append(lines, "more, "+p.describe()+":")
			for _, grant := range p.more {
				lines = append(lines, indent(p.review.FormatRules(grant.Rules))...)
				if grant.Reason != "" {
					lines = append(lines, "      "+strings.Join(strings.Fields(grant.Reason), " "))
				}
			}
		}
		if len(p.missing) > 0 {
			lines = append(lines, "missing, "+p.describe()+":")
			lines = append(lines, indent(p.review.FormatRules(p.missing))...)
		}
	}
	if told > mostPlaces {
		lines = append(lines, "and "+console.Plural(told-mostPlaces, "more namespace")+" like these")
	}
	return lines
}

func (p *place) describe() string {
	if p.namespace == "" {
		return "at cluster scope"
	}
	return "in namespace " + p.namespace
}

func indent(lines []string) []string {
	for i, line := range lines {
		lines[i] = "  " + line
	}
	return lines
}
