package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rules"
)

// Explain turns the failure of a request into the error that a person reads: op is "verb object", phase the code of
// what has no kind of its own. A revocation keeps the code of its phase whatever the kind.
func (c *Client) Explain(phase problem.Code, op string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*problem.Error](err); ok {
		return err
	}
	p := c.explain(phase, op, err)
	if phase == problem.Revoke {
		p.Code = problem.Revoke
	}
	return p
}

func (c *Client) explain(phase problem.Code, op string, err error) *problem.Error {
	var interrupted problem.Interrupted
	var status apierrors.APIStatus
	switch {
	case errors.As(err, &interrupted):
		return problem.New(phase, op, err)
	case errors.Is(err, context.DeadlineExceeded):
		if !c.heard.Load() {
			phase = problem.Source // what never answers is out of reach
		}
		return problem.Newf(phase, op, "no answer in time: %w", err).
			Hint("raise `timeout`, or see whether %s is reachable from this runner", c.server)
	case errors.As(err, &status):
		return answered(phase, op, status.Status())
	}
	return c.unreachable(op, err)
}

// answered explains a refusal of the API server.
func answered(phase problem.Code, op string, status metav1.Status) *problem.Error {
	p := problem.New(phase, op, said{&apierrors.StatusError{ErrStatus: status}})
	switch status.Reason { //nolint:exhaustive // the others have no remedy of their own
	case metav1.StatusReasonUnauthorized:
		p.Code, p.Cause = problem.Source, errors.New("the API server does not accept the runner's credential (401 Unauthorized)")
		p.Hint("log in again in an earlier step: the login has expired, or it is for another cluster")
	case metav1.StatusReasonForbidden:
		forbidden(p, status)
	case metav1.StatusReasonNotFound:
		p.Code = problem.Rights
		if name := missingNamespace(status); name != "" {
			p.Cause = fmt.Errorf("namespace %s does not exist", name)
			p.Hint("see whether `namespace` is spelt right, make the namespace first, or set `create_namespace: true`")
		} else if status.Details != nil && strings.HasSuffix(status.Details.Kind, "rolebindings") {
			// The answer to a binding whose role is missing names the binding's kind and the role.
			p.Cause = fmt.Errorf("there is no such role as %s", status.Details.Name)
			p.Hint("see whether `role` is spelt right; a bare name is a ClusterRole, `role/%s` a Role of the namespace", status.Details.Name)
		}
	case metav1.StatusReasonConflict:
		p.Code = problem.Mint
		p.Hint("somebody else changed it at the same time: run again")
	case metav1.StatusReasonInvalid:
		p.Code = problem.Mint
	}
	return p
}

func missingNamespace(status metav1.Status) string {
	if status.Details != nil && status.Details.Kind == "namespaces" {
		return status.Details.Name
	}
	return ""
}

// forbidden explains a 403: missing rights, an escalation, or something else that the server's words explain best (a
// quota, an admission plugin, a namespace that is being deleted).
func forbidden(p *problem.Error, status metav1.Status) {
	if status.Details != nil {
		for _, cause := range status.Details.Causes {
			if cause.Type == "NamespaceTerminating" { // corev1.NamespaceTerminatingCause
				p.Code, p.Cause = problem.Mint, fmt.Errorf("the namespace is being deleted: %s", oneLine(status.Message))
				p.Hint("wait until it is gone, then run again")
				return
			}
		}
	}
	if denied := denial.FindStringSubmatch(status.Message); denied != nil {
		p.Code = problem.Rights
		p.Cause = fmt.Errorf("user %q may not %s %s%s", denied[1], denied[2], resourceGroup(denied[3], denied[4]), where(denied[5]))
		p.Hint("give the runner's identity this rule:  %s", pasteable(denied[2], denied[3], denied[4]))
		if denied[5] != "" {
			p.Hint("or see whether namespace %s exists: to an identity without rights in it the server does not say", denied[5])
		}
		return
	}
	if held := heldRules(status.Message); len(held) > 0 {
		p.Code = problem.Rights
		p.Cause = errors.New("the runner's identity does not hold all the rights that it is to give away:\n    " +
			strings.Join(rules.Format(held), "\n    "))
		p.Hint("give the runner's identity these rules too, or the verb `escalate` (for a role) or `bind` (for a binding)")
		return
	}
	p.Code = problem.Mint
}

// denial is the authorizer's message: k8s.io/apiserver pkg/endpoints/handlers/responsewriters forbiddenMessage.
var denial = regexp.MustCompile(
	`User "([^"]*)" cannot (\w+) resource "([^"]+)" in API group "([^"]*)"(?: in the namespace "([^"]+)")?`)

func where(namespace string) string {
	if namespace == "" {
		return " at the cluster scope"
	}
	return " in namespace " + namespace
}

