package access

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rules"
)

// Verb says what becomes of an object.
type Verb string

// The verbs of the change set, as the output `changes` has them.
const (
	Created    Verb = "created"
	Configured Verb = "configured"
	Unchanged  Verb = "unchanged"
	Deleted    Verb = "deleted"
)

// What a run that failed says of the changes that it did not make, in the log alone.
const (
	NotDone   Verb = "not done"
	Uncertain Verb = "uncertain" // the API server did not answer
)

// Observed is what was found on the cluster.
type Observed struct {
	Objects map[kube.Ref]kube.Object // by name, of the wanted ones; what is missing there is missing on the cluster
	Named   map[kube.Ref]kube.Object // the existing roles to bind, where they could be read
	// Roles and bindings that bear our marks for this ServiceAccount, wanted or not: in the declared namespaces or at the
	// cluster scope, and in other namespaces.
	Leftovers, Elsewhere []kube.Object
}

// Change is one line of the change set, and the step that makes it so.
type Change struct {
	Verb Verb
	Ref  kube.Ref
	// Apply is the object to apply; nil where nothing is written. Where it heals an observed object it has that one's
	// resourceVersion, and Force is set. A creation is never forced, and fails where there is an object after all.
	Apply kube.Object
	Force bool
	// Delete is the observed object to delete first or only, by UID.
	Delete         kube.Object
	Added, Removed []rbacv1.PolicyRule // of a Role's or ClusterRole's rules
	Details        []string            // what else comes and goes: "+ subject …", "- roleRef …", "- owner …"
	TakenFrom      []string            // field managers whose changes are taken back
	Held           bool                // it differs, and is left so at its owner's wish
}

// Plan is what has to happen, in the order of [Desired.Objects], deletions last.
type Plan struct {
	Changes  []Change
	Warnings []string
}

// Diff compares what is wanted with what was observed. Everything that must not be touched is reported together, joined,
// with code [problem.Rights].
func Diff(desired Desired, observed Observed) (Plan, error) {
	var plan Plan
	var refusals []error
	for _, object := range desired.Objects {
		change, warning, err := diff(desired, object, observed.Objects[kube.RefOf(object)])
		if err != nil {
			refusals = append(refusals, err)
			continue
		}
		plan.Changes = append(plan.Changes, change)
		if warning != "" {
			plan.Warnings = append(plan.Warnings, warning)
		}
	}
	pruned, err := Prune(desired, observed.Leftovers)
	plan.Changes = append(plan.Changes, pruned.Changes...)
	plan.Warnings = slices.Concat(plan.Warnings, pruned.Warnings, elsewhere(desired, observed.Elsewhere), desired.warnings(observed))
	return plan, errors.Join(append(refusals, err, desired.refuseDefault(), desired.contradiction(observed))...)
}

// DiffOne decides on one wanted object once more. have is what it is by now, nil where there is none.
func DiffOne(desired Desired, want, have kube.Object) (Change, error) {
	change, _, err := diff(desired, want, have)
	return change, err
}

// diff decides on one wanted object. have is nil where there is none.
func diff(desired Desired, want, have kube.Object) (change Change, warning string, err error) {
	ref, declared := kube.RefOf(want), desired.Access
	isAccount := ref.Kind == "ServiceAccount"
	switch {
	case have == nil && isAccount && !declared.CreateServiceAccount:
		return Change{}, "", problem.Newf(problem.Rights, "use "+ref.String(), "it does not exist").
			Hint("make it first, name another `service_account`, or leave `create_service_account` out")
	case have == nil:
		return Change{Verb: Created, Ref: ref, Apply: want, Added: kube.Rules(want)}, "", nil
	case ref.Kind == "Namespace", // someone else's as often as not: we only make it
		isAccount && !declared.CreateServiceAccount,
		isAccount && !declared.TakeOwnership && !kube.Managed(have, declared.ServiceAccount):
		return Change{Verb: Unchanged, Ref: ref}, "", nil
	}
	added, removed := rules.Diff(kube.Rules(have), kube.Rules(want))
	if err := desired.refuse(have, "apply"); err != nil {
		return Change{}, "", err
	}
	same, recreate := equal(want, have)
	if same && marked(have, desired) {
		return Change{Verb: Unchanged, Ref: ref}, "", nil
	}
	if untouchable(have) {
		held := Change{Verb: Unchanged, Ref: ref, Added: added, Removed: removed, Details: details(want, have)}
		return Change{Verb: Unchanged, Ref: ref, Held: true},
			ref.String() + " differs from what is declared and is left so, unproven: its annotation " + rbacv1.AutoUpdateAnnotationKey +
				" is false" + strings.Join(append([]string{""}, Difference(held)...), "; "), nil
	}
	change = Change{
		Verb: Configured, Ref: ref, Apply: want, Added: added, Removed: removed, Details: details(want, have), TakenFrom: others(have),
	}
	if recreate {
		// roleRef is immutable (rbac/v1 RoleBinding.roleRef): only a new binding can have another.
		change.Delete = have
		return change, "", nil
	}
	healed := want.DeepCopyObject().(kube.Object) //nolint:errcheck,forcetypeassert // a copy has the same type
	healed.SetResourceVersion(have.GetResourceVersion())
	change.Apply, change.Force = healed, true
	return change, "", nil
}

