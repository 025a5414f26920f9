package credential

import (
	"context"
	"errors"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/lease"
	"github.com/kubemint/kubemint/internal/mint/undo"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
)

// Server is the API server as this room asks it.
type Server interface {
	lease.API
	Get(ctx context.Context, o kube.Object) error
	ApplyObject(ctx context.Context, o kube.Object, force bool) (client.Applied, error)
	TokenSecrets(ctx context.Context, namespace string) ([]corev1.Secret, error)
	GetMetadata(ctx context.Context, o *corev1.Secret) error
	Explain(code problem.Code, op string, err error) error
}

// Clock is the API server's.
type Clock interface {
	Now() time.Time
	// ServerTime is zero where the API server has not said its time yet.
	ServerTime() time.Time
}

// Issuer makes the credential of one run. Nothing in it changes.
type Issuer struct {
	Server  Server
	Desired access.Desired
	Token   config.Token
	Clock   Clock
	Log     *console.Log
	Mask    func(secret.Value) error // hides a token from all that is logged after it
	Undo    *undo.Stack
	Remedy  Remedy
}

// Remedy says what a user can do if the cluster does not let this run make a lease; each may be "".
type Remedy struct {
	Unserved string // the API server has no leases
	Refused  string // the runner may not make one, or the cluster does not admit it
}

// Issued is a credential.
type Issued struct {
	lease.Minted
	Tether Tether
	Secret *corev1.Secret // of a permanent token
}

// masked gets a token and masks it. The log is held meanwhile: until the runner knows the mask, it
// must not read anything that others wrote, such as the API server's warning that comes with the
// token.
func (i Issuer) masked(get func() (lease.Minted, error)) (lease.Minted, error) {
	release := i.Log.Hold()
	defer release()
	minted, err := get()
	if minted.Token.IsEmpty() {
		return minted, err
	}
	return minted, errors.Join(err, i.Mask(minted.Token))
}

func (i Issuer) account() types.NamespacedName { return i.Desired.Access.ServiceAccount }

// newLease describes a lease of this run, which says what access its credential depends on.
func (i Issuer) newLease() *coordinationv1.Lease {
	marks := i.Desired.Marks
	marks.Access = i.Desired.Hash()
	return lease.New(i.account(), marks, i.Clock.Now(), i.Token.Lifetime.Duration)
}

// HasLease says whether the credential hangs on a lease.
func (i Issuer) HasLease() bool { return i.Token.Revoke && !i.Token.Lifetime.Permanent }

// Tether is the server-side part of a credential: the lease, and the Secret that the lease owns. A
// credential without a lease has the zero Tether.
type Tether struct {
	Lease *coordinationv1.Lease // nil: no lease

	made   bool        // the API server has confirmed the lease
	secret types.UID   // of the Secret; "" until it is made
	undo   *undo.Lease // nil: the lease was not requested, or is surely not there
}

// IsBound says whether a token can be requested: its Secret is there, or it needs none.
func (t Tether) IsBound() bool { return t.Lease == nil || t.secret != "" }
