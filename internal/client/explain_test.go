package client_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/kubemint/kubemint/internal/client/answer"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rules"
	"github.com/kubemint/kubemint/internal/rules/syntax"
)

const (
	runner   = `User "system:serviceaccount:ci:runner"`
	escalate = `user "runner" (groups=["system:serviceaccounts" "system:authenticated"]) is attempting to grant RBAC permissions not currently held:`
)

func details(kind, name string, causes ...metav1.StatusCause) *metav1.StatusDetails {
	return &metav1.StatusDetails{Kind: kind, Name: name, Causes: causes}
}

// The answers are those of a kube-apiserver 1.37.1, word for word, but for the quota (plugin/pkg/admission/resourcequota).
func TestExplainAnswers(t *testing.T) {
	t.Parallel()
	const (
		lost = "; or see whether namespace shop exists: the server does not tell an identity that has no rights in it"
		give = "give the runner's identity this rule:  "

		refused = "; a policy, a quota or a limit of the cluster refuses it: whoever runs the cluster knows which"
		changed = "; the cluster may have changed meanwhile: run again"
	)
	for name, tt := range map[string]struct {
		code    int32
		reason  metav1.StatusReason
		message string
		details *metav1.StatusDetails
		exit    problem.Code
		says    string // the cause, and each hint, with "; " between
	}{
		"login expired": {
			401, "Unauthorized", "Unauthorized", nil, problem.Source,
			"the API server does not accept the runner's credential (401 Unauthorized); log in again in an earlier step: the login has expired, or it is for another cluster",
		},
		"may not apply": {
			403, "Forbidden", `roles.rbac.authorization.k8s.io "kubemint:bots:ci" is forbidden: ` + runner + ` cannot patch resource "roles" in API group "rbac.authorization.k8s.io" in the namespace "shop"`,
			details("roles", "kubemint:bots:ci"), problem.Rights,
			`user "system:serviceaccount:ci:runner" may not patch roles.rbac.authorization.k8s.io in namespace shop; ` +
				give + `{apiGroups: ["rbac.authorization.k8s.io"], resources: ["roles"], verbs: [create, patch]}` + lost,
		},
		"may not create what is applied": {
			403, "Forbidden", `clusterroles.rbac.authorization.k8s.io "x" is forbidden: ` + runner + ` cannot create resource "clusterroles" in API group "rbac.authorization.k8s.io" at the cluster scope`,
			details("clusterroles", "x"), problem.Rights,
			`user "system:serviceaccount:ci:runner" may not create clusterroles.rbac.authorization.k8s.io at the cluster scope; ` +
				give + `{apiGroups: ["rbac.authorization.k8s.io"], resources: ["clusterroles"], verbs: [create, patch]}`,
		},
		"may not create a lease, which is not applied": {
			403, "Forbidden", `leases.coordination.k8s.io is forbidden: ` + runner + ` cannot create resource "leases" in API group "coordination.k8s.io" in the namespace "shop"`,
			details("leases", ""), problem.Rights,
			`user "system:serviceaccount:ci:runner" may not create leases.coordination.k8s.io in namespace shop; ` +
				give + `{apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: [create]}` + lost,
		},
		"may not create a Secret": {
			403, "Forbidden", `secrets is forbidden: ` + runner + ` cannot create resource "secrets" in API group "" in the namespace "shop"`,
			details("secrets", ""), problem.Rights,
			`user "system:serviceaccount:ci:runner" may not create secrets in namespace shop; ` + give + `{apiGroups: [""], resources: ["secrets"], verbs: [create]}` + lost,
		},
		"may not read a permanent token": {
			403, "Forbidden", `secrets "kubemint-token-ci" is forbidden: ` + runner + ` cannot get resource "secrets" in API group "" in the namespace "shop"`,
			details("secrets", "kubemint-token-ci"), problem.Rights,
			`user "system:serviceaccount:ci:runner" may not get secrets in namespace shop; ` +
				give + `{apiGroups: [""], resources: ["secrets"], verbs: [get], resourceNames: ["kubemint-token-ci"]}` + lost,
		},
		"may not mint": {
			403, "Forbidden", `serviceaccounts "kubemint" is forbidden: ` + runner + ` cannot create resource "serviceaccounts/token" in API group "" in the namespace "shop"`,
			details("serviceaccounts", "kubemint"), problem.Rights,
			`user "system:serviceaccount:ci:runner" may not create serviceaccounts/token in namespace shop; ` +
				give + `{apiGroups: [""], resources: ["serviceaccounts/token"], verbs: [create], resourceNames: ["kubemint"]}` + lost,
		},
		"may not, in the words of GKE": {
			403, "Forbidden", `roles.rbac.authorization.k8s.io "x" is forbidden: User "a@b.c" cannot get resource "roles" in API group "rbac.authorization.k8s.io" in the namespace "shop": requires one of ["container.roles.get"] permission(s).`,
			details("roles", "x"), problem.Rights,
			`user "a@b.c" may not get roles.rbac.authorization.k8s.io in namespace shop; ` +
				give + `{apiGroups: ["rbac.authorization.k8s.io"], resources: ["roles"], verbs: [get]}` + lost,
		},
		"may not give away: of a Role": {
			403, "Forbidden", `roles.rbac.authorization.k8s.io "x" is forbidden: ` + escalate + "\n" +
				`{APIGroups:[""], Resources:["secrets"], ResourceNames:["a"], Verbs:["get"]}` + "\n" +
				`{APIGroups:[""], Resources:["secrets"], ResourceNames:["b"], Verbs:["get"]}` + "\n" +
				`{APIGroups:["apps"], Resources:["deployments"], Verbs:["get" "patch"]}`,
			details("roles", "x"), problem.Rights,
			"the runner's identity does not hold all the rights that it is to give away: get secrets a,b; get,patch deployments.apps; " +
				"give the runner's identity these rules too, or the verb `escalate` (for a role) or `bind` (for a binding)",
		},
		"may not give away: URLs, with what could not be resolved": {
			403, "Forbidden", `clusterroles.rbac.authorization.k8s.io "x" is forbidden: ` + escalate + "\n" +
				`{NonResourceURLs:["/healthz"], Verbs:["get"]}; resolution errors: [clusterroles.rbac.authorization.k8s.io "gone" not found]`,
			details("clusterroles", "x"), problem.Rights,
			"the runner's identity does not hold all the rights that it is to give away: get /healthz; " +
				"give the runner's identity these rules too, or the verb `escalate` (for a role) or `bind` (for a binding)",
		},
		"another 403: the namespace is terminating": {
			403, "Forbidden", `leases.coordination.k8s.io "x" is forbidden: unable to create new content in namespace shop because it is being terminated`,
			details("leases", "x", metav1.StatusCause{Type: "NamespaceTerminating", Message: "namespace shop is being terminated", Field: "metadata.namespace"}),
			problem.Mint,
			`the namespace is being deleted: leases.coordination.k8s.io "x" is forbidden: unable to create new content in namespace shop because it is being terminated; ` +
				"wait until it is gone, then run again",
		},
		"another 403: quota": {
			403, "Forbidden", `secrets "x" is forbidden: exceeded quota: q, requested: secrets=1, used: secrets=5, limited: secrets=5`, details("secrets", "x"), problem.Mint,
			`secrets "x" is forbidden: exceeded quota: q, requested: secrets=1, used: secrets=5, limited: secrets=5` + refused,
		},
		"another 403: of many lines": {
			403, "Forbidden", "admission webhook \"x\" denied the request:\n\n  - a\n  - b\n", nil, problem.Mint, `admission webhook "x" denied the request: - a - b` + refused,
		},
		"a webhook's denial without a code": { // the API server turns it into 400
			400, "", `admission webhook "validate.kyverno.svc-fail" denied the request: blocked due to the following policies: require-labels`,
			nil, problem.Mint,
			`admission webhook "validate.kyverno.svc-fail" denied the request: blocked due to the following policies: require-labels` + refused,
		},
		"a webhook's denial that looks like a login that expired": {
			401, "Unauthorized", `admission webhook "x" denied the request: no`, nil, problem.Mint, `admission webhook "x" denied the request: no` + refused,
		},
		"a webhook's denial that looks like a missing object": {
			404, "NotFound", `admission webhook "x" denied the request: no team`, details("roles", "x"), problem.Mint,
			`admission webhook "x" denied the request: no team` + refused,
		},
		"a webhook's denial in the words of the authorizer": {
			403, "Forbidden", `admission webhook "x" denied the request: ` + runner + ` cannot create resource "roles" in API group ""`,
			details("roles", "x"), problem.Mint,
			`admission webhook "x" denied the request: ` + runner + ` cannot create resource "roles" in API group ""` + refused,
		},
		"refused by the runner's guard": {
			403, "Forbidden", `ValidatingAdmissionPolicy 'kubemint-guard.shop.ci.0a.tokens' with binding 'b' denied request: no`, nil, problem.Mint,
			`ValidatingAdmissionPolicy 'kubemint-guard.shop.ci.0a.tokens' with binding 'b' denied request: no; it is the guard of this runner, ` +
				`which was printed for other inputs: have an administrator print it for these (kubemint bootstrap --guard) and apply it`,
		},
		"a policy's denial by the reason Unauthorized": {
			401, "Unauthorized", `ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no`, nil, problem.Mint,
			`ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no` + refused,
		},
		"an admission policy": {
			422, "Invalid", `configmaps "y" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p' denied request: not here`,
			details("configmaps", "y", metav1.StatusCause{Message: "ValidatingAdmissionPolicy 'p' with binding 'p' denied request: not here"}), problem.Mint,
			`configmaps "y" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p' denied request: not here` + refused,
		},
		"invalid": {
			422, "Invalid", `TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes`,
			details("TokenRequest", ""), problem.Mint,
			`TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes` + refused,
		},
		"no such namespace": {
			404, "NotFound", `namespaces "shop" not found`, details("namespaces", "shop"), problem.Rights,
			"namespace shop does not exist; see whether `namespace` is spelt right, make the namespace first, or set `create_namespace: true`",
		},
		"no such role for a binding": {
			404, "NotFound", `rolebindings.rbac.authorization.k8s.io "nope" not found`, details("rolebindings", "nope"), problem.Rights,
			"no such role: nope; see whether `role` is spelt right; a bare name is a ClusterRole, `role/nope` a Role of the namespace",
		},
		"no such ServiceAccount": {
			404, "NotFound", `serviceaccounts "nope" not found`, details("serviceaccounts", "nope"), problem.Rights, `serviceaccounts "nope" not found` + changed,
		},
		"another field manager's": {
			409, "Conflict", `Apply failed with 1 conflict: conflict with "kubectl-create" using rbac.authorization.k8s.io/v1: .rules`, nil, problem.Mint,
			`Apply failed with 1 conflict: conflict with "kubectl-create" using rbac.authorization.k8s.io/v1: .rules; somebody else changed it at the same time: run again`,
		},
		"there already": {409, "AlreadyExists", `roles.rbac.authorization.k8s.io "x" already exists`, details("roles", "x"), problem.Publish, `roles.rbac.authorization.k8s.io "x" already exists` + changed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
				refuse(w, metav1.Status{Code: tt.code, Reason: tt.reason, Message: tt.message, Details: tt.details})
			})
			client := connect(t, s.config())
			err := applied(t.Context(), client, object("Role", "shop", "x"), false)
			// A phase that none of these has for its own.
			if diff := cmp.Diff(fmt.Sprintf("exit %d: apply Role shop/x: %s", tt.exit, tt.says), explained(t, client.Explain(problem.Publish, "apply Role shop/x", err))); diff != "" {
				t.Error(diff)
			}
			if got := problem.ExitCode(client.Explain(problem.Revoke, "delete Lease", err)); got != int(problem.Revoke) {
				t.Errorf("when revoking: exit code %d", got)
			}
		})
	}
}

