package lock

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/kube"
)

// NameOf returns the name of the Lease that locks a ServiceAccount's access. No lease of a
// credential has such a name: those end in a dash and ten random characters, and a lock's name that
// would end so gets a further ending. An account whose own name ends like that gets one more, so
// that no two accounts of a namespace share a lock.
func NameOf(account string) string {
	name := "kubemint-" + account
	if len(name)+len(lockEnding) > longestName {
		sum := sha256.Sum256([]byte(account))
		ending := "." + hex.EncodeToString(sum[:])[:16]
		return strings.TrimRight(name[:longestName-len(ending)], "-.") + ending
	}
	base := account
	for strings.HasSuffix(base, lockEnding) {
		base = strings.TrimSuffix(base, lockEnding)
	}
	if endsRandomly("kubemint-" + base) {
		return name + lockEnding
	}
	return name
}

const (
	longestName = 253 // of an object of the API
	lockEnding  = "-lock"
)

// endsRandomly says whether a name ends as those of leases do: in a dash and ten characters of base
// 32.
func endsRandomly(name string) bool {
	const random = 10
	at := len(name) - random - 1
	return at >= 0 && name[at] == '-' &&
		strings.Trim(name[at+1:], "abcdefghijklmnopqrstuvwxyz234567") == ""
}

// RefOf names the lock of a ServiceAccount's access.
func RefOf(account types.NamespacedName) kube.Ref {
	return kube.Ref{Kind: "Lease", Namespace: account.Namespace, Name: NameOf(account.Name)}
}
