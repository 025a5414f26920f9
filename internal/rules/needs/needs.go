package needs

import rbacv1 "k8s.io/api/rbac/v1"

// List holds the rules that a deployer needs.
type List struct {
	Places   []Place  // the cluster scope first, then the namespaces by name
	Comments []string // what could not be known
}

// Place is a place where rules have to hold.
type Place struct {
	Namespace string // "" for the namespaces of the run, which the input leaves open
	Cluster   bool   // at cluster scope
	Lines     []Line
}

// Line is one rule, and what it is for.
type Line struct {
	Rules   []rbacv1.PolicyRule // one for a resource; several where a role has to be held
	For     []string            // objects, as "Deployment web"
	Because string              // why, where that is not plain from the objects
}
