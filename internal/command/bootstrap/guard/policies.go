package guard

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/lease"
	"github.com/kubemint/kubemint/internal/lease/lock"
)

// write are the operations of admission.
var write = []string{"CREATE", "UPDATE", "DELETE"}

// tokens confines token requests.
func (n names) tokens() policy {
	p := policy{
		kind: "tokens", resources: []string{"serviceaccounts/token"}, operations: []string{"CREATE"},
		about: "Token requests: for this ServiceAccount, short, for the declared audiences, and bound to a lease.",
	}
	if n.permanent() {
		p.about = "Token requests: none, since the declared token is a permanent one."
		p.checks = []check{{"none, since the declared token is permanent", "false"}}
		return p
	}
	seconds := int64(n.token.Lifetime.Duration / time.Second)
	p.checks = []check{
		{
			"a token of ServiceAccount " + n.declared.ServiceAccount.String(),
			fmt.Sprintf("request.namespace == %s &&\n%s",
				quote(n.declared.ServiceAccount.Namespace), matches("request.name", "^"+n.accountPattern()+"$")),
		},
		{
			fmt.Sprintf("a lifetime of at most %d seconds", seconds),
			fmt.Sprintf("object.spec.?expirationSeconds.orValue(3600) <= %d", seconds),
		},
		{n.audiencesAllowed(), n.audiences()},
	}
	if !n.token.Revoke { // bound to a pod, one of 3607 seconds would be extended to a year
		p.checks = append(
			p.checks, check{"a token that is bound to nothing", "object.spec.?boundObjectRef.orValue(null) == null"},
		)
	} else {
		p.checks = append(p.checks, check{
			"a token that is bound to the Secret of one of kubemint's leases",
			`object.spec.?boundObjectRef.?kind.orValue("") == "Secret" &&
object.spec.?boundObjectRef.?uid.orValue("") != "" &&
` + matches(`object.spec.?boundObjectRef.?name.orValue("")`, n.leasePattern()),
		})
	}
	return p
}

func (n names) permanent() bool { return n.token.Lifetime.Permanent }

func (n names) audiencesAllowed() string {
	if len(n.token.Audiences) == 0 {
		return "the API server's own audience; where it has another one, set the input audiences to it and print " +
			"the guard again"
	}
	return "the audiences " + strings.Join(n.token.Audiences, ", ")
}

// ownAudiences matches the audience that API servers fill in when a request names none, before
// admission looks at it: those of kubeadm, EKS and most others, of k3s, GKE and AKS. What another
// cluster has, its discovery document (/.well-known/openid-configuration) says as the issuer.
const ownAudiences = `^(https://kubernetes\.default\.svc(\..+)?|k3s|rke2|https://container\.googleapis\.com/.+|` +
	`https://[^/]+\.azmk8s\.io/?)$`

func (n names) audiences() string {
	if len(n.token.Audiences) == 0 {
		return "object.spec.?audiences.orValue([]).all(a,\n" + matches("a", ownAudiences) + ")"
	}
	var list []string
	for _, audience := range n.token.Audiences {
		list = append(list, quote(audience))
	}
	return "size(object.spec.?audiences.orValue([])) > 0 &&\nobject.spec.audiences.all(a, a in [" +
		strings.Join(list, ", ") + "])"
}

// secrets confines Secrets to empty ones that hang on a lease, or to the one of a permanent token.
func (n names) secrets() policy {
	if n.permanent() {
		return n.permanentSecret()
	}
	return policy{
		kind: "secrets", resources: []string{"secrets"}, operations: write,
		about: "Secrets: new ones alone, empty, and owned by a lease of the same name.",
		checks: []check{
			{"to create one that hangs on a lease", `request.operation == "CREATE"`},
			{
				"the name of a lease",
				matches("variables.it.metadata.name", n.leasePattern()),
			},
			{
				"an empty Secret of type Opaque",
				`variables.it.?type.orValue("Opaque") == "Opaque" &&
size(variables.it.?data.orValue({})) == 0`,
			},
			{
				"one owner, the lease of the same name, and no finalizer",
				`size(variables.it.metadata.?ownerReferences.orValue([])) == 1 &&
variables.it.metadata.ownerReferences[0].kind == "Lease" &&
variables.it.metadata.ownerReferences[0].apiVersion == "coordination.k8s.io/v1" &&
variables.it.metadata.ownerReferences[0].name == variables.it.metadata.name &&
` + unheld(),
			},
			{"kubemint's labels", n.ours("variables.it") + " &&\n" + n.atHome()},
			{knownOnly, n.known()},
		},
	}
}

