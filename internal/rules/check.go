package rules

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/kubemint/kubemint/internal/problem"
)

// Verbs returns the verbs for resources that Kubernetes knows, * not among them: what a * stands for where each must be
// asked by itself.
func Verbs() []string { return slices.Clone(resourceVerbs) }

// version is an API version in front of a group, as kubectl takes it (deployments.v1.apps). RBAC knows none.
var version = regexp.MustCompile(`^v[0-9]+((alpha|beta)[0-9]+)?\.`)

// shown quotes what the user wrote. A file that was named by mistake may hold a secret, and a line of it is long.
func shown(word string) string {
	if len(word) > 64 {
		word = word[:61] + "..."
	}
	return strconv.Quote(word)
}

// checkVerb checks the verb of a rule for URLs or for resources. Where those are custom, only a near miss is a fault.
func checkVerb(verb string, url, custom bool) error {
	known := resourceVerbs
	if url {
		known = urlVerbs
	}
	composed := func(prefix string) bool { return strings.HasPrefix(verb, prefix) && !strings.HasSuffix(verb, ":") }
	if verb == "*" || slices.Contains(known, verb) || !url && slices.ContainsFunc(verbPrefixes, composed) {
		return nil
	}
	near := nearest(verb, known)
	switch {
	case near != "" && !(url && slices.Contains(resourceVerbs, verb)):
		return fmt.Errorf("unknown verb %s: did you mean %q?", shown(verb), near)
	case custom && verb != "":
		return nil
	case url:
		return fmt.Errorf("unknown verb %s: those for URLs are %s and *", shown(verb), strings.Join(known, ", "))
	}
	return fmt.Errorf("unknown verb %s: those for resources are %s and *", shown(verb), strings.Join(known, ", "))
}

func checkURL(url string) error {
	if !strings.HasPrefix(url, "/") {
		return fmt.Errorf("URL %s: a URL is a path, it starts with /", shown(url))
	}
	if strings.Contains(strings.TrimSuffix(url, "*"), "*") {
		return fmt.Errorf("URL %s: * means something at the end alone", shown(url))
	}
	return nil
}

func checkName(name string) error {
	if name == "" {
		return errors.New("an empty name: leave the names out to mean every object")
	}
	if strings.Contains(name, "*") {
		return fmt.Errorf("name %s: RBAC has no patterns for names; leave the names out to mean every object", shown(name))
	}
	return nil
}

// checkGroup refuses groups that cannot exist: names without a dot are reserved for Kubernetes itself (API conventions).
func checkGroup(group string) error {
	if _, ok := builtin[group]; ok || group == "*" || slices.Contains(legacyGroups, group) {
		return nil
	}
	switch path, _, slash := strings.Cut(group, "/"); {
	case group == "core" || group == "v1":
		return fmt.Errorf("unknown group %q: resources of the core group have none, as in pods (in YAML it is \"\")", group)
	case slash || version.MatchString(group):
		return fmt.Errorf("unknown group %s: RBAC has no versions, did you mean %q?", shown(group), version.ReplaceAllString(path, ""))
	case strings.ContainsAny(group, "* "):
		return fmt.Errorf("unknown group %s: * stands for every group, and for no part of one", shown(group))
	case strings.Contains(group, "."):
		return nil
	}
	groups := slices.Sorted(maps.Keys(builtin))
	near := nearest(group, groups)
	for _, g := range groups {
		if strings.HasPrefix(g, group+".") { // networking, rbac
			near = g
		}
	}
	if near != "" {
		return fmt.Errorf("unknown group %s: did you mean %q?", shown(group), near)
	}
	return fmt.Errorf("unknown group %s: the group of a resource that is not built in has a dot", shown(group))
}

// exists reports whether the group can have the resource (without subresource): known, or not for us to know.
func exists(group, resource string) bool {
	resources, ok := builtin[group]
	_, known := resources[resource]
	return !ok || known || resource == "*"
}

// checkResource checks a resource whose group is fine, subresource included. It knows the built-in groups alone.
func checkResource(group, resource string) error {
	head, sub, hasSub := strings.Cut(resource, "/")
	switch {
	case head == "":
		return errors.New("an empty resource")
	case head != "*" && strings.Contains(head, "*"), strings.Contains(sub, "*"):
		return fmt.Errorf("resource %s: RBAC has no patterns; * stands for a whole resource, subresources included", shown(resource))
	case hasSub && sub == "":
		return fmt.Errorf("resource %s: an empty subresource", shown(resource))
	case !exists(group, head):
		return unknownResource(head, group)
	}
	subs := strings.Fields(builtin[group][head])
	if !hasSub || head == "*" || slices.Contains(subs, sub) || slices.Contains(subs, "*") {
		return nil
	}
	// finalizers is authorized for every resource (OwnerReferencesPermissionEnforcement) and served for none. A subresource
	// that is far from all known ones is let through: versions differ, and roles in use name some that are gone.
	near := nearest(sub, append(subs, "finalizers"))
	if _, ok := builtin[group]; !ok || sub == "finalizers" || near == "" && !strings.Contains(sub, ".") {
		return nil
	}
	if near == "" {
		return fmt.Errorf("unknown subresource %s: the group comes before the slash, as in deployments.apps/scale", shown(resource))
	}
	return fmt.Errorf("unknown subresource %s: did you mean %q?", shown(resource), head+"/"+near)
}

// groupOf is the group of a built-in resource that is named without one: the core group's before any other.
func groupOf(resource string) (group string, ok bool) {
	for _, group := range slices.Sorted(maps.Keys(builtin)) {
		if exists(group, resource) {
			return group, true
		}
	}
	return "", false
}

// suggest returns the resource that was probably meant by a short name, a kind, a singular, another group's name or a slip,
// first in the group that was written; "" where none is near.
func suggest(word, within string) (resource, group string) {
	lower := strings.ToLower(word)
	if long, ok := shortNames[lower]; ok {
		lower = long
	}
	for _, form := range []string{lower, lower + "s", strings.TrimSuffix(lower, "y") + "ies"} {
		if _, ok := builtin[within][form]; ok {
			return form, within
		}
		if group, ok := groupOf(form); ok {
			return form, group
		}
	}
	if near := nearest(lower, slices.Sorted(maps.Keys(builtin[within]))); near != "" {
		return near, within
	}
	var all []string
	for _, group := range slices.Sorted(maps.Keys(builtin)) {
		all = append(all, slices.Sorted(maps.Keys(builtin[group]))...)
	}
	near := nearest(lower, all)
	group, _ = groupOf(near)
	return near, group
}

// unknownResource is the error for a resource that its group does not have.
func unknownResource(resource, group string) error {
	text := fmt.Sprintf("unknown resource %s in the %s", shown(resource), groupName(group))
	if near, of := suggest(resource, group); near != "" && of == group {
		text += fmt.Sprintf(": did you mean %q?", near)
	} else if near != "" {
		text += fmt.Sprintf(": did you mean %q in the %s?", near, groupName(of))
	} else {
		text += ": if the cluster has it, write it in quotes in the shorthand, where it is not checked"
	}
	return errors.New(text)
}

func groupName(group string) string {
	if group == "" {
		return "core group"
	}
	return "group " + shown(group)
}

// nearest is problem.Nearest for words of a sensible length: its cost is the product of the lengths.
func nearest(word string, among []string) string {
	if len(word) > 64 {
		return ""
	}
	return problem.Nearest(strings.ToLower(word), among)
}
