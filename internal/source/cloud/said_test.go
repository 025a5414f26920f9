package cloud

import (
	"strings"
	"testing"

	"github.com/kubemint/kubemint/internal/problem"
)

// allOf is all that a person gets to see of an error, but for the hint that every failed login has at least. A stanza
// that is not served has its last hint from the caller: how to do without it.
func allOf(t *testing.T, p *problem.Error) string {
	t.Helper()
	if len(p.Hints) == 0 && p.Op != "serve it in-process" {
		t.Errorf("no hint says what to do about: %s", p.Error())
	}
	text := strings.Join(append([]string{p.Error()}, p.Hints...), "\n")
	return strings.TrimSuffix(text, "\n"+checkLogin)
}
