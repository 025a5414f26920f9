package client_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/client"
)

// The API server reads dryRun of a PATCH in the query, and of a DELETE in the body's DeleteOptions where there is a body
// (k8s.io/apiserver pkg/endpoints/handlers: patch.go, delete.go).
func TestDryClient_ChangesNothing(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		if r.Method == http.MethodDelete {
			give(w, http.StatusOK, deleted)
			return
		}
		give(w, http.StatusOK, named("shop", "x"))
	})
	api := connect(t, s.config())
	dry, role := api.Dry(), object("Role", "shop", "x")
	if !dry.IsDry() || api.IsDry() || !dry.Dry().IsDry() {
		t.Errorf("dry: %t, client: %t", dry.IsDry(), api.IsDry())
	}
	role.SetUID("u")
	review := &authorizationv1.SelfSubjectRulesReview{TypeMeta: metav1.TypeMeta{APIVersion: "authorization.k8s.io/v1", Kind: "SelfSubjectRulesReview"}}
	apply := func(c *client.Client, force bool) error {
		_, err := c.ApplyObject(t.Context(), object("Role", "shop", "x"), force)
		return err
	}
	for _, err := range []error{
		apply(dry, false), apply(dry, true),
		dry.Delete(t.Context(), role), dry.Delete(t.Context(), object("ClusterRole", "", "x")),
		dry.Get(t.Context(), object("Role", "shop", "x")), dry.Create(t.Context(), review), api.Delete(t.Context(), role),
		dry.Create(t.Context(), object("Lease", "shop", "x")), api.Create(t.Context(), object("Lease", "shop", "x")),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	const path = rbac + "namespaces/shop/roles/x"
	want := []string{
		"PATCH " + path + "?dryRun=All&fieldManager=kubemint&force=false",
		"PATCH " + path + "?dryRun=All&fieldManager=kubemint&force=true",
		"DELETE " + path + ` {"kind":"DeleteOptions","apiVersion":"rbac.authorization.k8s.io/v1","preconditions":{"uid":"u"},"propagationPolicy":"Background","dryRun":["All"]}`,
		"DELETE " + rbac + `clusterroles/x {"kind":"DeleteOptions","apiVersion":"rbac.authorization.k8s.io/v1","propagationPolicy":"Background","dryRun":["All"]}`,
		"GET " + path,
		"POST /apis/authorization.k8s.io/v1/selfsubjectrulesreviews", // it changes nothing anyway
		"DELETE " + path + ` {"kind":"DeleteOptions","apiVersion":"rbac.authorization.k8s.io/v1","preconditions":{"uid":"u"},"propagationPolicy":"Background"}`,
		"POST /apis/coordination.k8s.io/v1/namespaces/shop/leases?dryRun=All",
		"POST /apis/coordination.k8s.io/v1/namespaces/shop/leases",
	}
	got := s.asked()
	for i, request := range got {
		method, rest, _ := strings.Cut(request, " ")
		uri, body, _ := strings.Cut(rest, " ")
		got[i] = method + " " + uri
		if _, options, _ := strings.Cut(body, " "); method == "DELETE" {
			got[i] += " " + options
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What the API server answers to a dry run of a TokenRequest is a live token.
func TestADryClientRequestsNoToken(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
		give(w, http.StatusCreated, authenticationv1.TokenRequest{Status: authenticationv1.TokenRequestStatus{Token: "alive"}})
	})
	client, request := connect(t, s.config()), &authenticationv1.TokenRequest{}
	account := types.NamespacedName{Namespace: "bots", Name: "ci"}
	err := client.Dry().RequestToken(t.Context(), account, request)
	if err == nil || err.Error() != "no token is requested in a dry run" || request.Status.Token != "" || len(s.asked()) > 0 {
		t.Errorf("%v, token %q; asked %q", err, request.Status.Token, s.asked())
	}
	if err := client.RequestToken(t.Context(), account, request); err != nil || request.Status.Token != "alive" {
		t.Errorf("the client itself: %v, token %q", err, request.Status.Token)
	}
}
