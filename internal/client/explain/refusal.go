package explain

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rules"
)

// Explain explains a 403: missing rights, an escalation, or something else that the server's words
// explain best (a quota, an admission plugin, a namespace that is being deleted). server is the URL of
// the API server.
func Explain(p *problem.Error, status metav1.Status, server string) {
	denied := findDenial(status)
	held := HeldRules(status.Message)
	switch {
	case apierrors.HasStatusCause(p.Cause, corev1.NamespaceTerminatingCause):
		p.Code = problem.Mint
		words := strings.Join(strings.Fields(status.Message), " ")
		p.Cause = fmt.Errorf("the namespace is being deleted: %s", words)
		p.Hint("wait until it is gone, then run again")
	case denied != nil:
		p.Code = problem.Rights
		p.Cause = denied
		p.Hint("%s", AdviseRule(denied))
		if denied.Namespace != "" {
			p.Hint("or see whether namespace %s exists: "+
				"the server does not tell an identity that has no rights in it", denied.Namespace)
		}
	case len(held) > 0:
		p.Code = problem.Rights
		escalated := &Escalated{Rules: held}
		if named := regexp.MustCompile(granter).FindStringSubmatch(status.Message); named != nil {
			escalated.User = Unquote(named[1])
		}
		p.Cause = escalated
		p.Detail(rules.Format(held)...)
		p.Hint("give the runner's identity these rules too, " +
			"or the verb `escalate` (for a role) or `bind` (for a binding)")
	default:
		p.Code = problem.Mint
	}
	adviseRights(p, server)
}

// Login adds to the refusal of a credential (code [problem.Source]), or of one of its rights
// ([problem.Rights]), what is known of the credential.
type Login func(refusal *problem.Error)

// SuggestLogin is the [Login] of a credential about which nothing is known.
func SuggestLogin(refusal *problem.Error) {
	if refusal.Code == problem.Source {
		refusal.Hint("log in again in an earlier step: the login has expired, or it is for another cluster")
	}
}

// findDenial reads the authorizer's refusal. It returns nil if something else sent the 403.
func findDenial(status metav1.Status) *Denial {
	words := regexp.MustCompile(denial).FindStringSubmatch(status.Message)
	if words == nil {
		return nil
	}
	d := &Denial{
		User: Unquote(words[1]), Verb: words[2], Group: words[4], Resource: words[3], Namespace: words[5],
	}
	name := ""
	if status.Details != nil {
		name = status.Details.Name
	}
	switch {
	case d.Resource == "serviceaccounts/token":
		d.Name = name // nobody is told to give away tokens of every account
	case d.Resource == "secrets" && !isDrawn(name):
		d.Name = name // nobody is told to give away every Secret
	case d.Resource == "leases" && (d.Verb == "get" || d.Verb == "patch"):
		d.Name = name // the lock, the only Lease that is read or changed by name
	}
	return d
}

// isDrawn says whether a run has drawn the name of a Secret, a lease's: no rule can be about it.
func isDrawn(name string) bool {
	return regexp.MustCompile(drawn).MatchString(name) && !strings.HasPrefix(name, "kubemint-token-")
}

// giveRule is the hint with the rule that the API server has named.
const giveRule = "give the runner's identity this rule:  "

// AdviseRule is the hint with the rule that the API server has named.
func AdviseRule(denied *Denial) string { return giveRule + pasteRule(denied.Rule()) }

// GivesRule says whether a hint is the one with the rule that the API server has named. It is
// superfluous next to a list of all that is lacking.
func GivesRule(hint string) bool { return strings.HasPrefix(hint, giveRule) }

// Escalated is the refusal of a role or binding to who does not hold its rules, as the cause of an
// error.
type Escalated struct {
	User  string // "" where the API server does not say
	Rules []rbacv1.PolicyRule
}

func (e *Escalated) Error() string {
	return "the runner's identity does not hold all the rights that it is to give away"
}

// Unquote is a name that the API server has quoted as Go does.
func Unquote(name string) string {
	if plain, err := strconv.Unquote(name); err == nil {
		return plain
	}
	return name
}

