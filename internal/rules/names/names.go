package names

import "slices"

// The names that Kubernetes itself knows. What a cluster adds (custom resources, aggregated APIs)
// has a group with a dot.

// ResourceVerbs are the verbs for resources: those of requests in their customary order, then those
// that only authorization knows (bind and escalate: roles; impersonate: users, groups,
// serviceaccounts, uids, userextras; approve, sign and attest: signers; use: policies of old and of
// OpenShift; proxy: a dashboard's services, which asks for it itself).
var ResourceVerbs = []string{
	"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection",
	"bind", "escalate", "impersonate", "approve", "sign", "attest", "use", "proxy",
}

// ComposedVerb verbs are made of two: constrained impersonation (KEP 5284) and device status
// (resource.k8s.io).
const ComposedVerb = `^(impersonate|impersonate-on|associated-node|arbitrary-node):[a-z:-]*[a-z]$`

// ClusterWord before a rule grants it at cluster scope. No verb of Kubernetes is called so; a
// custom one can only be given in YAML, or next to another verb.
const ClusterWord = "cluster"

// AudienceVerb lets kubelets ask for tokens with an audience, which stands in the rule in the place
// of a resource.
const AudienceVerb = "request-serviceaccounts-token-audience"

// URLVerbs are the verbs for URLs: the HTTP methods, in lower case.
var URLVerbs = []string{"get", "post", "put", "patch", "delete", "head", "options"}

// IsClusterScoped says whether a built-in resource belongs to no namespace. (Namespaces are not
// among them: the URL of a Namespace is in itself.)
func IsClusterScoped(resource string) bool { return slices.Contains(clusterScoped, resource) }

// FindKind returns the resource of a built-in kind of object, and whether its objects are in a
// namespace.
func FindKind(group, kind string) (resource string, namespaced, found bool) {
	resource, found = kinds[group][kind]
	return resource, resource != "namespaces" && !IsClusterScoped(resource), found
}

// shortNames are kubectl's, and the plural that is far from its singular, for the hint: a rule
// needs the plural.
var shortNames = map[string]string{
	"cj": "cronjobs", "cm": "configmaps", "crd": "customresourcedefinitions", "cs": "componentstatuses",
	"csr": "certificatesigningrequests", "deploy": "deployments", "ds": "daemonsets",
	"ep": "endpoints", "ev": "events",
	"hpa": "horizontalpodautoscalers", "ing": "ingresses", "ip": "ipaddresses",
	"limits": "limitranges", "netpol": "networkpolicies",
	"networkpolicy": "networkpolicies", "no": "nodes", "ns": "namespaces", "pc": "priorityclasses",
	"pdb": "poddisruptionbudgets",
	"po":  "pods", "pv": "persistentvolumes", "pvc": "persistentvolumeclaims", "quota": "resourcequotas",
	"rc": "replicationcontrollers", "rs": "replicasets", "sa": "serviceaccounts",
	"sc": "storageclasses", "sts": "statefulsets",
	"svc": "services", "vac": "volumeattributesclasses",
}
