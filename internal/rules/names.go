package rules

import (
	"strings"
)

// The names that Kubernetes itself knows. What a cluster adds (custom resources, aggregated APIs) has a group with a dot.

// resourceVerbs are the verbs for resources: those of requests in their customary order, then those that only authorization
// knows (bind and escalate: roles; impersonate: users, groups, serviceaccounts, uids, userextras; approve, sign and attest:
// signers; use: policies of old and of OpenShift; proxy: a dashboard's services, which asks for it itself).
var resourceVerbs = []string{
	"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection",
	"bind", "escalate", "impersonate", "approve", "sign", "attest", "use", "proxy",
}

// composed verbs are made of two: constrained impersonation (KEP 5284) and device status (resource.k8s.io).
const composed = `^(impersonate|impersonate-on|associated-node|arbitrary-node):[a-z:-]*[a-z]$`

// audienceVerb lets kubelets ask for tokens with an audience, which stands in the rule in the place of a
// resource.
const audienceVerb = "request-serviceaccounts-token-audience"

// urlVerbs are the verbs for URLs: the HTTP methods, in lower case.
var urlVerbs = []string{"get", "post", "put", "patch", "delete", "head", "options"}

// builtin holds the resources of each group, subresources among them. It is the union of api/discovery of Kubernetes 1.37.1
// (which knows all stable ones since 1.28) and of what is only ever authorized and never served: users, groups, uids,
// userextras, signers, the kubelet's nodes/…, namespaces/finalizers, and the subresources of certificatesigningrequests and
// resourceclaims that approvers and drivers are asked for.
var builtin = map[string][]string{
	"": strings.Fields(`bindings componentstatuses configmaps endpoints events groups limitranges namespaces namespaces/finalize
		namespaces/finalizers namespaces/status nodes nodes/checkpoint nodes/configz nodes/healthz nodes/log nodes/metrics nodes/pods
		nodes/proxy nodes/spec nodes/stats nodes/status nodes/statusz persistentvolumeclaims persistentvolumeclaims/status persistentvolumes
		persistentvolumes/status pods pods/attach pods/binding pods/ephemeralcontainers pods/eviction pods/exec pods/log pods/portforward
		pods/proxy pods/resize pods/status podtemplates replicationcontrollers replicationcontrollers/scale replicationcontrollers/status
		resourcequotas resourcequotas/status secrets serviceaccounts serviceaccounts/token services services/proxy services/status users`),
	"admissionregistration.k8s.io": strings.Fields(`mutatingadmissionpolicies mutatingadmissionpolicybindings mutatingwebhookconfigurations
		validatingadmissionpolicies validatingadmissionpolicies/status validatingadmissionpolicybindings validatingwebhookconfigurations`),
	"apiextensions.k8s.io":   strings.Fields(`customresourcedefinitions customresourcedefinitions/status`),
	"apiregistration.k8s.io": strings.Fields(`apiservices apiservices/status`),
	"apps": strings.Fields(`controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets
		replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status`),
	"authentication.k8s.io": strings.Fields(`admissionReviewAPIGroups selfsubjectreviews tokenreviews uids userextras`),
	"authorization.k8s.io":  strings.Fields(`localsubjectaccessreviews selfsubjectaccessreviews selfsubjectrulesreviews subjectaccessreviews`),
	"autoscaling":           strings.Fields(`horizontalpodautoscalers horizontalpodautoscalers/status`),
	"batch":                 strings.Fields(`cronjobs cronjobs/status jobs jobs/status`),
	"certificates.k8s.io": strings.Fields(`certificatesigningrequests certificatesigningrequests/approval
		certificatesigningrequests/nodeclient certificatesigningrequests/selfnodeclient certificatesigningrequests/selfnodeserver
		certificatesigningrequests/status clustertrustbundles podcertificaterequests podcertificaterequests/status signers`),
	"coordination.k8s.io": strings.Fields(`leasecandidates leases`),
	"discovery.k8s.io":    strings.Fields(`endpointslices`),
	"events.k8s.io":       strings.Fields(`events`),
	"flowcontrol.apiserver.k8s.io": strings.Fields(`flowschemas flowschemas/status prioritylevelconfigurations
		prioritylevelconfigurations/status`),
	"internal.apiserver.k8s.io": strings.Fields(`storageversions storageversions/status`),
	"lifecycle.k8s.io":          strings.Fields(`evictionrequests evictionrequests/status evictions evictions/status`),
	"networking.k8s.io": strings.Fields(`ingressclasses ingresses ingresses/status ipaddresses networkpolicies servicecidrs
		servicecidrs/status`),
	"node.k8s.io":               strings.Fields(`runtimeclasses`),
	"policy":                    strings.Fields(`poddisruptionbudgets poddisruptionbudgets/status`),
	"rbac.authorization.k8s.io": strings.Fields(`clusterrolebindings clusterroles rolebindings roles`),
	"resource.k8s.io": strings.Fields(`deviceclasses devicetaintrules devicetaintrules/status resourceclaims resourceclaims/binding
		resourceclaims/driver resourceclaims/status resourceclaimtemplates resourcepoolstatusrequests resourcepoolstatusrequests/status
		resourceslices`),
	"scheduling.k8s.io": strings.Fields(`compositepodgroups compositepodgroups/status podgroups podgroups/status priorityclasses workloads`),
	"storage.k8s.io": strings.Fields(`csidrivers csinodes csinodes/status csistoragecapacities storageclasses volumeattachments
		volumeattachments/status volumeattributesclasses`),
	"storagemigration.k8s.io": strings.Fields(`storageversionmigrations storageversionmigrations/status`),
}