// Denial is the authorizer's refusal of a request, as the cause of an error.
type Denial struct{ User, Verb, Group, Resource, Namespace, Name string }

func (d *Denial) Error() string {
	place := " at the cluster scope"
	if d.Namespace != "" {
		place = " in namespace " + d.Namespace
	}
	return fmt.Sprintf(
		"user %q may not %s %s%s", d.User, d.Verb, resourceGroup(d.Resource, d.Group), place,
	)
}

// Rule returns the rule that the user lacks. Apply needs create and patch, and the server names one
// at a time.
func (d *Denial) Rule() rbacv1.PolicyRule {
	verbs := []string{d.Verb}
	applied := d.Resource != "secrets" && d.Resource != "leases" && !strings.Contains(d.Resource, "/")
	if d.Verb == "patch" || (d.Verb == "create" && applied) {
		verbs = []string{"create", "patch"}
	}
	rule := rbacv1.PolicyRule{
		APIGroups: []string{d.Group}, Resources: []string{d.Resource}, Verbs: verbs,
	}
	if d.Name != "" {
		rule.ResourceNames = []string{d.Name}
	}
	return rule
}

// SuggestBootstrap says how an administrator gives a user all the rights that the configuration
// takes.
func SuggestBootstrap(user string) string {
	subject := "user:" + user
	if account, ok := strings.CutPrefix(user, "system:serviceaccount:"); ok {
		subject = "serviceaccount:" + strings.Replace(account, ":", "/", 1)
	}
	if !regexp.MustCompile(plainWord).MatchString(user) {
		subject = "KIND:NAME"
	}
	return "an administrator can give it all that this configuration takes:  kubemint bootstrap " +
		"--subject " + subject + " | kubectl apply -f -"
}

// IsDenial says whether a message is the authorizer's.
func IsDenial(message string) bool { return regexp.MustCompile(denial).MatchString(message) }

// denial is the authorizer's message: k8s.io/apiserver pkg/endpoints/handlers/responsewriters
// forbiddenMessage.
const denial = `User ("(?:[^"\\]|\\.)*") cannot (\w+) resource "([^"]+)" in API group "([^"]*)"` +
	`(?: in the namespace "([^"]+)")?`

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

// HeldRules reads the rules out of an escalation refusal: k8s.io/kubernetes
// pkg/registry/rbac/validation ConfirmNoEscalation prints each as {APIGroups:["a"],
// Resources:["b"], ResourceNames:["c"], Verbs:["d"]}.
func HeldRules(message string) []rbacv1.PolicyRule {
	if !strings.Contains(message, "is attempting to grant RBAC permissions not currently held") {
		return nil
	}
	var held []rbacv1.PolicyRule
	fieldsOf := regexp.MustCompile(ruleField)
	valuesOf := regexp.MustCompile(quoted)
	for _, braces := range regexp.MustCompile(ruleText).FindAllStringSubmatch(message, -1) {
		var rule rbacv1.PolicyRule
		fields := map[string]*[]string{
			"APIGroups": &rule.APIGroups, "Resources": &rule.Resources, "ResourceNames": &rule.ResourceNames,
			"NonResourceURLs": &rule.NonResourceURLs, "Verbs": &rule.Verbs,
		}
		for _, field := range fieldsOf.FindAllStringSubmatch(braces[1], -1) {
			var values []string
			for _, value := range valuesOf.FindAllStringSubmatch(field[2], -1) {
				values = append(values, value[1])
			}
			if of := fields[field[1]]; of != nil {
				*of = values
			}
		}
		held = append(held, rule)
	}
	return held
}

// Compiled on use: most runs are refused nothing, and start without them.
const (
	ruleText  = `\{([^{}]*)\}`
	ruleField = `(\w+):\[([^\]]*)\]`
	quoted    = `"([^"]*)"`
	granter   = `user ("(?:[^"\\]|\\.)*") \(groups=`
	drawn     = `-[a-z2-7]{10}$`
	plainWord = `^[A-Za-z0-9:@._/-]+$` // to a shell
)
