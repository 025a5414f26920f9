package kubetest

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// StandIn describes a server that serves less than the API server behind it. Everything else is
// that API server's own.
type StandIn struct {
	// Lacks are parts of the API that it does not serve: "v1", "coordination.k8s.io/v1", or with a
	// resource, "v1/serviceaccounts/token". Only, where it is given, are the parts that it serves,
	// and no others.
	Lacks, Only []string
	// Page is its answer, as 200 and HTML, for paths that it does not serve and RBAC does not refuse. Without
	// it the answer is the API server's own 404.
	Page string
	// Hides are paths of objects that it answers 404 for, although the API server behind it has
	// them.
	Hides []string
	// Version is the version that it claims: "v1.29.3".
	Version string
	// OldTokens has it issue tokens without jti.
	OldTokens bool
	// Everyone is the token that it takes every request to have: it drops the Authorization header.
	Everyone string
	// Chain has it show two certificates: its own, and that of the authority that signed it.
	Chain bool
}

// Start starts the stand-in before a control plane. It ends with the test.
func (s StandIn) Start(t testing.TB, cluster *ControlPlane) *Proxy {
	t.Helper()
	var chain []tls.Certificate
	if s.Chain {
		chain = twoCertificates(t)
	}
	var tokens oldTokens
	return newProxy(t, cluster, chain, func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
		if s.Everyone != "" {
			r.Header.Set("Authorization", "Bearer "+s.Everyone)
		}
		if s.OldTokens {
			next = tokens.before(next)
		}
		s.serve(w, r, next)
	})
}

func (s StandIn) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	what := partOf(r.URL.Path)
	switch {
	case s.Version != "" && r.URL.Path == "/version":
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{"gitVersion": s.Version})
	case slices.Contains(s.Hides, r.URL.Path) && r.Method == http.MethodGet:
		r.URL.Path += "-hidden" // an object that is not there
		next.ServeHTTP(w, r)
	case what.root:
		s.list(w, r, next)
	case what.known && s.serves(what.version, "") && what.resource == "":
		s.list(w, r, next)
	case what.known && s.serves(what.version, what.resource), !what.known && s.Page == "":
		next.ServeHTTP(w, r)
	default:
		s.refuse(w, r, next)
	}
}

// apiPart says which part of the API a path belongs to.
type apiPart struct {
	root     bool   // the lists of versions: /api, /apis, and /version
	known    bool   // it is of the API
	version  string // "v1", "coordination.k8s.io/v1"
	resource string // with its subresource
}

func partOf(path string) apiPart {
	if slices.Contains([]string{"/api", "/apis", "/version"}, path) {
		return apiPart{root: true}
	}
	rest, core := strings.CutPrefix(path, "/api/")
	depth := 1
	if !core {
		if rest, core = strings.CutPrefix(path, "/apis/"); !core {
			return apiPart{}
		}
		depth = 2
	}
	parts := strings.Split(strings.Trim(rest, "/"), "/")
	version := strings.Join(parts[:min(depth, len(parts))], "/")
	if parts = parts[min(depth, len(parts)):]; len(parts) == 0 {
		return apiPart{known: true, version: version}
	}
	if parts[0] == "namespaces" && len(parts) > 2 {
		parts = parts[2:]
	}
	resource := strings.Join(slices.Concat(parts[:1], parts[min(2, len(parts)):]), "/")
	return apiPart{known: true, version: version, resource: resource}
}

// serves says whether it serves a version, with resource "" whether any of it.
func (s StandIn) serves(version, resource string) bool {
	in := func(parts []string) bool {
		return slices.Contains(parts, version) || slices.Contains(parts, version+"/"+resource)
	}
	if in(s.Lacks) {
		return false
	}
	some := func(part string) bool { return strings.HasPrefix(part, version+"/") }
	return len(s.Only) == 0 || in(s.Only) || (resource == "" && slices.ContainsFunc(s.Only, some))
}

// refuse answers for what it does not serve: as the API server where that refuses the user, since
// authorization comes before routing. RBAC takes no notice of the version, so a version that nobody
// serves changes nothing.
func (s StandIn) refuse(w http.ResponseWriter, r *http.Request, next http.Handler) {
	what := partOf(r.URL.Path)
	if what.known {
		r.URL.Path = strings.Replace(r.URL.Path, what.version, what.version+"standin", 1)
	}
	answer := httptest.NewRecorder()
	next.ServeHTTP(answer, r)
	refused := answer.Code == http.StatusForbidden || answer.Code == http.StatusUnauthorized
	switch {
	case s.Page != "" && !refused:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, s.Page)
	case slices.Contains(s.Lacks, what.version) && !refused:
		http.NotFound(w, r) // as for a group that it does not know
	default: // as for a resource that is not in a group that it knows
		deliver(w, answer, answer.Body.Bytes())
	}
}

// list leaves out of a list of the API what it does not serve.
func (s StandIn) list(w http.ResponseWriter, r *http.Request, next http.Handler) {
	r.Header.Set("Accept", "application/json") // and no aggregated discovery
	r.Header.Del("Accept-Encoding")
	answer := httptest.NewRecorder()
	next.ServeHTTP(answer, r)
	var listed map[string]any
	if answer.Code != http.StatusOK || json.Unmarshal(answer.Body.Bytes(), &listed) != nil {
		deliver(w, answer, answer.Body.Bytes())
		return
	}
	listed["groups"] = keep(listed["groups"], func(group map[string]any) bool {
		group["versions"] = keep(group["versions"], func(version map[string]any) bool {
			return s.serves(version["groupVersion"].(string), "") //nolint:forcetypeassert // of the API server
		})
		return len(group["versions"].([]any)) > 0 //nolint:forcetypeassert // made here
	})
	version, _ := listed["groupVersion"].(string)
	listed["resources"] = keep(listed["resources"], func(resource map[string]any) bool {
		return s.serves(version, resource["name"].(string)) //nolint:forcetypeassert // of the API server
	})
	body, err := json.Marshal(listed)
	if err != nil {
		panic(err) // it was JSON
	}
	answer.Header().Del("Content-Length")
	deliver(w, answer, body)
}

func keep(list any, wanted func(map[string]any) bool) any {
	items, ok := list.([]any)
	if !ok {
		return list
	}
	return slices.DeleteFunc(items, func(item any) bool {
		return !wanted(item.(map[string]any)) //nolint:forcetypeassert // of the API server
	})
}

// twoCertificates are those of karpor-server and its like: signed by an authority that was made for
// it alone.
func twoCertificates(t testing.TB) []tls.Certificate {
	t.Helper()
	authority, err := NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	certificate, key, err := authority.Server("127.0.0.1", "localhost")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(bytes.Join([][]byte{certificate, authority.PEM}, nil), key)
	if err != nil {
		t.Fatal(err)
	}
	return []tls.Certificate{pair}
}