// permanentSecret allows the one Secret of a permanent token.
func (n names) permanentSecret() policy {
	account := n.declared.ServiceAccount
	name := lease.PermanentName(account.Name)
	return policy{
		kind: "secrets", resources: []string{"secrets"}, operations: write,
		about: "Secrets: the one of the permanent token.",
		checks: []check{
			{
				"Secret " + name + " of kubemint",
				"variables.it.metadata.name == " + quote(name) + " &&\n" + n.atHome() + " &&\n" + n.ours(
					"variables.it",
				),
			},
			{knownOnly, n.known(corev1.ServiceAccountNameKey, corev1.ServiceAccountUIDKey)},
			{
				"the token Secret of ServiceAccount " + account.Name,
				fmt.Sprintf(`variables.it.?type.orValue("") == %s &&
variables.it.metadata.?annotations[?%s].orValue("") == %s &&
`+unheld(), quote(string(corev1.SecretTypeServiceAccountToken)), quote(corev1.ServiceAccountNameKey), quote(account.Name)),
			},
			{
				"data that the token controller alone writes",
				`request.operation == "DELETE" ||
variables.it.?data.orValue({}) == (request.operation == "UPDATE" ? oldObject.?data.orValue({}) : {})`,
			},
		},
	}
}

// clocks is how far the clock of a run may be from the API server's.
const clocks = 15 * time.Minute

// leases confines leases to those of credentials, and to the lock of the account's access.
func (n names) leases() policy {
	lock := lock.NameOf(n.declared.ServiceAccount.Name)
	isLock := "variables.it.metadata.name == " + quote(lock)
	p := policy{
		kind: "leases", group: "coordination.k8s.io", resources: []string{"leases"}, operations: write,
		about: "Leases: those of this ServiceAccount's credentials, and the lock of its access.",
		checks: []check{
			{
				"a lease of kubemint's for ServiceAccount " + n.declared.ServiceAccount.String(),
				"(" + matches(
					"variables.it.metadata.name", n.leasePattern(),
				) + " ||\n" + isLock + ") &&\n" + n.ours("variables.it"),
			},
			{
				"leases that were kubemint's before",
				`request.operation != "UPDATE" || (` + n.ours("oldObject") + ")",
			},
			{
				"leases without owners and finalizers",
				unheld() + " &&\n" +
					`(request.operation == "DELETE" || size(variables.it.metadata.?ownerReferences.orValue([])) == 0)`,
			},
			{
				"to delete a lease together with its Secret",
				`request.operation != "DELETE" || (request.?options.?propagationPolicy.orValue("") != "Orphan" &&
!request.?options.?orphanDependents.orValue(false))`,
			},
			{knownOnly, "(" + n.known() + ") &&\n" + n.atHome()},
		},
	}
	p.checks = append(p.checks, n.leaseMarks(isLock)...)
	return p
}

// leaseMarks checks the owner and the expiry of a lease; the lock has neither.
func (n names) leaseMarks(isLock string) (checks []check) {
	if n.desired.Marks.Owner != "" {
		checks = append(checks, check{
			"leases of owner " + n.desired.Marks.Owner,
			isLock + " || (" + n.owned(
				"variables.it",
			) + " &&\n" + `(request.operation != "UPDATE" || ` + n.owned("oldObject") + "))",
		})
	}
	if !n.permanent() {
		most := n.token.Lifetime.Duration + clocks
		checks = append(checks, check{
			fmt.Sprintf("a lease that expires within %s", n.token.Lifetime.Duration),
			fmt.Sprintf(`request.operation != "CREATE" || %s || timestamp(object.metadata.annotations[%s]) -
timestamp(object.metadata.creationTimestamp) <= duration("%ds")`, isLock, quote(kube.AnnotationExpiresAt), int64(most/time.Second)),
		})
	}
	return checks
}
