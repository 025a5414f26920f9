package revoke

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/client/answer"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/lease/leasename"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/owner"
	"github.com/kubemint/kubemint/internal/problem"
)

// Server is the API server as this room asks it.
type Server interface {
	API
	Get(ctx context.Context, o kube.Object) error
	// Remove deletes an object that has to be gone; one that was gone already is not an error.
	Remove(ctx context.Context, o kube.Object) error
	// Explain says what an error of the API server means for a person.
	Explain(code problem.Code, op string, err error) error
}

// Revoker takes back the objects of a receipt, on behalf of one run.
type Revoker struct {
	Server   Server
	Marks    owner.Marks          // of the run: only its own owner's objects are deleted
	Declared types.NamespacedName // the ServiceAccount that the run declares
	Fresh    bool                 // the record is of this very process, which may not know every UID yet
	Show     func(access.Plan)    // prints which objects were deleted
}

// Part is a part of a record: first what is to be taken back, then what could not be.
type Part struct {
	Leases  []receipt.Object
	Objects []receipt.Object
	// Secrets that somebody else made: they are never deleted, and an error while they exist
	Theirs []receipt.Object
}

// Empty says whether nothing is to be taken back.
func (p Part) Empty() bool { return len(p.Leases)+len(p.Objects)+len(p.Theirs) == 0 }

// Record takes a part of a record back: the leases first, with which the credentials die, then the
// objects. A receipt is data, never authority, so each of them is checked. Everything is tried,
// whatever fails before it. ended is called for each lease that is gone.
func (r Revoker) Record(
	ctx context.Context, record *receipt.Receipt, part Part, ended func(receipt.Object),
) (left Part, err error) {
	var errs []error
	for _, its := range part.Leases {
		if err := r.endLease(ctx, record, its); err != nil {
			errs = append(errs, err)
			left.Leases = append(left.Leases, its)
			continue
		}
		ended(its)
	}
	if err := r.deleteObjects(ctx, record, part.Objects); err != nil {
		errs = append(errs, err)
		left.Objects = part.Objects
	}
	if err := r.refuseTheirs(ctx, part.Theirs); err != nil {
		errs = append(errs, err)
		left.Theirs = part.Theirs
	}
	return left, errors.Join(errs...)
}

// endLease ends the credential of one lease. It touches only a Lease with a name that we give the
// leases of its ServiceAccount, and one whose UID is not known only if this run declares that
// ServiceAccount.
func (r Revoker) endLease(ctx context.Context, record *receipt.Receipt, its receipt.Object) error {
	op := "delete Lease " + its.Namespace + "/" + its.Name
	account := record.Account
	if !IsLeaseOf(record, its) {
		return problem.Newf(problem.Revoke, op, "kubemint makes no lease of that name for ServiceAccount %s/%s",
			account.Namespace, account.Name).
			Hint(
				"it was left alone: look at it with  kubectl -n %s get lease %s -o yaml", its.Namespace,
				its.Name,
			)
	}
	if its.UID == "" && (account.Namespace != r.Declared.Namespace || account.Name != r.Declared.Name) {
		return problem.Newf(problem.Revoke, op, "its UID is not known, and this run does not declare "+
			"ServiceAccount %s/%s",
			account.Namespace, account.Name).
			Hint(
				"give this step the inputs `namespace` and `service_account` of the mint, or run  %s",
				DeleteCommand(its),
			)
	}
	return r.end(
		ctx, record, its,
		"the credential lives until "+Until(record)+" unless you run  "+DeleteCommand(its),
	)
}

