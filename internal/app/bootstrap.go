package app

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/config"
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

// bootstrap prints manifests with the least rights that the runner's identity needs. It talks to no cluster.
func (r *run) bootstrap(given options) error {
	if given.steady && r.cfg.Access.Ephemeral {
		return problem.Newf(problem.Config, "run bootstrap", "an ephemeral identity is made anew by each run: there is no steady state").
			Hint("leave --steady out, or `ephemeral`")
	}
	declared, err := r.declaredOffline()
	if err != nil {
		return err
	}
	desired := access.Desire(declared, access.Marks{})
	secret := token.NewPermanent(desired.Access.ServiceAccount, access.Marks{}).Name
	documents := []string{r.remarks(desired, given, secret)}
	for _, need := range access.Needs(desired, r.cfg.Token, r.cfg.Source.Expect, secret, given.steady) {
		for _, object := range manifests(desired.Access.ServiceAccount, need, given.subjects) {
			document, err := yaml.Marshal(object)
			if err != nil {
				return problem.New(problem.Publish, "encode manifests", err)
			}
			documents = append(documents, string(document))
		}
	}
	return r.print(strings.Join(documents, "---\n"))
}

// declaredOffline completes the declared access as mint does, or by `default` where there is no source.
func (r *run) declaredOffline() (config.Access, error) {
	if len(r.cfg.Access.Namespaces) > 0 {
		return r.cfg.Access.In(""), nil
	}
	why := "the source's context names none"
	s, err := r.loadSource(r.cfg.Source.Kubeconfig, r.cfg.Source.Context, r.getenv)
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
func (r *run) remarks(desired access.Desired, given options, secret string) string {
	declared, account := desired.Access, desired.Access.ServiceAccount
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, "# "+format+"\n", args...) }
	flavour, reach := "the first run included", strings.Join(declared.Namespaces, ", ")
	if given.steady {
		flavour = "once ServiceAccount, roles and bindings are as declared (--steady)"
	}
	if declared.ClusterScope {
		reach = "the whole cluster"
	}
	say("The least rights of a runner that mints credentials of ServiceAccount %s for %s,", account, reach)
	say("%s. For an administrator:  kubectl apply -f -", flavour)
	if len(given.subjects) == 0 {
		say("There are no bindings, since no --subject was given: " + subjectForms)
	}
	if given.steady && len(desired.Named) > 0 {
		say("An empty role takes back what the first run needed there.")
		say("Without it the rights of these roles stay unproven; for the proof, add the verb get on")
		for _, ref := range desired.Named {
			say("  %s", ref)
		}
	}
	if !given.steady && declared.CreateNamespace {
		say("create_namespace: no Role can lie in a namespace that is not there yet, so the rights are on the whole cluster.")
		say("Apply the output of --steady once the namespaces are there.")
	}
	if declared.Ephemeral {
		say("ephemeral: names are random, so the rights are on every ServiceAccount, role and binding of the place.")
		say("The runner can be any ServiceAccount of namespace %s: keep what others use out of it.", account.Namespace)
	}
	if r.cfg.Token.Duration == config.Permanent {
		say("duration permanent: the runner reads Secret %s/%s, which holds the token for good.", account.Namespace, secret)
		if !given.steady {
			say("By it, it can be any ServiceAccount of the namespace: keep what others use out of it.")
		}
	}
	if !given.steady && slices.ContainsFunc(declared.Rules, reachesSecrets) {
		say("The declared rules hold rights on Secrets, and so does the runner: it may give away only what it holds.")
	}
	return b.String()
}

func reachesSecrets(rule rbacv1.PolicyRule) bool {
	has := func(list []string, word string) bool {
		return slices.Contains(list, word) || slices.Contains(list, "*")
	}
	return has(rule.APIGroups, corev1.GroupName) && has(rule.Resources, "secrets")
}
