package proof

import (
	"context"
	"errors"
	"sync"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/client/discovery"
	"github.com/kubemint/kubemint/internal/problem"
)

// Server is a connection with one credential.
type Server interface {
	ReadRoot(ctx context.Context) error
}

// Proof collects what is proved about one credential.
type Proof struct {
	Account types.NamespacedName
	// Declared says that the declared access has the reviews in it: it may not have taken effect
	// when they are first sent.
	Declared bool
	Good     Server                                         // connects with the token
	Broken   func() (server Server, done func(), err error) // connects with [secret.Value.WithBrokenSignature]

	mu       sync.Mutex
	unasked  string // why it could not be asked who it is; "" where that is known
	unlisted string // why it could not be asked what it may do
}

// inEffectWithin is how long it may take until access that was just written lets the account send a
// review.
const inEffectWithin = time.Second

// Identify asks who the credential is. If the review cannot be asked, it proves that the token is
// accepted.
func (p *Proof) Identify(ctx context.Context, ask func(context.Context) error) error {
	err := p.sendReview(ctx, ask)
	switch user := client.RefusedUser(err); {
	case user == p.userName():
		return nil // the refusal has said who it is
	case user != "" && user != anonymous:
		return NewMistaken(user, p.Account)
	case !discovery.Unserved(err):
		return err
	}
	p.mu.Lock()
	p.unasked = describeCause(err)
	p.mu.Unlock()
	return p.proveAccepted(ctx)
}

const anonymous = "system:anonymous"

// Review asks what the credential may do in one place. If it cannot ask, nothing shows that the
// credential may not do what mustNot forbids.
func (p *Proof) Review(
	ctx context.Context, mustNot []rbacv1.PolicyRule, ask func(context.Context) error,
) error {
	err := p.sendReview(ctx, ask)
	user := client.RefusedUser(err)
	mayNot := user == p.userName()
	switch {
	case user != "" && user != anonymous && !mayNot:
		return NewMistaken(user, p.Account)
	case !mayNot && !discovery.Unserved(err):
		return err
	}
	why := describeCause(err)
	if mayNot {
		why = "ServiceAccount " + p.Account.String() + " may not ask the API server what it may do"
	}
	if len(mustNot) > 0 {
		failed := problem.Newf(problem.Mint, "prove must_not",
			"%s, so what the credential may not do stays unproven", why)
		if mayNot {
			failed.Hint("%s", declareReviews)
		}
		return failed.Hint("without `must_not` the run succeeds, and says what is unproven")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unlisted = why
	return nil
}

// declareReviews is the remedy for an account that may not send reviews.
const declareReviews = "have the account ask: add to `rules`  cluster create " +
	"selfsubjectreviews.authentication.k8s.io,selfsubjectrulesreviews.authorization.k8s.io," +
	"selfsubjectaccessreviews.authorization.k8s.io"

func (p *Proof) userName() string { return UserOf(p.Account) }

// sendReview sends a review, for a moment again where the account may send it as soon as its access
// is in effect.
func (p *Proof) sendReview(ctx context.Context, ask func(context.Context) error) error {
	err := ask(ctx)
	if !p.Declared || client.RefusedUser(err) != p.userName() {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, inEffectWithin)
	defer cancel()
	pauses := wait.Backoff{Duration: 5 * time.Millisecond, Factor: 2, Steps: 8}
	_ = pauses.DelayFunc().Until(bounded, false, true, func(context.Context) (bool, error) {
		err = ask(ctx)
		return client.RefusedUser(err) != p.userName(), nil
	})
	return err
}

// proveAccepted shows that the API server looks at the token: it takes it, and refuses one that is
// almost the same.
func (p *Proof) proveAccepted(ctx context.Context) error {
	const op = "prove token"
	err := p.Good.ReadRoot(ctx)
	switch user := client.RefusedUser(err); {
	case apierrors.IsUnauthorized(err):
		return problem.New(problem.Mint, op, ErrRefused,
			"its ServiceAccount may have been deleted meanwhile: run again")
	case user == p.userName():
		p.mu.Lock()
		p.unasked = ""
		p.mu.Unlock()
		return nil
	case user != "" && user != anonymous:
		return NewMistaken(user, p.Account)
	case err != nil:
		return err
	}
	broken, done, err := p.Broken()
	if err != nil {
		return err
	}
	defer done()
	err = broken.ReadRoot(ctx)
	switch {
	case apierrors.IsUnauthorized(err):
		return nil
	case err == nil, apierrors.IsForbidden(err):
		return problem.New(problem.Mint, op, errBrokenAccepted,
			"switch its authentication on, or give its own address as `server`: "+
				"something before it may drop the Authorization header")
	}
	return err
}

var errBrokenAccepted = errors.New("the API server takes a token with a broken signature as well, " +
	"so it does not look at tokens")

func describeCause(err error) string {
	if unserved, ok := errors.AsType[*discovery.UnservedError](err); ok {
		return unserved.Error()
	}
	return err.Error()
}

// DescribeUnproven says what stays unproven, "" if everything is proved.
func (p *Proof) DescribeUnproven() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	identity := "that the token is " + p.Account.String() + "'s"
	access := "that its access is in effect"
	const accepted = "; what is proven: the API server takes the token, and refuses a broken one"
	switch {
	case p.unasked != "" && p.unlisted != "":
		return "unproven: " + identity + ", and " + access + " (" + p.unlisted + ")" + accepted
	case p.unasked != "":
		return "unproven: " + identity + " (" + p.unasked + ")" + accepted
	case p.unlisted != "":
		return "unproven: " + access + " (" + p.unlisted + ")"
	}
	return ""
}
