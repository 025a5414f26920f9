package app

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/source"
	"github.com/kubemint/kubemint/internal/token"
)

// subjects is a flag that may be given more than once.
type subjects []rbacv1.Subject

const subjectForms = "user:NAME, group:NAME or serviceaccount:NAMESPACE/NAME"

func (s *subjects) String() string { return "" }

// Set reads user:NAME, group:NAME or serviceaccount:NS/NAME.
func (s *subjects) Set(value string) error {
	kind, name, _ := strings.Cut(value, ":")
	subject := rbacv1.Subject{APIGroup: rbacv1.GroupName, Name: name}
	switch {
	case name == "":
	case kind == "user":
		subject.Kind = rbacv1.UserKind
	case kind == "group":
		subject.Kind = rbacv1.GroupKind
	case kind == "serviceaccount":
		namespace, name, _ := strings.Cut(name, "/")
		if len(validation.IsDNS1123Label(namespace)) == 0 && len(validation.IsDNS1123Subdomain(name)) == 0 {
			subject = rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: name}
		}
	}
	if subject.Kind == "" {
		return errors.New("write " + subjectForms)
	}
	*s = append(*s, subject)
	return nil
}

// crowds are names of RBAC that stand for many: whoever gets rights under one of them is not the runner alone. The accounts
// of one namespace (system:serviceaccounts:NAMESPACE) may be runners of their own, and are not among them.
var crowds = map[string]string{
	"*":                      "everyone",
	"system:anonymous":       "everyone who reaches the API server, without any credential",
	"system:unauthenticated": "everyone who reaches the API server, without any credential",
	"system:authenticated":   "everyone whom the API server knows: each person, node and pod",
	"system:serviceaccounts": "each ServiceAccount of the cluster, so everyone who can start a pod anywhere in it",
}

// check refuses subjects that are not one runner, or that a reviewer could not tell from another one.
func (s *subjects) check() error {
	for _, subject := range *s {
		flag := strings.ToLower(subject.Kind) + ":" + strconv.QuoteToASCII(subject.Name)
		hidden := strings.ContainsFunc(subject.Name, func(r rune) bool { return !unicode.IsGraphic(r) })
		plain := strings.Trim(strings.ToLower(strings.Map(visible, subject.Name)), ": ")
		who, many := crowds[plain]
		switch {
		case many:
			return problem.Newf(problem.Config, "read --subject "+flag, "it is %s", who).
				Hint("name the runner itself: `kubectl auth whoami`, as the runner, shows its user and groups").
				Hint("a runner that is called system:anonymous has not logged in: " +
					"give it a credential, and no rights").
				Hint("for the pods of one namespace: group:system:serviceaccounts:NAMESPACE")
		case hidden || strings.TrimSpace(subject.Name) != subject.Name:
			return problem.Newf(problem.Config, "read --subject "+flag,
				"it begins or ends with white space, or holds a character that does not show").
				Hint("write the name as `kubectl auth whoami` shows it")
		}
	}
	return nil
}

// visible drops what does not show, and makes every space one that does.
func visible(r rune) rune {
	switch {
	case unicode.IsSpace(r):
		return ' '
	case !unicode.IsGraphic(r):
		return -1
	}
	return r
}

// bootstrap prints manifests with the least rights that the runner's identity needs. It talks to no cluster.
func (r *run) bootstrap(given options) error {
	if given.steady && r.cfg.Access.Ephemeral {
		return problem.Newf(problem.Config, "run bootstrap", "an ephemeral identity is made anew by each run: there is no steady state").
			Hint("leave --steady out, or `ephemeral`")
	}
	if err := given.subjects.check(); err != nil {
		return err
	}
	declared, err := r.declaredOffline()
	if err != nil {
		return err
	}
	desired := access.Desire(declared, access.Marks{})
	secret := token.NewPermanent(desired.Access.ServiceAccount, access.Marks{}).Name
	lines := r.remarks(desired, given, secret)
	for _, need := range access.Needs(desired, r.cfg.Token, r.cfg.Source.Expect, secret, given.steady) {
		for _, object := range manifests(desired.Access.ServiceAccount, need, given.subjects) {
			manifest, err := console.Manifest(object)
			if err != nil {
				return err
			}
			lines = append(append(lines, "---"), manifest...)
		}
	}
	return r.print(lines...)
}

