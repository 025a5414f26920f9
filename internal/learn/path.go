package learn

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/apimachinery/pkg/fields"
)

// The form of a request's path is that of k8s.io/apiserver's RequestInfoFactory, which would add a
// megabyte to the binary. test/learn compares the two.

// verbOf is the verb of a method on an object that is named.
func verbOf(method string) string {
	switch method {
	case http.MethodPost:
		return "create"
	case http.MethodGet, http.MethodHead:
		return "get"
	case http.MethodPut:
		return "update"
	case http.MethodPatch:
		return "patch"
	case http.MethodDelete:
		return "delete"
	}
	return ""
}

// parsePath reads the verb, and what it is for, from the request's line.
func parsePath(method string, at *url.URL) Request {
	plain := Request{Verb: strings.ToLower(method), URL: at.Path}
	parts := strings.Split(strings.Trim(at.Path, "/"), "/")
	var seen Request
	switch {
	case len(parts) >= 3 && parts[0] == "api":
		parts = parts[2:]
	case len(parts) >= 4 && parts[0] == "apis":
		seen.Group = parts[1]
		parts = parts[3:]
	default:
		return plain
	}
	seen.Verb = verbOf(method)
	if parts[0] == "watch" || parts[0] == "proxy" { // forms of old: the verb stands in the path
		seen.Verb = parts[0]
		if parts = parts[1:]; len(parts) == 0 {
			return plain
		}
	}
	seen.readParts(parts)
	seen.readQuery(at.Query())
	return seen
}

// readParts reads namespace, resource, name and subresource.
func (r *Request) readParts(parts []string) {
	if parts[0] == "namespaces" && len(parts) > 1 {
		r.Namespace = parts[1]
		ofNamespace := len(parts) > 2 && (parts[2] == "status" || parts[2] == "finalize")
		if len(parts) > 2 && !ofNamespace {
			parts = parts[2:]
		}
	}
	r.Resource = parts[0]
	if len(parts) > 1 {
		r.Name = parts[1]
	}
	if len(parts) > 2 && r.Verb != "proxy" && r.Verb != "watch" {
		r.Subresource = parts[2]
	}
}

// readQuery tells a list or a watch from a get, and finds the one name that it may be for.
func (r *Request) readQuery(query url.Values) {
	switch {
	case r.Name != "":
	case r.Verb == "delete":
		r.Verb = "deletecollection"
	case r.Verb == "get":
		r.Verb = "list"
		if query.Has("watch") && !slices.Contains([]string{"false", "0"}, strings.ToLower(query.Get("watch"))) {
			r.Verb = "watch"
		}
		selector, err := fields.ParseSelector(query.Get("fieldSelector"))
		if err != nil {
			return
		}
		name, one := selector.RequiresExactMatch("metadata.name")
		if one && len(content.IsPathSegmentName(name)) == 0 {
			r.Name = name
		}
	}
}
