package client_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/client/observe"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/owner"
	"github.com/kubemint/kubemint/internal/parallel"
	"github.com/kubemint/kubemint/internal/problem"
)

const rbac = "/apis/rbac.authorization.k8s.io/v1/"

// desire is access of bots/ci in n namespaces, and to a ClusterRole.
func desire(n int) access.Desired {
	declared := config.Access{
		ServiceAccount: types.NamespacedName{Namespace: "bots", Name: "ci"}, Provisioning: config.Provisioning{CreateServiceAccount: true},
		Namespaced: config.Grants{
			Rules: []rbacv1.PolicyRule{{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"pods"}}},
			Roles: []config.Role{{Kind: "ClusterRole", Name: "edit"}},
		},
	}
	for i := range n {
		declared.Namespaces = append(declared.Namespaces, fmt.Sprintf("n%02d", i))
	}
	return access.Desire(declared, owner.Marks{})
}

// holding answers each path by the object there, or the code; lists have a Role left over; all else is not found.
func holding(t *testing.T, paths map[string]any) *server {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		switch answer := paths[r.URL.Path].(type) {
		case int:
			refuse(w, metav1.Status{Code: int32(answer), Reason: map[int]metav1.StatusReason{403: "Forbidden", 401: "Unauthorized"}[answer], Message: "refused"})
		case nil:
			if r.URL.Query().Has("labelSelector") {
				give(w, http.StatusOK, map[string]any{"items": []any{}})
				return
			}
			refuse(w, metav1.Status{Code: 404, Reason: metav1.StatusReasonNotFound, Message: "not found"})
		default:
			give(w, http.StatusOK, answer)
		}
	})
}

func named(namespace, name string) map[string]any {
	return map[string]any{"metadata": map[string]any{"namespace": namespace, "name": name}}
}

func list(items ...any) map[string]any { return map[string]any{"items": items} }

func refs[O kube.Object](objects []O) (names []string) {
	for _, o := range objects {
		names = append(names, kube.RefOf(o).String())
	}
	return names
}

func found(objects map[kube.Ref]kube.Object) (names []string) {
	for ref, o := range objects {
		if ref != kube.RefOf(o) {
			names = append(names, ref.String()+" is "+kube.RefOf(o).String())
		}
		names = append(names, ref.String())
	}
	slices.Sort(names)
	return names
}

func TestObserve(t *testing.T) {
	t.Parallel()
	s := holding(t, map[string]any{
		"/api/v1/namespaces/bots/serviceaccounts/ci": named("bots", "ci"),
		rbac + "roles":             list(named("n00", "kubemint:bots:old"), named("web", "kubemint:bots:ci"), named("n00", "kubemint:bots:ci"), named("n", "kubemint:bots:ci")),
		rbac + "clusterroles":      list(named("", "was")),
		rbac + "clusterroles/edit": named("", "edit"),
	})
	observed, notes, err := observe.ReadState(t.Context(), connect(t, s.config()), desire(1), true, parallel.Each)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"ServiceAccount bots/ci"}, found(observed.Objects)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"ClusterRole edit"}, found(observed.Named)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"ClusterRole was", "Role n00/kubemint:bots:ci", "Role n00/kubemint:bots:old"}, refs(observed.Leftovers)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"Role n/kubemint:bots:ci", "Role web/kubemint:bots:ci"}, refs(observed.Elsewhere)); diff != "" {
		t.Error(diff)
	}
	if len(notes) > 0 {
		t.Error(notes)
	}
	// The ServiceAccount, a Role and two bindings, the role to bind, and a list for each kind.
	if asked := s.asked(); len(asked) != 9 {
		t.Errorf("asked %q", asked)
	}
	for _, request := range s.asked() {
		if strings.Contains(request, "labelSelector") && !strings.HasSuffix(request, "resourceVersion=0") {
			t.Errorf("a leftover is not worth a consistent list: %s", request)
		}
	}
}

// Where the runner's identity may not list over all namespaces, it may in those that it works in; and where it may list
// nothing, that is said in one line.
func TestObserveWithoutTheRightToListEverywhere(t *testing.T) {
	t.Parallel()
	const unseen = "leftovers were not looked for %sin other namespaces: the runner's identity may not list all roles and bindings there"
	there := map[string]any{
		rbac + "clusterroles/edit":           named("", "edit"),
		rbac + "roles":                       http.StatusForbidden,
		rbac + "namespaces/n01/roles":        list(named("n01", "kubemint:bots:old")),
		rbac + "namespaces/n01/rolebindings": list(named("n01", "kubemint:bots:gone")),
		rbac + "rolebindings":                http.StatusForbidden,
	}
	for _, n := range []int{2, 17} { // by name, and by one list in place of reads
		s := holding(t, there)
		observed, notes, err := observe.ReadState(t.Context(), connect(t, s.config()), desire(n), true, parallel.Each)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"Role n01/kubemint:bots:old", "RoleBinding n01/kubemint:bots:gone"}, refs(observed.Leftovers)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{fmt.Sprintf(unseen, "")}, notes); diff != "" {
			t.Error(diff)
		}
		// The ServiceAccount, the role to bind, two lists at the cluster scope, two of all namespaces; three reads and two
		// lists in each namespace.
		if asked := s.asked(); len(asked) != 6+5*n {
			t.Errorf("asked %d: %q", len(asked), asked)
		}
	}

	there[rbac+"clusterroles"], there[rbac+"clusterrolebindings"] = http.StatusForbidden, http.StatusForbidden
	there[rbac+"namespaces/n01/rolebindings"] = http.StatusForbidden
	_, notes, err := observe.ReadState(t.Context(), connect(t, holding(t, there).config()), desire(2), true, parallel.Each)
	if diff := cmp.Diff([]string{fmt.Sprintf(unseen, "at the cluster scope, in declared namespaces, ")}, notes); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