// clusterScoped are the built-in resources that belong to no namespace, each of which only one built-in group has: those of
// discovery, and of what is only authorized those that are asked for without a namespace. Of namespaces see caveat.
const clusterScoped = `componentstatuses groups nodes persistentvolumes users mutatingadmissionpolicies
	mutatingadmissionpolicybindings mutatingwebhookconfigurations validatingadmissionpolicies validatingadmissionpolicybindings
	validatingwebhookconfigurations customresourcedefinitions apiservices selfsubjectreviews tokenreviews uids userextras
	selfsubjectaccessreviews selfsubjectrulesreviews subjectaccessreviews certificatesigningrequests clustertrustbundles signers
	flowschemas prioritylevelconfigurations storageversions ingressclasses ipaddresses servicecidrs runtimeclasses clusterrolebindings
	clusterroles deviceclasses devicetaintrules resourcepoolstatusrequests resourceslices priorityclasses csidrivers csinodes
	storageclasses volumeattachments volumeattributesclasses storageversionmigrations`

// shortNames are kubectl's, and the plural that is far from its singular, for the hint: a rule needs the plural.
var shortNames = map[string]string{
	"cj": "cronjobs", "cm": "configmaps", "crd": "customresourcedefinitions", "cs": "componentstatuses",
	"csr": "certificatesigningrequests", "deploy": "deployments", "ds": "daemonsets", "ep": "endpoints", "ev": "events",
	"hpa": "horizontalpodautoscalers", "ing": "ingresses", "ip": "ipaddresses", "limits": "limitranges", "netpol": "networkpolicies",
	"networkpolicy": "networkpolicies", "no": "nodes", "ns": "namespaces", "pc": "priorityclasses", "pdb": "poddisruptionbudgets",
	"po": "pods", "pv": "persistentvolumes", "pvc": "persistentvolumeclaims", "quota": "resourcequotas",
	"rc": "replicationcontrollers", "rs": "replicasets", "sa": "serviceaccounts", "sc": "storageclasses", "sts": "statefulsets",
	"svc": "services", "vac": "volumeattributesclasses",
}
