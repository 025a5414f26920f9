package guard

import (
	"slices"
	"strconv"
	"strings"
)

// policy is one ValidatingAdmissionPolicy.
type policy struct {
	kind       string // the end of its name: tokens, secrets, …
	about      string // what is allowed, for a reviewer
	group      string
	resources  []string
	operations []string
	checks     []check
}

// check is one thing that is allowed.
type check struct {
	allowed string // completes "allowed is: "
	cel     string // may span lines
}

// Manifests returns the policies and their bindings as lines of YAML.
func Manifests(asked Asked) (lines []string) {
	n := newNames(asked)
	lines = n.remarks()
	for _, p := range policies(n) {
		lines = append(lines, p.manifest(n)...)
	}
	return lines
}

// remarks are the comment above the policies.
func (n names) remarks() []string {
	lines := []string{
		"---",
		"# The guard: policies that confine the subjects to what kubemint does with these rights, and nobody",
		"# else. It confines:",
	}
	for _, s := range n.subjects {
		name := strconv.QuoteToASCII(s.Name)
		if s.Namespace != "" {
			name += " in namespace " + s.Namespace
		}
		lines = append(lines, "# - "+s.Kind+" "+name)
	}
	return append(lines,
		"# There is one policy a kind. A request of a subject has to pass each of its validations. Otherwise it",
		"# is refused, and the message says what was tried and what is allowed.",
		"# Applied again for the same account, subjects and owner, the policies replace themselves. To delete",
		"# every guard of these subjects, for instance before one for another account or owner:",
		"#   kubectl delete validatingadmissionpolicies,validatingadmissionpolicybindings -l "+
			labelGuard+"="+n.guardID(),
	)
}

// policies are one a kind that the runner may write.
func policies(n names) []policy {
	all := []policy{n.tokens(), n.secrets(), n.leases(), n.accounts()}
	if n.declared.Grants() {
		all = append(all, n.roles()...)
	}
	if n.declared.CreateNamespace {
		all = append(all, n.namespaces())
	}
	return all
}

// variable is an expression that the checks of a policy share.
type variable struct{ name, about, cel string }

// variables are those that any policy has; one is printed where it is used.
func (n names) variables() []variable {
	return []variable{
		{
			"it", "the object as it would be, or as it was before it is deleted",
			`request.operation == "DELETE" ? oldObject : object`,
		},
		{"tried", "how each message begins", tried},
		{"ours", "it has kubemint's labels for this ServiceAccount", n.hasLabels("variables.it")},
		{"wasOurs", "it had them before", n.hasLabels("oldObject")},
		{"unheld", "it gets neither finalizer nor owner that it did not have", n.isUnheld()},
		{"known", "it gets no labels and annotations but kubemint's and the declared ones", n.hasKnown()},
	}
}

// uses says whether a check of the policy uses a variable, or a variable does that it uses.
func (p policy) uses(name string) bool {
	return slices.ContainsFunc(p.checks, func(c check) bool {
		direct := strings.Contains(c.cel, "variables."+name)
		ofIt := strings.Contains(c.cel, ours) || strings.Contains(c.cel, unheld)
		return direct || (name == "it" && ofIt)
	})
}

// manifest is a policy and its binding.
func (p policy) manifest(n names) (lines []string) {
	name := n.policyName(p.kind)
	lines = append(lines,
		"---",
		"# "+p.about,
		"apiVersion: admissionregistration.k8s.io/v1",
		"kind: ValidatingAdmissionPolicy",
		"metadata:",
		"  name: "+name,
		n.labels(),
		"spec:",
		"  failurePolicy: Fail",
		"  matchConstraints:",
		"    resourceRules:",
		"    - apiGroups: ["+strconv.Quote(p.group)+"]",
		`      apiVersions: ["*"]`,
		"      operations: ["+strings.Join(p.operations, ", ")+"]",
		"      resources: ["+strings.Join(p.resources, ", ")+"]",
		"  matchConditions:",
		"  - name: runner",
	)
	lines = append(lines, writeScalar("    expression:", n.runner())...)
	lines = append(lines, "  variables:")
	for _, v := range n.variables() {
		if v.name == "tried" || p.uses(v.name) {
			lines = append(lines, "  # "+v.about, "  - name: "+v.name)
			lines = append(lines, writeScalar("    expression:", v.cel)...)
		}
	}
	lines = append(lines, "  validations:")
	for _, c := range p.checks {
		lines = append(lines, writeScalar("  - expression:", c.cel)...)
		lines = append(lines, writeScalar("    messageExpression:", "variables.tried + "+quote(c.allowed))...)
	}
	return append(lines, n.bindPolicy(name)...)
}

// bindPolicy is the binding that puts a policy into force.
func (n names) bindPolicy(name string) []string {
	return []string{
		"---",
		"apiVersion: admissionregistration.k8s.io/v1",
		"kind: ValidatingAdmissionPolicyBinding",
		"metadata:",
		"  name: " + name,
		n.labels(),
		"spec:",
		"  policyName: " + name,
		"  validationActions: [Deny]",
	}
}

// tried says what was asked for. A name that the API server generates is known by now.
const tried = `"kubemint guard: " + request.userInfo.username + " tried to " + request.operation + " " +
request.resource.resource + (request.?subResource.orValue("") == "" ? "" : "/" + request.subResource) + " " +
request.?name.orValue("") + "; allowed is: "`

// writeScalar writes a key of YAML and its text, which may have several lines.
func writeScalar(key, text string) []string {
	first, rest, more := strings.Cut(text, "\n")
	if !more {
		return []string{key + " '" + strings.ReplaceAll(first, "'", "''") + "'"}
	}
	lines := []string{key + " |-", "      " + first}
	for line := range strings.SplitSeq(rest, "\n") {
		lines = append(lines, "      "+line)
	}
	return lines
}
