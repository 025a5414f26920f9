package app

import (
	"fmt"
	"time"

	"github.com/kubemint/kubemint/internal/console"
)

const lifetimeCaps = "EKS and AKS give no token over 24 h, GKE none over 48 h; " +
	"elsewhere see --service-account-max-token-expiration"

// shortened says how much of the lifetime was granted.
func (m *minting) shortened() string {
	return fmt.Sprintf("the API server granted %s of the %s asked for", m.lifetime(), m.cfg.Token.Asked)
}

// lifetime is the lifetime that was granted, for people.
func (m *minting) lifetime() string {
	return console.Short(m.minted.ExpiresAt.Sub(m.minted.Claims.IssuedAt).Round(10 * time.Second))
}

// reportToken says what was minted, once it can be used.
func (m *minting) reportToken() {
	account := m.desired.Access.ServiceAccount
	if m.permanent != nil {
		m.log.Printf("the token of %s in Secret %s/%s never expires (id %s)", account,
			m.permanent.Namespace, m.permanent.Name, m.minted.Claims.ID)
		if len(m.othersSecret()) > 0 {
			m.log.Printf("note: somebody else made that Secret, so kubemint never deletes it")
		}
		return
	}
	m.log.Printf("minted a token for %s (asked %s, granted %s, expires %s, id %s)", account, m.cfg.Token.Asked,
		m.lifetime(), m.minted.ExpiresAt.Format(time.RFC3339), m.minted.Claims.ID)
	if m.minted.Shortened(m.cfg.Token.Duration) {
		m.log.Warnf("%s (%s)", m.shortened(), lifetimeCaps)
	}
}
