package proof

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/client/explain"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/parallel"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rules"
)

// Complete adds to a refusal of the API server all that it would refuse next: it names one verb at a time, and a later
// phase meets other refusals. needs are what a first run takes of the runner's identity.
func Complete(ctx context.Context, api Reviewer, needs []access.Need, err error) error {
	denied, all, user := denials(err)
	if len(all) == 0 || ctx.Err() != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var printed []rbacv1.PolicyRule // by bootstrap
	for _, need := range needs {
		printed = append(printed, need.Rules...)
	}
	way := explain.Bootstrap(user)
	if len(rules.Covers(nameless(printed), nameless(denied))) > 0 {
		way = "or have an administrator run kubemint with these inputs once: " +
			"it takes more than bootstrap prints, to delete what is declared no longer"
	}
	paste := lacking(ctx, api, needs, denied)
	for _, p := range all {
		p.Hint("%s", way)
		p.Paste = paste
	}
	return err
}

// denials are the refusals that err is made of, the rules that they name, and the user who was refused. All of them get
// the hints, since any one may be left out of the report, which says each hint once.
func denials(err error) (denied []rbacv1.PolicyRule, all []*problem.Error, user string) {
	for _, each := range problem.All(err) {
		p, ok := errors.AsType[*problem.Error](each)
		if !ok {
			continue
		}
		if d, ok := errors.AsType[*explain.Denial](each); ok {
			denied = append(denied, d.Rule())
			all = append(all, p)
			user = d.User
		}
		if e, ok := errors.AsType[*explain.Escalated](each); ok {
			denied = append(denied, e.Rules...)
			all = append(all, p)
			user = e.User
		}
	}
	return denied, all, user
}

// lacking asks what the runner's identity lacks of these needs. It is nil where that is no more than was denied already,
// or cannot be asked.
func lacking(ctx context.Context, api Reviewer, needs []access.Need, denied []rbacv1.PolicyRule) *problem.Paste {
	err := parallel.Each(len(needs), func(i int) (err error) {
		place := cmp.Or(needs[i].Namespace, EveryNamespace)
		needs[i].Rules, err = Lacks(ctx, api, place, needs[i].Rules)
		return err
	})
	if err != nil {
		return nil
	}
	paste := &problem.Paste{Intro: "the API server names one right at a time; " +
		"all that the runner's identity lacks for a first run of this configuration is"}
	more := false
	for _, alike := range places(needs) {
		more = more || len(rules.Covers(denied, alike.rules)) > 0
		paste.Lines = append(paste.Lines, "  "+alike.where+":")
		for _, line := range explain.Pasteable(alike.rules) {
			paste.Lines = append(paste.Lines, "    "+line)
		}
	}
	if !more {
		return nil
	}
	return paste
}

// nameless are the rules for every object.
func nameless(rs []rbacv1.PolicyRule) []rbacv1.PolicyRule {
	rs = slices.Clone(rs)
	for i := range rs {
		rs[i].ResourceNames = nil
	}
	return rs
}

// place are the namespaces that have rules in common.
type place struct {
	where string
	rules []rbacv1.PolicyRule
}

func places(needs []access.Need) (all []place) {
	namespaces := map[string][]string{}
	var order []access.Need
	for _, need := range needs {
		key := strings.Join(explain.Pasteable(need.Rules), "\n")
		if len(need.Rules) > 0 && namespaces[key] == nil {
			order = append(order, need)
		}
		namespaces[key] = append(namespaces[key], need.Namespace)
	}
	for _, need := range order {
		where := "at the cluster scope"
		if need.Namespace != "" {
			where = "in namespace " + console.Some(namespaces[strings.Join(explain.Pasteable(need.Rules), "\n")])
		}
		all = append(all, place{where, need.Rules})
	}
	return all
}
