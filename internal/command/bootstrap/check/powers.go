package check

import (
	rbacv1 "k8s.io/api/rbac/v1"
)

// everyones are the rights of every authenticated identity (system:basic-user, system:discovery and
// system:public-info-viewer), and of every ServiceAccount (system:service-account-issuer-discovery,
// system:cluster-trust-bundle-discovery): pkg/.../rbac/bootstrappolicy/policy.go of Kubernetes.
func everyones() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		onResources("authorization.k8s.io", "create", "selfsubjectaccessreviews", "selfsubjectrulesreviews"),
		onResources("authentication.k8s.io", "create", "selfsubjectreviews"),
		{
			Verbs: []string{"get"},
			NonResourceURLs: []string{
				"/livez", "/readyz", "/healthz", "/version", "/version/", "/openapi", "/openapi/*",
				"/api", "/api/*", "/apis", "/apis/*",
				"/.well-known/openid-configuration", "/.well-known/openid-configuration/",
				"/openid/v1/jwks", "/openid/v1/jwks/",
			},
		},
		onResources("certificates.k8s.io", "get", "clustertrustbundles"),
		onResources("certificates.k8s.io", "list", "clustertrustbundles"),
		onResources("certificates.k8s.io", "watch", "clustertrustbundles"),
	}
}

// namespacePowers lead to other identities or to their secrets. They are asked for one by one where
// an authorizer cannot list what it allows.
func namespacePowers() []rbacv1.PolicyRule {
	const rbac = rbacv1.GroupName
	changeable := []string{
		"pods", "pods/ephemeralcontainers", "replicationcontrollers", "serviceaccounts",
	}
	workloads := []string{"deployments", "daemonsets", "statefulsets", "replicasets"}
	return []rbacv1.PolicyRule{
		onResources("*", "*", "*"),
		onResources("", "get", "secrets"), onResources("", "list", "secrets"),
		onResources("", "watch", "secrets"),
		onResources("", "create", "pods", "pods/exec", "pods/attach", "serviceaccounts/token"),
		onResources("", "create", "replicationcontrollers"),
		onResources("", "get", "pods/exec", "pods/attach"), // by WebSocket, before 1.35
		onResources("", "patch", changeable...), onResources("", "update", changeable...),
		onResources("", "impersonate", "serviceaccounts"),
		onResources("apps", "create", workloads...), onResources("apps", "patch", workloads...),
		onResources("apps", "update", workloads...),
		onResources("batch", "create", "jobs", "cronjobs"), onResources("batch", "patch", "cronjobs"),
		onResources("batch", "update", "cronjobs"),
		onResources(rbac, "create", "roles", "rolebindings"),
		onResources(rbac, "bind", "roles", "clusterroles"), onResources(rbac, "escalate", "roles"),
	}
}

// clusterPowers are the same in every namespace, and those over the cluster.
func clusterPowers() []rbacv1.PolicyRule {
	const rbac = rbacv1.GroupName
	const admission = "admissionregistration.k8s.io"
	mutating := []string{
		"mutatingwebhookconfigurations", "mutatingadmissionpolicies", "mutatingadmissionpolicybindings",
	}
	validating := []string{
		"validatingwebhookconfigurations", "validatingadmissionpolicies", "validatingadmissionpolicybindings",
	}
	return append(namespacePowers(),
		onResources("", "impersonate", "users", "groups"),
		onResources("", "create", "namespaces", "nodes/proxy", "persistentvolumes"),
		onResources("", "get", "nodes/proxy"),
		onResources("", "patch", "namespaces", "nodes"), onResources("", "update", "namespaces", "nodes"),
		onResources("", "delete", "namespaces", "nodes"),
		onResources(rbac, "create", "clusterroles", "clusterrolebindings"),
		onResources(rbac, "escalate", "clusterroles"),
		onResources(admission, "create", mutating...), onResources(admission, "create", validating...),
		onResources(admission, "patch", mutating...), onResources(admission, "patch", validating...),
		onResources(admission, "update", mutating...), onResources(admission, "update", validating...),
		onResources(admission, "delete", validating...), // a guard, say
		onResources("certificates.k8s.io", "update", "certificatesigningrequests/approval"),
	)
}

func onResources(group, verb string, resources ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{
		Verbs: []string{verb}, APIGroups: []string{group}, Resources: resources,
	}
}
