// Package guard prints admission policies that confine a runner's identity to what kubemint does
// with its rights: RBAC cannot say "create Secrets, but only empty ones that hang on a lease".
//
// In: the declared access and token, and the subjects that are confined. Out:
// ValidatingAdmissionPolicies and their bindings, one policy a kind, as lines of YAML. It talks to
// no cluster. It imports access, config, kube, lease/leasename, lease/lock and owner.
package guard
