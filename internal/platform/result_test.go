package platform_test

import (
	"strings"
	"testing"

	"github.com/kubemint/kubemint/internal/platform"
	"github.com/kubemint/kubemint/internal/problem"
)

// A value of more than one line would be further variables to some reader of an env file: a token's jti is the API server's word.
func TestResultRefusesValuesWithLineBreaks(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"x\nPATH=/evil", "x\r", "x\u2028PATH=/evil", "x\u2029", "x\u0085", "\x00", "\x1b[31m", "\t", "\x7f"} {
		for _, result := range []platform.Result{
			{Outputs: []platform.Output{{Name: "server", Value: "https://x"}, {Name: "token_id", Value: value}}},
			{Env: []platform.Output{{Name: "token_id", Value: value}}},
		} {
			err := result.Check()
			if problem.ExitCode(err) != int(problem.Publish) || !strings.Contains(err.Error(), "publish token_id: its value holds a line break") {
				t.Errorf("%q: %v", value, err)
			}
		}
	}
	plain := platform.Result{Outputs: []platform.Output{{Name: "context", Value: "größer@x y"}, {Name: "expires_at"}}}
	if err := plain.Check(); err != nil {
		t.Error(err)
	}
}
