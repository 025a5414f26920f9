package clouds

import (
	"strings"
	"testing"
)

// ShowError returns everything that a person sees of a failed login: the message and its hints, except for
// general, the hint that every failure without a better one has. A refused stanza has no hint yet: its caller
// adds the last one.
func ShowError(t *testing.T, message string, hints []string, general string) string {
	t.Helper()
	if len(hints) == 0 && !strings.HasPrefix(message, "serve it in-process: ") {
		t.Errorf("no hint says what to do about: %s", message)
	}
	text := strings.Join(append([]string{message}, hints...), "\n")
	return strings.TrimSuffix(text, "\n"+general)
}
