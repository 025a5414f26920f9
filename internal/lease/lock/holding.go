package lock

import (
	"time"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/kube"
)

// SelectHolding selects the live leases of an account that depend on other access than the declared
// one, whose hash is given. Without a hash it selects all live leases, since they depend on the
// account itself. A lease that declared nothing depends on no access. A lease whose declaration or
// expiry cannot be read is selected.
func SelectHolding(leases []kube.Object, declared string, now time.Time) (holding []kube.Object) {
	for _, lease := range leases {
		end, expires := parseExpiry(lease)
		// the account's lock, or a dead credential
		if (!expires && !endsRandomly(lease.GetName())) || isOver(lease, now) {
			continue
		}
		hash := lease.GetAnnotations()[kube.AnnotationAccess]
		harmless := declared != "" && (hash == access.Undeclared || hash == declared)
		if end.IsZero() || !harmless {
			holding = append(holding, lease)
		}
	}
	return holding
}

// parseExpiry returns when a lease's credential expires. It is zero if the annotation is not a
// time; said says whether the lease has the annotation.
func parseExpiry(lease kube.Object) (at time.Time, said bool) {
	end, said := lease.GetAnnotations()[kube.AnnotationExpiresAt]
	at, err := time.Parse(time.RFC3339, end)
	if err != nil {
		return time.Time{}, said
	}
	return at, said
}

// DeadAfter is how long after a lease's expiry its token may still be accepted: the API server
// forgives a minute (jwt.DefaultLeeway in Validate of pkg/serviceaccount/claims.go), and the token
// was requested after the lease was made: usually a moment, and never longer than `timeout`, whose
// default is two minutes.
const DeadAfter = 2 * time.Minute

// isOver says whether a lease's credential has expired. A credential whose expiry cannot be read
// may be live.
func isOver(lease kube.Object, now time.Time) bool {
	at, _ := parseExpiry(lease)
	return !at.IsZero() && now.After(at.Add(DeadAfter))
}
