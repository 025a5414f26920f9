package learn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/kubemint/kubemint/internal/client/wire"
	"github.com/kubemint/kubemint/internal/rules/manifest"
	"github.com/kubemint/kubemint/internal/rules/needs"
)

// rbacGroup has the objects for which the API server wants more than the right to write them.
const rbacGroup = "rbac.authorization.k8s.io"

// written is a kind of role or binding that a command wrote in one place.
type written struct{ resource, namespace string }

// ReadRoles reads the roles and bindings that the command wrote, as they are after its end, and
// returns what the API server's escalation check wants of whoever writes them. (Their rules stood
// in the bodies of requests, which are not looked at.)
func ReadRoles(ctx context.Context, upstream Upstream, record *Record) needs.List {
	var objects []manifest.Object
	var comments []string
	for at, names := range record.writtenRoles() {
		found, err := listRoles(ctx, upstream, at)
		if err != nil {
			comments = append(comments, fmt.Sprintf("%s were written %s, and could not be read (%s): "+
				"whoever writes a role has to "+
				"hold its rules", at.resource, inPlace(at.namespace), err))
			continue
		}
		unnamed := slices.Contains(names, "") // by a POST: it may be any that was made since
		var maybe []string
		kept := slices.DeleteFunc(found, func(o manifest.Object) bool {
			if slices.Contains(names, o.Name) {
				return false
			}
			if !unnamed || o.Created.Before(record.start()) {
				return true
			}
			maybe = append(maybe, o.Name)
			return false
		})
		if len(maybe) > 0 {
			comments = append(comments, fmt.Sprintf("of %s made %s while the command ran all are counted, "+
				"whoever made them: %s", at.resource, inPlace(at.namespace), strings.Join(maybe, ", ")))
		}
		if len(kept) == 0 {
			comments = append(comments, fmt.Sprintf("%s were written %s and are gone again: whoever "+
				"writes a role has to hold its rules",
				at.resource, inPlace(at.namespace)))
		}
		objects = append(objects, kept...)
	}
	list := manifest.DeriveEscalations(objects)
	slices.Sort(comments)
	list.Comments = append(comments, list.Comments...)
	return list
}

// writtenRoles are the kinds of roles that were written, and the names that are known of them: a
// POST does not name what it makes.
func (r *Record) writtenRoles() map[written][]string {
	all := map[written][]string{}
	for seen := range r.Requests() {
		wrote := slices.Contains([]string{"create", "update", "patch"}, seen.Verb) &&
			seen.Status < http.StatusMultipleChoices
		if seen.Group != rbacGroup || seen.Subresource != "" || !wrote || seen.DryRun || seen.As != "" {
			continue // what it wrote as another identity is that identity's right
		}
		at := written{seen.Resource, seen.Namespace}
		all[at] = append(all[at], seen.Name)
	}
	return all
}

// listRoles lists one kind in one place.
func listRoles(ctx context.Context, upstream Upstream, at written) ([]manifest.Object, error) {
	path := []string{"apis", rbacGroup, "v1"}
	if at.namespace != "" {
		path = append(path, "namespaces", at.namespace)
	}
	to := upstream.URL.JoinPath(append(path, at.resource)...)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, to.String(), http.NoBody)
	if err != nil {
		return nil, err //nolint:wrapcheck // a URL that has just been joined
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", upstream.UserAgent)
	response, err := upstream.Transport.RoundTrip(request)
	if err != nil {
		return nil, err //nolint:wrapcheck // the caller says what was done
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the API server answers %d", response.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, wire.MostOfAPI+1))
	switch {
	case err != nil:
		return nil, err //nolint:wrapcheck // the same
	case len(text) > wire.MostOfAPI:
		return nil, errors.New("the list is too long")
	}
	return manifest.ReadList(text)
}

// inPlace says where, for people.
func inPlace(namespace string) string {
	if namespace == "" {
		return "at cluster scope"
	}
	return "in namespace " + namespace
}
