package access

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/owner"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rules"
)

// OwnedBy returns the plan of an ephemeral identity with the lease as owner of the objects in the
// lease's namespace: the garbage collector deletes them after the lease. (It would delete an object
// with an owner in another namespace at once.) Everything expires when the lease does. The plan
// itself is not changed.
func (p Plan) OwnedBy(lease kube.Object, owner metav1.OwnerReference) Plan {
	p.Changes = slices.Clone(p.Changes)
	for i, change := range p.Changes {
		if change.Apply != nil {
			p.Changes[i].Apply = withOwner(change.Apply, lease, owner)
		}
	}
	return p
}

func withOwner(object, lease kube.Object, owner metav1.OwnerReference) kube.Object {
	owned := object.DeepCopyObject().(kube.Object) //nolint:errcheck,forcetypeassert // a copy has the same type
	if marks := owned.GetAnnotations(); marks[kube.AnnotationExpiresAt] != "" {
		marks[kube.AnnotationExpiresAt] = lease.GetAnnotations()[kube.AnnotationExpiresAt]
	}
	if owned.GetNamespace() == lease.GetNamespace() {
		owned.SetOwnerReferences([]metav1.OwnerReference{owner})
	}
	return owned
}

// Diff compares what is wanted with what was observed. Everything that must not be touched is
// reported together, joined, with code [problem.Rights].
func Diff(desired Desired, observed Observed) (Plan, error) {
	var plan Plan
	var refusals []error
	for _, object := range desired.Objects {
		change, err := DiffOne(desired, object, observed.Objects[kube.RefOf(object)])
		if err != nil {
			refusals = append(refusals, err)
			continue
		}
		plan.Changes = append(plan.Changes, change)
		if change.Held != "" {
			plan.Warnings = append(plan.Warnings, change.Held)
		}
	}
	pruned, err := Prune(desired, observed.Leftovers)
	plan.Changes = append(plan.Changes, pruned.Changes...)
	plan.Warnings = slices.Concat(
		plan.Warnings, pruned.Warnings, warnElsewhere(desired, observed.Elsewhere),
		desired.listWarnings(observed),
	)
	return plan, errors.Join(
		append(refusals, err, desired.refuseDefault(), desired.refuseContradiction(observed))...)
}

// DiffOne decides on one wanted object. have is the object on the server, nil if it does not exist.
func DiffOne(desired Desired, want, have kube.Object) (Change, error) {
	ref := kube.RefOf(want)
	declared := desired.Access
	isAccount := ref.Kind == "ServiceAccount"
	switch {
	case have == nil && isAccount && !declared.CreateServiceAccount:
		return Change{}, problem.Newf(problem.Rights, "use "+ref.String(), "it does not exist").
			Hint("make it first, name another `service_account`, or leave `create_service_account` out")
	case have == nil:
		return Change{Verb: Created, Ref: ref, Apply: want, Added: kube.RulesOf(want)}, nil
	case ref.Kind == "Namespace", // someone else's as often as not: we only make it
		isAccount && !declared.CreateServiceAccount,
		isAccount && !declared.TakeOwnership && !kube.IsManaged(have, declared.ServiceAccount):
		return Change{Verb: Unchanged, Ref: ref}, nil
	}
	if err := desired.refuseForeign(have, "apply"); err != nil {
		return Change{}, err
	}
	same, recreate := compareObjects(want, have)
	if same && hasMarks(have, desired) {
		return Change{Verb: Unchanged, Ref: ref}, nil
	}
	if isUntouchable(have) {
		return Change{Verb: Unchanged, Ref: ref, Remarks: Remarks{Held: warnUntouchable(want, have)}}, nil
	}
	change := newChange(want, have)
	if recreate {
		// roleRef is immutable (rbac/v1 RoleBinding.roleRef): only a new binding can have another.
		change.Delete = have
		return change, nil
	}
	healed := want.DeepCopyObject().(kube.Object) //nolint:errcheck,forcetypeassert // a copy has the same type
	healed.SetResourceVersion(have.GetResourceVersion())
	change.Apply = healed
	change.Force = true
	return change, nil
}

// newChange describes how want differs from have.
func newChange(want, have kube.Object) Change {
	return Change{
		Verb: Configured, Ref: kube.RefOf(want), Apply: want,
		Added:   rules.Covers(kube.RulesOf(have), kube.RulesOf(want)),
		Removed: rules.Covers(kube.RulesOf(want), kube.RulesOf(have)),
		Remarks: Remarks{Details: diffDetails(want, have), TakenFrom: otherManagers(have)},
	}
}

