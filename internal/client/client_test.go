package client_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/parallel"
)

// deleted is the API server's answer to a deletion.
var deleted = metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusSuccess}

// What goes over the wire, byte for byte, and the same again after a fault.
func TestRequests(t *testing.T) {
	t.Parallel()
	const (
		rbac = "/apis/rbac.authorization.k8s.io/v1"
		role = `{"kind":"Role","apiVersion":"rbac.authorization.k8s.io/v1","metadata":{"name":"kubemint:bots:ci","namespace":"shop"},"rules":null}`
	)
	ctx := t.Context()
	with := func(o kube.Object, change func(o kube.Object)) kube.Object { change(o); return o }
	for name, tt := range map[string]struct {
		call func(c *client.Client) error
		want string
	}{
		"get": {
			func(c *client.Client) error { return c.Get(ctx, object("Role", "shop", "kubemint:bots:ci")) },
			"GET " + rbac + "/namespaces/shop/roles/kubemint:bots:ci",
		},
		"get at the cluster scope": {
			func(c *client.Client) error { return c.Get(ctx, object("ClusterRole", "", "edit")) }, "GET " + rbac + "/clusterroles/edit",
		},
		"get a namespace": {
			func(c *client.Client) error { return c.Get(ctx, object("Namespace", "", "shop")) }, "GET /api/v1/namespaces/shop",
		},
		"list, as of now": {
			func(c *client.Client) error {
				return c.List(ctx, "Role", "", metav1.ListOptions{LabelSelector: "a=b,c=d"}, &rbacv1.RoleList{})
			}, "GET " + rbac + "/roles?labelSelector=a%3Db%2Cc%3Dd",
		},
		"list from the cache": {
			func(c *client.Client) error {
				return c.List(ctx, "RoleBinding", "shop", metav1.ListOptions{LabelSelector: "a=b", ResourceVersion: "0"}, &rbacv1.RoleBindingList{})
			}, "GET " + rbac + "/namespaces/shop/rolebindings?labelSelector=a%3Db&resourceVersion=0",
		},
		"create": {
			func(c *client.Client) error {
				return c.Create(ctx, &coordinationv1.Lease{
					TypeMeta:   metav1.TypeMeta{APIVersion: "coordination.k8s.io/v1", Kind: "Lease"},
					ObjectMeta: metav1.ObjectMeta{Namespace: "bots", Name: "kubemint-ci-x"},
				})
			},
			"POST /apis/coordination.k8s.io/v1/namespaces/bots/leases application/json " +
				`{"kind":"Lease","apiVersion":"coordination.k8s.io/v1","metadata":{"name":"kubemint-ci-x","namespace":"bots"},"spec":{}}`,
		},
		"ask a review": {
			func(c *client.Client) error {
				return c.Create(ctx, &authenticationv1.SelfSubjectReview{TypeMeta: metav1.TypeMeta{APIVersion: "authentication.k8s.io/v1", Kind: "SelfSubjectReview"}})
			},
			`POST /apis/authentication.k8s.io/v1/selfsubjectreviews application/json {"kind":"SelfSubjectReview","apiVersion":"authentication.k8s.io/v1","metadata":{},"status":{"userInfo":{}}}`,
		},
		"apply what is new, and create it only": {
			func(c *client.Client) error {
				_, err := c.ApplyObject(ctx, object("Role", "shop", "kubemint:bots:ci"), false)
				return err
			},
			"PATCH " + rbac + "/namespaces/shop/roles/kubemint:bots:ci?fieldManager=kubemint&force=false application/apply-patch+yaml " +
				strings.Replace(role, `"namespace":"shop"`, `"namespace":"shop","resourceVersion":"1"`, 1),
		},
		"apply by force what has a resourceVersion": {
			func(c *client.Client) error {
				account := with(object("ServiceAccount", "bots", "ci"), func(o kube.Object) { o.SetResourceVersion("7") })
				_, err := c.ApplyObject(ctx, account, true)
				return err
			},
			"PATCH /api/v1/namespaces/bots/serviceaccounts/ci?fieldManager=kubemint&force=true application/apply-patch+yaml " +
				`{"kind":"ServiceAccount","apiVersion":"v1","metadata":{"name":"ci","namespace":"bots","resourceVersion":"7"}}`,
		},
		"delete": {
			func(c *client.Client) error { return c.Delete(ctx, object("ClusterRoleBinding", "", "x")) },
			"DELETE " + rbac + `/clusterrolebindings/x application/json {"kind":"DeleteOptions","apiVersion":"rbac.authorization.k8s.io/v1","propagationPolicy":"Background"}`,
		},
		"delete that very object": {
			func(c *client.Client) error {
				return c.Delete(ctx, with(object("Role", "shop", "x"), func(o kube.Object) { o.SetUID("u1") }))
			},
			"DELETE " + rbac + `/namespaces/shop/roles/x application/json {"kind":"DeleteOptions","apiVersion":"rbac.authorization.k8s.io/v1","preconditions":{"uid":"u1"},"propagationPolicy":"Background"}`,
		},
		"request a token": {
			func(c *client.Client) error {
				return c.RequestToken(ctx, types.NamespacedName{Namespace: "bots", Name: "ci"}, &authenticationv1.TokenRequest{
					Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: new(int64(600))},
				})
			},
			"POST /api/v1/namespaces/bots/serviceaccounts/ci/token application/json " +
				`{"kind":"TokenRequest","apiVersion":"authentication.k8s.io/v1","metadata":{},"spec":{"audiences":null,"expirationSeconds":600,"boundObjectRef":null},"status":{"token":"","expirationTimestamp":null}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(w http.ResponseWriter, r *http.Request, n int) {
				switch {
				case n == 1:
					http.Error(w, "not yet", http.StatusServiceUnavailable)
				case r.Method == http.MethodDelete:
					give(w, http.StatusOK, deleted)
				default:
					give(w, http.StatusOK, map[string]any{"metadata": map[string]any{"resourceVersion": "8"}})
				}
			})
			if err := tt.call(connect(t, s.config())); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{tt.want, tt.want}, s.asked()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// client-go's decoder empties the kind, and everything here needs it.
func TestAnswers_KeepTheKind(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]func(c *client.Client, o kube.Object) error{
		"get":    func(c *client.Client, o kube.Object) error { return c.Get(t.Context(), o) },
		"create": func(c *client.Client, o kube.Object) error { return c.Create(t.Context(), o) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
				give(w, http.StatusOK, corev1.ServiceAccount{
					TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceAccount"}, ObjectMeta: metav1.ObjectMeta{Namespace: "bots", Name: "ci", UID: "u1", ResourceVersion: "8"},
				})
			})
			got := object("ServiceAccount", "bots", "ci")
			if err := call(connect(t, s.config()), got); err != nil {
				t.Fatal(err)
			}
			want := object("ServiceAccount", "bots", "ci")
			want.SetUID("u1")
			want.SetResourceVersion("8")
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Roles of several namespaces share their rules, and are applied at the same time: reading answers into
// them would race.
func TestApplyObject_LeavesItsArgumentUnchanged(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
		give(w, http.StatusOK, rbacv1.Role{
			TypeMeta:   metav1.TypeMeta{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "Role"},
			ObjectMeta: metav1.ObjectMeta{Name: "x", UID: "u1", ResourceVersion: "8"},
			Rules:      []rbacv1.PolicyRule{{Verbs: []string{"list"}}},
		})
	})
	role := func(rules []rbacv1.PolicyRule) *rbacv1.Role {
		role := object("Role", "shop", "x").(*rbacv1.Role)
		role.Rules, role.ResourceVersion = rules, "7"
		return role
	}
	shared := []rbacv1.PolicyRule{{Verbs: []string{"get"}}}
	roles := make([]*rbacv1.Role, 8)
	api := connect(t, s.config())
	if err := parallel.Each(len(roles), func(i int) error {
		roles[i] = role(shared)
		applied, err := api.ApplyObject(t.Context(), roles[i], i%2 == 0)
		if want := (client.Applied{UID: "u1", ResourceVersion: "8"}); applied != want {
			t.Errorf("got %v, want %v", applied, want)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for _, got := range roles {
		if diff := cmp.Diff(role([]rbacv1.PolicyRule{{Verbs: []string{"get"}}}), got); diff != "" {
			t.Error(diff)
		}
	}
}

// The connection is ready and nothing was asked: an API server closes one on which somebody without a credential asks.
func TestWarm_SendsNoRequest(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request, _ int) { give(w, http.StatusOK, rbacv1.Role{}) })
	var dials atomic.Int32
	config := s.config()
	config.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		dials.Add(1)
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	client := connect(t, config)
	client.Warm(t.Context())
	time.Sleep(200 * time.Millisecond) // the handshake goes on behind it; a request that comes earlier connects by itself
	if asked := s.asked(); len(asked) > 0 {
		t.Errorf("asked %q", asked)
	}
	if err := client.Get(t.Context(), object("Role", "shop", "x")); err != nil {
		t.Fatal(err)
	}
	if n := dials.Load(); n != 1 {
		t.Errorf("dialled %d times", n)
	}
	if client.Server() != s.URL {
		t.Errorf("the server is %s", client.Server())
	}
}

func TestWarmTriesOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, func(http.ResponseWriter, *http.Request, int) {})
	config, tries := s.config(), 0
	config.Dial = func(context.Context, string, string) (net.Conn, error) { tries++; return nil, errors.New("refused") }
	connect(t, config).Warm(t.Context())
	if tries != 1 {
		t.Errorf("tried %d times", tries)
	}
}
