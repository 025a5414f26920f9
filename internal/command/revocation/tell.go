package revocation

import (
	"errors"

	"github.com/kubemint/kubemint/internal/command/session"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/revoke"
)

// tellRevoked says which lease is gone.
func tellRevoked(s session.Session) func(lease receipt.Object) {
	return func(lease receipt.Object) {
		s.Log.Printf("revoked: lease %s/%s is deleted; new requests are refused within about 10 s",
			lease.Namespace, lease.Name)
	}
}

// tellKept says why a credential stays.
func tellKept(s session.Session, record *receipt.Receipt) {
	switch {
	case len(record.Theirs) > 0:
	case record.ExpiresAt == "":
		s.Log.Printf("nothing to revoke: the credential is permanent; kubemint revoke --permanent deletes it")
	default:
		s.Log.Printf(
			"nothing to revoke: the credential was minted with `revoke: false` and lives until %s",
			revoke.Until(record),
		)
	}
	for _, secret := range record.Theirs {
		s.Log.Printf("nothing to revoke: the token is permanent. Secret %s/%s, which holds it, is left: "+
			"somebody else made it. This ends the token:  %s",
			secret.Namespace, secret.Name, revoke.DeleteCommand(secret))
	}
}

// asRevoke gives an error the code of this phase and says which credentials it leaves.
func asRevoke(err error, record *receipt.Receipt) error {
	p := problem.New(problem.Revoke, "revoke", err)
	if inner, ok := errors.AsType[*problem.Error](err); ok {
		p.Hints = inner.Hints
	}
	for _, lease := range record.Leases {
		p.Hint(
			"a credential lives until %s unless you run  %s", revoke.Until(record),
			revoke.DeleteCommand(lease),
		)
	}
	return p
}
