package lock

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/kube"
)

// Credential is a live credential of the ServiceAccount, as its lease describes it.
type Credential struct {
	Ref     kube.Ref
	Access  string    // the hash that it was promised; "" where its lease does not say
	Until   string    // "" where its lease does not say, or not in a way that can be read
	Created time.Time // by the API server's clock
	whose   string
}

// String says whose credential it is and until when it lives.
func (c Credential) String() string {
	until := "for an unknown time: its " + kube.AnnotationExpiresAt + " cannot be read"
	if c.Until != "" {
		until = "until " + c.Until
	}
	unknown := ""
	if c.Access == "" {
		unknown = ", which does not say what access it was promised,"
	}
	return fmt.Sprintf("%s%s%s lives %s", c.Ref, c.whose, unknown, until)
}

// DescribeLease tells a person whose credential depends on a lease, and until when that lives.
func DescribeLease(lease kube.Object) string { return newCredential(lease).String() }

// ListOthers lists the live credentials of the ServiceAccount that were promised other access than
// hash: those in the way of a change, and those that were promised nothing. mine names this run's
// own leases. While the lock is held, the list has every lease that existed when it was taken: a
// run whose lease came later finds the lock held, and waits.
func (l *Lock) ListOthers(
	ctx context.Context, hash string, mine []string,
) (inTheWay, undeclared []Credential, err error) {
	version := "0"
	if l.IsHeld() {
		version = l.lastSeen().ResourceVersion
	}
	leases, err := l.api.ListSince(
		ctx, "Lease", l.Ref().Namespace, kube.LabelsFor(l.opts.Account), version,
	)
	leases = slices.DeleteFunc(leases, func(o kube.Object) bool {
		return o.GetName() == l.Ref().Name || slices.Contains(mine, o.GetName()) ||
			isOver(o, l.opts.Now())
	})
	holding := SelectHolding(leases, hash, l.opts.Now())
	for _, o := range leases {
		switch {
		case slices.Contains(holding, o):
			inTheWay = append(inTheWay, newCredential(o))
		case o.GetAnnotations()[kube.AnnotationAccess] == access.Undeclared:
			undeclared = append(undeclared, newCredential(o))
		}
	}
	return inTheWay, undeclared, err
}

// newCredential reads what a lease says of its credential.
func newCredential(o kube.Object) Credential {
	marks := o.GetAnnotations()
	c := Credential{
		Ref: kube.RefOf(o), Access: marks[kube.AnnotationAccess],
		Created: o.GetCreationTimestamp().Time, whose: describeOwner(o),
	}
	if end, _ := parseExpiry(o); !end.IsZero() {
		c.Until = marks[kube.AnnotationExpiresAt]
	}
	return c
}
