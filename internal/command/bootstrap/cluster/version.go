package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/client-go/rest"

	"github.com/kubemint/kubemint/internal/client/wire"
	"github.com/kubemint/kubemint/internal/command/session"
	"github.com/kubemint/kubemint/internal/problem"
)

// since is the first version of Kubernetes that enforces a guard.
//
// Source: ValidatingAdmissionPolicy is in admissionregistration.k8s.io/v1 from 1.30 on.
const since = "1.30"

// answerWithin bounds the question. The answer is worth no longer wait.
const answerWithin = 3 * time.Second

// CheckVersion refuses a guard for a cluster that is too old for it. A cluster that cannot be asked
// is not refused: a note on the log says so.
func CheckVersion(ctx context.Context, s session.Session) error {
	server, have, err := askVersion(ctx, s)
	switch {
	case err != nil:
		s.Log.Printf("note: the cluster's version was not asked: %s; the guard needs Kubernetes %s", err, since)
	case have.LessThan(version.MustParseGeneric(since)):
		return problem.Newf(problem.Config, "print the guard",
			"%s runs Kubernetes %s, and ValidatingAdmissionPolicies are enforced from %s on", server, have, since).
			Hint("leave --guard out: the rights that are printed without it work on this cluster").
			Hint("or print it all the same, for a cluster that will be newer, with --guard=anyway")
	}
	return nil
}

// askVersion asks the source's API server for its version, once. It sends no credential: anyone may
// ask, unless the cluster forbids anonymous requests.
func askVersion(ctx context.Context, s session.Session) (string, *version.Version, error) {
	from, err := session.LoadSource(s, session.ChooseDeclared(s))
	if err != nil && s.Config.Source.Server != "" {
		// an administrator has no ID token of the job, and the question takes none
		config := *s.Config
		config.Source.BearerToken = "not sent"
		s.Config = &config
		from, err = session.LoadSource(s, session.ChooseDeclared(s))
	}
	if err != nil {
		return "", nil, err
	}
	transport, err := rest.TransportFor(rest.AnonymousClientConfig(from.REST))
	if err != nil {
		return "", nil, fmt.Errorf("prepare connection: %w", err)
	}
	defer utilnet.CloseIdleConnectionsFor(transport)
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	url := strings.TrimSuffix(from.Server, "/") + "/version"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", nil, err
	}
	request.Header.Set("User-Agent", s.Dialer().UserAgent)
	answer, err := wire.Client(transport, wire.MostOfToken).Do(request)
	if err != nil {
		return "", nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return "", nil, fmt.Errorf("GET %s: %s", url, answer.Status)
	}
	var said struct {
		GitVersion string `json:"gitVersion"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&said); err != nil {
		return "", nil, fmt.Errorf("GET %s: %w", url, err)
	}
	have, err := version.ParseGeneric(said.GitVersion)
	return from.Server, have, err
}
