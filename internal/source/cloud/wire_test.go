package cloud_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
	"github.com/kubemint/kubemint/internal/source/cloud"
	"github.com/kubemint/kubemint/internal/source/cloud/plugin"
	"github.com/kubemint/kubemint/test/clouds"
)

// endless is a body without an end, and counts what is read of it.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// hostileWire answers each request in the place of a cloud's endpoint.
type hostileWire struct {
	mu     sync.Mutex
	asked  []string
	answer func(r *http.Request) *http.Response
}

func (h *hostileWire) RoundTrip(r *http.Request) (*http.Response, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = append(h.asked, r.URL.Scheme+"://"+r.URL.Host)
	answer := h.answer(r)
	answer.Request, answer.ProtoMajor = r, 1
	return answer, nil
}

// endpoints are the logins by the endpoint that each asks first, which is where its secret goes.
func endpoints(t *testing.T) map[string]struct {
	stanza plugin.Stanza
	env    map[string]string
} {
	t.Helper()
	const eks = "aws eks get-token --cluster-name shop --region eu-west-1"
	const server = "https://0123456789ABCDEF.gr7.eu-west-1.eks.amazonaws.com"
	key := string(clouds.NewGoogle().ServiceAccountKey(t, "deployer@shop.iam.gserviceaccount.com"))
	azure := func(args ...string) plugin.Stanza { return azureStanza(args...) }
	return map[string]struct {
		stanza plugin.Stanza
		env    map[string]string
	}{
		"STS, by a web identity": {awsStanza(t, server, eks), map[string]string{
			"AWS_WEB_IDENTITY_TOKEN_FILE": "identity", "AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/ci",
		}},
		"STS, by keys": {awsStanza(t, server, eks+" --role-arn arn:aws:iam::111122223333:role/ci"), map[string]string{
			"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "sesame",
		}},
		"the container's endpoint": {awsStanza(t, server, eks), map[string]string{
			"AWS_CONTAINER_CREDENTIALS_FULL_URI": "https://keys.example.com/v1", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "sesame",
		}},
		"the container's endpoint on this machine": {awsStanza(t, server, eks), map[string]string{
			"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "sesame",
		}},
		"Google, by a key":              {gkeStanza(), map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": key}},
		"Google's metadata server":      {gkeStanza(), nil},
		"Google's impersonation":        {gkeStanza("--impersonate_service_account", "deployer@shop.iam.gserviceaccount.com"), map[string]string{"CLOUDSDK_AUTH_ACCESS_TOKEN": "ya29.sesame"}},
		"Entra, by a secret":            {azure("-l", "spn", "--client-id", azureTestClient, "-t", azureTestTenant, "--client-secret", "sesame"), nil},
		"Entra, by the job's token":     {azure("-l", "workloadidentity", "--client-id", azureTestClient, "-t", azureTestTenant, "--federated-token-file", "f"), nil},
		"Azure's machine identity":      {azure("-l", "msi"), nil},
		"Azure's machine identity, one": {azure("-l", "msi", "--client-id", azureTestClient), nil},
	}
}

func hostileRunner(env map[string]string, over http.RoundTripper) plugin.Runner {
	return plugin.Runner{
		Getenv: func(name string) string { return env[name] },
		ReadFile: func(path string) ([]byte, error) {
			if strings.HasPrefix(path, "{") {
				return []byte(path), nil // the environment has the content itself
			}
			if path == "identity" {
				return []byte("sesame"), nil
			}
			return nil, io.ErrUnexpectedEOF
		},
		IDToken: func(context.Context, string) (secret.Value, error) { return secret.New("sesame"), nil },
		HTTP:    &http.Client{Transport: over},
	}
}

// Whatever endpoint of a cloud redirects: nothing is sent where it leads, nor sent again, and the error says where that is.
func TestNoCloudIsFollowedElsewhere(t *testing.T) {
	t.Parallel()
	for name, c := range endpoints(t) {
		for _, code := range []int{301, 302, 303, 307, 308} {
			over := &hostileWire{answer: func(r *http.Request) *http.Response {
				to := url.URL{Scheme: "http", Host: "evil.example", Path: "/sesame", RawQuery: r.URL.RawQuery}
				return &http.Response{StatusCode: code, Header: http.Header{"Location": {to.String()}, "Metadata-Flavor": {"Google"}}, Body: http.NoBody}
			}}
			login, err := cloud.For(c.stanza, hostileRunner(c.env, over))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			_, _, err = login.Token(t.Context())
			if err == nil || problem.ExitCode(err) != int(problem.Source) {
				t.Fatalf("%s, %d: %v", name, code, err)
			}
			if said := err.Error(); !strings.Contains(said, `to "http://evil.example", which is not followed`) || strings.Contains(said, "sesame") {
				t.Errorf("%s, %d: it says %s", name, code, said)
			}
			if len(over.asked) != 1 || strings.Contains(over.asked[0], "evil") {
				t.Errorf("%s, %d: asked were %q", name, code, over.asked)
			}
		}
	}
}

// Nor does any endpoint's answer fill the memory, be it a good one or an error.
func TestACloudsAnswerIsBounded(t *testing.T) {
	t.Parallel()
	for name, c := range endpoints(t) {
		for _, code := range []int{200, 400} {
			body := &endless{}
			over := &hostileWire{answer: func(*http.Request) *http.Response {
				return &http.Response{
					StatusCode: code, Header: http.Header{"Content-Type": {"application/json"}, "Metadata-Flavor": {"Google"}}, Body: io.NopCloser(body),
				}
			}}
			login, err := cloud.For(c.stanza, hostileRunner(c.env, over))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			_, _, err = login.Token(t.Context())
			var p *problem.Error
			if !errors.As(err, &p) || p.Code != problem.Source {
				t.Errorf("%s, %d: %v", name, code, err)
			}
			if most := len(over.asked) * 2 << 20; body.read > most {
				t.Errorf("%s, %d: %d bytes were read in %d answers", name, code, body.read, len(over.asked))
			}
		}
	}
}
