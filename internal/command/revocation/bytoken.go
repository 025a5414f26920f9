package revocation

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/command/session"
	"github.com/kubemint/kubemint/internal/kubeconfig"
	"github.com/kubemint/kubemint/internal/lease/leasename"
	"github.com/kubemint/kubemint/internal/output"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/proof"
	"github.com/kubemint/kubemint/internal/revoke"
	"github.com/kubemint/kubemint/internal/source"
	"github.com/kubemint/kubemint/internal/source/trust"
)

// foundFile is a kubeconfig of the form that kubemint writes, at one of the places where it writes.
type foundFile struct {
	path    string
	written kubeconfig.Written
	account types.NamespacedName
	lease   receipt.Object
	expires time.Time
}

// revokeByToken ends a credential whose receipt is gone. The token itself says which lease it hangs
// on: the API server is asked whether the token is its own before its claims are believed, since a
// pull request can have made the file up.
func revokeByToken(ctx context.Context, s session.Session, wait bool) error {
	f, err := findKubeconfig(s)
	if err != nil {
		return err
	}
	if f == nil {
		s.Log.Printf("nothing to revoke: no receipt of an earlier run is here")
		return nil
	}
	record := f.record()
	from, err := loadOwnSource(s, f)
	if err != nil {
		return asRevoke(err, record)
	}
	alive, err := isAccepted(ctx, s, from, f)
	if err != nil {
		return asRevoke(err, record)
	}
	if !alive {
		s.Log.Printf(
			"nothing to revoke: %s refuses the token in %s, whose receipt is gone; the file is left",
			from.Server, f.path,
		)
		return nil
	}
	s.Log.Printf("the receipt of %s is gone; its token says: ServiceAccount %s, lease %s/%s",
		f.path, f.account, f.account.Namespace, f.lease.Name)
	return endFound(ctx, s, wait, f, from)
}

// endFound ends the credential of a token that the API server accepts.
func endFound(
	ctx context.Context, s session.Session, wait bool, f *foundFile, from *source.Source,
) error {
	record := f.record()
	declared, err := checkDeclared(s, f, from)
	if err != nil {
		return asRevoke(err, record)
	}
	record.Account = receipt.Object{
		Kind: "ServiceAccount", Namespace: declared.Namespace, Name: declared.Name,
	}
	api, err := session.Open(ctx, s, from)
	if err != nil {
		return asRevoke(err, record)
	}
	defer api.Close()
	_, err = NewRevoker(s, api, declared).Record(
		ctx, record, revoke.Part{Leases: record.Leases}, tellRevoked(s),
	)
	if err != nil {
		return err
	}
	if wait {
		err = awaitDeath(ctx, s, record, from)
	}
	return errors.Join(err, s.Files().Delete(record, "", err == nil))
}

// checkDeclared returns the ServiceAccount that this run declares, an error where the token is
// another one's.
func checkDeclared(s session.Session, f *foundFile, from *source.Source) (types.NamespacedName, error) {
	access, err := session.CompleteAccess(s, from)
	declared := access.ServiceAccount
	if err != nil {
		return declared, err
	}
	if declared.Namespace == f.account.Namespace && leasename.BelongsTo(f.lease.Name, declared.Name) {
		return declared, nil
	}
	return declared, problem.Newf(problem.Revoke, "end the credential of "+f.path,
		"this run declares ServiceAccount %s, and the token is of %s", declared, f.account).
		Hint("give this step the inputs `namespace` and `service_account` of the mint")
}

// record is the receipt as far as a token tells.
func (f *foundFile) record() *receipt.Receipt {
	return &receipt.Receipt{
		Server: f.written.Server, ExpiresAt: f.expires.Format(time.RFC3339),
		Made: receipt.Made{
			Output: f.path, EnvFile: true, TokenHash: f.written.Token.Hash(), Leases: []receipt.Object{f.lease},
		},
	}
}

// findKubeconfig returns the first of the possible outputs that holds a token bound to a lease of
// ours, or nil.
func findKubeconfig(s session.Session) (*foundFile, error) {
	for _, path := range outputCandidates(s) {
		data, err := output.Read(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, problem.New(problem.Revoke, "read "+path, output.Cause(err))
		}
		written, err := kubeconfig.Read(data)
		if err != nil {
			continue
		}
		claims, _ := written.Token.Claims() // empty if the token is not a JWT
		account, named := claims.Account()
		if named && leasename.BelongsTo(claims.Secret, account.Name) {
			lease := receipt.Object{
				Kind: "Lease", Namespace: account.Namespace, Name: claims.Secret,
				SecretUID: types.UID(claims.SecretUID),
			}
			return &foundFile{path, written, account, lease, claims.ExpiresAt}, nil
		}
	}
	return nil, nil //nolint:nilnil // none is a good answer
}

// loadOwnSource is the source of this run's own inputs and environment, which has to be for the
// cluster that the kubeconfig is for, and cannot be the credential that is to be revoked.
func loadOwnSource(s session.Session, f *foundFile) (*source.Source, error) {
	from, err := session.LoadSource(s, session.ChooseDeclared(s))
	if err != nil {
		return nil, err
	}
	if slices.Contains(from.Files, f.path) {
		return nil, problem.Newf(problem.Revoke, "read source",
			"$KUBECONFIG names the credential that is to be revoked, and its receipt is gone").
			Hint("give this step the input `kubeconfig` of the mint: the runner's own credential")
	}
	to, err := session.ChooseAddress(s, from)
	if err == nil && !trust.SameServer(to.Server, f.written.Server) {
		err = problem.Newf(problem.Revoke, "read source", "it is for %s, and %s, whose receipt is gone, is for %s",
			to.Server, f.path, f.written.Server)
	}
	return from, err
}

// isAccepted asks the API server of the source, and no other, whether it takes the token for its
// ServiceAccount's.
func isAccepted(
	ctx context.Context, s session.Session, from *source.Source, f *foundFile,
) (bool, error) {
	to, err := session.ChooseAddress(s, from)
	if err != nil {
		return false, err
	}
	verifier, err := s.Dialer().Verifier(to)
	if err != nil {
		return false, err
	}
	defer verifier.Close()
	verifier.Use(f.written.Token)
	err = proof.CheckAccepted(ctx, verifier.First(), f.account)
	if apierrors.IsUnauthorized(err) {
		return false, nil
	}
	return err == nil, verifier.First().Explain(
		problem.Revoke, "ask whether the token in "+f.path+" is alive", err,
	)
}
