package discovery

import (
	"context"
	"slices"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
)

// MayHide says whether a ClusterRole that is not found may be there all the same: every API server
// makes it when it starts, and some do not show it (kcp). Its binding is then proved by a rules
// review. A server that does not list that review counts as one that has no such role.
func MayHide(ctx context.Context, read Read, role string) bool {
	named := []string{"cluster-admin", "admin", "edit", "view"}
	if !strings.HasPrefix(role, "system:") && !slices.Contains(named, role) {
		return false
	}
	listed, _ := lookUp(
		ctx, read, authorizationv1.SchemeGroupVersion.WithResource("selfsubjectrulesreviews"),
	)
	return listed
}
