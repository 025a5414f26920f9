package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
)

// othersSecret is the Secret of a permanent token that somebody else made.
func (m *minting) othersSecret() []receipt.Object {
	if m.permanent == nil || kube.Managed(m.permanent, m.desired.Access.ServiceAccount) {
		return nil
	}
	return []receipt.Object{object(m.permanent, "Secret")}
}

// sayKept says why a credential stays.
func (r *run) sayKept(record *receipt.Receipt) {
	switch {
	case len(record.Theirs) > 0:
	case record.ExpiresAt == "":
		r.log.Printf("nothing to revoke: the credential is permanent; kubemint revoke --permanent deletes it")
	default:
		r.log.Printf("nothing to revoke: the credential was minted with `revoke: false` and lives until %s", until(record))
	}
	for _, secret := range record.Theirs {
		r.log.Printf("nothing to revoke: the token is permanent. Secret %s/%s, which holds it, is left: "+
			"somebody else made it. This ends the token:  %s", secret.Namespace, secret.Name, deleteSecretCommand(secret))
	}
}

// refuseTheirs is an error for each Secret of somebody else that is still there: its token lives.
func (r *run) refuseTheirs(ctx context.Context, api *client.Client, record *receipt.Receipt) error {
	var errs []error
	for _, recorded := range record.Theirs {
		op := "delete Secret " + recorded.Namespace + "/" + recorded.Name
		secret := client.Empty(refOf(recorded))
		err := api.Get(ctx, secret)
		switch {
		case client.Missing(err), err == nil && secret.GetUID() != recorded.UID:
			continue // and its token with it
		case err != nil && !client.Forbidden(err):
			errs = append(errs, api.Explain(problem.Revoke, op, err))
			continue
		}
		left := problem.Newf(problem.Revoke, op, "it was left: somebody else made it, and may use its token").
			Hint("the token lives until somebody runs  %s", deleteSecretCommand(recorded))
		errs = append(errs, left)
	}
	return errors.Join(errs...)
}

func deleteSecretCommand(secret receipt.Object) string {
	return fmt.Sprintf("kubectl -n %s delete secret %s", secret.Namespace, secret.Name)
}
