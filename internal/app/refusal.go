package app

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/cluster"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/parallel"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rules"
	"github.com/kubemint/kubemint/internal/token"
)

// needs are the rights that the run takes of the runner's identity: a first run, or one that finds all in place.
func (m *minting) needs(steady bool) []access.Need {
	secret := token.NewPermanent(m.desired.Access.ServiceAccount, access.Marks{}).Name
	return access.Needs(m.desired, m.cfg.Token, m.cfg.Source.Expect, secret, steady)
}

// refused adds to what the API server has refused all that it would refuse next: it names one verb at a time, and a later
// phase meets other refusals.
func (m *minting) refused(ctx context.Context, err error) error {
	var denied []rbacv1.PolicyRule
	var all []*problem.Error // each gets the hints, since any may be left out of the report; it says them once
	user := ""
	for _, each := range problem.All(err) {
		p, _ := errors.AsType[*problem.Error](each)
		if d, ok := errors.AsType[*cluster.Denial](each); ok && p != nil {
			denied, all, user = append(denied, d.Rule()), append(all, p), d.User
		}
		if e, ok := errors.AsType[*cluster.Escalated](each); ok && p != nil {
			denied, all, user = append(denied, e.Rules...), append(all, p), e.User
		}
	}
	if len(all) == 0 || ctx.Err() != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	needs := m.needs(false)
	var printed []rbacv1.PolicyRule // by bootstrap
	for _, need := range needs {
		printed = append(printed, need.Rules...)
	}
	way := cluster.Bootstrap(user)
	if len(rules.Covers(nameless(printed), nameless(denied))) > 0 {
		way = "or have an administrator run kubemint with these inputs once: " +
			"it takes more than bootstrap prints, to delete what is declared no longer"
	}
	if parallel.Each(len(needs), func(i int) (err error) {
		place := cmp.Or(needs[i].Namespace, token.EveryNamespace)
		needs[i].Rules, err = token.Lacks(ctx, m.client, place, needs[i].Rules)
		return err
	}) != nil {
		needs = nil // what was refused stands as it is
	}
	paste := &problem.Paste{
		Intro: "the API server names one right at a time; all that the runner's identity lacks for a first run of this configuration is",
	}
	more := false
	for _, alike := range places(needs) {
		more = more || len(rules.Covers(denied, alike.rules)) > 0
		paste.Lines = append(paste.Lines, "  "+alike.where+":")
		for _, line := range pasteable(alike.rules) {
			paste.Lines = append(paste.Lines, "    "+line)
		}
	}
	for _, p := range all {
		if more {
			p.Paste = paste
		}
		p.Hint("%s", way)
	}
	return err
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
		key := strings.Join(pasteable(need.Rules), "\n")
		if len(need.Rules) > 0 && namespaces[key] == nil {
			order = append(order, need)
		}
		namespaces[key] = append(namespaces[key], need.Namespace)
	}
	for _, need := range order {
		where := "at the cluster scope"
		if need.Namespace != "" {
			where = "in namespace " + console.Some(namespaces[strings.Join(pasteable(need.Rules), "\n")])
		}
		all = append(all, place{where, need.Rules})
	}
	return all
}

// pasteable are rules as lines of a Role: JSON is YAML.
func pasteable(rs []rbacv1.PolicyRule) (lines []string) {
	for _, rule := range rs {
		if line, err := console.JSON(rule); err == nil {
			lines = append(lines, "- "+line)
		}
	}
	return lines
}