// explained is an error with its exit code and hints on one line.
func explained(t *testing.T, err error) string {
	t.Helper()
	var p *problem.Error
	if !errors.As(err, &p) {
		t.Fatalf("got %v, want one of the room problem", err)
	}
	text := strings.Join(append([]string{strings.Join(strings.Fields(p.Error()), " ")}, p.Hints...), "; ")
	return fmt.Sprintf("exit %d: %s", p.Code, text)
}

// What is to be pasted is YAML of a Role's rules, and the shorthand of an escalation is the input's.
func TestRemediesReadBackAsRules(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		message := `x is forbidden: ` + runner + ` cannot patch resource "roles" in API group "rbac.authorization.k8s.io" in the namespace "shop"`
		if r.Method == http.MethodPost {
			message = escalate + "\n" + `{APIGroups:["apps"], Resources:["*"], ResourceNames:["x:y"], Verbs:["*"]}`
		}
		refuse(w, metav1.Status{Code: 403, Reason: "Forbidden", Message: message})
	})
	client := connect(t, s.config())
	var denied, refused *problem.Error
	if !errors.As(client.Explain(problem.Mint, "x", applied(t.Context(), client, object("Role", "shop", "x"), false)), &denied) ||
		!errors.As(client.Explain(problem.Mint, "x", client.Create(t.Context(), object("Role", "shop", "x"))), &refused) {
		t.Fatal("not explained")
	}
	_, paste, _ := strings.Cut(denied.Hints[0], ":  ")
	if got, err := syntax.ParseRules("- " + paste); err != nil || strings.Join(rules.Format(got.Rules), "") != "create,patch  roles.rbac.authorization.k8s.io" {
		t.Errorf("%s: %q, %v", paste, rules.Format(got.Rules), err)
	}
	lines := strings.Join(refused.Details, "\n")
	if got, err := syntax.ParseRules(lines); err != nil || len(got.Rules) != 1 || got.Rules[0].ResourceNames[0] != "x:y" || got.Rules[0].Verbs[0] != "*" {
		t.Errorf("%s: %v, %v", lines, got, err)
	}
}

