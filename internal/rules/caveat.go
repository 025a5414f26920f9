package rules

import (
	"maps"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/rules/names"
)

// ListCaveats are sentences for a person about rules that grant something else than they seem to;
// namespaced means that they will stand in a Role. A verb * seems to grant no more than what there
// is, and has a caveat only where namespaced.
func ListCaveats(rs []rbacv1.PolicyRule, namespaced bool) (sentences []string) {
	about := map[string][]Line{}
	for _, l := range groupByTarget(breakDown(rs)) {
		for _, verb := range l.Verbs {
			if really := describeCaveat(verb, l.Targets[0], len(l.Names) > 0, namespaced); really != "" {
				about[really] = append(about[really], Line{[]string{verb}, l.Targets, l.Names})
			}
		}
	}
	about[noStream] = halfStreams(rs)
	for _, really := range slices.Sorted(maps.Keys(about)) {
		for _, l := range compactLines(about[really]) {
			sentences = append(sentences, strings.Join(l.columns(), " ")+": "+really)
		}
	}
	moved := func(r rbacv1.PolicyRule) bool { return slices.Contains(r.APIGroups, "extensions") }
	if slices.ContainsFunc(rs, moved) {
		sentences = append(sentences, movedGroup)
	}
	return sentences
}

const (
	noStream = "Kubernetes 1.35 and newer also ask for create, without which kubectl is refused: " +
		"declare get,create"
	// movedGroup is said once for all resources named with it: charts name it together with its
	// replacement.
	movedGroup = "the API group extensions: no cluster serves it since Kubernetes 1.22, and rules " +
		"for it have no effect; " +
		"its resources are in apps, networking.k8s.io and policy now"
)

// halfStreams are the grants of get without create for what kubectl opens by a WebSocket, which
// begins as a GET (AuthorizePodWebsocketUpgradeCreatePermission, kubernetes#134577).
func halfStreams(rs []rbacv1.PolicyRule) (half []Line) {
	for _, l := range breakDown(rs) {
		t := l.Targets[0]
		streams := []string{"pods/exec", "pods/attach", "pods/portforward"}
		if t.Group != "" || l.Verbs[0] != "get" || !slices.Contains(streams, t.Resource) {
			continue
		}
		create := Line{[]string{"create"}, l.Targets, l.Names}
		if len(Covers(rs, create.Rules())) > 0 {
			half = append(half, l)
		}
	}
	return half
}

// describeCaveat says what a grant really allows, as a server of Kubernetes 1.37 answered. A
// request has the namespace and the name of its URL: that of a Namespace is in itself
// (RequestInfoFactory of apiserver, pkg/endpoints/request). A field selector gives a name to list
// and watch alone, and creation by PATCH asks for create of that name. Binding a ClusterRole asks
// for bind in the namespace of the RoleBinding (BindingAuthorized of Kubernetes,
// pkg/registry/rbac).
func describeCaveat(verb string, t Target, named, namespaced bool) string {
	resource, _, sub := strings.Cut(t.Resource, "/")
	inRole := namespaced && names.Builtin[t.Group] != nil
	switch {
	// of a product: no cluster has it
	case names.IsKnown(resource) && !names.HasResource(t.Group, resource):
		return ""
	case inRole && resource == "clusterroles" && verb == "bind":
		return ""
	case inRole && resource == "clusterroles" && verb == "*":
		return "in a Role this is bind alone, and a RoleBinding can then grant all that the ClusterRole " +
			"has: declare bind, with names"
	case inRole && names.IsClusterScoped(resource):
		return "grants nothing in a Role, since no namespace has such objects: begin the rule with the word cluster"
	case inRole && t.Resource == "namespaces" &&
		slices.Contains([]string{"list", "watch", "create", "deletecollection", "*"}, verb):
		return "a Role grants get, update, patch and delete of its own namespace, and no more: " +
			"the rest takes a rule that begins with the word cluster"
	case !named || sub: // the URL of a subresource has the name, also when it creates
		return ""
	case verb == "create":
		return "with names this grants creation by server-side apply, with patch, and refuses an " +
			"ordinary create (POST): " +
			"leave the names out to allow that"
	case verb == "list", verb == "watch":
		return "with names this refuses every request but for one with the field selector " +
			"metadata.name=NAME: declare get, " +
			"or leave the names out"
	case verb == "deletecollection":
		return "with names this grants nothing, as such a request never has one: declare delete, or " +
			"leave the names out"
	}
	return ""
}
