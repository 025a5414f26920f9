package client_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/kubemint/kubemint/internal/client/explain"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rules"
)

// saying answers every request with a 403, without a network.
func saying(message string) http.RoundTripper {
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		recorder := httptest.NewRecorder()
		refuse(recorder, metav1.Status{Code: 403, Reason: metav1.StatusReasonForbidden, Message: message})
		response := recorder.Result()
		response.Request = r
		return response, nil
	})
}

type roundTrip func(r *http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A cloud's API servers are known by their names, and what is known of them is said where rights are missing, only there.
func TestExplainKnowsProviders(t *testing.T) {
	t.Parallel()
	const (
		eks = "on EKS the access policy AmazonEKSAdminPolicy lets nobody write roles and bindings: take AmazonEKSClusterAdminPolicy, " +
			"or a group of the access entry with these rules"
		gke = "on GKE it takes roles/container.admin to write roles and bindings (container.developer may not), or these rules for the Google identity"
	)
	denied := `roles.rbac.authorization.k8s.io "x" is forbidden: ` + runner + ` cannot patch resource "roles" in API group "rbac.authorization.k8s.io" in the namespace "shop"`
	refusedGrant := `roles.rbac.authorization.k8s.io "x" is forbidden: ` + escalate + "\n" + `{APIGroups:[""], Resources:["pods"], Verbs:["get"]}`
	for server, want := range map[string]string{
		"https://0123456789ABCDEF0123456789ABCDEF.gr7.eu-west-1.eks.amazonaws.com":          eks,
		"https://0123456789ABCDEF.gr7.eu-west-1.eks.amazonaws.com:443/":                     eks,
		"https://0123456789ABCDEF0123456789ABCDEF.sk1.cn-north-1.eks.amazonaws.com.cn":      eks,
		"https://gke-0123456789abcdef0123456789abcdef0123-0123456789.europe-west1.gke.goog": gke,
		"https://10.0.0.1:6443":                            "",
		"https://[fd00::1]:6443":                           "",
		"https://x.eks.amazonaws.com.example.org":          "",
		"https://not-eks.amazonaws.com":                    "",
		"https://example.org/x.gke.goog":                   "",
		"https://x-dns-0a1b2c3d.hcp.westeurope.azmk8s.io":  "",
		"https://rancher.example.org/k8s/clusters/c-m-abc": "",
	} {
		for message, code := range map[string]problem.Code{
			denied: problem.Rights, refusedGrant: problem.Rights, `secrets "x" is forbidden: exceeded quota: q`: problem.Mint,
		} {
			client := connect(t, &rest.Config{Host: server, Transport: saying(message)})
			var p *problem.Error
			if !errors.As(client.Explain(problem.Mint, "x", applied(t.Context(), client, object("Role", "shop", "x"), false)), &p) || p.Code != code {
				t.Fatalf("%s: %v", server, p)
			}
			advice := ""
			for _, hint := range p.Hints {
				if strings.HasPrefix(hint, "on ") {
					advice += hint
				}
			}
			if expected := map[bool]string{true: want}[code == problem.Rights]; advice != expected {
				t.Errorf("%s: %s\ngot %q, want %q", server, message, advice, expected)
			}
		}
	}
}

// The command is to be pasted into a shell: a name that is not one plain word there is left for a person to write.
func TestBootstrapNamesTheSubject(t *testing.T) {
	t.Parallel()
	for user, want := range map[string]string{
		"jane":                            "user:jane",
		"a@b.c":                           "user:a@b.c",
		"system:node:x":                   "user:system:node:x",
		"arn:aws:sts::1:assumed-role/ci":  "user:arn:aws:sts::1:assumed-role/ci",
		"system:serviceaccount:ci:runner": "serviceaccount:ci/runner",
		"system:serviceaccount:ci:a.b":    "serviceaccount:ci/a.b",
		"Jane Doe":                        "KIND:NAME",
		`jane"`:                           "KIND:NAME",
		"jane'":                           "KIND:NAME",
		"$(id)":                           "KIND:NAME",
		"a;b":                             "KIND:NAME",
		"a\nb":                            "KIND:NAME",
		"https://issuer#sub":              "KIND:NAME",
		"":                                "KIND:NAME",
	} {
		want := "an administrator can give it all that this configuration takes:  kubemint bootstrap --subject " + want + " | kubectl apply -f -"
		if got := explain.SuggestBootstrap(user); got != want {
			t.Errorf("%q: %s", user, got)
		}
	}
}

// What was denied can be taken out of the error again, with the rule that is missing.
func TestDenial_IsCause(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		message string
		want    explain.Denial
		rule    string
	}{
		"in a namespace": {
			`secrets is forbidden: ` + runner + ` cannot create resource "secrets" in API group "" in the namespace "shop"`,
			explain.Denial{User: "system:serviceaccount:ci:runner", Verb: "create", Resource: "secrets", Namespace: "shop"},
			"create  secrets",
		},
		"at the cluster scope, and applied": {
			`x is forbidden: ` + runner + ` cannot create resource "clusterroles" in API group "rbac.authorization.k8s.io" at the cluster scope`,
			explain.Denial{User: "system:serviceaccount:ci:runner", Verb: "create", Group: "rbac.authorization.k8s.io", Resource: "clusterroles"},
			"create,patch  clusterroles.rbac.authorization.k8s.io",
		},
		"a subresource": {
			`x is forbidden: ` + runner + ` cannot create resource "serviceaccounts/token" in API group "" in the namespace "shop"`,
			explain.Denial{User: "system:serviceaccount:ci:runner", Verb: "create", Resource: "serviceaccounts/token", Namespace: "shop"},
			"create  serviceaccounts/token",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := connect(t, &rest.Config{Host: "https://10.0.0.1", Transport: saying(tt.message)})
			err := client.Explain(problem.Mint, "x", client.Get(t.Context(), object("Role", "shop", "x")))
			var d *explain.Denial
			if !errors.As(errors.Join(errors.New("first"), err), &d) {
				t.Fatalf("%v holds no denial", err)
			}
			if diff := cmp.Diff(tt.want, *d); diff != "" {
				t.Error(diff)
			}
			if got := strings.Join(rules.Format([]rbacv1.PolicyRule{d.Rule()}), "; "); got != tt.rule {
				t.Errorf("the rule is %s", got)
			}
		})
	}
}
