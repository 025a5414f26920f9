package platform_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubemint/kubemint/internal/platform"
)

func of(env variables) platform.Platform {
	p, _ := detect(env)
	return p
}

// The runner's endpoint, as @actions/core asks it: each answer of the script once, and then the last.
func TestIDToken_GitHubRunner(t *testing.T) {
	t.Parallel()
	type answer struct {
		status int
		body   string
	}
	for name, c := range map[string]struct {
		script   []answer
		want     string
		requests int
	}{
		"at once":        {[]answer{{200, `{"value":"a.b.c"}`}}, "a.b.c", 1},
		"after a fault":  {[]answer{{503, "canary"}, {200, `{"value":"a.b.c"}`}}, "a.b.c", 2},
		"refused":        {[]answer{{401, "canary"}}, "request the job's OIDC token: the runner answers 401 Unauthorized", 1},
		"empty":          {[]answer{{200, `{}`}}, "request the job's OIDC token: the runner's answer holds none", 1},
		"always a fault": {[]answer{{500, "canary"}}, "request the job's OIDC token: the runner's endpoint does not answer: Internal Server Error", 4},
		"no JSON":        {[]answer{{200, `canary`}}, "request the job's OIDC token: the runner's endpoint does not answer: its answer is not what was expected", 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				a := c.script[min(asked, len(c.script)-1)]
				asked++
				query := r.URL.Query()
				if r.Method != http.MethodGet || query.Get("audience") != "https://x:6443/a b" || query.Get("api-version") != "2" ||
					!strings.EqualFold(r.Header.Get("Authorization"), "bearer of-the-job") {
					t.Errorf("asked %s %s as %s", r.Method, r.URL, r.Header.Get("Authorization"))
				}
				w.WriteHeader(a.status)
				_, _ = w.Write([]byte(a.body))
			}))
			t.Cleanup(server.Close)
			env := variables{
				"GITHUB_ACTIONS": "true", "ACTIONS_ID_TOKEN_REQUEST_URL": server.URL + "/idtoken?api-version=2", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "of-the-job",
			}
			request, _ := of(env).IDToken()
			bearer, err := request(t.Context(), "https://x:6443/a b")
			got := bearer.Reveal()
			if err != nil {
				got = err.Error()
			}
			if got != c.want || asked != c.requests {
				t.Errorf("got %q after %d requests, want %q after %d", got, asked, c.want, c.requests)
			}
		})
	}
}

func TestIDTokenEndsWithTheRun(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		cancel()
		w.WriteHeader(http.StatusBadGateway)
	}))
	t.Cleanup(server.Close)
	request, _ := of(variables{
		"GITHUB_ACTIONS": "true", "ACTIONS_ID_TOKEN_REQUEST_URL": server.URL, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "x",
	}).IDToken()
	if _, err := request(ctx, "a"); err == nil || !strings.Contains(err.Error(), "does not answer") || strings.Contains(err.Error(), server.URL) {
		t.Errorf("got %v", err)
	}
}

func TestIDToken_NotGranted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env    variables
		remedy string
	}{
		"GitHub, no permission": {variables{"GITHUB_ACTIONS": "true"}, "give the job `permissions: {id-token: write}`"},
		"GitHub, half":          {variables{"GITHUB_ACTIONS": "true", "ACTIONS_ID_TOKEN_REQUEST_URL": "https://x"}, "give the job `permissions: {id-token: write}`"},
		"GitLab":                {variables{"GITLAB_CI": "true"}, "declare an ID token in the job that is the input itself: `id_tokens: {KUBEMINT_BEARER_TOKEN: {aud"},
		"Jenkins":               {variables{"JENKINS_URL": "https://x"}, "give `bearer_token`"},
		"elsewhere":             {variables{"ACTIONS_ID_TOKEN_REQUEST_URL": "https://x", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "x"}, "give `bearer_token`"},
	} {
		request, remedy := of(c.env).IDToken()
		if request != nil || !strings.HasPrefix(remedy, c.remedy) {
			t.Errorf("%s: %s", name, remedy)
		}
	}
}

func TestTempDirectory_OfTheJob(t *testing.T) {
	t.Parallel()
	for want, env := range map[string]variables{
		"/home/runner/work/_temp":   {"GITHUB_ACTIONS": "true", "RUNNER_TEMP": "/home/runner/work/_temp"},
		"/builds/acme/shop.tmp":     {"GITLAB_CI": "true", "CI_PROJECT_DIR": "/builds/acme/shop"},
		"/home/jenkins/ws/shop@tmp": {"JENKINS_URL": "https://x", "WORKSPACE_TMP": "/home/jenkins/ws/shop@tmp"},
		"/agent/_work/_temp":        {"TF_BUILD": "True", "AGENT_TEMPDIRECTORY": "/agent/_work/_temp"},
		"":                          {},
	} {
		if diff := cmp.Diff(want, of(env).Temp()); diff != "" {
			t.Error(diff)
		}
	}
	inside := container(variables{"RUNNER_TEMP": hostTemp}, hostWorkspace, hostTemp, newRunner...)
	if diff := cmp.Diff("/github/runner_temp", inside.Temp()); diff != "" {
		t.Error(diff)
	}
}
