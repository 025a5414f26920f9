package bootstrap

import (
	"fmt"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/access/reach"
	"github.com/kubemint/kubemint/internal/command/bootstrap/guard"
	"github.com/kubemint/kubemint/internal/command/bootstrap/trust"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rights"
)

// Asked says what the rights are for.
type Asked struct {
	Desired  access.Desired
	Token    config.Token
	Expect   config.Expect
	Steady   bool     // all is as declared already
	Guard    bool     // policies confine the subjects
	Subjects Subjects // who gets the rights; without any there are no bindings
	Trust    trust.Asked
}

// RenderManifests returns lines of YAML with the least rights that the runner's identity needs, and
// above them, as a comment, what whoever holds them could do at worst.
func RenderManifests(asked Asked) ([]string, error) {
	needed, err := LeastRights(asked)
	if err != nil {
		return nil, err
	}
	if err := asked.Subjects.checkNames(); err != nil {
		return nil, err
	}
	trusted, err := asked.addTrust()
	if err != nil {
		return nil, err
	}
	account := asked.Desired.Access.ServiceAccount
	if asked.Guard {
		if err := asked.Subjects.checkConfined(account); err != nil {
			return nil, err
		}
	}
	lines := append(writeRemarks(asked), trusted...)
	for _, need := range needed {
		for _, object := range newManifests(account, need, asked.Subjects) {
			manifest, err := console.RenderManifest(object)
			if err != nil {
				return nil, err
			}
			lines = append(append(lines, "---"), manifest...)
		}
	}
	if asked.Guard {
		lines = append(lines, guard.Manifests(guard.Asked{
			Desired: asked.Desired, Token: asked.Token, Subjects: asked.Subjects,
		})...)
	}
	return lines, nil
}

// LeastRights returns the rights that the manifests grant, by place.
func LeastRights(asked Asked) ([]rights.Need, error) {
	declared := asked.Desired.Access
	if asked.Steady && declared.Ephemeral {
		return nil, problem.Newf(problem.Config, "run bootstrap",
			"each run makes an ephemeral identity of its own: there is no steady state").
			Hint("leave --steady out, or `ephemeral`")
	}
	return rights.LeastRights(asked.Desired, asked.Token, asked.Expect, asked.Steady), nil
}

// addTrust returns the trust of --trust as a comment, and adds its user to the subjects.
func (a *Asked) addTrust() (lines []string, err error) {
	trusted, err := trust.Read(a.Trust)
	if trusted == nil || err != nil {
		return nil, err
	}
	if user := trusted.Subject(); user != nil {
		a.Subjects = append(slices.Clone(a.Subjects), *user)
	}
	return trusted.Render()
}

// newManifests are the role of one place and, where there are subjects, its binding. Both flavours
// have the same names: the steady one, applied later, narrows what the other gave.
func newManifests(account types.NamespacedName, need rights.Need, subjects []rbacv1.Subject) []any {
	version := rbacv1.SchemeGroupVersion.String()
	kind := "ClusterRole"
	if need.Namespace != "" {
		kind = "Role"
	}
	meta := metav1.ObjectMeta{
		Namespace: need.Namespace,
		Name:      "kubemint-runner:" + account.Namespace + ":" + account.Name,
	}
	objects := []any{rbacv1.Role{
		TypeMeta: metav1.TypeMeta{
			APIVersion: version, Kind: kind,
		}, ObjectMeta: meta, Rules: append([]rbacv1.PolicyRule{}, need.Rules...),
	}}
	if len(subjects) > 0 {
		objects = append(objects, rbacv1.RoleBinding{
			TypeMeta: metav1.TypeMeta{
				APIVersion: version, Kind: kind + "Binding",
			}, ObjectMeta: meta, Subjects: subjects,
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: meta.Name},
		})
	}
	return objects
}

// writeRemarks are the comment above the manifests: what a reviewer has to know of them.
func writeRemarks(asked Asked) (lines []string) {
	declared := asked.Desired.Access
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf("# "+format, args...)) }
	flavour := "the first run included"
	if asked.Steady {
		flavour = "once ServiceAccount, roles and bindings are as declared (--steady)"
	}
	say(
		"The least rights of a runner that mints credentials of ServiceAccount %s for %s,",
		declared.ServiceAccount, reach.Describe(declared),
	)
	say("%s. For an administrator:  kubectl apply -f -", flavour)
	if len(asked.Subjects) == 0 && len(asked.Trust.Flags["trust"]) == 0 {
		say("There are no bindings, since no --subject was given: " + subjectForms)
	}
	h := holder{Desired: asked.Desired, token: asked.Token, steady: asked.Steady}
	say("At worst, whoever holds these rights can")
	for _, line := range h.listWorst() {
		say("- %s", line)
	}
	for _, line := range append(h.listExclusions(), h.adviseLess()...) {
		say("%s", line)
	}
	return lines
}

// adviseLess is how to make do with less.
func (h holder) adviseLess() []string {
	var lines []string
	if h.steady && len(h.Named) > 0 {
		lines = append(lines, "An empty role takes back what the first run needed there.",
			"Without it the rights of these roles stay unproven; for the proof, add the verb get on")
		for _, ref := range h.Named {
			lines = append(lines, "  "+ref.String())
		}
	}
	if h.isEverywhere() {
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
	if h.isPermanent() {
		place := h.Access.ServiceAccount.Namespace
		lines = append(lines, "duration permanent: the runner reads Secret "+place+"/"+h.tokenSecret()+".")
	}
	if h.Access.Ephemeral || (h.isPermanent() && !h.steady) {
		lines = append(lines, "Keep what others use out of "+h.describeHome()+".")
	}
	if !h.steady && slices.ContainsFunc(h.Access.AllRules(), reachesSecrets) {
		lines = append(lines, "The declared rules hold rights on Secrets, and so does the runner: "+
			"it may give away only what it holds.")
	}
	return lines
}
