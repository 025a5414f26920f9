package token

import (
	"context"
	"errors"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Minted is a token as the API server granted it.
type Minted struct {
	Token     Token
	Claims    Claims
	ExpiresAt time.Time
}

// Shortened says whether less was granted than asked. A minute is left for the request's way and for clocks that differ.
func (m Minted) Shortened(asked time.Duration) bool {
	return m.ExpiresAt.Sub(m.Claims.IssuedAt) < asked-time.Minute
}

// Mint requests a token of the ServiceAccount. boundTo is the name of the lease's Secret; "" leaves the token unbound.
// Over its own limit the API server shortens without an error: see [Minted.Shortened].
func Mint(
	ctx context.Context, api API, account types.NamespacedName, lifetime time.Duration, audiences []string, boundTo string,
) (Minted, error) {
	seconds := int64(lifetime / time.Second)
	request := &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{Audiences: audiences, ExpirationSeconds: &seconds},
	}
	if boundTo != "" {
		request.Spec.BoundObjectRef = &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Secret", Name: boundTo}
	}
	if err := api.RequestToken(ctx, account, request); err != nil {
		return Minted{}, err
	}
	minted := Minted{Token: New(request.Status.Token), ExpiresAt: request.Status.ExpirationTimestamp.UTC()}
	if minted.Token.Empty() {
		return Minted{}, errors.New("the API server answered without a token")
	}
	var err error
	minted.Claims, err = minted.Token.Claims()
	return minted, err
}
