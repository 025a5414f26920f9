package lease

import (
	"context"
	"errors"
	"math"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/lease/leasename"
	"github.com/kubemint/kubemint/internal/owner"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
)

// filledWithin is how long the token controller may take: usually less than a second, under load a
// few.
const filledWithin = 20 * time.Second

// Reader reads an object by name.
type Reader interface {
	Get(ctx context.Context, o kube.Object) error
}

// NewPermanent describes the Secret that holds a token without expiry. Its name is fixed, so that
// the next run finds it with a right to `get` that is restricted to that name. It is complete from
// the start, since an edit right after the creation delays the controller, and is never linked into
// serviceAccount.secrets: the API server's cleaner takes linked ones for generated ones, and
// invalidates them after a year without use.
func NewPermanent(account types.NamespacedName, marks owner.Marks) *corev1.Secret {
	annotations := marks.Annotations()
	annotations[corev1.ServiceAccountNameKey] = account.Name
	return &corev1.Secret{
		TypeMeta: kube.TypeMeta("Secret"),
		ObjectMeta: metav1.ObjectMeta{
			Namespace: account.Namespace, Name: leasename.PermanentSecret(account.Name),
			Labels: marks.LabelsFor(account), Annotations: annotations,
		},
		Type: corev1.SecretTypeServiceAccountToken,
	}
}

// HoldsTokenOf says whether a Secret is a token Secret of this ServiceAccount, whoever made it.
func HoldsTokenOf(secret *corev1.Secret, account types.NamespacedName) bool {
	return secret.Type == corev1.SecretTypeServiceAccountToken &&
		secret.Annotations[corev1.ServiceAccountNameKey] == account.Name
}

// TokenIn returns the token that a Secret holds. It is empty if the Secret holds none or is nil.
func TokenIn(holder *corev1.Secret) secret.Value {
	if holder == nil {
		return secret.Value{}
	}
	return secret.New(string(holder.Data[corev1.ServiceAccountTokenKey]))
}

// AwaitPermanent reads the Secret until the token controller has filled in token and ca.crt, and
// returns the token. The controller does not replace a token that is there already, and the creator
// of the Secret may have put one in: so the token is checked.
func AwaitPermanent(
	ctx context.Context, api Reader, secret *corev1.Secret, account types.NamespacedName, uid types.UID,
) (Minted, error) {
	op := "await token in Secret " + secret.Namespace + "/" + secret.Name
	if !isFilledIn(secret) {
		if err := awaitController(ctx, api, secret, op); err != nil {
			return Minted{}, err
		}
	}
	value := TokenIn(secret)
	claims, err := checkToken(value, account)
	if err == nil && !claims.ExpiresAt.IsZero() {
		err = errors.New("the token expires, so it is not the controller's")
	}
	if err != nil {
		return Minted{}, problem.New(problem.Mint, op, err, notOurs)
	}
	minted := Minted{Token: value, Claims: claims}
	return minted, minted.sameAccount(uid)
}

func isFilledIn(secret *corev1.Secret) bool {
	return !TokenIn(secret).IsEmpty() && len(secret.Data[corev1.ServiceAccountRootCAKey]) > 0
}

// awaitController reads the Secret until it is filled in.
func awaitController(ctx context.Context, api Reader, secret *corev1.Secret, op string) error {
	bounded, cancel := context.WithTimeout(ctx, filledWithin)
	defer cancel()
	pauses := wait.Backoff{
		Duration: 5 * time.Millisecond, Factor: 2, Steps: math.MaxInt32, Cap: slowLook,
	}
	var err error
	ended := pauses.DelayFunc().Until(bounded, false, true, func(ctx context.Context) (bool, error) {
		err = api.Get(ctx, secret)
		failed := err != nil && ctx.Err() == nil
		return failed || isFilledIn(secret), nil
	})
	if ended == nil {
		return err
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	return problem.Newf(problem.Mint, op,
		"the cluster's token controller has not filled it in: does kube-controller-manager run?")
}

// slowLook is the longest pause between two looks.
const slowLook = 500 * time.Millisecond