// untouchable says whether an administrator has asked for the object to be left as it is.
func untouchable(o kube.Object) bool {
	return o.GetAnnotations()[rbacv1.AutoUpdateAnnotationKey] == "false"
}

// equal compares the parts of an object that we declare. Rules are compared by what they grant, not by how they are
// written: what grants the same is not written again.
func equal(want, have kube.Object) (same, recreate bool) {
	wantSubjects, wantRef, isBinding := kube.Binding(want)
	if isBinding {
		haveSubjects, haveRef, _ := kube.Binding(have)
		return wantRef == haveRef && slices.Equal(normal(wantSubjects), normal(haveSubjects)), wantRef != haveRef
	}
	if account, isAccount := want.(*corev1.ServiceAccount); isAccount {
		return !automountDiffers(account, have), false
	}
	foreign := aggregated(have) // an apply leaves the aggregationRule where it is: only a new object is without it
	return !foreign && rules.Equal(kube.Rules(want), kube.Rules(have)), foreign
}

// details are what comes and goes beside rules.
func details(want, have kube.Object) (lines []string) {
	add := func(sign, what, value string) { lines = append(lines, sign+" "+what+" "+value) }
	if !strings.EqualFold(have.GetAnnotations()[kube.AnnotationOwner], want.GetAnnotations()[kube.AnnotationOwner]) {
		add("-", "owner", cmp.Or(DescribeOwner(have), "none"))
		add("+", "owner", cmp.Or(DescribeOwner(want), "none"))
	}
	if account, isAccount := want.(*corev1.ServiceAccount); isAccount && automountDiffers(account, have) {
		add("+", "automountServiceAccountToken", strconv.FormatBool(*account.AutomountServiceAccountToken))
	}
	lines = append(lines, labelDetails(want.GetLabels(), have)...)
	wanted, wantRef, isBinding := kube.Binding(want)
	if !isBinding {
		return lines
	}
	found, haveRef, _ := kube.Binding(have)
	if wantRef != haveRef {
		add("-", "roleRef", haveRef.Kind+" "+haveRef.Name)
		add("+", "roleRef", wantRef.Kind+" "+wantRef.Name)
	}
	beyond := func(sign string, those, these []rbacv1.Subject) {
		for _, subject := range those {
			if !slices.Contains(these, subject) {
				add(sign, "subject", kube.Ref{Kind: subject.Kind, Namespace: subject.Namespace, Name: subject.Name}.String())
			}
		}
	}
	wanted, found = normal(wanted), normal(found)
	beyond("-", found, wanted)
	beyond("+", wanted, found)
	return lines
}

// Difference are the lines of a change set below an object, in the shorthand.
func Difference(change Change) (lines []string) {
	format := rules.Format
	if change.Ref.Kind == "ClusterRole" {
		format = rules.FormatCluster
	}
	for _, rule := range format(change.Added) {
		lines = append(lines, "+ "+rule)
	}
	for _, rule := range format(change.Removed) {
		lines = append(lines, "- "+rule)
	}
	return append(lines, change.Details...)
}

// aggregated roles get their rules from others: the controller would overwrite ours.
func aggregated(o kube.Object) bool {
	role, ok := o.(*rbacv1.ClusterRole)
	return ok && role.AggregationRule != nil
}

// normal fills in what the API server may leave out.
func normal(subjects []rbacv1.Subject) []rbacv1.Subject {
	subjects = slices.Clone(subjects)
	for i := range subjects {
		if subjects[i].Kind == rbacv1.ServiceAccountKind {
			subjects[i].APIGroup = ""
		}
	}
	return subjects
}

// others are the field managers beside ours that own what we declare.
func others(o kube.Object) []string {
	var names []string
	for _, entry := range o.GetManagedFields() {
		foreign := entry.Manager != kube.FieldManager && entry.FieldsV1 != nil && ours.MatchString(entry.FieldsV1.GetRawString())
		if foreign && !slices.Contains(names, entry.Manager) {
			names = append(names, entry.Manager)
		}
	}
	slices.Sort(names)
	return names
}
