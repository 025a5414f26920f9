package owner

import (
	"slices"
	"strings"

	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/problem"
)

// Same says whether an object belongs to the owner of these marks. No owner matches only no
// owner. An owner that an earlier version wrote is a name, without an id and often without the
// instance that it is a name on: the annotation of the run says which.
func Same(mark Marks, have kube.Object) bool {
	owner := have.GetAnnotations()[AnnotationOwner]
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
	run := have.GetAnnotations()[AnnotationRun]
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

// mostOfOwner is how many characters of an owner a message shows: an annotation may be long, and
// anyone may have written it.
const mostOfOwner = 120

// Describe names an object's owner for a person: "acme/shop (github:1234)". It is "" if the object
// has no owner.
func Describe(have kube.Object) string {
	marks := have.GetAnnotations()
	return formatOwner(marks[AnnotationOwner], marks[AnnotationOwnerName])
}

// Describe names the owner of these marks for a person, as [Describe] does.
func (m Marks) Describe() string { return formatOwner(m.Owner, m.OwnerName) }

func formatOwner(owner, name string) string {
	owner = problem.ShortenText(owner, mostOfOwner)
	name = problem.ShortenText(name, mostOfOwner)
	if owner == "" || name == "" || strings.Contains(owner, name) {
		return owner
	}
	return name + " (" + owner + ")"
}

// ExplainForeign says why an object is not this owner's.
func (m Marks) ExplainForeign(have kube.Object) string {
	theirs := Describe(have)
	ours := m.Describe()
	switch {
	case theirs == "":
		return "it has no owner; this run's owner is " + ours
	case ours == "":
		return "it belongs to " + theirs + ", and this run has no owner"
	}
	return "it belongs to " + theirs + ", and this run to " + ours
}
