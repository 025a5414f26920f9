package kubetest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
)

// serves holds when all that the API server itself does at its start is done: its RBAC roles and namespaces are there.
func (c *ControlPlane) serves(ctx context.Context) error {
	if err := c.Admin.Do(ctx, http.MethodGet, "/readyz", nil, nil); err != nil {
		return err
	}
	return c.Admin.Do(ctx, http.MethodGet, "/api/v1/namespaces/default", nil, nil)
}

// controllersWork holds when each controller has done its first work. Until the aggregation is through, a test that
// "edit may not" passes for the wrong reason.
func (c *ControlPlane) controllersWork(ctx context.Context) error {
	for _, path := range []string{
		"/api/v1/namespaces/default/serviceaccounts/default",
		"/api/v1/namespaces/default/configmaps/kube-root-ca.crt",
	} {
		if err := c.Admin.Do(ctx, http.MethodGet, path, nil, nil); err != nil {
			return err
		}
	}
	// admin is made of edit and of rules of its own, edit of view; each may be computed before the smaller one is.
	var smaller []rbacv1.PolicyRule
	for _, name := range []string{"view", "edit", "admin"} {
		var own, role rbacv1.ClusterRole
		if err := c.Admin.Do(ctx, http.MethodGet, clusterRoles+"/system:aggregate-to-"+name, nil, &own); err != nil {
			return err
		}
		if err := c.Admin.Do(ctx, http.MethodGet, clusterRoles+"/"+name, nil, &role); err != nil {
			return err
		}
		for _, rule := range append(smaller, own.Rules...) {
			if !slices.ContainsFunc(role.Rules, func(r rbacv1.PolicyRule) bool { return reflect.DeepEqual(r, rule) }) {
				return fmt.Errorf("the ClusterRole %s is not aggregated yet", name)
			}
		}
		smaller = role.Rules
	}
	if len(smaller) == 0 {
		return errors.New("the ClusterRole admin is empty")
	}
	return nil
}

const clusterRoles = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
