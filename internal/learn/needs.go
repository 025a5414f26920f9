package learn

import (
	"fmt"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/rules/needs"
)

// take holds the requests for a resource in one place: the names by verb.
type take map[string][]string

// byName are the verbs that a rule can restrict to names.
var byName = []string{"get", "update", "patch", "delete", "impersonate"}

// mostNames is how many names a rule may have that a person is to paste: of more objects it is for
// all.
const mostNames = 1000

// Needs are the rules that requests took, by place. With names, what can be restricted to the names
// that were asked for is, unless these are very many.
func Needs(requests iter.Seq[Request], names bool) needs.List {
	if names {
		return deriveNeeds(requests, mostNames)
	}
	return deriveNeeds(requests, 0)
}

// deriveNeeds returns rules that have at most so many names.
func deriveNeeds(requests iter.Seq[Request], names int) needs.List {
	takes := map[spot]take{}
	add := func(at spot, verb string, names ...string) {
		if takes[at] == nil {
			takes[at] = take{}
		}
		takes[at][verb] = append(takes[at][verb], names...)
	}
	for r := range requests {
		if r.Verb == "" { // OPTIONS, say: no rule allows it
			continue
		}
		if r.As != "" { // the request itself is a right of that identity
			for at, names := range impersonated(r.As) {
				add(at, "impersonate", names...)
			}
			continue
		}
		name := r.Name
		if r.URL != "" {
			name = r.URL
		}
		for _, verb := range r.taken() {
			add(spot{r.Namespace, r.Group, r.resource()}, verb, name)
		}
	}
	return needs.List{Places: listPlaces(takes, names), Comments: remarks(requests)}
}

// listPlaces are the rules by place.
func listPlaces(takes map[spot]take, names int) (all []needs.Place) {
	for _, namespace := range placesOf(takes) {
		place := needs.Place{Namespace: namespace, Cluster: namespace == ""}
		for _, at := range slices.SortedFunc(maps.Keys(takes), compareSpots) {
			if at.namespace == namespace {
				place.Lines = append(place.Lines, takes[at].line(at, names))
			}
		}
		all = append(all, place)
	}
	return all
}

// placesOf are the namespaces, the cluster scope ("") first.
func placesOf(takes map[spot]take) []string {
	set := map[string]bool{}
	for at := range takes {
		set[at.namespace] = true
	}
	return slices.Sorted(maps.Keys(set))
}

// line returns the rules for what was asked of a resource.
func (t take) line(at spot, names int) needs.Line {
	if at.resource == "" {
		return t.urls()
	}
	rule := func(verbs, names []string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{
			Verbs: verbs, APIGroups: []string{at.group}, Resources: []string{at.resource}, ResourceNames: names,
		}
	}
	var line needs.Line
	var folded []string
	for _, verb := range slices.Sorted(maps.Keys(t)) {
		named := distinct(t[verb])
		few := len(named) <= names || verb == "impersonate" // of all: anybody, administrators too
		if few && slices.Contains(byName, verb) && !slices.Contains(named, "") {
			line.Rules = append(line.Rules, rule([]string{verb}, named))
			continue
		}
		folded = append(folded, verb)
	}
	if len(folded) > 0 {
		line.Rules = append(line.Rules, rule(folded, nil))
	}
	asked := distinct(slices.Concat(slices.Collect(maps.Values(t))...))
	if len(asked) > 0 && asked[0] == "" {
		asked = asked[1:]
	}
	line.For = describe(at.resource, asked)
	return line
}

// urls are requests that are for no resource.
func (t take) urls() (line needs.Line) {
	for _, verb := range slices.Sorted(maps.Keys(t)) {
		line.Rules = append(
			line.Rules, rbacv1.PolicyRule{Verbs: []string{verb}, NonResourceURLs: distinct(t[verb])},
		)
	}
	line.For = []string{"paths that are no resource"}
	return line
}

// describe names what was asked for.
func describe(resource string, names []string) []string {
	if len(names) == 0 {
		return []string{resource}
	}
	names[0] = resource + " " + names[0]
	return names
}

func distinct(names []string) []string {
	names = slices.Clone(names)
	slices.Sort(names)
	return slices.Compact(names)
}

// mostRemarks is how many requests are named that did not simply succeed.
const mostRemarks = 50

// remarks tell the fate of requests that did not simply succeed.
func remarks(requests iter.Seq[Request]) (all []string) {
	more := 0
	for r := range requests {
		text := r.remark()
		switch {
		case text == "":
		case len(all) < mostRemarks:
			all = append(all, text)
		default:
			more++
		}
	}
	if more > 0 {
		all = append(all, fmt.Sprintf("and %d more requests that did not simply succeed", more))
	}
	return all
}

// remark tells the fate of one request, "" where it simply succeeded.
func (r Request) remark() string {
	what := strings.TrimSpace(
		fmt.Sprintf("%s %s%s %s", r.Verb, r.qualified(), r.URL, r.Name),
	) + " " + inPlace(r.Namespace)
	if r.As != "" {
		what += ", as " + strings.ReplaceAll(r.As, "\n", ", ") + ", whose own right it is"
	}
	switch {
	case r.isOpen():
		return ""
	case r.Verb == "":
		return "no rule allows its method: " + r.qualified() + " " + inPlace(r.Namespace)
	case r.Status == http.StatusForbidden:
		return "403, refused: " + what
	case r.Status == http.StatusNotFound:
		return "404, not there: " + what
	case r.DryRun:
		return "a dry run, which takes the same right: " + what
	case r.As != "":
		return "another identity: " + what
	case r.Resource == "namespaces" && r.Status == http.StatusCreated:
		return "it made namespace " + r.Name +
			", in which nothing can be granted before: declare it with create_namespace"
	}
	return ""
}

// qualified is the resource with its group, as the shorthand writes it.
func (r Request) qualified() string {
	if r.Group == "" || r.Resource == "" {
		return r.resource()
	}
	name := r.Resource + "." + r.Group
	if r.Subresource != "" {
		name += "/" + r.Subresource
	}
	return name
}
