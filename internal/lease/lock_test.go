package lease_test

import (
	"strings"
	"testing"

	"github.com/kubemint/kubemint/internal/lease/leasename"
	"github.com/kubemint/kubemint/internal/lease/lock"
)

// A lock is never taken for the lease of a credential, which revoke would delete, whichever two accounts are meant.
func TestNoLockIsNamedAsALease(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 253)
	names := []string{
		"a", "ci", "a-abcdefgh23", "a-abcdefgh23-lock", "a-abcdefgh23-abcdefgh23", "abcdefgh23", "-abcdefgh23", "lock", "ci-lock",
		"kubemint", "kubemint-a", "kubemint-abcdefgh23", long, long[:244], long[:243], long[:233] + "-abcdefgh23", long[:242] + "-abcdefgh23",
	}
	for _, locked := range names {
		lock := lock.NameOf(locked)
		for _, account := range append(names, strings.TrimPrefix(lock, leasename.Prefix)) {
			if leasename.BelongsTo(lock, account) || leasename.IsEphemeral(lock, account) {
				t.Errorf("the lock of %q, %q, passes for a lease of %q", locked, lock, account)
			}
			if name := leasename.Ephemeral(leasename.Prefix + account); name == lock {
				t.Errorf("a lease of %q has the name of a lock", account)
			}
		}
	}
}

func FuzzNoLockIsNamedAsALease(f *testing.F) {
	f.Add("a-abcdefgh23", "a")
	f.Fuzz(func(t *testing.T, locked, account string) {
		if leasename.BelongsTo(lock.NameOf(locked), account) {
			t.Errorf("the lock of %q passes for a lease of %q", locked, account)
		}
	})
}
