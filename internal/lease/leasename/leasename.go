package leasename

import (
	"crypto/rand"
	"strings"
)

// Prefix begins the name of every lease. Revoke deletes no Lease of another name, whatever a
// receipt says.
const Prefix = "kubemint-"

// Ephemeral completes the name of a lease, or of a ServiceAccount that only one run uses. It
// has 50 random bits, and is cut so that it fits a name (253 characters) for every ServiceAccount.
func Ephemeral(prefix string) string {
	suffix := "-" + strings.ToLower(rand.Text()[:10])
	return cutName(prefix, 253-len(suffix)) + suffix
}

// BelongsTo says whether a Lease has a name that we give the leases of a ServiceAccount. The name of
// an ephemeral account is a prefix.
func BelongsTo(name, account string) bool {
	rest, ok := Parse(name)
	return ok &&
		(startsLong(rest, account) || rest == cutName(account, longestBase) || IsEphemeral(rest, account))
}

// Parse takes our prefix and the random end off a Lease's name: what is left names its
// ServiceAccount. It is false for any other name.
func Parse(name string) (account string, ok bool) {
	rest, prefixed := strings.CutPrefix(name, Prefix)
	account, suffixed := withoutSuffix(rest)
	return account, prefixed && suffixed
}

// IsEphemeral says whether a name is one that [Ephemeral] makes of a prefix.
func IsEphemeral(name, prefix string) bool {
	rest, ok := withoutSuffix(name)
	return ok && (rest == cutName(prefix, longestBase) || startsLong(rest, prefix))
}

// longestBase is how many characters of a name [Ephemeral] keeps at least, with a lease's
// prefix in front of it.
const longestBase = 253 - 2*suffixLength - len(Prefix)

// suffixLength is the length of a dash and ten random characters.
const suffixLength = 11

// startsLong compares a name that may have been cut: 200 characters are enough to recognise it.
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

// cutName shortens a name, and removes characters that a name may not end in.
func cutName(name string, most int) string {
	return strings.TrimRight(name[:min(len(name), most)], "-.")
}

// AccountOf returns the name of the ServiceAccount that a lease of this name belongs to: the
// declared one, or the ephemeral one that begins with the declared name.
func AccountOf(lease, declared string) string {
	owner, ok := withoutSuffix(strings.TrimPrefix(lease, Prefix))
	if ok && IsEphemeral(owner, declared) && len(declared) < longestBase-suffixLength {
		return owner
	}
	return declared
}

// PermanentSecret is the name of the Secret that holds a ServiceAccount's permanent token.
func PermanentSecret(account string) string { return cutName("kubemint-token-"+account, 253) }
