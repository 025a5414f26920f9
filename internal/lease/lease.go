package lease

import (
	"context"
	"crypto/rand"
	"errors"
	"math"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/kube"
)

// API is the part of the client that this room uses.
type API interface {
	Create(ctx context.Context, o kube.Object) error
	Delete(ctx context.Context, o kube.Object) error
	RequestToken(
		ctx context.Context, account types.NamespacedName, request *authenticationv1.TokenRequest,
	) error
}

// NamePrefix begins the name of every lease. Revoke deletes no Lease of another name, whatever a
// receipt says.
const NamePrefix = "kubemint-"

// New describes the lease of one run: `kubectl get leases` lists it with its holder for as long as
// the credential may live.
func New(
	account types.NamespacedName, marks access.Marks, now time.Time, lifetime time.Duration,
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
			Namespace: account.Namespace, Name: EphemeralName(NamePrefix + account.Name),
			Labels: marks.LabelsFor(account), Annotations: marks.Annotations(),
		},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: &holder, LeaseDurationSeconds: &seconds, AcquireTime: &renewed, RenewTime: &renewed,
		},
	}
}

// EphemeralName completes the name of a lease, or of a ServiceAccount that is of one run alone. It
// has 50 random bits, and is cut so that it fits a name (253 characters) for every ServiceAccount.
func EphemeralName(prefix string) string {
	suffix := "-" + strings.ToLower(rand.Text()[:10])
	return cutName(prefix, 253-len(suffix)) + suffix
}

// HasName says whether a Lease's name is one that we give those of a ServiceAccount, whose name is
// a prefix where it is ephemeral.
func HasName(name, account string) bool {
	owner, ok := strings.CutPrefix(name, NamePrefix)
	if !ok {
		return false
	}
	rest, ok := withoutSuffix(owner)
	return ok &&
		(startsLong(rest, account) || rest == cutName(account, longestBase) || NamesEphemeral(rest, account))
}

// NamesEphemeral says whether a name is one that [EphemeralName] makes of a prefix.
func NamesEphemeral(name, prefix string) bool {
	rest, ok := withoutSuffix(name)
	return ok && (rest == cutName(prefix, longestBase) || startsLong(rest, prefix))
}

// longestBase is what [EphemeralName] leaves of a name at least, with a lease's prefix in front of
// it.
const longestBase = 253 - 2*suffixLength - len(NamePrefix)

// suffixLength is that of a dash and ten random characters.
const suffixLength = 11

// startsLong is for a name that may have been cut: 200 characters of it are enough to know it
// again.
func startsLong(name, whole string) bool {
	return len(whole) > longestBase && strings.HasPrefix(name, whole[:200])
}

// withoutSuffix takes the random end off a name: rand.Text has the letters and the digits 2 to 7.
func withoutSuffix(name string) (string, bool) {
	at := len(name) - suffixLength
	if at < 0 || name[at] != '-' ||
		strings.Trim(name[at+1:], "abcdefghijklmnopqrstuvwxyz234567") != "" {
		return "", false
	}
	return name[:at], true
}

// cutName shortens a name, and takes off what a name may not end in.
func cutName(name string, most int) string {
	return strings.TrimRight(name[:min(len(name), most)], "-.")
}

// Create creates the lease and reads its UID. That it exists already is the answer to a request
// whose first answer was lost, since the name is random: then it is recreated, as the runner's
// identity may not be able to read its UID.
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

// createTries bounds how often a lease is recreated: each takes another answer that was lost, as
// where every connection ends after a few of them.
const createTries = 20

// newBond is the empty Secret that the token is bound to and the lease owns.
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

// OwnedBy is the reference of what the lease owns: the garbage collector deletes it after the
// lease.
func OwnedBy(lease *coordinationv1.Lease) metav1.OwnerReference {
	return metav1.OwnerReference{
		APIVersion: coordinationv1.SchemeGroupVersion.String(), Kind: "Lease", Name: lease.Name,
		UID: lease.UID,
	}
}

// CreateBond creates the Secret for a created lease and returns its UID. A Secret of that name that
// is there already is an error, and never taken for ours: whoever watches leases can have made it
// first.
func CreateBond(ctx context.Context, api API, lease *coordinationv1.Lease) (types.UID, error) {
	secret := newBond(lease)
	err := api.Create(ctx, secret)
	return secret.UID, err
}

// WithNewName describes the same lease under another random name.
func WithNewName(lease *coordinationv1.Lease, account types.NamespacedName) *coordinationv1.Lease {
	copied := lease.DeepCopy()
	copied.ObjectMeta = metav1.ObjectMeta{
		Namespace: lease.Namespace, Name: EphemeralName(NamePrefix + account.Name),
		Labels: copied.Labels, Annotations: copied.Annotations,
	}
	return copied
}

// AccountOf is the name of the ServiceAccount whose credential hangs on a lease of this name: the
// declared one, or the ephemeral one that the declared name is a prefix of.
func AccountOf(lease, declared string) string {
	owner, ok := withoutSuffix(strings.TrimPrefix(lease, NamePrefix))
	if ok && NamesEphemeral(owner, declared) && len(declared) < longestBase-suffixLength {
		return owner
	}
	return declared
}

// BoundByName says whether a Secret has the name of a lease of ours, and the labels of that lease's
// ServiceAccount.
func BoundByName(secret *corev1.Secret) bool {
	rest, prefixed := strings.CutPrefix(secret.Name, NamePrefix)
	account, suffixed := withoutSuffix(rest)
	return prefixed && suffixed &&
		kube.IsManaged(secret, types.NamespacedName{Namespace: secret.Namespace, Name: account})
}

// IsExpired says whether an object's own mark says that its time is over. What has no mark, as
// everything that is neither lease nor ephemeral, never expires.
func IsExpired(o kube.Object, now time.Time) bool {
	at, err := time.Parse(time.RFC3339, o.GetAnnotations()[kube.AnnotationExpiresAt])
	return err == nil && now.After(at)
}
