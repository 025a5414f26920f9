package manifest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubemint/kubemint/internal/rules/needs"
)

// Tools lists all tools, the default first.
func Tools() []Tool { return []Tool{Apply, ServerSide, Helm} }

// verbs are the requests of a tool for an object.
var verbs = map[Tool][]string{
	Apply:      {"get", "create", "patch"},
	ServerSide: {"create", "patch"},
	Helm:       {"get", "create", "patch", "delete"},
}

// hookVerbs are Helm's for an object that is a hook: it is deleted before it is created again.
var hookVerbs = []string{"get", "create", "delete"}

// rollouts are the kinds that `kubectl rollout status` reads and watches.
var rollouts = []string{"Deployment.apps", "StatefulSet.apps", "DaemonSet.apps"}

// waited are the kinds of hooks whose end Helm watches for.
var waited = []string{"Job.batch", "Pod"}

// verbsFor are the verbs of the requests that a tool makes for an object.
func verbsFor(tool Tool, o Object) []string {
	kind := o.GroupKind.String()
	switch {
	case o.Name == "":
		return []string{"create"} // no tool can look for it by name
	case tool == Helm && o.Hook && slices.Contains(waited, kind):
		return append(slices.Clone(hookVerbs), "list", "watch")
	case tool == Helm && o.Hook:
		return hookVerbs
	case tool != Helm && slices.Contains(rollouts, kind):
		return append(slices.Clone(verbs[tool]), "get", "list", "watch")
	}
	return verbs[tool]
}

// Derive returns what a deployer of these objects needs.
func Derive(objects []Object, tool Tool) needs.List {
	d := deriver{tool: tool, kinds: newCatalog(objects), objects: objects, rules: map[spot]*need{}}
	for _, o := range objects {
		d.addObject(o)
	}
	if tool == Helm {
		d.addReleases()
	}
	d.addEscalations()
	return needs.List{Places: d.places(), Comments: d.comments()}
}

// addObject adds the requests for one object.
func (d *deriver) addObject(o Object) {
	r := d.kinds.find(o.GroupKind)
	at := spot{
		cluster: !r.namespaced, resource: schema.GroupResource{Group: r.kind.Group, Resource: r.name},
	}
	if r.namespaced {
		at.namespace = o.Namespace
	}
	d.need(at, o.String(), verbsFor(d.tool, o)...)
}

// need adds verbs on a resource.
func (d *deriver) need(at spot, what string, verbs ...string) {
	n := d.rules[at]
	if n == nil {
		n = &need{verbs: map[string]bool{}, objects: map[string]bool{}}
		d.rules[at] = n
	}
	n.objects[what] = true
	for _, verb := range verbs {
		n.verbs[verb] = true
	}
}

// addReleases adds Helm's record of each release, a Secret in the release's namespace. (Objects
// that name another namespace do not move it.)
func (d *deriver) addReleases() {
	at := spot{resource: schema.GroupResource{Resource: "secrets"}}
	d.need(at, "the releases that Helm records", "get", "list", "create", "update", "delete")
}

// places are the needs by place, in the order in which they are printed.
func (d *deriver) places() []needs.Place {
	byPlace := map[spot]*needs.Place{}
	at := func(s spot) *needs.Place {
		s.resource = schema.GroupResource{}
		if byPlace[s] == nil {
			byPlace[s] = &needs.Place{Namespace: s.namespace, Cluster: s.cluster}
		}
		return byPlace[s]
	}
	spots := slices.SortedFunc(maps.Keys(d.rules), func(a, b spot) int {
		return cmp.Or(
			cmp.Compare(a.resource.Group, b.resource.Group),
			cmp.Compare(a.resource.Resource, b.resource.Resource),
		)
	})
	for _, s := range spots {
		place := at(s)
		place.Lines = append(place.Lines, d.rules[s].line(s.resource))
	}
	for _, h := range d.held {
		place := at(h.spot)
		place.Lines = append(place.Lines, h.Line)
	}
	var all []needs.Place
	for _, place := range byPlace {
		all = append(all, *place)
	}
	return needs.List{Places: all}.Join(needs.List{}).Places
}

// line is the need as one rule.
func (n *need) line(of schema.GroupResource) needs.Line {
	return needs.Line{
		Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{of.Group}, Resources: []string{of.Resource},
			Verbs: slices.Sorted(maps.Keys(n.verbs)),
		}},
		For: slices.Sorted(maps.Keys(n.objects)),
	}
}

// comments say what the manifests cannot show.
func (d *deriver) comments() []string {
	all := slices.Clone(d.notes)
	if d.tool == Helm {
		all = append(all,
			"Helm: what a template looks up in the cluster (lookup) is not seen here; nor are a chart's "+
				"crds/, unless they were "+
				"printed with  helm template --include-crds",
			"Helm: --wait also takes  list replicasets.apps  and  get,list  on what it waits for; "+
				"--create-namespace  cluster create namespaces",
		)
	}
	for _, kind := range d.guessed() {
		all = append(all, fmt.Sprintf("%s: neither Kubernetes nor these manifests define the kind: its "+
			"resource %s is a guess, and so "+
			"is that it belongs into a namespace. Add its CustomResourceDefinition to be sure", kind.kind, kind.name))
	}
	return all
}

// guessed are the kinds that had to be guessed, each once.
func (d *deriver) guessed() (all []resource) {
	seen := map[schema.GroupKind]bool{}
	for _, o := range d.objects {
		if r := d.kinds.find(o.GroupKind); r.guessed && !seen[r.kind] {
			seen[r.kind] = true
			all = append(all, r)
		}
	}
	return all
}
