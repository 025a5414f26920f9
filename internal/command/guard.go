package command

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/client-go/rest"

	"github.com/kubemint/kubemint/internal/command/session"
	"github.com/kubemint/kubemint/internal/problem"
)

// guardSince is the first version of Kubernetes that enforces a guard.
//
// Source: ValidatingAdmissionPolicy is in admissionregistration.k8s.io/v1 from 1.30 on.
var guardSince = version.MustParseGeneric("1.30.0") //nolint:gochecknoglobals // a constant

// versionWithin is what the API server gets to say its version. The answer is worth no more.
const versionWithin = 3 * time.Second

// checkVersion refuses a guard for a cluster that is too old for it. One that does not say its
// version is no reason to refuse.
func checkVersion(ctx context.Context, s session.Session) error {
	server, have, err := askVersion(ctx, s)
	switch {
	case err != nil:
		s.Log.Printf("note: the cluster's version was not asked: %s; the guard needs Kubernetes %d.%d",
			err, guardSince.Major(), guardSince.Minor())
	case have.LessThan(guardSince):
		return problem.Newf(problem.Config, "print the guard",
			"%s runs Kubernetes %s, and ValidatingAdmissionPolicies are enforced from %d.%d on",
			server, have, guardSince.Major(), guardSince.Minor()).
			Hint("leave --guard out: the rights that are printed without it work on this cluster").
			Hint("or print it all the same, for a cluster that will be newer, with --guard=anyway")
	}
	return nil
}

// askVersion asks the source's API server for its version. It sends no credential.
func askVersion(ctx context.Context, s session.Session) (server string, have *version.Version, err error) {
	from, err := session.LoadSource(s, session.ChooseDeclared(s))
	if err != nil {
		return "", nil, err
	}
	api, err := s.Dialer().Client(rest.AnonymousClientConfig(from.REST))
	if err != nil {
		return "", nil, err
	}
	defer api.Close()
	ctx, cancel := context.WithTimeout(ctx, versionWithin)
	defer cancel()
	have, err = api.ServerVersion(ctx)
	return from.Server, have, err
}
