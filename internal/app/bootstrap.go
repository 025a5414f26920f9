package app

import (
	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/command/bootstrap"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/source"
)

// bootstrap prints manifests with the least rights that the runner's identity needs. It talks to no cluster.
func (r *run) bootstrap(given options) error {
	declared, err := r.declaredOffline()
	if err != nil {
		return err
	}
	lines, err := bootstrap.Manifests(bootstrap.Asked{
		Desired: access.Desire(declared, access.Marks{}), Token: r.cfg.Token, Expect: r.cfg.Source.Expect,
		Steady: given.steady, Subjects: given.subjects,
	})
	if err != nil {
		return err
	}
	return r.print(lines...)
}

// declaredOffline completes the declared access as mint does, or by `default` where there is no source.
func (r *run) declaredOffline() (config.Access, error) {
	if len(r.cfg.Access.Namespaces) > 0 {
		return r.cfg.Access.In(""), nil
	}
	why := "the source's context names none"
	s, err := r.loadSource(r.declaredSource())
	if err != nil {
		why = err.Error()
		s = &source.Source{}
	} else if s.Namespace != "" {
		why = "that of the source's context"
	}
	declared, err := r.declaredAt(s)
	if err == nil {
		r.log.Printf("note: no `namespace` is declared: %s is assumed (%s)", declared.Namespaces[0], why)
	}
	return declared, err
}