// end ends a credential. Its error says which part still exists, until when that lives, and the
// command that ends it. remedy is for a lease that could not be deleted at all.
func (r Revoker) end(
	ctx context.Context, record *receipt.Receipt, its receipt.Object, remedy string,
) error {
	name := its.Namespace + "/" + its.Name
	err := End(ctx, r.Server, doomed(record, its))
	alive, ok := errors.AsType[*AliveError](err)
	if !ok {
		err = r.Server.Explain(problem.Revoke, "delete Lease "+name, err)
		if remedy == "" {
			return err
		}
		return problem.AddHint(err, problem.Revoke, remedy)
	}
	p := problem.New(problem.Revoke, "revoke the credential of Lease "+name, alive)
	if fault, ok := errors.AsType[*problem.Error](r.Server.Explain(problem.Revoke, p.Op, alive.Fault)); ok {
		alive.Fault = fault.Cause
		p.Hints = fault.Hints
	}
	p.Hints = append(p.Hints, alive.Hints(Until(record))...)
	return p
}

// Own ends the credential of a lease that this very process made; the remedy is its caller's to
// add. Where no token was requested, nobody can hold one, and nothing is waited for.
func (r Revoker) Own(
	ctx context.Context, record *receipt.Receipt, its receipt.Object, tokenRequested bool,
) error {
	if tokenRequested {
		return r.end(ctx, record, its, "")
	}
	err := Discard(ctx, r.Server, doomed(record, its))
	err = r.Server.Explain(problem.Revoke, "delete Lease "+its.Namespace+"/"+its.Name, err)
	if _, nobody := client.FindUnrecognised(err); nobody {
		return nil // the API server does not know the runner: it has no token, and cannot have made the lease
	}
	return err
}

// Object deletes one object that this very process made.
func (r Revoker) Object(ctx context.Context, record *receipt.Receipt, o receipt.Object) error {
	return r.deleteObjects(ctx, record, []receipt.Object{o})
}

// doomed is the credential that hangs on a lease of the record.
func doomed(record *receipt.Receipt, its receipt.Object) Doomed {
	name := leasename.AccountOf(its.Name, record.Account.Name)
	account := types.NamespacedName{Namespace: its.Namespace, Name: name}
	return Doomed{Account: account, Lease: its.Name, UID: its.UID, Secret: its.SecretUID}
}

// IsLeaseOf says whether a lease has a name that we give the leases of the record's ServiceAccount.
func IsLeaseOf(record *receipt.Receipt, its receipt.Object) bool {
	return its.Namespace == record.Account.Namespace && leasename.BelongsTo(its.Name, record.Account.Name)
}

// Until completes "lives until". The time is missing where the run was killed before it had a
// token.
func Until(record *receipt.Receipt) string { return cmp.Or(record.ExpiresAt, "it expires") }

// DeleteCommand returns the command that deletes an object of a receipt.
func DeleteCommand(o receipt.Object) string {
	return fmt.Sprintf("kubectl -n %s delete %s %s", o.Namespace, strings.ToLower(o.Kind), o.Name)
}

// refuseTheirs is an error for each Secret of somebody else that is still there: its token lives.
func (r Revoker) refuseTheirs(ctx context.Context, theirs []receipt.Object) error {
	var errs []error
	for _, recorded := range theirs {
		op := "delete Secret " + recorded.Namespace + "/" + recorded.Name
		secret := client.NewObject(refOf(recorded))
		err := r.Server.Get(ctx, secret)
		switch {
		case answer.IsMissing(err), err == nil && secret.GetUID() != recorded.UID:
			continue // and its token with it
		case err != nil && !answer.IsForbidden(err):
			errs = append(errs, r.Server.Explain(problem.Revoke, op, err))
			continue
		}
		left := problem.Newf(problem.Revoke, op, "it was left: somebody else made it, and may use its token").
			Hint("the token lives until somebody runs  %s", DeleteCommand(recorded))
		errs = append(errs, left)
	}
	return errors.Join(errs...)
}

func refOf(o receipt.Object) kube.Ref {
	return kube.Ref{Kind: o.Kind, Namespace: o.Namespace, Name: o.Name}
}

// Without returns the objects of a list that another list does not name.
func Without(list, others []receipt.Object) []receipt.Object {
	return slices.DeleteFunc(
		slices.Clone(list), func(o receipt.Object) bool { return slices.Contains(others, o) },
	)
}
