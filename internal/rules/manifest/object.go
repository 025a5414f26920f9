package manifest

import (
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Object holds the parts of a manifest that decide which rights its deployer needs.
type Object struct {
	schema.GroupKind
	Namespace string // "" when the manifest names none
	Name      string // "" when the API server generates it
	Hook      bool   // Helm runs it as a hook
	Created   time.Time
	Content
}

// Content holds the fields that count for some kinds alone.
type Content struct {
	Role    *Role     // of a Role or ClusterRole
	RoleRef *RoleRef  // of a RoleBinding or ClusterRoleBinding
	Defines *resource // of a CustomResourceDefinition
	Params  bool      // an admission policy that reads parameters
}

// Role holds the rules of a Role or ClusterRole.
type Role struct {
	Rules     []rbacv1.PolicyRule
	Aggregate bool // it gathers the rules of other ClusterRoles
}

// RoleRef names the role that a binding binds.
type RoleRef = rbacv1.RoleRef

// resource says where objects of a kind are served.
type resource struct {
	kind       schema.GroupKind
	name       string // as in a rule: deployments
	namespaced bool
	guessed    bool // the kind is neither built in nor defined in the input
}

// String names the object as people do: Deployment web, Role a/reader.
func (o Object) String() string {
	name := o.Name
	if name == "" {
		name = "of a generated name"
	}
	return o.Kind + " " + name
}
