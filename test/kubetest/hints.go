package kubetest

import (
	"errors"
	"strings"

	"github.com/kubemint/kubemint/internal/problem"
)

// HintsOf are the hints of everything that failed, a line each.
func HintsOf(err error) string {
	var all []string
	for _, each := range problem.ListErrors(err) {
		if p, ok := errors.AsType[*problem.Error](each); ok {
			all = append(all, p.Hints...)
		}
	}
	return strings.Join(all, "\n")
}
