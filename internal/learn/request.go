package learn

import (
	"net/http"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/endpoints/request"
)

// Request holds the parts of a request that decide whether it is allowed, and its outcome.
type Request struct {
	Target
	Status  int // of the answer
	DryRun  bool
	Upgrade bool   // it takes the connection over
	As      string // another identity that it acts as: see readIdentity
}

// Target names what a request asks for.
type Target struct {
	Verb, Group, Resource, Subresource string
	Namespace, Name                    string
	URL                                string // of a request that is for no resource
}

// parseRequest reads a request's line: no body, no header but the identity to act as, and of
// the query only whether it is a dry run, a watch, or for one name.
func parseRequest(r *http.Request) Request {
	asServer := request.RequestInfoFactory{
		APIPrefixes: sets.NewString("api", "apis"), GrouplessAPIPrefixes: sets.NewString("api"),
	}
	info, err := asServer.NewRequestInfo(r)
	if err != nil || !info.IsResourceRequest { // an error: /api/v1/watch alone, which the API server refuses
		return Request{Target: Target{Verb: strings.ToLower(r.Method), URL: r.URL.Path}, As: readIdentity(r.Header)}
	}
	return Request{
		Target: Target{
			Verb: info.Verb, Group: info.APIGroup, Resource: info.Resource, Subresource: info.Subresource,
			Namespace: info.Namespace, Name: info.Name,
		},
		DryRun:  r.URL.Query().Has("dryRun"),
		Upgrade: r.Header.Get("Upgrade") != "",
		As:      readIdentity(r.Header),
	}
}

// words are the parts that a client chooses the length of.
func (r *Request) words() []*string {
	return []*string{
		&r.Verb, &r.Group, &r.Resource, &r.Subresource, &r.Namespace, &r.Name, &r.URL, &r.As,
	}
}

// size is the length of the words, in bytes.
func (r Request) size() (total int) {
	for _, word := range r.words() {
		total += len(*word)
	}
	return total
}

// clone is the request without the URL that it was read from, whose memory its words share.
func (r Request) clone() *Request {
	for _, word := range r.words() {
		*word = strings.Clone(*word)
	}
	return &r
}

// splitName takes the name out of a request, and the URL where it is for no resource.
func (r Request) splitName() (rest Request, name string) {
	if r.URL != "" {
		name = r.URL
		r.URL = "/"
		return r, name
	}
	name = r.Name
	r.Name = ""
	return r, name
}

// withName puts back what splitName took out.
func (r Request) withName(name string) Request {
	if r.URL != "" {
		r.URL = name
	} else {
		r.Name = name
	}
	return r
}

// taken are the verbs that the API server asks its authorizer for.
func (r Request) taken() []string {
	switch {
	case r.Status == http.StatusCreated && slices.Contains([]string{"patch", "update"}, r.Verb):
		return []string{r.Verb, "create"} // apply, or a PUT, made the object
	case r.Upgrade && r.Verb == "get" && r.Subresource != "":
		return []string{"get", "create"} // KEP 4006: since 1.35 a WebSocket to exec takes create too
	}
	return []string{r.Verb}
}

// resource is how a rule names the resource.
func (r Request) resource() string {
	if r.Subresource == "" {
		return r.Resource
	}
	return r.Resource + "/" + r.Subresource
}

// isOpen reports whether each authenticated identity may send the request: the roles
// system:discovery, system:public-info-viewer and system:basic-user (k8s.io/kubernetes,
// plugin/pkg/auth/authorizer/rbac/bootstrappolicy).
func (r Request) isOpen() bool {
	if r.URL != "" {
		return r.Verb == "get" && isDiscovery(r.URL)
	}
	own := []string{"selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"}
	return r.Verb == "create" && slices.Contains(own, r.Resource)
}

// isDiscovery reports whether a path tells what the API server serves.
func isDiscovery(path string) bool {
	for _, root := range []string{"/api", "/apis", "/openapi"} {
		if path == root || strings.HasPrefix(path, root+"/") {
			return true
		}
	}
	health := []string{"/healthz", "/livez", "/readyz", "/version", "/version/"}
	return slices.Contains(health, path)
}
