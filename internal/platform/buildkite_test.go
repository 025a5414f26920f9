package platform_test

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubemint/kubemint/internal/platform"
	"github.com/kubemint/kubemint/internal/problem"
)

// jobAPI is the part of Buildkite's job API that kubemint uses, as strict as the original (buildkite/agent, jobapi and
// internal/socket) or stricter: an unknown field is refused too.
type jobAPI struct {
	mu       sync.Mutex
	redacted []string
	env      map[string]string
	fails    bool
}

func (api *jobAPI) serve(t *testing.T) variables {
	t.Helper()
	dir, err := os.MkdirTemp("", "job-api") //nolint:usetesting // whose directory is too long a name for a socket: 104 characters
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "1.sock")
	listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(api.answer)}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return variables{"BUILDKITE": "true", "BUILDKITE_AGENT_JOB_API_SOCKET": path, "BUILDKITE_AGENT_JOB_API_TOKEN": "the-job's-own"}
}

func (api *jobAPI) answer(w http.ResponseWriter, r *http.Request) {
	api.mu.Lock()
	defer api.mu.Unlock()
	refuse := func(code int, why string) {
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": why})
	}
	decode := func(into any) bool {
		decoder := json.NewDecoder(r.Body)
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(into); err != nil {
			refuse(http.StatusBadRequest, "failed to decode request body: "+err.Error())
			return false
		}
		return true
	}
	kind, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch route := r.Method + " " + r.URL.Path; {
	case kind != "Bearer" || token != "the-job's-own":
		refuse(http.StatusUnauthorized, "invalid authorization token")
	case api.fails:
		body, _ := io.ReadAll(r.Body)
		refuse(http.StatusInternalServerError, "cannot take "+string(body))
	case route == "POST /api/current-job/v0/redactions":
		var request struct {
			Redact string `json:"redact"`
		}
		if decode(&request) {
			api.redacted = append(api.redacted, request.Redact)
			w.WriteHeader(http.StatusCreated)
		}
	case route == "PATCH /api/current-job/v0/env":
		var request struct {
			Env map[string]*string `json:"env"`
		}
		if !decode(&request) {
			return
		}
		for name, value := range request.Env {
			if value == nil || strings.HasPrefix(name, "BUILDKITE") {
				refuse(http.StatusUnprocessableEntity, "protected, or null: "+name)
				return
			}
			api.env[name] = *value
		}
	default:
		refuse(http.StatusNotFound, "404 page not found: "+route)
	}
}

func TestBuildkite_RedactsAndPublishes(t *testing.T) {
	t.Parallel()
	api := &jobAPI{env: map[string]string{"THEIRS": "untouched"}}
	p, stdout := detect(api.serve(t))
	if !p.Masks() {
		t.Error("it does not claim to mask")
	}
	result := secretResult()
	result.Outputs = append(result.Outputs, platform.Output{Name: "changes", Value: strings.Repeat("x", 130<<10)})
	if err := errors.Join(p.Ready(), p.Mask(canary), p.Publish(result)); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(api.redacted, []string{canary.Reveal()}) {
		t.Errorf("redacted: %q", api.redacted)
	}
	want := map[string]string{
		"THEIRS": "untouched", "KUBECONFIG": "/work/kubeconfig", "KUBEMINT_OUT_SERVER": "https://cluster:6443", "KUBEMINT_OUT_TOKEN": canary.Reveal(),
	}
	if diff := cmp.Diff(want, api.env); diff != "" {
		t.Errorf("(-want +have):\n%s", diff)
	}
	if content := string(p.EnvFile(result)); !strings.Contains(content, "KUBEMINT_OUT_CHANGES=x") || strings.Contains(content, canary.Reveal()) {
		t.Error("the file next to the kubeconfig lacks the changes, or has the secret")
	}
	if stdout.Len() > 0 {
		t.Errorf("printed: %q", stdout)
	}
}

func TestBuildkite_CannotRedact(t *testing.T) {
	t.Parallel()
	failing := (&jobAPI{fails: true}).serve(t)
	stranger := maps.Clone((&jobAPI{}).serve(t))
	stranger["BUILDKITE_AGENT_JOB_API_TOKEN"] = "another's"
	gone := variables{"BUILDKITE": "true", "BUILDKITE_AGENT_JOB_API_SOCKET": "/nonexistent/1.sock"} // detect says that it exists
	for name, c := range map[string]struct {
		env  variables
		want string
	}{
		"an error of the agent": {failing, "500 Internal Server Error"},
		"another job's token":   {stranger, "401 Unauthorized"},
		"nobody listens":        {gone, "no such file"},
	} {
		p, _ := detect(c.env)
		for _, err := range []error{p.Mask(canary), p.Publish(secretResult())} {
			if problem.ExitCode(err) != int(problem.Publish) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), canary.Reveal()) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// A container has the variables and not the socket.
func TestBuildkite_NoSocket(t *testing.T) {
	t.Parallel()
	env := variables{"BUILDKITE": "true", "BUILDKITE_AGENT_JOB_API_SOCKET": "/x/1.sock", "BUILDKITE_AGENT_JOB_API_TOKEN": "x"}
	p := platform.Detect(platform.Environment{Getenv: func(name string) string { return env[name] }, Exists: func(string) bool { return false }})
	if err := errors.Join(p.Mask(canary), p.Publish(secretResult())); p.Masks() || err != nil {
		t.Errorf("masks: %v (%v)", p.Masks(), err)
	}
}
