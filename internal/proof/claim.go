package proof

import (
	"context"
	"strconv"
	"strings"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rules"
)

// Claim is what is proved of the credential in a namespace before it is handed out.
type Claim struct {
	Namespace string              // EveryNamespace for cluster-wide access
	Rules     []rbacv1.PolicyRule // all of it has to be in effect
	MustNot   []rbacv1.PolicyRule // none of it may be
	// Unread are the names of bound roles that the runner's identity may not read: whether they exist is for the review to
	// say. Fresh means that their bindings are of this run: nothing tells when they have taken effect.
	Unread []string
	Fresh  bool
	// Gone is what was taken away a moment ago: it is waited for, but not for longer than any change takes, since the account
	// may have the same from somewhere else.
	Gone []rbacv1.PolicyRule
}

// NoRole is a bound role that does not exist, as the cause of an error.
type NoRole string

func (NoRole) Error() string { return "there is no such role" }

// settled is how long the API server may take to see what was just written, where nothing tells that it has: that a
// right is gone, or what an unread role grants. On two API servers of one cluster 6 ms were the most that was seen.
const settled = time.Second

// Prove waits until all the claim's rules are in effect for the credential: RBAC reaches each API server by its own watch,
// a little after it was written. It ends with the context, and then names what is missing. What must not be fails it.
func Prove(ctx context.Context, api Reviewer, claim Claim) error {
	start, wait := time.Now(), firstLook
	for {
		have, err := newReview(ctx, api, claim.Namespace)
		if err != nil {
			return err
		}
		for _, role := range claim.Unread {
			if strings.Contains(have.evaluation, strconv.Quote(role)) { // clusterroles.rbac.authorization.k8s.io "x" not found
				return problem.Newf(problem.Rights, "bind role "+role, "%w: the API server says: %s", NoRole(role), have.evaluation).
					Hint("see whether `role` is spelt right; a bare name is a ClusterRole, `role/%s` a Role of the namespace", role)
			}
		}
		missing, err := have.lacks(ctx, claim.Rules)
		if err != nil {
			return err
		}
		breach, err := have.allows(ctx, claim.MustNot)
		if err != nil {
			return err
		}
		lingering, err := have.allows(ctx, claim.Gone)
		if err != nil {
			return err
		}
		settling := time.Since(start) < settled
		switch {
		case len(missing) > 0:
		case len(lingering) > 0 && settling:
		case len(breach) > 0 && !settling:
			return have.breached(ctx, breach)
		case len(breach) == 0 && (!claim.Fresh || !settling):
			return nil
		}
		if !sleep(ctx, &wait) {
			return have.notInEffect(context.Cause(ctx), missing)
		}
	}
}

func (r *review) notInEffect(cause error, missing []rbacv1.PolicyRule) error {
	if len(missing) == 0 {
		return problem.Newf(problem.Mint, "prove access", "too early to say what is in effect %s: %w", r.place(), cause).Hint("raise `timeout`")
	}
	p := problem.Newf(problem.Mint, "prove access", "these rules are not in effect %s (%w)", r.place(), cause).
		Detail(r.format(missing)...)
	if r.evaluation != "" {
		p.Hint("the API server says: %s", r.evaluation)
	}
	return p.Hint("raise `timeout`, or see whether somebody deletes the bindings again, or the namespace")
}

// breached names what the credential may do and must not, and by which binding and role: the access review says that.
func (r *review) breached(ctx context.Context, breach []rbacv1.PolicyRule) error {
	answers, err := r.ask(ctx, rules.Questions(breach, false))
	if err != nil {
		return err
	}
	var reasons []string
	by := map[string][]rbacv1.PolicyRule{}
	for _, answer := range answers {
		if by[answer.reason] == nil {
			reasons = append(reasons, answer.reason)
		}
		by[answer.reason] = append(by[answer.reason], answer.question.Rule())
	}
	var lines []string
	for _, reason := range reasons {
		lines = append(lines, rules.Format(by[reason])...)
		if reason != "" {
			lines = append(lines, "    "+reason)
		}
	}
	return problem.Newf(problem.Mint, "prove must_not", "%s the credential may do what must_not forbids", r.place()).Detail(lines...).
		Hint("take the rule out of the role that grants it, or the subject out of the binding; " +
			"what a ServiceAccount was given beyond what is declared, another `service_account` does not have")
}
