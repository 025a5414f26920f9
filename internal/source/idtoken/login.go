package idtoken

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
	"github.com/kubemint/kubemint/internal/source/bearer"
)

// Latest keeps what the latest ID token says of itself. It keeps no token.
type Latest struct{ said atomic.Pointer[said] }

// Follow returns a login that requests the same tokens.
func (l *Latest) Follow(login bearer.Login) bearer.Login {
	return func(ctx context.Context) (secret.Value, time.Time, error) {
		token, expiry, err := login(ctx)
		if err == nil {
			l.said.Store(readToken(token))
		}
		return token, expiry, err
	}
}

// Describe adds to a refusal what the token says, and the command with which an administrator has
// the API server trust it. It returns false without a token, or where the token says nothing.
func (l *Latest) Describe(refusal *problem.Error) bool {
	if l == nil || l.said.Load() == nil {
		return false
	}
	says := l.said.Load()
	switch refusal.Code { //nolint:exhaustive // a token is not the cause of any other
	case problem.Source:
		refusal.Detail("the job's ID token says")
		for _, line := range says.lines {
			refusal.Detail("  " + line)
		}
		refusal.Hint("an API server accepts the token until it expires, if it trusts this issuer for " +
			"this audience, and if its rules fit the other claims")
		if says.trust != "" {
			refusal.Hint("an administrator sees what the API server needs for it:  %s", says.trust)
		}
	case problem.Rights: // hints: a run can be refused many rights, and a report has a hint once
		refusal.Hint("the job's ID token says  %s", strings.Join(says.lines, "; "))
		if says.trust != "" && !strings.Contains(refusal.Headline(), says.user+`"`) {
			refusal.Hint("an administrator can have the API server name the user by the repository's id, "+
				"which outlives its name:  %s", says.trust)
		}
	}
	return true
}