// warnUntouchable says how an object differs that an administrator wants left alone.
func warnUntouchable(want, have kube.Object) string {
	differs := append([]string{""}, newChange(want, have).FormatDifference()...)
	return kube.RefOf(want).String() + " differs from what is declared and is left so, unproven: " +
		"its annotation " + rbacv1.AutoUpdateAnnotationKey + " is false" + strings.Join(differs, "; ")
}

// compareObjects compares the parts of an object that we declare. Rules are compared by what they
// grant, not by how they are written: rules that grant the same are not written again.
func compareObjects(want, have kube.Object) (same, recreate bool) {
	wantSubjects, wantRef, isBinding := kube.BindingOf(want)
	if isBinding {
		haveSubjects, haveRef, _ := kube.BindingOf(have)
		return wantRef == haveRef &&
			slices.Equal(normalSubjects(wantSubjects), normalSubjects(haveSubjects)), wantRef != haveRef
	}
	if account, isAccount := want.(*corev1.ServiceAccount); isAccount {
		return !automountDiffers(account, have), false
	}
	// an apply keeps the aggregationRule: only a new object is without it
	role, isRole := have.(*rbacv1.ClusterRole)
	foreign := isRole && role.AggregationRule != nil // its rules are the controller's
	return !foreign && rules.Equal(kube.RulesOf(want), kube.RulesOf(have)), foreign
}

// diffDetails lists what comes and goes, other than rules.
func diffDetails(want, have kube.Object) (lines []string) {
	add := func(sign, what, value string) { lines = append(lines, sign+" "+what+" "+value) }
	if !strings.EqualFold(
		have.GetAnnotations()[owner.AnnotationOwner], want.GetAnnotations()[owner.AnnotationOwner],
	) {
		add("-", "owner", cmp.Or(owner.Describe(have), "none"))
		add("+", "owner", cmp.Or(owner.Describe(want), "none"))
	}
	if account, isAccount := want.(*corev1.ServiceAccount); isAccount &&
		automountDiffers(account, have) {
		add(
			"+", "automountServiceAccountToken",
			strconv.FormatBool(*account.AutomountServiceAccountToken),
		)
	}
	lines = append(lines, labelDetails(want.GetLabels(), have)...)
	return append(lines, diffBinding(want, have)...)
}

// diffBinding lists what comes and goes of a binding's role and subjects; nothing for another kind.
func diffBinding(want, have kube.Object) (lines []string) {
	wanted, wantRef, isBinding := kube.BindingOf(want)
	if !isBinding {
		return nil
	}
	found, haveRef, _ := kube.BindingOf(have)
	if wantRef != haveRef {
		lines = append(
			lines, "- roleRef "+haveRef.Kind+" "+haveRef.Name, "+ roleRef "+wantRef.Kind+" "+wantRef.Name,
		)
	}
	wanted = normalSubjects(wanted)
	found = normalSubjects(found)
	lines = append(lines, subjectsBeyond("-", found, wanted)...)
	return append(lines, subjectsBeyond("+", wanted, found)...)
}

// subjectsBeyond lists those subjects that are not among the others.
func subjectsBeyond(sign string, those, others []rbacv1.Subject) (lines []string) {
	for _, subject := range those {
		if !slices.Contains(others, subject) {
			ref := kube.Ref{Kind: subject.Kind, Namespace: subject.Namespace, Name: subject.Name}
			lines = append(lines, sign+" subject "+ref.String())
		}
	}
	return lines
}

// FormatDifference returns the lines of a change set below an object, in the shorthand.
func (c Change) FormatDifference() (lines []string) {
	format := rules.Format
	if c.Ref.Kind == "ClusterRole" {
		format = rules.FormatCluster
	}
	for _, rule := range format(c.Added) {
		lines = append(lines, "+ "+rule)
	}
	for _, rule := range format(c.Removed) {
		lines = append(lines, "- "+rule)
	}
	return append(lines, c.Details...)
}

// normalSubjects fills in what the API server may leave out.
func normalSubjects(subjects []rbacv1.Subject) []rbacv1.Subject {
	subjects = slices.Clone(subjects)
	for i := range subjects {
		if subjects[i].Kind == rbacv1.ServiceAccountKind {
			subjects[i].APIGroup = ""
		}
	}
	return subjects
}

// otherManagers lists the other field managers that own fields we declare.
func otherManagers(o kube.Object) []string {
	var names []string
	for _, entry := range o.GetManagedFields() {
		foreign := entry.Manager != kube.FieldManager && entry.FieldsV1 != nil &&
			ours.MatchString(entry.FieldsV1.GetRawString())
		if foreign && !slices.Contains(names, entry.Manager) {
			names = append(names, entry.Manager)
		}
	}
	slices.Sort(names)
	return names
}
