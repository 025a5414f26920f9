// Package naming gives roles and bindings their names, and recognises them.
//
// In: a ServiceAccount, and the role that is bound. Out: the name. It is pure. It imports config
// and kube.
package naming
