package bootstrap

import (
	"strconv"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/problem"
)

// checkConfined refuses subjects that a guard must not confine: whoever runs the cluster, and the
// credentials that are minted.
func (s *Subjects) checkConfined(account types.NamespacedName) error {
	if len(*s) == 0 {
		return problem.Newf(
			problem.Config, "run bootstrap", "--guard confines the runner, and no --subject names it",
		).Hint("add --subject %s; or the --id of --trust", subjectForms)
	}
	for _, subject := range *s {
		var why string
		switch {
		case runsTheCluster(subject):
			why = "it is a part of the cluster, or whoever runs it, and --guard would confine that"
		case holdsMinted(subject, account):
			why = "it has the credential that is minted, and --guard would confine what the pipeline does with it"
		default:
			continue
		}
		return problem.Newf(problem.Config,
			"read --subject "+strings.ToLower(subject.Kind)+":"+strconv.QuoteToASCII(subject.Name), "%s", why).
			Hint("name the runner itself, by its user or a group of its own: " +
				"`kubectl auth whoami`, as the runner, shows them")
	}
	return nil
}

// runsTheCluster says whether a subject is one of Kubernetes' own, other than a ServiceAccount of
// some workload: system:masters, system:nodes, system:kube-controller-manager, and the controllers,
// which are ServiceAccounts of kube-system.
func runsTheCluster(subject rbacv1.Subject) bool {
	name := strings.ToLower(strings.TrimSpace(subject.Name))
	if subject.Kind == rbacv1.ServiceAccountKind || !strings.HasPrefix(name, "system:") {
		return false
	}
	workload := strings.HasPrefix(name, "system:serviceaccount:") ||
		strings.HasPrefix(name, "system:serviceaccounts:")
	return !workload || name == "system:serviceaccounts:kube-system"
}

// holdsMinted says whether a credential of the account acts as the subject.
func holdsMinted(subject rbacv1.Subject, account types.NamespacedName) bool {
	switch subject.Kind {
	case rbacv1.ServiceAccountKind:
		return subject.Namespace == account.Namespace && subject.Name == account.Name
	case rbacv1.GroupKind:
		return subject.Name == "system:serviceaccounts:"+account.Namespace
	}
	return subject.Name == "system:serviceaccount:"+account.Namespace+":"+account.Name
}
