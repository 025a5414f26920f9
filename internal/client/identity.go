package client

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/internal/client/answer"
	"github.com/kubemint/kubemint/internal/client/discovery"
	"github.com/kubemint/kubemint/internal/client/explain"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/problem"
)

// anonymous is the user that an API server takes a request without a credential for, and
// unauthenticated that user's group (k8s.io/apiserver pkg/authentication/user).
const (
	anonymous       = "system:anonymous"
	unauthenticated = "system:unauthenticated"
)

// UnrecognisedError is an answer to an anonymous user: the API server did not recognise the
// runner's credential, or never saw it. It has no hint that would give rights to everyone who
// reaches the API server.
type UnrecognisedError struct{ user string }

func (e *UnrecognisedError) Error() string {
	return fmt.Sprintf(
		"the API server did not recognise the credential: it takes the runner for %q", e.user,
	)
}

// unrecognised are the causes, likeliest first.
var unrecognised = []string{
	"a user name and password: no API server takes them since Kubernetes 1.19; use a token or a " +
		"client certificate",
	"a proxy or load balancer on the way ends TLS, and the client certificate with it, or drops the " +
		"Authorization header: " +
		"use the API server's own address, or a token that the proxy passes on",
	"a client certificate of another cluster's CA: get a new kubeconfig for this cluster",
}

// explainAnonymous explains an answer to an anonymous user. Its code is always that of the source.
func explainAnonymous(op, user string) *problem.Error {
	return problem.New(problem.Source, op, &UnrecognisedError{user}, unrecognised...).
		Hint("give no rights to %s: everyone who reaches the API server would have them", anonymous)
}

// FindUnrecognised finds the answer to an anonymous user among failures.
func FindUnrecognised(err error) (*problem.Error, bool) {
	for _, each := range problem.ListErrors(err) {
		p, explained := errors.AsType[*problem.Error](each)
		if _, ok := errors.AsType[*UnrecognisedError](each); ok && explained {
			return p, true
		}
	}
	return nil, false
}

// Recognise asks whom the API server takes the runner for. It returns an error for an anonymous
// user, and nil if it cannot find out: a server need not serve the review (Karpor), nor let
// everyone ask it. A refusal that names the runner shows that the runner is recognised.
func (c *Client) Recognise(ctx context.Context) error {
	const op = "log in to the cluster"
	review := &authenticationv1.SelfSubjectReview{TypeMeta: kube.TypeMeta("SelfSubjectReview")}
	err := c.Create(ctx, review)
	who := review.Status.UserInfo
	switch {
	case err == nil && (who.Username == anonymous || slices.Contains(who.Groups, unauthenticated)):
		return explainAnonymous(op, who.Username)
	case err == nil:
		return nil
	}
	status, _ := answer.StatusOf(err)
	if user, ok := anonymousIn(status); ok {
		return explainAnonymous(op, user)
	}
	_, page := errors.AsType[*answer.ForeignError](err)
	if answer.IsForbidden(err) || answer.PolicyDenied(err) || answer.IsMissing(err) ||
		discovery.Unserved(err) || page {
		return nil
	}
	return c.Explain(problem.Mint, op, err)
}

// anonymousIn says whether a 403 went to an anonymous user, for a resource, a path or a grant.
func anonymousIn(status metav1.Status) (user string, ok bool) {
	user, ok = refusedUserIn(status)
	return user, ok && (user == anonymous || user == "")
}

func refusedUserIn(status metav1.Status) (user string, ok bool) {
	named := regexp.MustCompile(refusedUser).FindStringSubmatch(status.Message)
	if status.Reason != metav1.StatusReasonForbidden || named == nil {
		return "", false
	}
	return explain.Unquote(named[1]), true
}

// RefusedUser returns the user to whom the API server refused a request, or "".
func RefusedUser(err error) string {
	status, _ := answer.StatusOf(err)
	user, _ := refusedUserIn(status)
	return user
}

// refusedUser is the user of the authorizer's message (responsewriters forbiddenMessage) or of an
// escalation refusal.
const refusedUser = `[Uu]ser ("(?:[^"\\]|\\.)*") (?:cannot |\(groups=)`
