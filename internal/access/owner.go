package access

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/problem"
)

// SameOwner says whether an object belongs to the owner of these marks. No owner matches only no
// owner. An owner that an earlier version wrote is a name, without an id and often without the
// instance that it is a name on: the annotation of the run says which.
func SameOwner(mark Marks, have kube.Object) bool {
	owner := have.GetAnnotations()[kube.AnnotationOwner]
	if strings.EqualFold(owner, mark.Owner) { // names are the same in any case, and ids have none
		return true
	}
	formerly := func(name string) bool { return strings.EqualFold(name, owner) }
	return owner != "" && mark.Owner != "" &&
		slices.ContainsFunc(mark.Formerly, formerly) && mark.sameServer(have)
}

// sameServer says whether an object was last changed by a run on the server that this run is on.
// Where the object does not say, it counts as made on the public instance, whose owners have no @.
func (m Marks) sameServer(have kube.Object) bool {
	run := have.GetAnnotations()[kube.AnnotationRun]
	if run == "" {
		return !strings.Contains(m.Owner, "@")
	}
	return serverOf(run) == serverOf(m.Run)
}

// serverOf is the host of a run's URL.
func serverOf(run string) string {
	_, rest, _ := strings.Cut(run, "://")
	host, _, _ := strings.Cut(rest, "/")
	return strings.ToLower(host)
}

// mostOfOwner is how many characters of an owner a message shows: an annotation may be long, and is
// anyone's data.
const mostOfOwner = 120

// DescribeOwner names an object's owner for a person: "acme/shop (github:1234)". It is "" where
// there is none.
func DescribeOwner(have kube.Object) string {
	marks := have.GetAnnotations()
	return formatOwner(marks[kube.AnnotationOwner], marks[kube.AnnotationOwnerName])
}

// Describe names the owner of these marks for a person, as [DescribeOwner] does.
func (m Marks) Describe() string { return formatOwner(m.Owner, m.OwnerName) }

func formatOwner(owner, name string) string {
	owner = problem.ShortenText(owner, mostOfOwner)
	name = problem.ShortenText(name, mostOfOwner)
	if owner == "" || name == "" || strings.Contains(owner, name) {
		return owner
	}
	return name + " (" + owner + ")"
}

// explainForeign says why an object is not this owner's.
func (m Marks) explainForeign(have kube.Object) string {
	theirs := DescribeOwner(have)
	ours := m.Describe()
	switch {
	case theirs == "":
		return "it has no owner; this run's owner is " + ours
	case ours == "":
		return "it belongs to " + theirs + ", and this run has no owner"
	}
	return "it belongs to " + theirs + ", and this run to " + ours
}

// LabelsFor are the labels of everything made for a ServiceAccount: ours, and those that the user
// wants on it.
func (m Marks) LabelsFor(serviceAccount types.NamespacedName) map[string]string {
	all := maps.Clone(m.Labels)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, kube.LabelsFor(serviceAccount))
	return all
}

// hasMarks says whether an object bears the marks that are compared: labels and owner. Owner name,
// job, run and commit are of the run that last changed an object, and never a difference by
// themselves. An owner that an earlier version wrote is one: it is written again, with the id.
func hasMarks(o kube.Object, d Desired) bool {
	sameMark := strings.EqualFold(o.GetAnnotations()[kube.AnnotationOwner], d.Marks.Owner)
	return sameMark && kube.IsManaged(o, d.Access.ServiceAccount) &&
		len(labelDetails(d.Marks.Labels, o)) == 0
}

// labelDetails lists the labels that come and go, other than our own. A label of the object is only
// ours to remove where an earlier run of ours applied it.
func labelDetails(want map[string]string, have kube.Object) (lines []string) {
	labels := have.GetLabels()
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if value, ok := labels[key]; (!ok || value != want[key]) && !ownLabel(key) {
			lines = append(lines, "+ label "+key+"="+want[key])
		}
	}
	var applied map[string]bool // read once there is a label that is not wanted
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if _, wanted := want[key]; wanted || ownLabel(key) {
			continue
		}
		if applied == nil {
			applied = appliedLabels(have)
		}
		if applied[key] {
			lines = append(lines, "- label "+key+"="+labels[key])
		}
	}
	return lines
}

func ownLabel(key string) bool { return key == kube.LabelManagedBy || key == kube.LabelServiceAccount }

// appliedLabels are the keys of the labels that we applied, as managedFields has them.
func appliedLabels(have kube.Object) map[string]bool {
	applied := map[string]bool{}
	for _, entry := range have.GetManagedFields() {
		if entry.Manager != kube.FieldManager || entry.FieldsV1 == nil {
			continue
		}
		var fields struct {
			Metadata struct {
				Labels map[string]json.RawMessage `json:"f:labels"`
			} `json:"f:metadata"`
		}
		if json.Unmarshal(entry.FieldsV1.GetRawBytes(), &fields) != nil {
			continue
		}
		for key := range fields.Metadata.Labels {
			if name, ok := strings.CutPrefix(key, "f:"); ok {
				applied[name] = true
			}
		}
	}
	return applied
}
