package manifest

import (
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubemint/kubemint/internal/rules/needs"
)

// spot is a resource in one place.
type spot struct {
	cluster   bool
	namespace string
	resource  schema.GroupResource
}

// deriver collects needs.
type deriver struct {
	tool    Tool
	kinds   catalog
	objects []Object
	rules   map[spot]*need
	held    []heldRole // what the escalation check wants
	notes   []string
}

// Tool is the way in which the manifests are deployed.
type Tool string

// need collects the verbs on a resource in one place.
type need struct {
	verbs   map[string]bool
	objects map[string]bool
}

// heldRole is a demand of the API server on the author of a role or a binding: to hold its rules,
// or to be allowed to bind the role (k8s.io/kubernetes, pkg/registry/rbac, the escalation check).
type heldRole struct {
	spot
	needs.Line
}

// The tools whose requests are known.
const (
	Apply      Tool = "apply"       // kubectl apply, and rollout status
	ServerSide Tool = "server-side" // kubectl apply --server-side, and rollout status
	Helm       Tool = "helm"        // helm install, upgrade, rollback and uninstall
)
