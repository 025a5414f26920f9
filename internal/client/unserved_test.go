package client_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/client/answer"
	"github.com/kubemint/kubemint/internal/client/discovery"
	"github.com/kubemint/kubemint/internal/problem"
)

// Two answers for what is not served: a page, as 200 or 404, and the one that names no object.
func pageOf(code int) func(w http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(code)
		_, _ = io.WriteString(w, "<html>who knows</html>")
	}
}

func noResource(w http.ResponseWriter) {
	refuse(w, metav1.Status{
		Code: 404, Reason: metav1.StatusReasonNotFound, Message: "the server could not find the requested resource",
		Details: &metav1.StatusDetails{},
	})
}

func listOf(text string) func(w http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, text)
	}
}

const (
	noGroups   = `{"kind":"APIGroupList","groups":[{"name":"apps","versions":[{"groupVersion":"apps/v1"}]}]}`
	oldGroup   = `{"kind":"APIGroupList","groups":[{"name":"coordination.k8s.io","versions":[{"groupVersion":"coordination.k8s.io/v1beta1"}]}]}`
	withGroup  = `{"kind":"APIGroupList","groups":[{"name":"coordination.k8s.io","versions":[{"groupVersion":"coordination.k8s.io/v1"}]}]}`
	withLeases = `{"kind":"APIResourceList","groupVersion":"coordination.k8s.io/v1","resources":[{"name":"leases"}]}`
	noLeases   = `{"kind":"APIResourceList","groupVersion":"coordination.k8s.io/v1","resources":[{"name":"leasecandidates"}]}`
)

// A part of the API that is not served is told from a page of something else by what the server lists.
func TestUnserved(t *testing.T) {
	t.Parallel()
	forbidden := func(w http.ResponseWriter) {
		refuse(w, metav1.Status{Code: 403, Reason: metav1.StatusReasonForbidden, Message: `forbidden: User "u" cannot get path "/apis"`})
	}
	for name, tt := range map[string]struct {
		answer, groups, group func(http.ResponseWriter)
		want                  bool
	}{
		"the group is not listed":               {pageOf(404), listOf(noGroups), nil, true},
		"the same, and a page for it":           {pageOf(200), listOf(noGroups), nil, true},
		"another version of the group":          {pageOf(404), listOf(oldGroup), nil, true},
		"no such resource in the group":         {noResource, listOf(withGroup), listOf(noLeases), true},
		"the lists are not for this user":       {pageOf(404), forbidden, nil, true},
		"one list is not for this user":         {noResource, listOf(withGroup), forbidden, true},
		"a page for everything":                 {pageOf(200), pageOf(200), nil, false},
		"404 for everything":                    {pageOf(404), pageOf(404), nil, false},
		"a page although it is served":          {pageOf(200), listOf(withGroup), listOf(withLeases), false},
		"a page before the list of the group":   {pageOf(200), listOf(withGroup), pageOf(200), false},
		"JSON that is no list of the API":       {pageOf(404), listOf(`{"message":"no Route matched"}`), nil, false},
		"a login for the list":                  {pageOf(200), pageOf(401), nil, false},
		"a page that forbids the list":          {pageOf(200), pageOf(403), nil, false},
		"a login for the object":                {pageOf(403), listOf(noGroups), nil, false},
		"an empty body in place of the list":    {pageOf(404), listOf(""), nil, false},
		"a list of the API that is only a name": {pageOf(404), listOf(`{"kind":"APIGroupList"}`), nil, true},
	} {
		for _, prefix := range []string{"", "/k8s/clusters/c-m-x7abc"} {
			t.Run(name+prefix, func(t *testing.T) {
				t.Parallel()
				s := serve(t, func(w http.ResponseWriter, r *http.Request, _ int) {
					path, ok := strings.CutPrefix(r.URL.Path, prefix)
					switch {
					case !ok:
						t.Errorf("asked for %s, outside the prefix", r.URL.Path)
					case path == "/apis":
						tt.groups(w)
					case path == "/apis/coordination.k8s.io/v1":
						tt.group(w)
					default:
						tt.answer(w)
					}
				})
				config := s.config()
				config.Host += prefix
				api := connect(t, config)
				err := api.Create(t.Context(), object("Lease", "shop", "x"))
				if discovery.Unserved(err) != tt.want {
					t.Fatalf("got %v", err)
				}
				said := fmt.Sprint(api.Explain(problem.Mint, "create Lease shop/x", err))
				if got := strings.Contains(said, "this API server does not serve leases (coordination.k8s.io/v1)"); got != tt.want {
					t.Errorf("said %s", said)
				}
				if tt.want && (problem.ExitCode(api.Explain(problem.Mint, "create", err)) != 5 || !answer.IsUntouched(err)) {
					t.Errorf("%v: it is not sure that nothing was made", err)
				}
			})
		}
	}
}

// Nothing is asked for what an API server answers itself: that an object is missing, or refused.
func TestServed_NotAsked(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(http.ResponseWriter){
		"found": func(w http.ResponseWriter) { give(w, 200, object("Role", "shop", "x")) },
		"missing": func(w http.ResponseWriter) {
			refuse(w, metav1.Status{
				Code: 404, Reason: metav1.StatusReasonNotFound, Message: `roles "x" not found`,
				Details: &metav1.StatusDetails{Name: "x", Kind: "roles"},
			})
		},
		"refused": status(403, metav1.StatusReasonForbidden),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(w http.ResponseWriter, _ *http.Request, _ int) { answer(w) })
			err := connect(t, s.config()).Get(t.Context(), object("Role", "shop", "x"))
			if asked := s.asked(); len(asked) != 1 || discovery.Unserved(err) {
				t.Errorf("asked %q, got %v", asked, err)
			}
		})
	}
}

// What is named is the resource, wherever it stands in a path.
func TestUnservedNames(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		switch r.URL.Path {
		case "/api":
			listOf(`{"kind":"APIVersions","versions":["v1"]}`)(w)
		case "/api/v1":
			listOf(`{"kind":"APIResourceList","resources":[{"name":"serviceaccounts"}]}`)(w)
		case "/apis":
			listOf(noGroups)(w)
		default:
			pageOf(404)(w)
		}
	})
	client := connect(t, s.config())
	for want, err := range map[string]error{
		"this API server does not serve namespaces (v1)": client.Get(t.Context(), object("Namespace", "", "shop")),
		"this API server does not serve secrets (v1)":    client.Delete(t.Context(), object("Secret", "shop", "x")),
		"this API server does not serve serviceaccounts/token (v1)": client.RequestToken(
			t.Context(), types.NamespacedName{Namespace: "shop", Name: "ci"}, &authenticationv1.TokenRequest{}),
		"this API server does not serve clusterroles (rbac.authorization.k8s.io/v1)": client.Get(
			t.Context(), object("ClusterRole", "", "namespaces")),
	} {
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if err := client.Get(t.Context(), object("ServiceAccount", "shop", "ci")); discovery.Unserved(err) {
		t.Errorf("%v, although it is listed", err)
	}
}

// Something before the API server answers 404 for everything, as a proxy does that does not know the cluster: nothing is gone
// because of that.
func TestNotFoundThatNamesNothing(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request, _ int) { noResource(w) })
	api := connect(t, s.config())
	for what, err := range map[string]error{
		"delete": api.Delete(t.Context(), object("Lease", "shop", "x")),
		"get":    api.Get(t.Context(), object("Role", "shop", "x")),
	} {
		if answer.IsMissing(err) || !answer.IsForeign(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
