package changes

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/owner"
	"github.com/kubemint/kubemint/internal/problem"
)

// server is an API server that fails the requests it is told to, and notes each.
type server struct {
	mu    sync.Mutex
	asked []string
	fail  map[string][]error     // by request, one after the other
	have  map[string]kube.Object // what Get finds
}

func (s *server) ask(verb string, o kube.Object) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	request := verb + " " + kube.RefOf(o).String()
	s.asked = append(s.asked, request)
	if errs := s.fail[request]; len(errs) > 0 {
		s.fail[request] = errs[1:]
		return errs[0]
	}
	return nil
}

func (s *server) Get(_ context.Context, o kube.Object) error {
	if err := s.ask("get", o); err != nil {
		return err
	}
	have := s.have[kube.RefOf(o).String()]
	if have == nil {
		return apierrors.NewNotFound(schema.GroupResource{}, o.GetName())
	}
	if role, ok := o.(*rbacv1.Role); ok {
		have.(*rbacv1.Role).DeepCopyInto(role)
	}
	return nil
}

func (s *server) ApplyObject(_ context.Context, o kube.Object, _ bool) (client.Applied, error) {
	return client.Applied{UID: types.UID("uid-" + o.GetName()), ResourceVersion: "7"}, s.ask("apply", o)
}

func (s *server) Remove(_ context.Context, o kube.Object) error { return s.ask("remove", o) }

func (s *server) Explain(code problem.Code, op string, err error) error {
	return problem.New(code, op, err)
}

var declared = config.Access{
	Namespaces: []string{"shop"}, ServiceAccount: types.NamespacedName{Namespace: "shop", Name: "ci"},
	Namespaced: config.Grants{Rules: []rbacv1.PolicyRule{{
		Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"pods"},
	}}},
	Provisioning: config.Provisioning{CreateServiceAccount: true},
}

func newMaker(s *server, log *bytes.Buffer) Maker {
	return Maker{
		Server: s, Dry: s, Desired: access.Desire(declared, owner.Marks{}),
		Log: console.New(log), Ledger: NewLedger(),
	}
}

func planOf(t *testing.T, m Maker) access.Plan {
	t.Helper()
	plan, err := access.Diff(m.Desired, access.Observed{})
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

const role = "Role shop/kubemint:shop:ci"

func conflict() error {
	return apierrors.NewConflict(schema.GroupResource{}, "x", errors.New("changed"))
}

func TestOrder_BindingsWaitForTheirRole(t *testing.T) {
	t.Parallel()
	m := newMaker(&server{}, &bytes.Buffer{})
	first, after := Order(planOf(t, m).Changes)
	var got []string
	for _, c := range first {
		got = append(got, c.Ref.Kind)
	}
	if diff := cmp.Diff([]string{"ServiceAccount", "Role"}, got); diff != "" {
		t.Error(diff)
	}
	if len(after) != 1 || after[0].Ref.Kind != "RoleBinding" {
		t.Errorf("after: %v", after)
	}
}

func TestMaker_LeavesThePlanAndNotesTheUIDs(t *testing.T) {
	t.Parallel()
	m := newMaker(&server{}, &bytes.Buffer{})
	plan := planOf(t, m)
	if err := m.All(t.Context(), plan.Changes); err != nil {
		t.Fatal(err)
	}
	for _, c := range plan.Changes {
		if c.Apply.GetUID() != "" || c.Apply.GetResourceVersion() != "" {
			t.Errorf("%s of the plan was changed", c.Ref)
		}
		if uid := m.Ledger.UID(c.Ref); uid != types.UID("uid-"+c.Ref.Name) {
			t.Errorf("%s has the UID %q", c.Ref, uid)
		}
	}
	for _, c := range m.Ledger.Result(plan, false).Changes {
		if c.Apply.GetResourceVersion() != "7" {
			t.Errorf("%s: what was done does not say which version it has", c.Ref)
		}
	}
}

func TestMaker_StepsAreTakenBeside(t *testing.T) {
	t.Parallel()
	m := newMaker(&server{}, &bytes.Buffer{})
	failed := errors.New("failed")
	err := m.All(t.Context(), planOf(t, m).Changes, func(context.Context) error { return failed })
	if !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
	if m.Ledger.UID(kube.Ref{Kind: "Role", Namespace: "shop", Name: "kubemint:shop:ci"}) == "" {
		t.Error("a step that fails holds the changes back")
	}
}

func TestMaker_ConflictIsPlannedAgain(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	api := &server{fail: map[string][]error{"apply " + role: {conflict()}}}
	m := newMaker(api, &log)
	same := access.Desire(declared, owner.Marks{}).Objects[1].(*rbacv1.Role)
	api.have = map[string]kube.Object{role: same}
	plan := planOf(t, m)
	if err := m.All(t.Context(), plan.Changes); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), role+" was changed by somebody else meanwhile, and is planned again") {
		t.Errorf("log: %s", log.String())
	}
	if got := m.Ledger.Result(plan, false).Changes[1].Verb; got != access.Unchanged {
		t.Errorf("the role is %s, although another run made the same", got)
	}
}