// declaredOffline completes the declared access as mint does, or by `default` where there is no source.
func (r *run) declaredOffline() (config.Access, error) {
	if len(r.cfg.Access.Namespaces) > 0 {
		return r.cfg.Access.In(""), nil
	}
	why := "the source's context names none"
	s, err := r.loadSource(r.declaredSource())
	if err != nil {
		why = err.Error()
		s = &source.Source{}
	} else if s.Namespace != "" {
		why = "that of the source's context"
	}
	declared, err := r.declaredAt(s)
	if err == nil {
		r.log.Printf("note: no `namespace` is declared: %s is assumed (%s)", declared.Namespaces[0], why)
	}
	return declared, err
}

// manifests are the role of one place and, where there are subjects, its binding. Both flavours have the same names: the
// steady one, applied later, narrows what the other gave.
func manifests(account types.NamespacedName, need access.Need, subjects []rbacv1.Subject) []any {
	version, kind := rbacv1.SchemeGroupVersion.String(), "ClusterRole"
	if need.Namespace != "" {
		kind = "Role"
	}
	meta := metav1.ObjectMeta{Namespace: need.Namespace, Name: "kubemint-runner:" + account.Namespace + ":" + account.Name}
	objects := []any{rbacv1.Role{
		TypeMeta: metav1.TypeMeta{APIVersion: version, Kind: kind}, ObjectMeta: meta, Rules: append([]rbacv1.PolicyRule{}, need.Rules...),
	}}
	if len(subjects) > 0 {
		objects = append(objects, rbacv1.RoleBinding{
			TypeMeta: metav1.TypeMeta{APIVersion: version, Kind: kind + "Binding"}, ObjectMeta: meta, Subjects: subjects,
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: meta.Name},
		})
	}
	return objects
}

// remarks are the comment above the manifests: what a reviewer has to know of them.
func (r *run) remarks(desired access.Desired, given options, secret string) (lines []string) {
	declared := desired.Access
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf("# "+format, args...)) }
	flavour := "the first run included"
	if given.steady {
		flavour = "once ServiceAccount, roles and bindings are as declared (--steady)"
	}
	say("The least rights of a runner that mints credentials of ServiceAccount %s for %s,", declared.ServiceAccount, access.Reach(declared))
	say("%s. For an administrator:  kubectl apply -f -", flavour)
	if len(given.subjects) == 0 {
		say("There are no bindings, since no --subject was given: " + subjectForms)
	}
	h := holder{Desired: desired, token: r.cfg.Token, steady: given.steady, secret: secret}
	say("At worst, whoever holds these rights can")
	for _, line := range h.worst() {
		say("- %s", line)
	}
	for _, line := range append(h.cannot(), h.advice()...) {
		say("%s", line)
	}
	return lines
}

// advice is how to make do with less.
func (h holder) advice() []string {
	var lines []string
	if h.steady && len(h.Named) > 0 {
		lines = append(lines, "An empty role takes back what the first run needed there.",
			"Without it the rights of these roles stay unproven; for the proof, add the verb get on")
		for _, ref := range h.Named {
			lines = append(lines, "  "+ref.String())
		}
	}
	if h.everywhere() {
		lines = append(lines,
			"create_namespace: no Role can lie in a namespace that is not there yet, "+
				"so the rights are on the whole cluster.",
			"For less, make the namespaces now and leave `create_namespace` out; "+
				"or apply the output of --steady once they are there.")
	}
	if h.Access.Ephemeral {
		lines = append(lines, "ephemeral: names are random, "+
			"so the rights are on every ServiceAccount, role and binding of the place.")
	}
	if h.permanent() {
		place := h.Access.ServiceAccount.Namespace
		lines = append(lines, "duration permanent: the runner reads Secret "+place+"/"+h.secret+".")
	}
	if h.Access.Ephemeral || (h.permanent() && !h.steady) {
		lines = append(lines, "Keep what others use out of "+h.home()+".")
	}
	if !h.steady && slices.ContainsFunc(h.Access.AllRules(), reachesSecrets) {
		lines = append(lines, "The declared rules hold rights on Secrets, and so does the runner: "+
			"it may give away only what it holds.")
	}
	return lines
}