func TestObserve_RoleToBind(t *testing.T) {
	t.Parallel()
	s := holding(t, nil)
	_, _, err := observe.ReadState(t.Context(), connect(t, s.config()), desire(1), true, parallel.Each)
	want := "exit 4: bind ClusterRole edit: no such role; see whether `role` is spelt right; a bare name is a ClusterRole, `role/edit` a Role of the namespace"
	if diff := cmp.Diff(want, explained(t, err)); diff != "" {
		t.Error(diff)
	}

	s = holding(t, map[string]any{rbac + "clusterroles/edit": http.StatusForbidden})
	observed, notes, err := observe.ReadState(t.Context(), connect(t, s.config()), desire(1), true, parallel.Each)
	if diff := cmp.Diff([]string{"ClusterRole edit cannot be read by the runner's identity, so it is unproven that its rights are in effect"}, notes); diff != "" || err != nil || len(observed.Named) > 0 {
		t.Errorf("%v, %v, %s", err, observed.Named, diff)
	}
}

// Without a grant no RBAC object is looked at.
func TestObserveWithoutGrants(t *testing.T) {
	t.Parallel()
	s := holding(t, nil)
	desired := access.Desire(config.Access{ServiceAccount: types.NamespacedName{Namespace: "bots", Name: "ci"}, Namespaces: make([]string, 99)}, owner.Marks{})
	if _, _, err := observe.ReadState(t.Context(), connect(t, s.config()), desired, true, parallel.Each); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"GET /api/v1/namespaces/bots/serviceaccounts/ci"}, s.asked()); diff != "" {
		t.Error(diff)
	}
}

// One list over all namespaces stands for thousands of reads, where the runner may.
func TestObserveManyNamespaces(t *testing.T) {
	t.Parallel()
	there := map[string]any{
		rbac + "clusterroles/edit": named("", "edit"),
		rbac + "roles":             list(named("n03", "kubemint:bots:ci"), named("n05", "kubemint:bots:old"), named("elsewhere", "kubemint:bots:ci")),
	}
	s := holding(t, there)
	observed, notes, err := observe.ReadState(t.Context(), connect(t, s.config()), desire(17), true, parallel.Each)
	if err != nil || len(notes) > 0 {
		t.Fatal(err, notes)
	}
	want := []string{"Role n03/kubemint:bots:ci", "Role n05/kubemint:bots:old"}
	if diff := cmp.Diff(want, found(observed.Objects)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want, refs(observed.Leftovers)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"Role elsewhere/kubemint:bots:ci"}, refs(observed.Elsewhere)); diff != "" {
		t.Error(diff)
	}
	// Two lists as of now, the ServiceAccount, the role to bind, two lists at the cluster scope.
	if asked := s.asked(); len(asked) != 6 || !slices.ContainsFunc(asked, func(r string) bool {
		return strings.HasPrefix(r, "GET "+rbac+"roles?") && !strings.Contains(r, "resourceVersion")
	}) {
		t.Errorf("asked %q", asked)
	}

	there[rbac+"rolebindings"] = http.StatusForbidden
	there[rbac+"namespaces/n03/roles/kubemint:bots:ci"] = named("n03", "kubemint:bots:ci")
	s = holding(t, there)
	observed, _, err = observe.ReadState(t.Context(), connect(t, s.config()), desire(17), true, parallel.Each)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Role n03/kubemint:bots:ci"}, found(observed.Objects)); diff != "" {
		t.Error(diff)
	}
}

func TestObserveReportsEveryFailure(t *testing.T) {
	t.Parallel()
	s := holding(t, map[string]any{
		"/api/v1/namespaces/bots/serviceaccounts/ci": http.StatusUnauthorized,
		rbac + "clusterroles/edit":                   http.StatusUnauthorized,
		rbac + "clusterroles":                        http.StatusUnauthorized,
	})
	_, _, err := observe.ReadState(t.Context(), connect(t, s.config()), desire(1), true, parallel.Each)
	var ops []string
	for _, failure := range problem.ListErrors(err) {
		op, _, _ := strings.Cut(failure.Error(), ":")
		ops = append(ops, op)
	}
	if diff := cmp.Diff([]string{"read ServiceAccount bots/ci", "read ClusterRole edit", "list ClusterRoles"}, ops); diff != "" || problem.ExitCode(err) != int(problem.Source) {
		t.Errorf("exit code %d\n%s", problem.ExitCode(err), diff)
	}
}

func TestNewObject_AllKinds(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"Namespace", "ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "Lease", "Secret"} {
		ref := kube.Ref{Kind: kind, Namespace: "n", Name: "x"}
		if got := kube.RefOf(client.NewObject(ref)); got != ref {
			t.Errorf("got %s", got)
		}
	}
	if got := client.NewObject(kube.Ref{Kind: "Pod"}); got != nil {
		t.Errorf("kubemint handles no Pods, got %v", got)
	}
}
