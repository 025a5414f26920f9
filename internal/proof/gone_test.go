package proof_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/kubemint/kubemint/internal/proof"
)

// What a run has taken away is waited for, and no longer than any change takes: the account may have it from somewhere else.
func TestProve_AwaitsWhatIsGone(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		lingers, least, most time.Duration
	}{
		"gone at once":             {0, 0, 0},
		"gone a moment later":      {20 * time.Millisecond, 20 * time.Millisecond, 100 * time.Millisecond},
		"granted by somebody else": {time.Hour, time.Second, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := &authorizer{t: t, lists: func(after time.Duration) string {
					if after < tt.lingers {
						return "list pods,secrets"
					}
					return "list pods"
				}}
				start := time.Now()
				claim := proof.Claim{Namespace: "shop", Rules: parse(t, "list pods"), Gone: parse(t, "list secrets")}
				err := proof.Prove(t.Context(), a, claim)
				if took := time.Since(start); err != nil || took < tt.least || took > tt.most {
					t.Errorf("after %s: %v", took, err)
				}
			})
		})
	}
}
