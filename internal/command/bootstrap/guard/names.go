package guard

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/lease/leasename"
	"github.com/kubemint/kubemint/internal/owner"
)

// names builds CEL expressions for the names and marks that kubemint gives its objects.
type names struct {
	declared config.Access
	desired  access.Desired
	token    config.Token
	subjects []rbacv1.Subject
}

func newNames(asked Asked) names {
	return names{
		declared: asked.Desired.Access, desired: asked.Desired,
		token: asked.Token, subjects: asked.Subjects,
	}
}

// prefix begins the names of policies. Package client/explain knows it.
const prefix = "kubemint-guard."

// longestPolicy is the longest name that a policy can have.
const longestPolicy = 253

// policyName is that of a policy. Another runner's guard for the same ServiceAccount, or that of
// another owner, has other names: applied later, it leaves this one in force.
func (n names) policyName(kind string) string {
	account := n.declared.ServiceAccount
	id := shorten(n.listSubjects() + n.desired.Marks.Owner)
	name := prefix + account.Namespace + "." + account.Name + "." + id + "." + kind
	if len(name) <= longestPolicy {
		return name
	}
	return prefix + shorten(account.String()) + "." + id + "." + kind
}

// labelGuard is on all policies of the same subjects: kubectl finds and deletes them by it.
const labelGuard = "kubemint/guard"

// guardID is the value of [labelGuard].
func (n names) guardID() string { return shorten(n.listSubjects()) }

// listSubjects names the subjects, one a line, in whatever order they were given.
func (n names) listSubjects() string {
	var all []string
	for _, s := range n.subjects {
		all = append(all, s.Kind+" "+s.Namespace+"/"+s.Name+"\n")
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), "")
}

// shorten is a short hash.
func shorten(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:5])
}

// runner is whether a request is of a confined subject.
func (n names) runner() string {
	var subjects []string
	for _, s := range n.subjects {
		switch s.Kind {
		case rbacv1.GroupKind:
			subjects = append(subjects, quote(s.Name)+" in request.userInfo.?groups.orValue([])")
		case rbacv1.ServiceAccountKind:
			subjects = append(
				subjects, "request.userInfo.username == "+quote("system:serviceaccount:"+s.Namespace+":"+s.Name),
			)
		default:
			subjects = append(subjects, "request.userInfo.username == "+quote(s.Name))
		}
	}
	return strings.Join(subjects, " ||\n")
}

// random ends the names of leases and of ephemeral accounts: package lease makes them.
const random = "-[a-z2-7]{10}"

// mostOfName is how much of a long name is compared: the rest may have been cut.
const mostOfName = 200

// accountPattern matches the names of the account: one, or any that an ephemeral run makes.
func (n names) accountPattern() string {
	name := n.declared.ServiceAccount.Name
	pattern := regexp.QuoteMeta(name)
	if len(name) > mostOfName {
		pattern = regexp.QuoteMeta(name[:mostOfName]) + ".*"
	}
	if n.declared.Ephemeral {
		pattern += random
	}
	return pattern
}

// leasePattern matches the names of the account's leases, and of the Secrets that hang on them.
func (n names) leasePattern() string {
	return "^" + regexp.QuoteMeta(leasename.Prefix) + n.accountPattern() + random + "$"
}

// rbacPattern matches the names of the account's roles and bindings.
func (n names) rbacPattern() string {
	account := n.declared.ServiceAccount
	return "^kubemint:" + regexp.QuoteMeta(
		account.Namespace,
	) + ":" + n.accountPattern() + "(:(role|clusterrole):.+)?$"
}

// isAccount is whether a name is the account's.
func (n names) isAccount(expression string) string {
	name := n.declared.ServiceAccount.Name
	if n.declared.Ephemeral || len(name) > mostOfName {
		return matches(expression, "^"+n.accountPattern()+"$")
	}
	return expression + " == " + quote(name)
}

// matches is whether a name matches a pattern.
func matches(expression, pattern string) string {
	return expression + ".matches(" + quote(pattern) + ")"
}

// ours and wasOurs are variables: whether an object has our labels, and whether it had them.
const (
	ours    = "variables.ours"
	wasOurs = "variables.wasOurs"
)

// hasLabels is whether an object has our labels.
func (n names) hasLabels(object string) string {
	managed := fmt.Sprintf(
		`%s.metadata.?labels[?%s].orValue("") == %s`, object, quote(kube.LabelManagedBy),
		quote(kube.ManagedBy),
	)
	label := fmt.Sprintf(`%s.metadata.?labels[?%s].orValue("")`, object, quote(kube.LabelServiceAccount))
	if n.declared.Ephemeral {
		pattern := "^(" + regexp.QuoteMeta(
			n.declared.ServiceAccount.Namespace,
		) + `\.` + n.accountPattern() + "|sha256-[0-9a-f]+)$"
		return managed + " &&\n" + matches(label, pattern)
	}
	return managed + " &&\n" + label + " == " + quote(
		kube.LabelsFor(n.declared.ServiceAccount)[kube.LabelServiceAccount],
	)
}

