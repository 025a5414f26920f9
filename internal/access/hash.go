package access

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/rules"
)

// Undeclared stands in place of a hash for a run that declares neither role nor rules. It changes
// no access and was promised none: it holds no other run back.
const Undeclared = "undeclared"

// hashLength is 64 bits in hexadecimal digits: enough that no two declarations of one account meet.
const hashLength = 16

// Hash names the declared access: what the roles and bindings grant, to which ServiceAccount and
// where. Two declarations that grant the same have the same hash, however they are written and
// whichever job makes them. Later versions of kubemint must come to the same one, or their runs
// would wait for each other.
func (d Desired) Hash() string {
	if !d.Access.Grants() {
		return Undeclared
	}
	account := d.Access.ServiceAccount
	lines := make([]string, 0, len(d.Objects))
	normal := map[*rbacv1.PolicyRule][]string{} // a thousand namespaces share the same rules
	for _, o := range d.Objects {
		ref := kube.RefOf(o)
		role := kube.RoleOf(o)
		switch {
		case kube.IsBinding(o):
			lines = append(
				lines, strings.Join([]string{"bind", ref.Namespace, role.Kind, role.Name}, "\t"),
			)
		case strings.HasSuffix(ref.Kind, "Role"):
			first := &kube.RulesOf(o)[0]
			if normal[first] == nil {
				normal[first] = rules.NormalLines(kube.RulesOf(o))
			}
			grants := append([]string{"role", ref.Namespace, ref.Kind}, normal[first]...)
			lines = append(lines, strings.Join(grants, "\t"))
		}
	}
	slices.Sort(lines)
	lines = append(
		[]string{"account\t" + account.Namespace + "\t" + account.Name},
		slices.Compact(lines)...)
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:])[:hashLength]
}
