package bootstrap

import (
	"strconv"
	"strings"
	"unicode"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/kubemint/kubemint/internal/problem"
)

// Subjects are who gets the rights: the values of a flag that may be given more than once.
type Subjects []rbacv1.Subject

const subjectForms = "user:NAME, group:NAME or serviceaccount:NAMESPACE/NAME"

// ReadSubjects reads the values of --subject. Errors have the code [problem.Config].
func ReadSubjects(values []string) (subjects Subjects, err error) {
	for _, value := range values {
		subject, ok := readSubject(value)
		if !ok {
			return nil, problem.Newf(problem.Config, "run bootstrap",
				"--subject %q: write %s", value, subjectForms)
		}
		subjects = append(subjects, subject)
	}
	return subjects, nil
}

// readSubject reads user:NAME, group:NAME or serviceaccount:NS/NAME.
func readSubject(value string) (subject rbacv1.Subject, ok bool) {
	kind, name, _ := strings.Cut(value, ":")
	subject = rbacv1.Subject{APIGroup: rbacv1.GroupName, Name: name}
	switch {
	case name == "":
	case kind == "user":
		subject.Kind = rbacv1.UserKind
	case kind == "group":
		subject.Kind = rbacv1.GroupKind
	case kind == "serviceaccount":
		namespace, name, _ := strings.Cut(name, "/")
		if len(validation.IsDNS1123Label(namespace)) == 0 &&
			len(validation.IsDNS1123Subdomain(name)) == 0 {
			subject = rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: name}
		}
	}
	return subject, subject.Kind != ""
}

// crowds are names of RBAC that stand for many: whoever gets rights under one of them is not the
// runner alone. The accounts of one namespace (system:serviceaccounts:NAMESPACE) may be runners of
// their own, and are not among them.
var crowds = map[string]string{
	"*":                      "everyone",
	"system:anonymous":       "everyone who reaches the API server, without any credential",
	"system:unauthenticated": "everyone who reaches the API server, without any credential",
	"system:authenticated":   "everyone whom the API server knows: each person, node and pod",
	"system:serviceaccounts": "each ServiceAccount of the cluster, so everyone who can start a pod " +
		"anywhere in it",
}

// checkNames refuses subjects that are not one runner, or that a reviewer could not tell from
// another one.
func (s *Subjects) checkNames() error {
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
