package proof

import (
	"context"
	"strconv"
	"strings"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/client/review"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rules"
)

// Claim lists what has to be proved of the credential in one namespace before it is delivered.
type Claim struct {
	Namespace string              // review.EveryNamespace for cluster-wide access
	Rules     []rbacv1.PolicyRule // all of it has to be in effect
	MustNot   []rbacv1.PolicyRule // none of it may be
	// Unread are the names of bound roles that the runner's identity may not read: whether they
	// exist is for the review to say. Fresh means that their bindings are of this run: nothing
	// tells when they have taken effect.
	Unread []string
	Fresh  bool
	// Gone was taken away a moment ago. Prove waits until it is gone, but not longer than any
	// change takes, since the account may have the same from somewhere else.
	Gone []rbacv1.PolicyRule
}

// NoRole is a bound role that does not exist, as the cause of an error.
type NoRole string

func (NoRole) Error() string { return "no such role" }

// settled is how long the API server may take to see a change if no answer shows that it has: a
// right that is gone, or the rules of an unread role. On two API servers of one cluster it took 6
// ms at most.
const settled = time.Second

// Prove waits until all the claim's rules are in effect for the credential: RBAC reaches each API
// server by its own watch, a little after it was written. Prove ends with the context, and then
// names what is missing. It fails once nothing is missing and the credential may do what must_not
// forbids.
func Prove(ctx context.Context, api Reviewer, claim Claim) error {
	start := time.Now()
	var (
		seen findings
		err  error
	)
	ended := newDelay(firstLook).Until(ctx, true, true, func(ctx context.Context) (bool, error) {
		if seen, err = claim.look(ctx, api); err != nil {
			return true, nil //nolint:nilerr // it is returned below
		}
		settling := time.Since(start) < settled
		switch {
		case len(seen.missing) > 0, settling && len(seen.lingering)+len(seen.breach) > 0:
			return false, nil
		case len(seen.breach) > 0:
			err = seen.explainBreach(ctx, seen.breach)
			return true, nil
		}
		return !claim.Fresh || !settling, nil
	})
	if ended != nil {
		return seen.notInEffect(context.Cause(ctx), seen.missing)
	}
	return err
}

// findings are the results of one look at the credential's access.
type findings struct {
	*review.Review
	missing, breach, lingering []rbacv1.PolicyRule
}

func (claim Claim) look(ctx context.Context, api Reviewer) (seen findings, err error) {
	if seen.Review, err = review.Ask(ctx, patient{api}, claim.Namespace); err != nil {
		return seen, err
	}
	for _, role := range claim.Unread {
		// clusterroles.rbac.authorization.k8s.io "x" not found
		if strings.Contains(seen.Evaluation, strconv.Quote(role)) {
			return seen, problem.Newf(problem.Rights, "bind role "+role,
				"%w: the API server says: %s", NoRole(role), seen.Evaluation).
				Hint(
					"see whether `role` is spelt right; a bare name is a ClusterRole, `role/%s` a Role of the namespace",
					role,
				)
		}
	}
	if seen.missing, err = seen.FindLacking(ctx, claim.Rules); err != nil {
		return seen, err
	}
	if seen.breach, err = seen.FindAllowed(ctx, claim.MustNot); err != nil {
		return seen, err
	}
	seen.lingering, err = seen.FindAllowed(ctx, claim.Gone)
	return seen, err
}

func (r findings) notInEffect(cause error, missing []rbacv1.PolicyRule) error {
	if len(missing) == 0 {
		return problem.Newf(
			problem.Mint, "prove access", "too early to say what is in effect %s: %w", r.DescribePlace(),
			cause,
		).
			Hint("raise `timeout`")
	}
	p := problem.Newf(
		problem.Mint, "prove access", "these rules are not in effect %s (%w)", r.DescribePlace(), cause,
	).
		Detail(r.FormatRules(missing)...)
	if r.Evaluation != "" {
		p.Hint("the API server says: %s", r.Evaluation)
	}
	return p.Hint(
		"raise `timeout`, or see whether somebody deletes the bindings again, or the namespace",
	)
}

// explainBreach names what the credential may do although must_not forbids it, and the binding and
// role that grant it: the access review says so.
func (r findings) explainBreach(ctx context.Context, breach []rbacv1.PolicyRule) error {
	granted, err := r.Attribute(ctx, breach)
	if err != nil {
		return err
	}
	var lines []string
	for _, by := range granted {
		lines = append(lines, rules.Format(by.Rules)...)
		if by.Reason != "" {
			lines = append(lines, "    "+by.Reason)
		}
	}
	return problem.Newf(
		problem.Mint, "prove must_not", "%s the credential may do what must_not forbids",
		r.DescribePlace(),
	).
		Detail(lines...).
		Hint("take the rule out of the role that grants it, or the subject out of the binding; " +
			"what a ServiceAccount was given beyond what is declared, another `service_account` does not have")
}
