package credential

import (
	"fmt"
	"time"

	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/lease"
)

// LifetimeCaps says which lifetimes clusters are known to grant.
const LifetimeCaps = "EKS and AKS give no token over 24 h, GKE none over 48 h; " +
	"elsewhere see --service-account-max-token-expiration"

// DescribeShortened says how much of the lifetime was granted.
func DescribeShortened(minted lease.Minted, asked config.Token) string {
	return fmt.Sprintf(
		"the API server granted %s of the %s asked for", DescribeLifetime(minted), asked.Asked,
	)
}

// DescribeLifetime describes the granted lifetime for people.
func DescribeLifetime(minted lease.Minted) string {
	return console.FormatDuration(minted.ExpiresAt.Sub(minted.Claims.IssuedAt).Round(10 * time.Second))
}

// FormatExpiry returns the output expires_at: RFC 3339 in UTC, "" for a permanent token.
func FormatExpiry(minted lease.Minted) string {
	if minted.IsPermanent() {
		return ""
	}
	return minted.ExpiresAt.Format(time.RFC3339)
}
