package rules

// The names that Kubernetes itself knows. What a cluster adds (custom resources, aggregated APIs) has a group with a dot.

// resourceVerbs are the verbs for resources: those of requests in their customary order, then those that only authorization
// knows (bind and escalate: roles; impersonate: users, groups, serviceaccounts, uids, userextras; approve, sign and attest:
// signers; use: policies of old and of OpenShift).
var resourceVerbs = []string{
	"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection",
	"bind", "escalate", "impersonate", "approve", "sign", "attest", "use",
}

// verbPrefixes begin verbs that are made of two: constrained impersonation (KEP 5284) and device status (resource.k8s.io).
var verbPrefixes = []string{"impersonate:", "impersonate-on:", "associated-node:", "arbitrary-node:"}

// urlVerbs are the verbs for URLs: the HTTP methods, in lower case.
var urlVerbs = []string{"get", "post", "put", "patch", "delete", "head", "options"}

// legacyGroups have no dot and no resources any more; roles in use still name them, Kubernetes' own among them.
var legacyGroups = []string{"extensions"}

// builtin holds group → resource → subresources. It is the union of api/discovery of Kubernetes 1.37.1 (which knows all
// stable ones since 1.28) and of what is only ever authorized and never served: users, groups, uids, userextras, signers,
// the kubelet's nodes/…, and the subresources of certificatesigningrequests and resourceclaims that approvers and drivers
// are asked for. "*" stands for any subresource.
var builtin = map[string]map[string]string{
	"": {
		"bindings": "", "componentstatuses": "", "configmaps": "", "endpoints": "", "events": "", "groups": "",
		"limitranges": "", "namespaces": "finalize status",
		"nodes":                  "checkpoint configz healthz log metrics pods proxy spec stats status statusz",
		"persistentvolumeclaims": "status", "persistentvolumes": "status",
		"pods":         "attach binding ephemeralcontainers eviction exec log portforward proxy resize status",
		"podtemplates": "", "replicationcontrollers": "scale status", "resourcequotas": "status", "secrets": "",
		"serviceaccounts": "token", "services": "proxy status", "users": "",
	},
	"admissionregistration.k8s.io": {
		"mutatingadmissionpolicies": "", "mutatingadmissionpolicybindings": "", "mutatingwebhookconfigurations": "",
		"validatingadmissionpolicies": "status", "validatingadmissionpolicybindings": "",
		"validatingwebhookconfigurations": "",
	},
	"apiextensions.k8s.io":   {"customresourcedefinitions": "status"},
	"apiregistration.k8s.io": {"apiservices": "status"},
	"apps": {
		"controllerrevisions": "", "daemonsets": "status", "deployments": "scale status",
		"replicasets": "scale status", "statefulsets": "scale status",
	},
	"authentication.k8s.io": {"admissionReviewAPIGroups": "", "selfsubjectreviews": "", "tokenreviews": "", "uids": "", "userextras": "*"},
	"authorization.k8s.io": {
		"localsubjectaccessreviews": "", "selfsubjectaccessreviews": "", "selfsubjectrulesreviews": "",
		"subjectaccessreviews": "",
	},
	"autoscaling": {"horizontalpodautoscalers": "status"},
	"batch":       {"cronjobs": "status", "jobs": "status"},
	"certificates.k8s.io": {
		"certificatesigningrequests": "approval nodeclient selfnodeclient selfnodeserver status",
		"clustertrustbundles":        "", "podcertificaterequests": "status", "signers": "",
	},
	"coordination.k8s.io":          {"leasecandidates": "", "leases": ""},
	"discovery.k8s.io":             {"endpointslices": ""},
	"events.k8s.io":                {"events": ""},
	"flowcontrol.apiserver.k8s.io": {"flowschemas": "status", "prioritylevelconfigurations": "status"},
	"internal.apiserver.k8s.io":    {"storageversions": "status"},
	"lifecycle.k8s.io":             {"evictionrequests": "status", "evictions": "status"},
	"networking.k8s.io": {
		"ingressclasses": "", "ingresses": "status", "ipaddresses": "", "networkpolicies": "",
		"servicecidrs": "status",
	},
	"node.k8s.io":               {"runtimeclasses": ""},
	"policy":                    {"poddisruptionbudgets": "status"},
	"rbac.authorization.k8s.io": {"clusterrolebindings": "", "clusterroles": "", "rolebindings": "", "roles": ""},
	"resource.k8s.io": {
		"deviceclasses": "", "devicetaintrules": "status", "resourceclaims": "binding driver status",
		"resourceclaimtemplates": "", "resourcepoolstatusrequests": "status", "resourceslices": "",
	},
	"scheduling.k8s.io": {"compositepodgroups": "status", "podgroups": "status", "priorityclasses": "", "workloads": ""},
	"storage.k8s.io": {
		"csidrivers": "", "csinodes": "status", "csistoragecapacities": "", "storageclasses": "",
		"volumeattachments": "status", "volumeattributesclasses": "",
	},
	"storagemigration.k8s.io": {"storageversionmigrations": "status"},
}

// shortNames are kubectl's, for the hint: a rule needs the plural.
var shortNames = map[string]string{
	"cj": "cronjobs", "cm": "configmaps", "crd": "customresourcedefinitions", "cs": "componentstatuses",
	"csr": "certificatesigningrequests", "deploy": "deployments", "ds": "daemonsets", "ep": "endpoints", "ev": "events",
	"hpa": "horizontalpodautoscalers", "ing": "ingresses", "ip": "ipaddresses", "limits": "limitranges", "netpol": "networkpolicies",
	"no": "nodes", "ns": "namespaces", "pc": "priorityclasses", "pdb": "poddisruptionbudgets", "po": "pods",
	"pv": "persistentvolumes", "pvc": "persistentvolumeclaims", "quota": "resourcequotas", "rc": "replicationcontrollers",
	"rs": "replicasets", "sa": "serviceaccounts", "sc": "storageclasses", "sts": "statefulsets", "svc": "services",
	"vac": "volumeattributesclasses",
}
