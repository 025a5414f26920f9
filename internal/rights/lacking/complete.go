package lacking

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/client/explain"
	"github.com/kubemint/kubemint/internal/client/review"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/parallel"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rights"
	"github.com/kubemint/kubemint/internal/rules"
)

// askedWithin bounds the reviews: an error is not to wait long for its hints.
const askedWithin = 5 * time.Second

// CompleteRefusal adds to a refusal of the API server all that it would refuse next: it names one
// verb at a time, and a later phase meets other refusals. needed lists the rights of the runner's
// identity that a first run needs. Any other error comes back unchanged.
func CompleteRefusal(ctx context.Context, api review.Asker, needed []rights.Need, err error) error {
	var printed []rbacv1.PolicyRule // by bootstrap
	for _, need := range needed {
		printed = append(printed, need.Rules...)
	}
	refused := findDenials(err, printed)
	if len(refused.problems) == 0 || ctx.Err() != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, askedWithin)
	defer cancel()
	way := explain.SuggestBootstrap(refused.user)
	if len(rules.Covers(withoutNames(printed), withoutNames(refused.rules))) > 0 {
		way = "or have an administrator run kubemint with these inputs once: " +
			"it takes more than bootstrap prints, to delete what is declared no longer"
	}
	paste := pasteLacking(ctx, api, needed, refused)
	for _, p := range refused.problems {
		p.Hint("%s", way)
		p.Paste = paste
		if paste != nil && refused.inSeveralPlaces() {
			p.Hints = slices.DeleteFunc(p.Hints, explain.GivesRule)
		}
	}
	return err
}

// denials are the refusals that an error is made of. All of them get the hints, since any one may
// be left out of the report, which shows each hint once.
type denials struct {
	problems []*problem.Error
	rules    []rbacv1.PolicyRule // that they are about
	// by namespace: those that their hints have, ready to paste
	named map[string][]rbacv1.PolicyRule
	user  string // who was refused
}

// forgetDrawnName takes the name out of a refusal and its hint where the object is needed under any
// name: that of an ephemeral account is another one in the next run.
func forgetDrawnName(p *problem.Error, denied *explain.Denial, needed []rbacv1.PolicyRule) {
	if denied.Name == "" || !needsAll(needed, denied) {
		return
	}
	denied.Name = ""
	for i, hint := range p.Hints {
		if explain.GivesRule(hint) {
			p.Hints[i] = explain.AdviseRule(denied)
		}
	}
}

// needsAll says whether what was refused is needed for objects of any name.
func needsAll(needed []rbacv1.PolicyRule, denied *explain.Denial) bool {
	return slices.ContainsFunc(needed, func(rule rbacv1.PolicyRule) bool {
		return len(rule.ResourceNames) == 0 && slices.Contains(rule.Verbs, denied.Verb) &&
			slices.Contains(rule.APIGroups, denied.Group) && slices.Contains(rule.Resources, denied.Resource)
	})
}

// inSeveralPlaces says whether rules are missing in more than one namespace. One list by namespace
// is then easier to paste than a rule below each error.
func (d denials) inSeveralPlaces() bool { return len(d.named) > 1 }

func findDenials(err error, needed []rbacv1.PolicyRule) denials {
	found := denials{named: map[string][]rbacv1.PolicyRule{}}
	for _, each := range problem.ListErrors(err) {
		p, ok := errors.AsType[*problem.Error](each)
		if !ok {
			continue
		}
		if d, ok := errors.AsType[*explain.Denial](each); ok {
			forgetDrawnName(p, d, needed)
			found.rules = append(found.rules, d.Rule())
			found.named[d.Namespace] = append(found.named[d.Namespace], d.Rule())
			found.problems = append(found.problems, p)
			found.user = d.User
		}
		if e, ok := errors.AsType[*explain.Escalated](each); ok {
			found.rules = append(found.rules, e.Rules...)
			found.problems = append(found.problems, p)
			found.user = e.User
		}
	}
	return found
}

// pasteLacking asks what the runner's identity lacks of what is needed, and leaves out what a hint
// has already. It returns nil where that is nothing, or cannot be asked.
func pasteLacking(
	ctx context.Context, api review.Asker, needed []rights.Need, refused denials,
) *problem.Paste {
	intro := "for a first run of this configuration it also lacks "
	named := refused.named
	if refused.inSeveralPlaces() {
		intro = "give the runner's identity all that it lacks for a first run "
		named = nil
	}
	lacking := slices.Clone(needed)
	err := parallel.Each(len(lacking), func(i int) error {
		place := cmp.Or(needed[i].Namespace, review.EveryNamespace)
		lacks, err := review.FindLacking(ctx, api, place, needed[i].Rules)
		lacking[i].Rules = rules.Covers(named[needed[i].Namespace], lacks)
		return err
	})
	places := groupByRules(lacking)
	if err != nil || len(places) == 0 {
		return nil
	}
	paste := &problem.Paste{Intro: intro + "(the API server names one right at a time):"}
	for _, alike := range places {
		paste.Lines = append(paste.Lines, "  "+alike.where+":")
		for _, line := range explain.PasteRules(alike.rules) {
			paste.Lines = append(paste.Lines, "    "+line)
		}
	}
	return paste
}

// withoutNames are the rules for every object.
func withoutNames(rs []rbacv1.PolicyRule) []rbacv1.PolicyRule {
	rs = slices.Clone(rs)
	for i := range rs {
		rs[i].ResourceNames = nil
	}
	return rs
}

// place is the namespaces that have rules in common.
type place struct {
	where string
	rules []rbacv1.PolicyRule
}

func groupByRules(lacking []rights.Need) (all []place) {
	namespaces := map[string][]string{}
	keyOf := func(need rights.Need) string { return strings.Join(explain.PasteRules(need.Rules), "\n") }
	var order []rights.Need
	for _, need := range lacking {
		key := keyOf(need)
		if len(need.Rules) > 0 && namespaces[key] == nil {
			order = append(order, need)
		}
		namespaces[key] = append(namespaces[key], need.Namespace)
	}
	for _, need := range order {
		where := "at the cluster scope"
		if need.Namespace != "" {
			where = "in namespace " + console.ListSome(namespaces[keyOf(need)])
		}
		all = append(all, place{where, need.Rules})
	}
	return all
}
