package learn

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
)

// readIdentity reads who a request asks to act as: a line for each thing that the API server wants
// its sender to be allowed to be, "" where it acts as itself.
func readIdentity(headers http.Header) string {
	user := headers.Get(authenticationv1.ImpersonateUserHeader)
	if user == "" { // the API server refuses the rest without it
		return ""
	}
	lines := []string{"user " + user}
	for _, group := range headers.Values(authenticationv1.ImpersonateGroupHeader) {
		lines = append(lines, "group "+group)
	}
	if uid := headers.Get(authenticationv1.ImpersonateUIDHeader); uid != "" {
		lines = append(lines, "uid "+uid)
	}
	var extras []string
	for header, values := range headers {
		key, is := strings.CutPrefix(header, authenticationv1.ImpersonateUserExtraHeaderPrefix)
		for _, value := range values {
			if is {
				extras = append(extras, "extra "+strings.ToLower(key)+" "+value)
			}
		}
	}
	slices.Sort(extras)
	return strings.Join(append(lines, extras...), "\n")
}

// impersonated lists the names that a rule has to allow for an identity
// (k8s.io/apiserver, pkg/endpoints/filters/impersonation).
func impersonated(identity string) map[spot][]string {
	all := map[spot][]string{}
	for line := range strings.SplitSeq(identity, "\n") {
		kind, name, _ := strings.Cut(line, " ")
		var at spot
		switch kind {
		case "user":
			at, name = impersonatedUser(name)
		case "group":
			at = spot{resource: "groups"}
		case "uid":
			at = spot{group: authenticationv1.GroupName, resource: "uids"}
		case "extra":
			key, value, _ := strings.Cut(name, " ")
			if plain, err := url.PathUnescape(key); err == nil {
				key = plain
			}
			at = spot{group: authenticationv1.GroupName, resource: "userextras/" + key}
			name = value
		}
		all[at] = append(all[at], name)
	}
	return all
}

// impersonatedUser is a user, or a ServiceAccount of its namespace.
func impersonatedUser(user string) (spot, string) {
	account, is := strings.CutPrefix(user, "system:serviceaccount:")
	if namespace, name, ok := strings.Cut(account, ":"); is && ok {
		return spot{namespace, "", "serviceaccounts"}, name
	}
	return spot{"", "", "users"}, user
}
