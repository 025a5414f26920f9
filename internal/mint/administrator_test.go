package mint

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"

	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/kube"
)

// server answers the question whether the runner may do anything.
type server func(ctx context.Context, asked *authorizationv1.SelfSubjectAccessReview) error

func (s server) Create(ctx context.Context, o kube.Object) error {
	asked, ok := o.(*authorizationv1.SelfSubjectAccessReview)
	if !ok {
		return errors.New("not an access review")
	}
	return s(ctx, asked)
}

func TestLookForAdministrator(t *testing.T) {
	t.Parallel()
	const warning = "warning: the runner may do anything in this cluster, and so may whoever steals its credential: " +
		"kubemint bootstrap prints the few rights that this run needs, see docs/rights.md\n"
	allow := func(namespace, group string) server {
		return func(_ context.Context, asked *authorizationv1.SelfSubjectAccessReview) error {
			wanted := asked.Spec.ResourceAttributes
			asked.Status.Allowed = wanted.Verb == "*" && wanted.Resource == "*" && wanted.Group == group &&
				wanted.Namespace == namespace
			return nil
		}
	}
	for name, tt := range map[string]struct {
		api  server
		want string
	}{
		"an administrator":  {allow("", "*"), warning},
		"of one namespace":  {allow("shop", "*"), ""},
		"of the core group": {allow("", ""), ""},
		"nobody answers":    {func(context.Context, *authorizationv1.SelfSubjectAccessReview) error { return errors.New("not served") }, ""},
		"by another's words": {func(_ context.Context, asked *authorizationv1.SelfSubjectAccessReview) error {
			asked.Status.Allowed = true
			asked.Status.Reason = "RBAC: allowed by cluster-admins"
			return nil
		}, strings.Replace(warning, "cluster,", "cluster (RBAC: allowed by cluster-admins),", 1)},
	} {
		var text strings.Builder
		lookForAdministrator(t.Context(), console.New(&text), tt.api)()
		if text.String() != tt.want {
			t.Errorf("%s: %s", name, &text)
		}
	}
}

// The run's time is over, and the answer came before.
func TestLookForAdministrator_LongRun(t *testing.T) {
	t.Parallel()
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			var text strings.Builder
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			tell := lookForAdministrator(ctx, console.New(&text), server(
				func(_ context.Context, asked *authorizationv1.SelfSubjectAccessReview) error {
					asked.Status.Allowed = true
					return nil
				}))
			time.Sleep(time.Minute)
			tell()
			if !strings.Contains(text.String(), "may do anything") {
				t.Errorf("it forgets the answer: %q", text.String())
			}
		})
	}
}

// An answer that does not come keeps a short run up for a moment, a long one not at all, nor an interrupted one, even if
// the request goes on.
func TestLookForAdministrator_NobodyAnswers(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		interrupted bool
		runs, want  time.Duration
	}{
		"short":       {runs: time.Second / 2, want: reportWithin - time.Second/2},
		"long":        {runs: time.Minute},
		"interrupted": {interrupted: true},
	} {
		synctest.Test(t, func(t *testing.T) {
			over := make(chan struct{})
			ctx, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			tell := lookForAdministrator(ctx, console.New(&strings.Builder{}), server(
				func(context.Context, *authorizationv1.SelfSubjectAccessReview) error {
					<-over
					return nil
				}))
			if tt.interrupted {
				interrupt()
			}
			time.Sleep(tt.runs)
			start := time.Now()
			tell()
			if waited := time.Since(start); waited != tt.want {
				t.Errorf("%s: it waits %s", name, waited)
			}
			close(over)
		})
	}
}
