package app

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/kubeconfig"
	"github.com/kubemint/kubemint/internal/lease"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/proof"
	"github.com/kubemint/kubemint/internal/source"
)

// found is a kubeconfig of the form that kubemint writes, at one of the places where it writes.
type found struct {
	path    string
	written kubeconfig.Written
	account types.NamespacedName
	lease   receipt.Object
	expires time.Time
}

// revokeByToken ends a credential whose receipt is gone. The token itself says which lease it hangs on: the API server is
// asked whether the token is its own before its claims are believed, since a pull request can have made the file up.
func (r *run) revokeByToken(ctx context.Context, given options) error {
	f, err := r.findKubeconfig()
	if err != nil {
		return err
	}
	if f == nil {
		r.log.Printf("nothing to revoke: no receipt of an earlier run is here")
		return nil
	}
	record := f.record()
	from, err := r.ownSource(f)
	if err != nil {
		return asRevoke(err, record)
	}
	alive, err := r.accepted(ctx, from, f)
	if err != nil {
		return asRevoke(err, record)
	}
	if !alive {
		r.log.Printf("nothing to revoke: %s refuses the token in %s, whose receipt is gone; the file is left", from.Server, f.path)
		return nil
	}
	r.log.Printf("the receipt of %s is gone; its token says: ServiceAccount %s, lease %s/%s",
		f.path, f.account, f.account.Namespace, f.lease.Name)
	if record.Account, err = r.declaredAccount(f, from); err != nil {
		return asRevoke(err, record)
	}
	client, err := r.open(ctx, from)
	if err != nil {
		return asRevoke(err, record)
	}
	defer client.Close()
	if err := r.killLeases(ctx, client, record); err != nil {
		return err
	}
	if given.wait {
		err = r.awaitDeath(ctx, record, from)
	}
	return errors.Join(err, r.deleteFiles(record, "", err == nil))
}

// declaredAccount is the ServiceAccount that this run declares, an error where the token is another one's.
func (r *run) declaredAccount(f *found, from *source.Source) (receipt.Object, error) {
	access, err := r.declaredAt(from)
	if err != nil {
		return receipt.Object{}, err
	}
	declared := access.ServiceAccount
	account := receipt.Object{Kind: "ServiceAccount", Namespace: declared.Namespace, Name: declared.Name}
	if declared.Namespace == f.account.Namespace && lease.HasName(f.lease.Name, declared.Name) {
		return account, nil
	}
	return account, problem.Newf(problem.Revoke, "end the credential of "+f.path,
		"this run declares ServiceAccount %s, and the token is of %s", declared, f.account).
		Hint("give this step the inputs `namespace` and `service_account` of the mint")
}

// record is the receipt as far as a token tells.
func (f *found) record() *receipt.Receipt {
	return &receipt.Receipt{
		Server: f.written.Server, Output: f.path, EnvFile: true,
		TokenHash: f.written.Token.Hash(), ExpiresAt: f.expires.Format(time.RFC3339),
		Leases: []receipt.Object{f.lease},
	}
}

// findKubeconfig returns the first of the possible outputs that holds a token bound to a lease of ours, nil where there is none.
func (r *run) findKubeconfig() (*found, error) {
	for _, path := range r.outputCandidates() {
		data, err := readBounded(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, problem.New(problem.Revoke, "read "+path, cause(err))
		}
		written, err := kubeconfig.Read(data)
		if err != nil {
			continue
		}
		claims, _ := written.Token.Claims() // none where it is no such token
		account, named := claims.Account()
		if named && lease.HasName(claims.Secret, account.Name) {
			lease := receipt.Object{
				Kind: "Lease", Namespace: account.Namespace, Name: claims.Secret, SecretUID: types.UID(claims.SecretUID),
			}
			return &found{path, written, account, lease, claims.ExpiresAt}, nil
		}
	}
	return nil, nil //nolint:nilnil // none is a good answer
}

// ownSource is the source of this run's own inputs and environment, which has to be for the cluster that the kubeconfig is for,
// and cannot be the credential that is to be revoked.
func (r *run) ownSource(f *found) (*source.Source, error) {
	from, err := r.loadSource(r.declaredSource())
	if err != nil {
		return nil, err
	}
	if slices.Contains(from.Files, f.path) {
		return nil, problem.Newf(problem.Revoke, "read source",
			"$KUBECONFIG names the credential that is to be revoked, and its receipt is gone").
			Hint("give this step the input `kubeconfig` of the mint: the runner's own credential")
	}
	to, err := r.address(from)
	if err == nil && !source.SameServer(to.Server, f.written.Server) {
		err = problem.Newf(problem.Revoke, "read source", "it is for %s, and %s, whose receipt is gone, is for %s",
			to.Server, f.path, f.written.Server)
	}
	return from, err
}

// accepted asks the API server of the source, and no other, whether it takes the token for its ServiceAccount's.
func (r *run) accepted(ctx context.Context, from *source.Source, f *found) (bool, error) {
	to, err := r.address(from)
	if err != nil {
		return false, err
	}
	p, err := r.newProver(to)
	if err != nil {
		return false, err
	}
	defer p.close()
	p.token.Store(&f.written.Token)
	err = proof.Accepted(ctx, p.clients[0], f.account)
	if apierrors.IsUnauthorized(err) {
		return false, nil
	}
	return err == nil, p.clients[0].Explain(problem.Revoke, "ask whether the token in "+f.path+" is alive", err)
}
