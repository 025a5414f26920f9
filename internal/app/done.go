package app

import (
	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/proof"
)

// showDone prints what was done of the plan, and of a run that failed what was not. From here on the plan is what was done.
func (m *minting) showDone(failed bool) {
	m.replan.Lock()
	defer m.replan.Unlock()
	m.plan.Changes = m.outcome.Of(m.plan.Changes, failed)
	m.log.Show(m.plan)
}

// warn prints what a reviewer would ask about, before anything is changed.
func (m *minting) warn() {
	m.log.List("warning: ", m.plan.Warnings)
	m.log.List("warning: ", proof.RolesOfNothing(m.desired, m.observed))
	warning := access.Outlives(m.desired, m.observed)
	if warning != "" && m.cfg.Token.Duration != config.Permanent { // that such a token outlives the job is said already
		m.log.Warnf("%s", warning)
	}
}
