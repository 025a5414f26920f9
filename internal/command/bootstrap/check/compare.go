package check

import (
	"context"
	"maps"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/client/review"
	"github.com/kubemint/kubemint/internal/command/bootstrap"
	"github.com/kubemint/kubemint/internal/parallel"
	"github.com/kubemint/kubemint/internal/rights"
	"github.com/kubemint/kubemint/internal/rules"
)

// place is a namespace or the cluster scope, and the findings there.
type place struct {
	namespace string // "" at cluster scope
	needed    []rbacv1.PolicyRule

	review  *review.Review
	more    []review.Grant
	missing []rbacv1.PolicyRule
}

// listPlaces are the places that a run has to do with, the cluster scope first.
func listPlaces(asked bootstrap.Asked, needed []rights.Need) []*place {
	declared := asked.Desired.Access
	byName := map[string][]rbacv1.PolicyRule{"": nil, declared.ServiceAccount.Namespace: nil}
	for _, namespace := range declared.Namespaces {
		byName[namespace] = nil
	}
	for _, need := range needed {
		byName[need.Namespace] = need.Rules
	}
	var places []*place
	for _, namespace := range slices.Sorted(maps.Keys(byName)) {
		places = append(places, &place{namespace: namespace, needed: byName[namespace]})
	}
	return places
}

// comparePlaces asks about the cluster scope, and then about all namespaces at once: what holds
// everywhere is not repeated in each.
func comparePlaces(ctx context.Context, api review.Asker, places []*place) ([]*place, error) {
	cluster := places[0]
	held := slices.Concat(everyones(), cluster.needed)
	powers, err := cluster.askPowers(ctx, api)
	if err != nil {
		return nil, err
	}
	if err := cluster.compare(ctx, held, powers); err != nil {
		return nil, err
	}
	held = append(held, cluster.review.Granted...)
	for _, grant := range cluster.more {
		held = append(held, grant.Rules...)
	}
	return places, parallel.Each(len(places)-1, func(i int) (err error) {
		p := places[i+1]
		if p.review, err = review.Ask(ctx, api, p.namespace); err != nil {
			return err //nolint:wrapcheck // explained by Run
		}
		p.review.Granted = rules.InNamespace(p.review.Granted)
		var unlisted []rbacv1.PolicyRule
		if p.review.Incomplete {
			unlisted = namespacePowers()
		}
		return p.compare(ctx, slices.Concat(held, p.needed), unlisted)
	})
}

// askPowers asks about the cluster scope, and returns the rights that have to be asked for one by
// one there. Whether the runner may do anything is always among them: no rule says so of a member
// of system:masters.
func (p *place) askPowers(ctx context.Context, api review.Asker) ([]rbacv1.PolicyRule, error) {
	var err error
	if p.review, err = review.Ask(ctx, api, review.EveryNamespace); err != nil {
		return nil, err //nolint:wrapcheck // explained by Run
	}
	all, err := review.AskAnything(ctx, api)
	switch {
	case err != nil:
		return nil, err //nolint:wrapcheck // explained by Run
	case all.Allowed:
		return all.Rules, nil
	case p.review.Incomplete:
		return clusterPowers(), nil
	}
	return nil, nil
}

// compare finds the rights beyond those that are held rightly, and the missing ones, and asks the API
// server for each of them: its answer names the binding, it refuses a rule that grants nothing where
// it stands, and it allows what no list has.
func (p *place) compare(ctx context.Context, held, powers []rbacv1.PolicyRule) error {
	beyond := rules.Covers(held, slices.Concat(p.review.Granted, powers))
	grants, err := p.review.Attribute(ctx, beyond)
	if err != nil {
		return err //nolint:wrapcheck // explained by Run
	}
	p.more = slices.DeleteFunc(grants, func(g review.Grant) bool { return !g.Allowed })
	refused, err := p.review.Attribute(ctx, rules.Covers(p.review.Granted, p.needed))
	for _, grant := range refused {
		if !grant.Allowed {
			p.missing = append(p.missing, grant.Rules...)
		}
	}
	return err //nolint:wrapcheck // explained by Run
}
