package app

import (
	"context"
	"errors"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/cluster"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rules"
)

// checkServed looks whether the cluster serves the resources outside the built-in groups that the rules name. One that it
// does not serve yet may be what the pipeline is about to install; an obvious slip is refused.
func (m *minting) checkServed(ctx context.Context) error {
	named := []struct {
		input string
		rules []rbacv1.PolicyRule
	}{{"rules", m.desired.Access.Rules}, {"must_not", m.desired.Access.MustNot}}
	var served []rules.Served
	var errs []error
	asked := false
	for _, each := range named {
		if _, unknown := rules.Unserved(each.rules, nil); len(unknown) == 0 {
			continue
		}
		if !asked {
			var err error
			if served, err = m.client.Discover(ctx); err != nil && !cluster.Forbidden(err) {
				return m.client.Explain(problem.Mint, "read what the cluster serves", err)
			}
			if len(served) == 0 {
				m.log.warnf("resources outside the built-in groups are not checked: what the cluster serves cannot be read")
				return nil
			}
			asked = true
		}
		faults, notes := rules.Unserved(each.rules, served)
		for _, fault := range faults {
			errs = append(errs, problem.New(problem.Config, "input "+each.input, fault))
		}
		m.log.list("warning: input "+each.input+": ", notes)
	}
	return errors.Join(errs...)
}