// owned is whether an object is this owner's; true where bootstrap does not know the owner.
func (n names) owned(object string) string {
	ours := n.desired.Marks.Owner
	if ours == "" {
		return "true"
	}
	return fmt.Sprintf(`%s.metadata.?annotations[?%s].orValue("").lowerAscii() == %s`,
		object, quote(owner.AnnotationOwner), quote(strings.Map(lowerASCII, ours)))
}

// wasOwned is whether an object was this owner's: by its id, or by the name that an earlier version
// wrote. It says what owner.Same says.
func (n names) wasOwned() string {
	marks := n.desired.Marks
	expression := n.owned("oldObject")
	if marks.Owner == "" || len(marks.Formerly) == 0 {
		return expression
	}
	var formerly []string
	for _, name := range marks.Formerly {
		formerly = append(formerly, quote(strings.Map(lowerASCII, name)))
	}
	run := "oldObject.metadata.?annotations[?" + quote(owner.AnnotationRun) + `].orValue("").lowerAscii()`
	_, rest, _ := strings.Cut(strings.Map(lowerASCII, marks.Run), "://")
	host, _, _ := strings.Cut(rest, "/")
	server := matches(run, "^[^:]*://"+regexp.QuoteMeta(host)+"(/|$)")
	if !strings.Contains(marks.Owner, "@") {
		server = run + ` == "" || ` + server
	}
	return expression + fmt.Sprintf(` ||
(oldObject.metadata.?annotations[?%s].orValue("").lowerAscii() in [%s] &&
(%s))`, quote(owner.AnnotationOwner), strings.Join(formerly, ", "), server)
}

// unheld is a variable: see [names.isUnheld].
const unheld = "variables.unheld"

// isUnheld is whether an object gets neither finalizer nor owner that it did not have. A finalizer of
// a thief's would keep a credential alive; and an owner that does not exist has the garbage collector
// delete the object, a namespace with all that is in it. The objects of an ephemeral run have a lease
// as owner.
func (n names) isUnheld() string {
	made := "size(object.metadata.?ownerReferences.orValue([])) == 0"
	if n.declared.Ephemeral {
		made = `object.metadata.?ownerReferences.orValue([]).all(o, o.kind == "Lease")`
	}
	return `request.operation == "DELETE" || (
object.metadata.?finalizers.orValue([]).all(f,
request.operation == "UPDATE" && f in oldObject.metadata.?finalizers.orValue([])) &&
(request.operation == "UPDATE" ?
object.metadata.?ownerReferences.orValue([]) == oldObject.metadata.?ownerReferences.orValue([]) :
` + made + "))"
}

// lowerASCII does the same as CEL's lowerAscii.
func lowerASCII(r rune) rune {
	if r >= 'A' && r <= 'Z' {
		return r + 'a' - 'A'
	}
	return r
}

// known is a variable: see [names.hasKnown].
const known = "variables.known"

// hasKnown is whether an object has no labels and annotations but kubemint's, the declared ones, and
// those that it had before: others are orders to other controllers. more are further annotations.
func (n names) hasKnown(more ...string) string {
	labels := []string{
		quote(kube.LabelManagedBy), quote(kube.LabelServiceAccount), quote("kubernetes.io/metadata.name"),
	}
	var declared strings.Builder
	for _, key := range slices.Sorted(maps.Keys(n.desired.Marks.Labels)) {
		fmt.Fprintf(&declared, "(k == %s && object.metadata.labels[k] == %s) ||\n",
			quote(key), quote(n.desired.Marks.Labels[key]))
	}
	var annotations []string
	for _, key := range more {
		annotations = append(annotations, quote(key))
	}
	return fmt.Sprintf(`request.operation == "DELETE" || (
object.metadata.?labels.orValue({}).all(k,
k in [%s] ||
%s(request.operation == "UPDATE" &&
oldObject.metadata.?labels[?k] == optional.of(object.metadata.labels[k]))) &&
object.metadata.?annotations.orValue({}).all(k, k.startsWith("kubemint/") || k in [%s] ||
(request.operation == "UPDATE" &&
oldObject.metadata.?annotations[?k] == optional.of(object.metadata.annotations[k]))))`,
		strings.Join(labels, ", "), declared.String(), strings.Join(annotations, ", "))
}

// knownOnly says what known allows.
const knownOnly = "labels and annotations of kubemint, declared ones, and those that were there before"

// atHome is whether an object is in the account's namespace.
func (n names) atHome() string {
	return "request.namespace == " + quote(n.declared.ServiceAccount.Namespace)
}

// labels are those of a policy, as a line of YAML.
func (n names) labels() string {
	account := kube.LabelsFor(n.declared.ServiceAccount)[kube.LabelServiceAccount]
	return fmt.Sprintf(
		"  labels: {%s: %q, %s: %q}", labelGuard, n.guardID(), kube.LabelServiceAccount, account,
	)
}

// Asked says what the guard allows, and whom it confines.
type Asked struct {
	Desired  access.Desired
	Token    config.Token
	Subjects []rbacv1.Subject
}

// quote writes a string of CEL.
func quote(text string) string { return strconv.QuoteToASCII(text) }