func resourceGroup(resource, group string) string {
	name, sub, hasSub := strings.Cut(resource, "/")
	if group != "" {
		name += "." + group
	}
	if hasSub {
		name += "/" + sub
	}
	return name
}

// pasteable is the missing rule as a line of a Role. Apply needs create and patch, and the server names one at a time.
func pasteable(verb, resource, group string) string {
	verbs := verb
	applied := resource != "secrets" && resource != "leases" && !strings.Contains(resource, "/")
	if verb == "patch" || verb == "create" && applied {
		verbs = "create, patch"
	}
	return fmt.Sprintf("{apiGroups: [%q], resources: [%q], verbs: [%s]}", group, resource, verbs)
}

// heldRules reads the rules out of an escalation refusal: k8s.io/kubernetes pkg/registry/rbac/validation
// ConfirmNoEscalation prints each as {APIGroups:["a"], Resources:["b"], ResourceNames:["c"], Verbs:["d"]}.
func heldRules(message string) []rbacv1.PolicyRule {
	if !strings.Contains(message, "is attempting to grant RBAC permissions not currently held") {
		return nil
	}
	var held []rbacv1.PolicyRule
	for _, braces := range ruleText.FindAllStringSubmatch(message, -1) {
		var rule rbacv1.PolicyRule
		for _, field := range ruleField.FindAllStringSubmatch(braces[1], -1) {
			var values []string
			for _, value := range quoted.FindAllStringSubmatch(field[2], -1) {
				values = append(values, value[1])
			}
			switch field[1] {
			case "APIGroups":
				rule.APIGroups = values
			case "Resources":
				rule.Resources = values
			case "ResourceNames":
				rule.ResourceNames = values
			case "NonResourceURLs":
				rule.NonResourceURLs = values
			case "Verbs":
				rule.Verbs = values
			}
		}
		held = append(held, rule)
	}
	return held
}

var (
	ruleText  = regexp.MustCompile(`\{([^{}]*)\}`)
	ruleField = regexp.MustCompile(`(\w+):\[([^\]]*)\]`)
	quoted    = regexp.MustCompile(`"([^"]*)"`)
)

// unreachable explains a request that was never answered.
func (c *Client) unreachable(op string, err error) *problem.Error {
	p := problem.New(problem.Source, op, err)
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var dns *net.DNSError
	switch {
	case errors.As(err, &authority):
		p.Cause = fmt.Errorf("the certificate of %s is not signed by the kubeconfig's CA: %w", c.server, authority)
		p.Hint("see whether certificate-authority-data is that of this cluster, and whether a proxy stands in between")
	case errors.As(err, &hostname):
		p.Cause = fmt.Errorf("the certificate of %s is for another name: %w", c.server, hostname)
		p.Hint("set tls-server-name in the kubeconfig to a name of the certificate")
	case errors.As(err, &dns):
		p.Cause = fmt.Errorf("no address for %s: %w", dns.Name, err)
		p.Hint("see whether the server's name is spelt right, and whether this runner can resolve it (a private cluster?)")
	case utilnet.IsConnectionRefused(err):
		p.Cause = fmt.Errorf("nothing listens at %s: %w", c.server, err)
		p.Hint("see whether the cluster runs and whether the kubeconfig names the right server; " +
			"in a container, 127.0.0.1 is the container itself")
	default:
		p.Hint("see whether %s is reachable from this runner", c.server)
	}
	return p
}

// Untouched says whether a failed request surely changed nothing: the API server refused it, or never had it.
func Untouched(err error) bool {
	var status apierrors.APIStatus
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	if _, unsure := errors.AsType[*unsureError](err); unsure {
		return false
	}
	if errors.As(err, &status) {
		return status.Status().Code < http.StatusInternalServerError
	}
	return utilnet.IsConnectionRefused(err) || errors.As(err, &dns) || errors.As(err, &certificate)
}

// Missing says whether the API server answered that there is no such object.
func Missing(err error) bool { return apierrors.IsNotFound(err) }

// Forbidden says whether it refused the identity.
func Forbidden(err error) bool { return apierrors.IsForbidden(err) }

// Conflict says whether it answered that the object is not as the request took it to be.
func Conflict(err error) bool { return apierrors.IsConflict(err) }

// NamespaceMissing says whether it answered that the object's namespace does not exist.
func NamespaceMissing(err error) bool {
	var status apierrors.APIStatus
	return apierrors.IsNotFound(err) && errors.As(err, &status) && missingNamespace(status.Status()) != ""
}

// said is the API server's answer on one line, with its reason for errors.As.
type said struct{ *apierrors.StatusError }

func (s said) Error() string { return oneLine(s.ErrStatus.Message) }
func (s said) Unwrap() error { return s.StatusError }

func oneLine(message string) string { return strings.Join(strings.Fields(message), " ") }
