package guard

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/lease/leasename"
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
				quote(n.declared.ServiceAccount.Namespace), n.isAccount("request.name")),
		},
		{
			fmt.Sprintf("a lifetime of at most %d seconds", seconds),
			fmt.Sprintf("object.spec.?expirationSeconds.orValue(3600) <= %d", seconds),
		},
		{n.audiencesAllowed(), n.audiences()},
	}
	p.checks = append(p.checks, n.binding())
	return p
}

// binding checks what a token is bound to. Bound to a pod, one of 3607 seconds would be extended to
// a year.
func (n names) binding() check {
	bound := `object.spec.?boundObjectRef.?kind.orValue("") == "Secret" &&
object.spec.?boundObjectRef.?uid.orValue("") != "" &&
` + matches(`object.spec.?boundObjectRef.?name.orValue("")`, n.leasePattern())
	if n.token.Revoke {
		return check{"a token that is bound to the Secret of one of kubemint's leases", bound}
	}
	return check{
		"a token that is bound to nothing, or to the Secret of one of kubemint's leases",
		"object.spec.?boundObjectRef.orValue(null) == null || (" + bound + ")",
	}
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
const ownAudiences = `^(https://kubernetes\.default\.svc(\..+)?|k3s|rke2|` +
	`https://container\.googleapis\.com/.+|https://[^/]+\.azmk8s\.io/?)$`

func (n names) audiences() string {
	if len(n.token.Audiences) == 0 {
		return "object.spec.?audiences.orValue([]).all(a,\n" + matches("a", ownAudiences) + ")"
	}
	var list []string
	for _, audience := range n.token.Audiences {
		list = append(list, quote(audience))
	}
	return asks() + " || (size(object.spec.?audiences.orValue([])) > 0 &&\nobject.spec.audiences.all(a, a in [" +
		strings.Join(list, ", ") + "]))"
}

// noUID is the UID that package revoke asks with. No object has it, so nothing is minted.
const noUID = "00000000-0000-0000-0000-000000000000"

// asks is whether a request asks if a Secret is gone, as revoke does.
func asks() string {
	return `object.spec.?boundObjectRef.?uid.orValue("") == ` + quote(noUID)
}

// secrets confines Secrets to empty ones that hang on a lease, or to the one of a permanent token.
func (n names) secrets() policy {
	if n.permanent() {
		return n.permanentSecret()
	}
	return policy{
		kind: "secrets", resources: []string{"secrets"}, operations: write,
		about: "Secrets: those that hang on a lease, which are empty, and owned by the lease of the same name.",
		checks: []check{
			{"to create or delete one that hangs on a lease", `request.operation != "UPDATE"`},
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
				`request.operation == "DELETE" || (size(object.metadata.?ownerReferences.orValue([])) == 1 &&
object.metadata.ownerReferences[0].kind == "Lease" &&
object.metadata.ownerReferences[0].apiVersion == "coordination.k8s.io/v1" &&
object.metadata.ownerReferences[0].name == object.metadata.name &&
size(object.metadata.?finalizers.orValue([])) == 0)`,
			},
			{"kubemint's labels", ours + " &&\n" + n.atHome()},
			{knownOnly, known},
		},
	}
}

// permanentSecret allows the one Secret of a permanent token.
func (n names) permanentSecret() policy {
	account := n.declared.ServiceAccount
	name := leasename.PermanentSecret(account.Name)
	p := policy{
		kind: "secrets", resources: []string{"secrets"}, operations: write,
		about: "Secrets: the one of the permanent token.",
		checks: []check{
			{
				"Secret " + name + " of kubemint",
				"variables.it.metadata.name == " + quote(name) + " &&\n" + n.atHome() + " &&\n" + ours,
			},
			{knownOnly, n.hasKnown(corev1.ServiceAccountNameKey, corev1.ServiceAccountUIDKey)},
			{
				"the token Secret of ServiceAccount " + account.Name,
				fmt.Sprintf(`variables.it.?type.orValue("") == %s &&
variables.it.metadata.?annotations[?%s].orValue("") == %s &&
`+unheld, quote(string(corev1.SecretTypeServiceAccountToken)),
					quote(corev1.ServiceAccountNameKey), quote(account.Name)),
			},
			{
				"data that the token controller alone writes",
				`request.operation == "DELETE" ||
variables.it.?data.orValue({}) == (request.operation == "UPDATE" ? oldObject.?data.orValue({}) : {})`,
			},
		},
	}
	p.checks = append(p.checks, n.keepExpiry()...)
	return p
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
				) + " ||\n" + isLock + ") &&\n" + ours,
			},
			{
				"leases that were kubemint's before",
				`request.operation != "UPDATE" || ` + wasOurs,
			},
			{
				"leases without owners and finalizers",
				unheld + " &&\n" +
					`(request.operation == "DELETE" || size(variables.it.metadata.?ownerReferences.orValue([])) == 0)`,
			},
			{
				"to delete a lease together with its Secret",
				`request.operation != "DELETE" || (request.?options.?propagationPolicy.orValue("") != "Orphan" &&
!request.?options.?orphanDependents.orValue(false))`,
			},
			{knownOnly, known + " &&\n" + n.atHome()},
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
		checks = append(checks, n.expiry(isLock)...)
	}
	return checks
}

// expiry bounds how long a lease lives. A policy knows no time of day, so a lease is compared with
// its creation when it is new, and afterwards with the expiry that it had: exec, which renews a
// token before its lease expires, never moves that by more than a token's lifetime.
func (n names) expiry(isLock string) []check {
	most := fmt.Sprintf(`duration("%ds")`, int64((n.token.Lifetime.Duration+clocks)/time.Second))
	at := func(object string) string {
		return fmt.Sprintf("%s.metadata.?annotations[?%s]", object, quote(kube.AnnotationExpiresAt))
	}
	expires := func(object string) string { return "timestamp(" + at(object) + `.orValue(""))` }
	before := `(request.operation == "CREATE" ? timestamp(object.metadata.creationTimestamp) :
` + expires("oldObject") + ")"
	others := `request.operation == "DELETE" || ` + isLock + " ||\n"
	return []check{
		{"a lease with an expiry", others + at("object") + ".hasValue()"},
		{
			fmt.Sprintf(
				"a lease that expires within %s of its creation, or of its last expiry", n.token.Lifetime.Duration,
			),
			others + expires("object") + " -\n" + before + " <= " + most,
		},
	}
}
