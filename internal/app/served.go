package app

import (
	"context"
	"errors"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rules"
)

// checkServed looks whether the cluster serves the resources outside the built-in groups that the rules name. One that it
// does not serve yet may be what the pipeline is about to install; an obvious slip is refused.
func (m *minting) checkServed(ctx context.Context) error {
	declared := m.desired.Access
	named := slices.Concat(declared.AllRules(), declared.AllMustNot())
	if _, unknown := rules.Unserved(named, nil); unknown == "" {
		return nil
	}
	served, err := m.client.Discover(ctx)
	if err != nil && !client.Forbidden(err) {
		return m.client.Explain(problem.Mint, "read what the cluster serves", err)
	}
	if len(served) == 0 {
		m.log.Warnf("resources outside the built-in groups are not checked: what the cluster serves cannot be read")
		return nil
	}
	var errs []error
	for _, each := range []struct {
		input string
		rules []rbacv1.PolicyRule
	}{{"rules", declared.AllRules()}, {"must_not", declared.AllMustNot()}} {
		faults, note := rules.Unserved(each.rules, served)
		for _, fault := range faults {
			errs = append(errs, problem.New(problem.Config, "input "+each.input, fault))
		}
		if note != "" {
			m.log.Warnf("input %s: %s", each.input, note)
		}
	}
	return errors.Join(errs...)
}