func TestExplain_AlreadyExplained(t *testing.T) {
	t.Parallel()
	client := connect(t, &rest.Config{Host: "https://10.0.0.1"})
	if err := client.Explain(problem.Mint, "x", nil); err != nil {
		t.Errorf("success became %v", err)
	}
	before := problem.Newf(problem.Rights, "bind ClusterRole edit", "no such role")
	for _, err := range []error{before, fmt.Errorf("around: %w", before), errors.Join(errors.New("x"), before)} {
		if got := client.Explain(problem.Mint, "y", err); !errors.Is(got, err) || !strings.Contains(got.Error(), "bind ClusterRole edit") {
			t.Errorf("%v became %v", err, got)
		}
	}
}

func TestExplainWhatNeverAnswered(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(http.StatusOK) })
	foreign, renamed := s.config(), s.config()
	foreign.CAData = nil
	renamed.ServerName = "prod.example"
	dial := func(err error) *rest.Config {
		return &rest.Config{Host: "https://prod.example", Dial: func(context.Context, string, string) (net.Conn, error) { return nil, err }}
	}
	for name, tt := range map[string]struct {
		config *rest.Config
		want   []string
	}{
		"signed by another CA": {foreign, []string{"the certificate of " + s.URL + " is not signed by the kubeconfig's CA: x509: ", "certificate-authority-data"}},
		"for another name":     {renamed, []string{"the certificate of " + s.URL + " is for another name: x509: ", "prod.example", "tls-server-name"}},
		"no network": {dial(&net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ENETUNREACH)}), []string{
			"network is unreachable", "see whether https://prod.example is reachable from this runner",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := connect(t, tt.config)
			err := api.Get(t.Context(), object("Namespace", "", "shop"))
			if !answer.IsUntouched(err) && name != "no network" {
				t.Errorf("it may have changed something: %v", err)
			}
			got := explained(t, api.Explain(problem.Mint, "read Namespace shop", err))
			for _, part := range append(tt.want, "exit 3: read Namespace shop: ") {
				if !strings.Contains(got, part) {
					t.Errorf("%q does not say %q", got, part)
				}
			}
		})
	}
	if n := len(s.asked()); n != 0 {
		t.Errorf("%d requests went to a server that is not the one", n)
	}
	client := connect(t, dial(nil))
	for name, tt := range map[string]struct {
		err  error
		want string
	}{
		"refused":    {&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, "exit 3: x: nothing listens at https://prod.example: dial: connection refused; see whether the cluster runs and whether the kubeconfig names the right server; in a container, 127.0.0.1 is the container itself"},
		"no address": {&net.DNSError{Err: "no such host", Name: "prod.example"}, "exit 3: x: no address for prod.example: lookup prod.example: no such host; see whether the server's name is spelt right, and whether this runner can resolve it (a private cluster?)"},
	} {
		if diff := cmp.Diff(tt.want, explained(t, client.Explain(problem.Mint, "x", tt.err))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
