package client_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/problem"
)

const (
	anonymous  = `User "system:anonymous" cannot `
	recognised = "the API server did not recognise the credential: it takes the runner for "
)

// Whatever an anonymous user was refused, no rule to paste and no command that would grant it to that
// user.
func TestARefusalOfNobodyAdvisesNoRights(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ message, user string }{
		"a resource":          {`roles.rbac.authorization.k8s.io "x" is forbidden: ` + anonymous + `get resource "roles" in API group "rbac.authorization.k8s.io" in the namespace "shop"`, "system:anonymous"},
		"at cluster scope":    {`clusterroles is forbidden: ` + anonymous + `list resource "clusterroles" in API group "" at the cluster scope`, "system:anonymous"},
		"a path":              {`forbidden: ` + anonymous + `get path "/apis"`, "system:anonymous"},
		"a review":            {`selfsubjectreviews.authentication.k8s.io is forbidden: ` + anonymous + `create resource "selfsubjectreviews" in API group "authentication.k8s.io" at the cluster scope`, "system:anonymous"},
		"a grant":             {`roles.rbac.authorization.k8s.io "x" is forbidden: user "system:anonymous" (groups=["system:unauthenticated"]) is attempting to grant RBAC permissions not currently held:` + "\n" + `{APIGroups:[""], Resources:["pods"], Verbs:["get"]}`, "system:anonymous"},
		"somebody of no name": {`secrets is forbidden: User "" cannot create resource "secrets" in API group "" in the namespace "shop"`, ""},
	} {
		for phase, code := range map[problem.Code]problem.Code{problem.Mint: problem.Source, problem.Source: problem.Source, problem.Rights: problem.Source, problem.Revoke: problem.Revoke} {
			api := connect(t, &rest.Config{Host: "https://x.gr7.eu-west-1.eks.amazonaws.com", Transport: saying(tt.message)})
			err := api.Explain(phase, "x", api.Get(t.Context(), object("Role", "shop", "x")))
			var p *problem.Error
			if !errors.As(err, &p) || p.Code != code || p.Cause.Error() != recognised+`"`+tt.user+`"` {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if _, ok := client.FindUnrecognised(errors.Join(errors.New("other"), err)); !ok {
				t.Errorf("%s: it cannot be found among others", name)
			}
			hints := strings.Join(p.Hints, "\n")
			if strings.Contains(hints, "bootstrap") || strings.Contains(hints, "apiGroups") || strings.Contains(hints, "policy") ||
				!strings.HasPrefix(hints, "a user name and password: ") || !strings.HasSuffix(hints, "everyone who reaches the API server would have them") {
				t.Errorf("%s: it advises %s", name, hints)
			}
		}
	}
}

// A name that only looks like it is a name.
func TestExplain_NamedUserKeepsAdvice(t *testing.T) {
	t.Parallel()
	for _, user := range []string{"jane", "system:anonymous2", "x:system:anonymous", "System:Anonymous", `system:anonymous\" cannot x`, "system:serviceaccount:ci:anonymous"} {
		message := `roles "x" is forbidden: User "` + user + `" cannot get resource "roles" in API group "rbac.authorization.k8s.io" in the namespace "shop"`
		api := connect(t, &rest.Config{Host: "https://10.0.0.1", Transport: saying(message)})
		err := api.Explain(problem.Mint, "x", api.Get(t.Context(), object("Role", "shop", "x")))
		if _, nobody := client.FindUnrecognised(err); nobody || problem.ExitCode(err) != int(problem.Rights) {
			t.Errorf("%s: %v", user, err)
		}
	}
	if _, nobody := client.FindUnrecognised(nil); nobody {
		t.Error("no failure is one of nobody")
	}
}

func TestRecognise(t *testing.T) {
	t.Parallel()
	who := func(name string, groups ...string) map[string]any {
		return map[string]any{
			"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1",
			"status": map[string]any{"userInfo": map[string]any{"username": name, "groups": groups}},
		}
	}
	refusal := func(code int32, reason metav1.StatusReason, message string) metav1.Status {
		return metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Code: code, Reason: reason, Message: message}
	}
	const review = `create resource "selfsubjectreviews" in API group "authentication.k8s.io" at the cluster scope`
	for name, tt := range map[string]struct {
		code   int
		answer any // a string is a page
		want   string
	}{
		"a user":                           {201, who("jane", "system:authenticated"), ""},
		"nobody":                           {201, who("system:anonymous", "system:unauthenticated"), "log in to the cluster: " + recognised + `"system:anonymous"`},
		"nobody under another name":        {201, who("guest", "system:unauthenticated"), "log in to the cluster: " + recognised + `"guest"`},
		"nobody, and refused":              {403, refusal(403, metav1.StatusReasonForbidden, "x is forbidden: "+anonymous+review), "log in to the cluster: " + recognised + `"system:anonymous"`},
		"a user, refused":                  {403, refusal(403, metav1.StatusReasonForbidden, `x is forbidden: User "jane" cannot `+review), ""},
		"not served":                       {404, refusal(404, metav1.StatusReasonNotFound, "the server could not find the requested resource"), ""},
		"not served: plain text":           {404, "404 page not found", ""},
		"Karpor: the dashboard":            {200, "<!DOCTYPE html>", ""},
		"Karpor: the dashboard is refused": {403, "<!DOCTYPE html>", ""},
		"a login that has expired":         {401, refusal(401, metav1.StatusReasonUnauthorized, "Unauthorized"), "log in to the cluster: the API server does not accept the runner's credential (401 Unauthorized)"},
	} {
		client := connect(t, &rest.Config{Host: "https://10.0.0.1", Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			recorder := httptest.NewRecorder()
			if page, ok := tt.answer.(string); ok {
				recorder.Header().Set("Content-Type", "text/html")
				recorder.WriteHeader(tt.code)
				_, _ = recorder.WriteString(page)
			} else {
				give(recorder, tt.code, tt.answer)
			}
			response := recorder.Result()
			response.Request = r
			return response, nil
		})})
		err, said, code := client.Recognise(t.Context()), "", 0
		if err != nil {
			said, code = err.Error(), int(problem.Source)
		}
		if said != tt.want || problem.ExitCode(err) != code {
			t.Errorf("%s: %q, exit code %d", name, said, problem.ExitCode(err))
		}
	}
}