func TestMaker_ConflictWithoutTheLockChangesNothing(t *testing.T) {
	t.Parallel()
	lost := errors.New("lost")
	api := &server{fail: map[string][]error{"apply " + role: {conflict()}}}
	m := newMaker(api, &bytes.Buffer{})
	m.Guard = func() error { return lost }
	if err := m.All(t.Context(), planOf(t, m).Changes); !errors.Is(err, lost) {
		t.Errorf("got %v", err)
	}
	for _, request := range api.asked {
		if strings.HasPrefix(request, "get ") {
			t.Error("it went on to plan again")
		}
	}
}

func TestMaker_GivesUpAfterThreeConflicts(t *testing.T) {
	t.Parallel()
	api := &server{fail: map[string][]error{"apply " + role: {conflict(), conflict(), conflict(), conflict()}}}
	m := newMaker(api, &bytes.Buffer{})
	err := m.All(t.Context(), planOf(t, m).Changes)
	if err == nil || !strings.HasPrefix(err.Error(), "apply "+role) || len(api.fail["apply "+role]) != 1 {
		t.Errorf("got %v, %d left", err, len(api.fail["apply "+role]))
	}
}

// A runner that may not bind the new role must not lose the old binding.
func TestMaker_AsksBeforeItDeletesABinding(t *testing.T) {
	t.Parallel()
	forbidden := apierrors.NewForbidden(schema.GroupResource{}, "x", errors.New("no"))
	bound := &rbacv1.RoleBinding{TypeMeta: kube.TypeMeta("RoleBinding")}
	bound.Namespace = "shop"
	bound.Name = "b"
	asking := &server{fail: map[string][]error{"apply RoleBinding shop/b": {forbidden}}}
	api := &server{}
	m := newMaker(api, &bytes.Buffer{})
	m.Dry = asking
	change := access.Change{Verb: access.Configured, Ref: kube.RefOf(bound), Apply: bound, Delete: bound}
	if err := m.All(t.Context(), []access.Change{change}); err == nil || len(api.asked) > 0 {
		t.Errorf("got %v after %q", err, api.asked)
	}
}

func TestMaker_LeftoverThatIsAnotherObjectStays(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	left := &corev1.ServiceAccount{TypeMeta: kube.TypeMeta("ServiceAccount")}
	left.Namespace = "shop"
	left.Name = "old"
	m := newMaker(&server{fail: map[string][]error{"remove ServiceAccount shop/old": {conflict()}}}, &log)
	change := access.Change{Verb: access.Deleted, Ref: kube.RefOf(left), Delete: left}
	if err := m.All(t.Context(), []access.Change{change}); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "is left to the next run") {
		t.Errorf("log: %s", log.String())
	}
}

func TestMaker_DryRunForesees(t *testing.T) {
	t.Parallel()
	missing := apierrors.NewNotFound(schema.GroupResource{}, "kubemint:shop:ci")
	binding := "apply RoleBinding shop/kubemint:shop:ci"
	for name, planned := range map[string]bool{"role that it makes": true, "role that is not planned": false} {
		api := &server{fail: map[string][]error{binding: {missing}}}
		m := newMaker(api, &bytes.Buffer{})
		m.Planned = map[kube.Ref]bool{{Kind: "Role", Namespace: "shop", Name: "kubemint:shop:ci"}: planned}
		if err := m.All(t.Context(), planOf(t, m).Changes); (err == nil) != planned {
			t.Errorf("%s: %v", name, err)
		}
	}
}
