package lease

import (
	"context"
	"errors"
	"math"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/lease/leasename"
	"github.com/kubemint/kubemint/internal/owner"
)

// API is the part of the client that this room uses.
type API interface {
	Create(ctx context.Context, o kube.Object) error
	Delete(ctx context.Context, o kube.Object) error
	RequestToken(
		ctx context.Context, account types.NamespacedName, request *authenticationv1.TokenRequest,
	) error
}

// New describes the lease of one run: `kubectl get leases` lists it with its holder for as long as
// the credential may live.
func New(
	account types.NamespacedName, marks owner.Marks, now time.Time, lifetime time.Duration,
) *coordinationv1.Lease {
	holder := marks.Run
	if holder == "" {
		holder = account.String()
	}
	seconds := int32(min(lifetime/time.Second, math.MaxInt32)) //nolint:gosec // bounded by min
	renewed := metav1.NewMicroTime(now)
	marks.ExpiresAt = now.Add(lifetime)
	return &coordinationv1.Lease{
		TypeMeta: kube.TypeMeta("Lease"),
		ObjectMeta: metav1.ObjectMeta{
			Namespace: account.Namespace, Name: leasename.Ephemeral(leasename.Prefix + account.Name),
			Labels: marks.LabelsFor(account), Annotations: marks.Annotations(),
		},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: &holder, LeaseDurationSeconds: &seconds, AcquireTime: &renewed, RenewTime: &renewed,
		},
	}
}

// Create creates the lease and reads its UID. The name is random, so a lease that exists already
// was made by a request whose answer was lost. Create then recreates it, since the runner's
// identity may not be allowed to read its UID.
func Create(ctx context.Context, api API, lease *coordinationv1.Lease) error {
	wanted := lease.DeepCopy()
	for try := 1; ; try++ {
		err := api.Create(ctx, lease)
		if !apierrors.IsAlreadyExists(err) || try == createTries {
			return err
		}
		if deleteErr := api.Delete(ctx, wanted); deleteErr != nil && !apierrors.IsNotFound(deleteErr) {
			return errors.Join(deleteErr, err)
		}
	}
}

// createTries bounds how often a lease is recreated: each try means another lost answer, as with
// connections that end after a few requests.
const createTries = 20

// newBond describes the empty Secret that the token is bound to and the lease owns.
func newBond(lease *coordinationv1.Lease) *corev1.Secret {
	return &corev1.Secret{
		TypeMeta: kube.TypeMeta("Secret"),
		ObjectMeta: metav1.ObjectMeta{
			Namespace: lease.Namespace, Name: lease.Name, Labels: lease.Labels, Annotations: lease.Annotations,
			OwnerReferences: []metav1.OwnerReference{OwnedBy(lease)},
		},
		Type: corev1.SecretTypeOpaque,
	}
}

// OwnedBy returns the owner reference for an object of the lease: the garbage collector deletes the
// object after the lease.
func OwnedBy(lease *coordinationv1.Lease) metav1.OwnerReference {
	return metav1.OwnerReference{
		APIVersion: coordinationv1.SchemeGroupVersion.String(), Kind: "Lease", Name: lease.Name,
		UID: lease.UID,
	}
}

// CreateBond creates the Secret for a created lease and returns its UID. If a Secret of that name
// exists already, CreateBond returns an error and never takes it for ours: anyone who watches
// leases can have made it first.
func CreateBond(ctx context.Context, api API, lease *coordinationv1.Lease) (types.UID, error) {
	secret := newBond(lease)
	err := api.Create(ctx, secret)
	return secret.UID, err
}

// WithNewName describes the same lease under another random name.
func WithNewName(lease *coordinationv1.Lease, account types.NamespacedName) *coordinationv1.Lease {
	copied := lease.DeepCopy()
	copied.ObjectMeta = metav1.ObjectMeta{
		Namespace: lease.Namespace, Name: leasename.Ephemeral(leasename.Prefix + account.Name),
		Labels: copied.Labels, Annotations: copied.Annotations,
	}
	return copied
}

// BoundByName says whether a Secret has the name of a lease of ours, and the labels of that lease's
// ServiceAccount.
func BoundByName(secret *corev1.Secret) bool {
	account, ok := leasename.Parse(secret.Name)
	return ok &&
		kube.IsManaged(secret, types.NamespacedName{Namespace: secret.Namespace, Name: account})
}

// IsExpired says whether an object has expired by its own mark. An object without the mark never
// expires: only leases and ephemeral objects have it.
func IsExpired(o kube.Object, now time.Time) bool {
	at, err := time.Parse(time.RFC3339, o.GetAnnotations()[kube.AnnotationExpiresAt])
	return err == nil && now.After(at)
}
