package config

import (
	"cmp"
	"slices"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Config is one run as the user declared it, validated.
type Config struct {
	Source   Source
	Access   Access
	Marks    Marks
	Token    Token
	Result   Result
	Warnings []string // for the log: nothing that stops the run
}

// Source is the runner's own credential as declared; the source room reads it.
type Source struct {
	Kubeconfig           string // may be content, and then is a secret: never print it
	Context              string
	Server               string // URL; with a kubeconfig only the result's
	CertificateAuthority string // PEM, base64 of PEM, or a path
	BearerToken          string // a secret: never print it
	OIDCAudience         string
	AllowInsecure        bool
	Expect               Expect
}

// Expect is the one cluster that the run may touch; at most one field is set.
type Expect struct {
	Server      string // URL
	Fingerprint string // SHA-256 of the CA's certificates, lower-case hex
	UID         string // of the namespace kube-system
}

// Access says what the pipeline may do. Before [Access.In] was called, Namespaces may be empty and
// the ServiceAccount's namespace "".
type Access struct {
	Namespaces     []string
	ServiceAccount types.NamespacedName
	Provisioning
	Namespaced     Grants              // in each of the namespaces
	Cluster        Grants              // at cluster scope
	MustNot        []rbacv1.PolicyRule // none of it may be allowed, anywhere
	ClusterMustNot []rbacv1.PolicyRule // none of it may be allowed at cluster scope
}

// Provisioning says what a run may make where it does not exist, and whether it may take over what
// has another owner.
type Provisioning struct {
	CreateServiceAccount bool
	CreateNamespace      bool
	Ephemeral            bool // ServiceAccount is a prefix until the run completes it
	TakeOwnership        bool
}

// Grants are the roles and rules that are granted in one place.
type Grants struct {
	Roles []Role
	Rules []rbacv1.PolicyRule
}

// Empty reports whether nothing is granted.
func (g Grants) Empty() bool { return len(g.Roles) == 0 && len(g.Rules) == 0 }

// Role names an existing role to bind.
type Role struct {
	Kind string // ClusterRole or Role
	Name string
}

// In completes the access: the namespace of the source's context stands in for one that is not
// declared.
func (a Access) In(contextNamespace string) Access {
	if len(a.Namespaces) == 0 {
		a.Namespaces = []string{cmp.Or(contextNamespace, "default")}
	}
	a.ServiceAccount.Namespace = cmp.Or(a.ServiceAccount.Namespace, a.Namespaces[0])
	return a
}

// Grants reports whether any RBAC object is declared. Without role and rules the token carries what
// the ServiceAccount has.
func (a Access) Grants() bool { return !a.Namespaced.Empty() || !a.Cluster.Empty() }

// Place returns the grants in a namespace, or at cluster scope, which is "".
func (a Access) Place(namespace string) Grants {
	if namespace == "" {
		return a.Cluster
	}
	return a.Namespaced
}

// AllRules returns the declared rules, wherever they are granted.
func (a Access) AllRules() []rbacv1.PolicyRule {
	return slices.Concat(a.Namespaced.Rules, a.Cluster.Rules)
}

// AllMustNot returns every rule that must_not forbids, in whatever scope.
func (a Access) AllMustNot() []rbacv1.PolicyRule { return slices.Concat(a.MustNot, a.ClusterMustNot) }

// Marks go onto everything that the run makes.
type Marks struct {
	Owner  string            // on whose behalf; "" leaves it to the platform
	Labels map[string]string // in addition to kubemint's own
}

// Token is the token that the run asks for.
type Token struct {
	Lifetime  Lifetime
	Asked     string   // the lifetime as the user wrote it, for people
	Audiences []string // empty: the API server's own
	Revoke    bool
	Strict    bool // on_shortened: fail
}

// Lifetime is how long a token is asked to live. Only [Lifetime.Permanent] asks for one that never
// expires: the zero value asks for none, and no API server grants it.
type Lifetime struct {
	Duration  time.Duration // zero where it is permanent
	Permanent bool
}

// Result says where the credential goes, and how the run behaves.
type Result struct {
	Output        string // empty: the platform's default
	ContextName   string // empty: SERVICE_ACCOUNT@CLUSTER
	ExportEnv     bool
	SecretOutputs *bool // nil: the platform's default
	DryRun        bool
	Timeout       time.Duration
	Debug         *bool                            // nil: the platform's own flag
	Host          struct{ Workspace, Temp string } // paths of the runner's host
}
