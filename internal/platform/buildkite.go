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

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/client/wire"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
)

// buildkite is a job of Buildkite. Its agent serves an API to the job on a Unix socket (buildkite/agent, jobapi): it redacts a
// secret that it is told, and changes the environment of the job's hooks and command that are still to come. Where there is
// none, as in a container that does not see the socket, the plain conventions remain.
type buildkite struct{ plain }

func (buildkite) Name() string  { return "Buildkite" }
func (b buildkite) Debug() bool { return b.env.Getenv("BUILDKITE_AGENT_DEBUG") == "true" }

// JobTimeout is BUILDKITE_TIMEOUT, which is "false" where there is none.
func (b buildkite) JobTimeout() time.Duration { return b.timeout("BUILDKITE_TIMEOUT", time.Minute) }

// Marks name the pipeline as the owner (https://buildkite.com/docs/pipelines/configure/environment-variables).
func (b buildkite) Marks() access.Marks {
	get := b.env.Getenv
	who := identity{
		system: "buildkite", before: "buildkite", id: ids(get("BUILDKITE_ORGANIZATION_ID"), get("BUILDKITE_PIPELINE_ID")),
		name: path.Join(get("BUILDKITE_ORGANIZATION_SLUG"), get("BUILDKITE_PIPELINE_SLUG")),
	}
	return who.mark(access.Marks{
		Job: cmp.Or(get("BUILDKITE_STEP_KEY"), get("BUILDKITE_LABEL")), Commit: get("BUILDKITE_COMMIT"),
		Run: get("BUILDKITE_BUILD_URL") + "#" + get("BUILDKITE_JOB_ID"),
	})
}

func (b buildkite) Workspace() []string { return b.dirs("BUILDKITE_BUILD_CHECKOUT_PATH") }

func (b buildkite) socket() string { return b.env.Getenv("BUILDKITE_AGENT_JOB_API_SOCKET") }

func (b buildkite) Masks() bool { return b.socket() != "" && b.env.Exists(b.socket()) }

func (b buildkite) Mask(secret secret.Value) error {
	return b.call(http.MethodPost, "redactions", map[string]any{"redact": secret.Reveal()})
}

// Publish sets what the env file says and the secret outputs that are wanted, but for what no program could be started with.
func (b buildkite) Publish(result Result) error {
	env := map[string]string{}
	for _, variable := range result.variables(true) {
		if len(variable.Value) <= jobEnvLimit {
			env[variable.Name] = variable.Value
		}
	}
	return b.call(http.MethodPatch, "env", map[string]any{"env": env})
}

// call asks the job API, if there is one. Neither an answer nor an error is quoted that could quote the body.
func (b buildkite) call(method, resource string, body map[string]any) error {
	if !b.Masks() {
		return nil
	}
	data, err := json.Marshal(body)
	if err == nil {
		request := &http.Request{
			Method: method, URL: &url.URL{Scheme: "http", Host: "job", Path: "/api/current-job/v0/" + resource},
			Header: http.Header{"Authorization": {"Bearer " + b.env.Getenv("BUILDKITE_AGENT_JOB_API_TOKEN")}},
			Body:   io.NopCloser(bytes.NewReader(data)), ContentLength: int64(len(data)),
		}
		client := wire.Client(&http.Transport{DisableKeepAlives: true, DialContext: b.dial}, wire.MostOfToken)
		client.Timeout = 10 * time.Second
		var response *http.Response
		if response, err = client.Do(request); err == nil {
			_ = response.Body.Close()
			if response.StatusCode/100 != 2 {
				err = errors.New(response.Status)
			}
		}
	}
	if err != nil {
		return problem.New(problem.Publish, "ask Buildkite's agent for "+resource, err)
	}
	return nil
}

func (b buildkite) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "unix", b.socket())
}
