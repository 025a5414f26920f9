package lock

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"

	"github.com/kubemint/kubemint/internal/access"
)

// Credential is a live credential of the ServiceAccount, by its lease.
type Credential struct {
	Ref     access.Ref
	Access  string    // the hash that it was promised; "" where its lease does not say
	Until   string    // "" where its lease does not say, or not in a way that can be read
	Created time.Time // by the API server's clock
	lease   *coordinationv1.Lease
}

// String says whose credential it is and until when it lives.
func (c Credential) String() string {
	until := "for an unknown time: its " + access.AnnotationExpiresAt + " cannot be read"
	if c.Until != "" {
		until = "until " + c.Until
	}
	unknown := ""
	if c.Access == "" {
		unknown = ", which does not say what access it was promised,"
	}
	return fmt.Sprintf("%s%s%s lives %s", c.Ref, whose(c.lease), unknown, until)
}

// whose says on whose behalf a Lease was made.
func whose(lease *coordinationv1.Lease) string {
	marks := lease.Annotations
	var words []string
	add := func(prefix, value string) {
		if value != "" {
			words = append(words, prefix+value)
		}
	}
	add("owner ", cmp.Or(marks["kubemint/owner-name"], marks[access.AnnotationOwner]))
	add("job ", marks[access.AnnotationJob])
	add("run ", marks[access.AnnotationRun])
	if held := holder(lease); held != marks[access.AnnotationRun] {
		add("holder ", held)
	}
	if len(words) == 0 {
		return ""
	}
	return " (" + strings.Join(words, ", ") + ")"
}

// Others are the live credentials of the ServiceAccount that were promised other access than hash: those
// in the way of a change, and those that were promised nothing. mine are names of leases that are this
// run's own. While the lock is held, every lease is seen that was there when it was taken: a run whose
// lease came later finds the lock held, and waits.
func (l *Lock) Others(ctx context.Context, hash string, mine []string) (inTheWay, undeclared []Credential, err error) {
	version := "0"
	if l.Held() {
		version = l.last().ResourceVersion
	}
	leases, err := l.api.ListSince(ctx, "Lease", l.Ref().Namespace, access.Labels(l.opts.Account), version)
	for _, o := range leases {
		lease, ok := o.(*coordinationv1.Lease)
		if !ok || lease.Name == l.Ref().Name || slices.Contains(mine, lease.Name) || l.expired(lease) {
			continue
		}
		c := Credential{
			Ref: access.RefOf(lease), Access: lease.Annotations[access.AnnotationAccess],
			Until: lease.Annotations[access.AnnotationExpiresAt], Created: lease.CreationTimestamp.Time, lease: lease,
		}
		if _, err := time.Parse(time.RFC3339, c.Until); err != nil {
			c.Until = ""
		}
		switch {
		case c.Access == access.Undeclared && c.Until != "":
			undeclared = append(undeclared, c)
		case c.Access != hash || c.Until == "":
			inTheWay = append(inTheWay, c)
		}
	}
	return inTheWay, undeclared, err
}

// expired says whether a lease's credential is over by the API server's clock. One that does not say so in
// a way that can be read may live.
func (l *Lock) expired(lease *coordinationv1.Lease) bool {
	end, err := time.Parse(time.RFC3339, lease.Annotations[access.AnnotationExpiresAt])
	return err == nil && l.opts.Now().After(end)
}
