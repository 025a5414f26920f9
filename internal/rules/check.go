package rules

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/kubemint/kubemint/internal/problem"
)

// Patterns for what is mostly in order without: each is compiled where it is asked for.
const (
	// versioned is a group as apiVersion has it (apps/v1), or as kubectl takes it (deployments.v1.apps).
	versioned = `/|^v[0-9]+((alpha|beta)[0-9]+)?(\.|$)`
	// plainVerb is a verb that the shorthand can say.
	plainVerb = `^[A-Za-z]([A-Za-z0-9:-]*[A-Za-z0-9])?$`
)

// shown quotes what the user wrote. A file that was named by mistake may hold a secret, and a line of it is long.
func shown(word string) string {
	if len(word) > 64 {
		word = word[:61] + "..."
	}
	return strconv.Quote(word)
}

// checkVerb checks a verb for URLs or for resources. Where those are custom, their API may know it: only a near miss is a
// fault.
func checkVerb(verb string, url, custom bool) error {
	known, of := resourceVerbs, "resources"
	if url {
		known, of = urlVerbs, "URLs"
	}
	if verb == "*" || slices.Contains(known, verb) {
		return nil
	}
	if !url && (verb == audienceVerb || regexp.MustCompile(composed).MatchString(verb)) {
		return nil
	}
	if near := nearest(verb, known); near != "" && !url { // watch is near to patch, which is no answer
		return fmt.Errorf("unknown verb %s: did you mean %q?", shown(verb), near)
	}
	if custom && regexp.MustCompile(plainVerb).MatchString(verb) {
		return nil
	}
	return fmt.Errorf("unknown verb %s: those for %s are %s and *", shown(verb), of, strings.Join(known, ", "))
}

func checkURL(url string) error {
	if !strings.HasPrefix(url, "/") || strings.Contains(strings.TrimSuffix(url, "*"), "*") {
		return fmt.Errorf("URL %s: a URL is a path that starts with /, and * means something at its end alone", shown(url))
	}
	return nil
}

// checkName checks the name of an object. Only for signers has the API server a pattern: DOMAIN/* is every signer of a
// domain (pkg/registry/certificates of Kubernetes, IsAuthorizedForSignerName), and cert-manager does as it does.
func checkName(name string, of []target) error {
	other := func(t target) bool { return t.resource != "signers" }
	plain := name
	if domain, ok := strings.CutSuffix(name, "/*"); ok && !slices.ContainsFunc(of, other) {
		plain = domain
	}
	if plain == "" || strings.ContainsAny(plain, `*"`) {
		return fmt.Errorf("name %s: there are no patterns for names, nor quotes; leave the names out to mean every object", shown(name))
	}
	return nil
}

// checkGroup refuses groups that cannot exist: names without a dot are reserved for Kubernetes itself (API conventions).
func checkGroup(group string) error {
	switch _, ours := builtin[group]; {
	case ours, group == "*", group == "extensions": // the last has no resources any more, but roles in use still name it
		return nil
	case group == "core", regexp.MustCompile(versioned).MatchString(group):
		return fmt.Errorf("unknown group %s: RBAC has no versions, and the core group no name (in YAML it is \"\")", shown(group))
	case strings.Contains(group, ".") && len(validation.IsDNS1123Subdomain(group)) == 0:
		return nil
	}
	near := nearest(group, groups())
	for _, known := range groups() {
		if known != "" && (known == near || strings.HasPrefix(known, group+".")) { // networking, rbac
			return fmt.Errorf("unknown group %s: did you mean %q?", shown(group), known)
		}
	}
	return fmt.Errorf("unknown group %s: the group of a resource that is not built in is a domain, as in widgets.example.com", shown(group))
}

// checkTarget checks a URL, or a resource whose group is fine, subresource included. It knows the built-in groups alone,
// and of them, but for the core group, refuses only what is near to something: a newer cluster can have more.
func checkTarget(t target) error {
	head, sub, slash := strings.Cut(t.resource, "/")
	known := builtin[t.group]
	switch {
	case t.url != "":
		return checkURL(t.url)
	case head == "", slash && sub == "":
		return fmt.Errorf("resource %s: its name, or that of the subresource, is missing", shown(t.resource))
	case head != "*" && strings.Contains(head, "*"), strings.Contains(sub, "*"):
		return fmt.Errorf("resource %s: RBAC has no patterns; * stands for a whole resource, subresources included", shown(t.resource))
	case strings.ContainsAny(head, `., "`):
		return fmt.Errorf("resource %s: it is one name, without quotes; in YAML its group stands in apiGroups", shown(t.resource))
	case t.group != "" && strings.HasSuffix(sub, "."+t.group):
		return fmt.Errorf("resource %s: the group comes before the slash, as in deployments.apps/scale", shown(t.resource))
	case known == nil, head == "*", slices.Contains(known, t.resource):
		return nil
	}
	word := head
	if slices.Contains(known, head) {
		word = t.resource // of which only the subresource is unknown
	}
	if near := suggest(word, t.group); near != "" {
		return fmt.Errorf("unknown resource %s: did you mean %q?", shown(t.String()), near)
	}
	if word == head && t.group == "" {
		return fmt.Errorf("unknown resource %s: one that is not built in has a group, as in widgets.example.com", shown(t.String()))
	}
	return nil
}

// exists reports whether the group can have the resource (without subresource): known, or not for us to know.
func exists(group, resource string) bool {
	known, ours := builtin[group]
	return !ours || resource == "*" || slices.Contains(known, resource)
}

// known reports whether some built-in group has the resource (without subresource).
func known(resource string) bool {
	return slices.ContainsFunc(groups(), func(group string) bool { return exists(group, resource) })
}

// groups are the built-in ones, the core group first.
func groups() []string { return slices.Sorted(maps.Keys(builtin)) }

// groupOf is the group of a resource that is named without one: the core group where no other is known to have it.
func groupOf(resource string) string {
	for _, group := range groups() {
		if exists(group, resource) {
			return group
		}
	}
	return ""
}

// suggest returns, in the shorthand, the built-in resource that was probably meant by a short name, a kind, a singular or
// a slip, or in another group; of two equally near ones that of the given group. It is "" where none is near.
func suggest(word, group string) string {
	if long, ok := shortNames[strings.ToLower(word)]; ok {
		word = long
	}
	all := slices.Clone(builtin[group])
	for _, other := range groups() {
		all = append(all, builtin[other]...)
	}
	near := nearest(word, all)
	if near == "" {
		return ""
	}
	if !slices.Contains(builtin[group], near) {
		group = groupOf(near)
	}
	return target{group: group, resource: near}.String()
}

// nearest is problem.Nearest in whatever case the word is written.
func nearest(word string, among []string) string {
	return problem.Nearest(strings.ToLower(word), among)
}
