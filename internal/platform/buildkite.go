package platform

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"path"
	"time"

	"github.com/kubemint/kubemint/internal/client/wire"
	"github.com/kubemint/kubemint/internal/owner"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
)

// newBuildkite is a job of Buildkite. Where the step does not see the agent's socket, as in some
// containers, only the plain conventions remain.
func newBuildkite(env Environment) Platform {
	get := env.Getenv
	p := newPlain(env)
	if socket := get("BUILDKITE_AGENT_JOB_API_SOCKET"); socket != "" && env.Exists(socket) {
		p.Results.Masks = true
		p.Effects = buildkite{socket: socket, token: get("BUILDKITE_AGENT_JOB_API_TOKEN")}
	}
	p.Facts.Name = "Buildkite"
	p.Facts.Debug = get("BUILDKITE_AGENT_DEBUG") == "true"
	p.Facts.JobTimeout = env.timeout("BUILDKITE_TIMEOUT", time.Minute) // "false": no timeout
	p.Paths.Workspace = env.dirs("BUILDKITE_BUILD_CHECKOUT_PATH")
	// https://buildkite.com/docs/pipelines/configure/environment-variables
	who := identity{
		system: "buildkite", before: "buildkite",
		id:   joinIDs(get("BUILDKITE_ORGANIZATION_ID"), get("BUILDKITE_PIPELINE_ID")),
		name: path.Join(get("BUILDKITE_ORGANIZATION_SLUG"), get("BUILDKITE_PIPELINE_SLUG")),
	}
	p.Facts.Marks = who.addOwner(owner.Marks{
		Job: cmp.Or(get("BUILDKITE_STEP_KEY"), get("BUILDKITE_LABEL")), Commit: get("BUILDKITE_COMMIT"),
		Run: get("BUILDKITE_BUILD_URL") + "#" + get("BUILDKITE_JOB_ID"),
	})
	return p
}

// buildkite is the Effects of a job whose agent serves an API on a Unix socket (buildkite/agent,
// jobapi): it redacts secrets, and changes the environment of the job's later hooks and commands.
type buildkite struct {
	nothing
	socket string
	token  string
}

// Mask has the agent redact a secret.
func (b buildkite) Mask(value secret.Value) error {
	return b.callAPI(http.MethodPost, "redactions", map[string]any{"redact": value.Reveal()})
}

// Publish sets the variables of the env file and the secret outputs that are wanted. It leaves out
// values with which no program could be started.
func (b buildkite) Publish(result Result) error {
	env := map[string]string{}
	for _, variable := range result.variables(true) {
		if len(variable.Value) <= jobEnvLimit {
			env[variable.Name] = variable.Value
		}
	}
	return b.callAPI(http.MethodPatch, "env", map[string]any{"env": env})
}

// callAPI calls the job API. Its error quotes neither the answer nor the body.
func (b buildkite) callAPI(method, resource string, body map[string]any) error {
	data, err := json.Marshal(body)
	if err == nil {
		err = b.send(&http.Request{
			Method: method,
			URL:    &url.URL{Scheme: "http", Host: "job", Path: "/api/current-job/v0/" + resource},
			Header: http.Header{"Authorization": {"Bearer " + b.token}},
			Body:   io.NopCloser(bytes.NewReader(data)), ContentLength: int64(len(data)),
		})
	}
	if err != nil {
		return problem.New(problem.Publish, "ask Buildkite's agent for "+resource, err)
	}
	return nil
}

func (b buildkite) send(request *http.Request) error {
	client := wire.Client(&http.Transport{DisableKeepAlives: true, DialContext: b.dial}, wire.MostOfToken)
	client.Timeout = 10 * time.Second
	response, err := client.Do(request) //nolint:gosec // to the agent's socket
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	if response.StatusCode/100 != 2 {
		return errors.New(response.Status)
	}
	return nil
}

func (b buildkite) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "unix", b.socket)
}
