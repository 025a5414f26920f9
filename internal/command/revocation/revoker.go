package revocation

import (
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/command/session"
	"github.com/kubemint/kubemint/internal/revoke"
)

// NewRevoker is the revoker of a run: server as the runner, and the ServiceAccount that it declares.
func NewRevoker(
	s session.Session, server revoke.Server, declared types.NamespacedName,
) revoke.Revoker {
	return revoke.Revoker{Server: server, Marks: s.Marks(), Declared: declared, Show: s.Log.ShowChanges}
}
