package access

import (
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/kube"
)

// Verb says what happens to an object.
type Verb string

// The verbs of the change set, as the output `changes` has them.
const (
	Created    Verb = "created"
	Configured Verb = "configured"
	Unchanged  Verb = "unchanged"
	Deleted    Verb = "deleted"
)

// What a run that failed says of the changes that it did not make, in the log alone.
const (
	NotDone   Verb = "not done"
	Uncertain Verb = "uncertain" // the API server did not answer
)

// Observed has the objects that were found on the cluster.
type Observed struct {
	// by name, of the wanted ones; what is missing there is missing on the cluster
	Objects map[kube.Ref]kube.Object
	Named   map[kube.Ref]kube.Object // the existing roles to bind, where they could be read
	// Roles and bindings that bear our marks for this ServiceAccount, wanted or not: in the
	// declared namespaces or at the cluster scope, and in other namespaces.
	Leftovers, Elsewhere []kube.Object
}

// Change is one line of the change set, and the step that makes it so.
type Change struct {
	Verb Verb
	Ref  kube.Ref
	// Apply is the object to apply; nil where nothing is written. Where it heals an observed object
	// it has that one's resourceVersion, and Force is set. A creation is never forced, and fails
	// where there is an object after all.
	Apply kube.Object
	Force bool
	// Delete is the observed object to delete first or only, by UID.
	Delete         kube.Object
	Added, Removed []rbacv1.PolicyRule // of a Role's or ClusterRole's rules
	Remarks
}

// Remarks tell a person the rest of a change.
type Remarks struct {
	// what else comes and goes: "+ subject …", "- roleRef …", "- owner …"
	Details   []string
	TakenFrom []string // field managers whose changes are taken back
	// Held is the warning that it differs, and is left so at its owner's wish; "" otherwise.
	Held string
}

// Plan lists the changes to make, in the order of [Desired.Objects], deletions last.
type Plan struct {
	Changes  []Change
	Warnings []string
}

// isUntouchable says whether an administrator asked for the object to be left alone.
func isUntouchable(o kube.Object) bool {
	return o.GetAnnotations()[rbacv1.AutoUpdateAnnotationKey] == "false"
}
