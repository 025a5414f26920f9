package discovery

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Read reads a path of the API server as JSON. What the API server refuses is its own error. A page
// is another error, or a body that is not a list of the API.
type Read func(ctx context.Context, path, accept string) ([]byte, error)

// Plain asks for the lists that [Absent] reads, and not for the aggregated one.
const Plain = "application/json"

// within bounds the requests that find out why an answer was not one of the API.
const within = 5 * time.Second

// Absent says whether an API server answers, and does not serve the resource (which may be a
// subresource: "serviceaccounts/token"). It is false where something else answers: then nothing is
// known about the API.
func Absent(ctx context.Context, read Read, resource schema.GroupVersionResource) bool {
	listed, answers := lookUp(ctx, read, resource)
	return answers && !listed
}

func lookUp(
	ctx context.Context, read Read, resource schema.GroupVersionResource,
) (listed, answers bool) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	versions, answers := readList(ctx, read, rootPath(resource.Group))
	if !answers || !versions.hasVersion(resource.GroupVersion()) {
		return false, answers
	}
	resources, answers := readList(
		ctx, read, rootPath(resource.Group)+"/"+resource.GroupVersion().String(),
	)
	return resources.hasResource(resource.Resource), answers
}

func rootPath(group string) string {
	if group == "" {
		return "/api"
	}
	return "/apis"
}

// list is any of the lists that an API server has of its API: APIVersions, APIGroupList,
// APIResourceList of meta/v1.
type list struct {
	Kind     string
	Versions []string
	Groups   []struct {
		Versions []struct{ GroupVersion string }
	}
	Resources []struct{ Name string }
}

// readList reads a list. answers says whether an API server answered: with the list, or by refusing
// it to this user, which only an API server does in an object of the API. The list is empty then,
// as if it had nothing: had it served the resource, it would have answered the request for it in
// the same way.
func readList(ctx context.Context, read Read, path string) (l list, answers bool) {
	body, err := read(ctx, path, Plain)
	if err != nil {
		return list{}, apierrors.IsForbidden(err)
	}
	return parse(body)
}

func parse(body []byte) (l list, ok bool) {
	known := []string{"APIVersions", "APIGroupList", "APIResourceList"}
	if json.Unmarshal(body, &l) != nil || !slices.Contains(known, l.Kind) {
		return list{}, false
	}
	return l, true
}

// ListsAPI says whether an answer is a list that an API server has of its API.
func ListsAPI(body []byte) bool {
	_, ok := parse(body)
	return ok
}

func (l list) hasVersion(version schema.GroupVersion) bool {
	if version.Group == "" {
		return slices.Contains(l.Versions, version.Version)
	}
	for _, group := range l.Groups {
		for _, served := range group.Versions {
			if served.GroupVersion == version.String() {
				return true
			}
		}
	}
	return false
}

func (l list) hasResource(name string) bool {
	for _, resource := range l.Resources {
		if resource.Name == name {
			return true
		}
	}
	return false
}
