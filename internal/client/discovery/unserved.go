package discovery

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// UnservedError is an answer about a part of the API that the API server does not have.
type UnservedError struct{ schema.GroupVersionResource }

func (e *UnservedError) Error() string {
	return fmt.Sprintf("this API server does not serve %s (%s)", e.Resource, e.GroupVersion())
}

// Unserved says whether a request failed because the API server does not have that part of the API.
func Unserved(err error) bool {
	_, ok := errors.AsType[*UnservedError](err)
	return ok
}

// Hints say what the missing part means for kubemint.
func (e *UnservedError) Hints() []string {
	switch {
	case e.Resource == "serviceaccounts/token":
		return []string{"kubemint needs the TokenRequest API, which every Kubernetes since 1.22 has"}
	case strings.HasPrefix(e.Group, "rbac."):
		return []string{"leave `role` and `rules` out: " +
			"the token then carries the access that the ServiceAccount already has"}
	}
	return nil
}

// ResourceIn is the resource that the rest of a request's path is about, after the version of its
// group: less namespace and name.
func ResourceIn(rest string) string {
	parts := strings.Split(rest, "/")
	if parts[0] == "namespaces" && len(parts) > 2 {
		parts = parts[2:]
	}
	return strings.Join(slices.Concat(parts[:1], parts[min(2, len(parts)):]), "/")
}
