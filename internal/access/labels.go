package access

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/owner"
)

// hasMarks says whether an object bears the marks that are compared: labels and owner. Owner name,
// job, run and commit are of the run that last changed an object, and never a difference by
// themselves. An owner that an earlier version wrote is one: it is written again, with the id.
func hasMarks(o kube.Object, d Desired) bool {
	sameMark := strings.EqualFold(o.GetAnnotations()[owner.AnnotationOwner], d.Marks.Owner)
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
