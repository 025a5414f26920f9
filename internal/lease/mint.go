package lease

import (
	"context"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
)

// Wanted is the token to mint.
type Wanted struct {
	Account   types.NamespacedName
	UID       types.UID // of the account as it was observed or made; "" where it is not known
	Lifetime  time.Duration
	Audiences []string // empty: the API server's own
	BoundTo   string   // name of the lease's Secret; "" leaves the token unbound
	// of that Secret: the API server refuses another one that has taken its name
	BoundUID types.UID

	Now func() time.Time // the API server's clock; nil, or zero, where it is not known
}

// Mint requests a token of the ServiceAccount. An API server with a lower limit shortens the
// lifetime without an error: see [Minted.IsShortened]. From Kubernetes 1.34 on it compares the UID
// itself (a conflict); for older ones the token's claim is compared here: a ServiceAccount that was
// deleted and made again is another identity.
func Mint(ctx context.Context, api API, wanted Wanted) (Minted, error) {
	seconds := int64(wanted.Lifetime / time.Second)
	request := &authenticationv1.TokenRequest{
		ObjectMeta: metav1.ObjectMeta{UID: wanted.UID},
		Spec: authenticationv1.TokenRequestSpec{
			Audiences: wanted.Audiences, ExpirationSeconds: &seconds,
		},
	}
	if wanted.BoundTo != "" {
		request.Spec.BoundObjectRef = &authenticationv1.BoundObjectReference{
			APIVersion: "v1", Kind: "Secret", Name: wanted.BoundTo, UID: wanted.BoundUID,
		}
	}
	if err := api.RequestToken(ctx, wanted.Account, request); err != nil {
		return Minted{}, err
	}
	minted := Minted{
		Token:     secret.New(request.Status.Token),
		ExpiresAt: request.Status.ExpirationTimestamp.UTC(),
	}
	if minted.Token.IsEmpty() {
		return Minted{}, problem.Newf(
			problem.Mint, "mint token", "the API server answered without a token",
		)
	}
	var err error
	if minted.Claims, err = checkToken(minted.Token, wanted.Account); err == nil {
		err = minted.inTime(wanted.serverTime())
	}
	if err != nil {
		return Minted{}, problem.New(problem.Mint, "mint token", err, notOurs)
	}
	return minted, minted.sameAccount(wanted.UID)
}

// notOurs is the remedy for a token that does not belong to the ServiceAccount.
const notOurs = "it is not used: see what answers in the API server's place, or which plugin of " +
	"it signs tokens"

func (w Wanted) serverTime() time.Time {
	if w.Now == nil {
		return time.Time{}
	}
	return w.Now()
}
