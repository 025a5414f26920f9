package entry

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/lease/lock"
	"github.com/kubemint/kubemint/internal/mint/changes"
	"github.com/kubemint/kubemint/internal/mint/credential"
	"github.com/kubemint/kubemint/internal/mint/undo"
	"github.com/kubemint/kubemint/internal/output"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/owner"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/revoke"
)

var leases = schema.GroupResource{Resource: "leases"}

// server has one lock, and a list of the leases of other runs. It compares versions as the API server does.
type server struct {
	mu      sync.Mutex
	asked   []string
	lock    *coordinationv1.Lease
	others  []kube.Object
	onList  func() // is called before the leases are listed
	refused error  // of the lock
}

func (s *server) ask(request string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, request)
}

func (s *server) did(request string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.asked, request)
}

func (s *server) Create(_ context.Context, o kube.Object) error {
	s.ask("create " + kube.RefOf(o).Kind)
	o.SetUID("u")
	return nil
}

func (s *server) Delete(_ context.Context, o kube.Object) error {
	s.ask("delete " + kube.RefOf(o).Kind)
	return nil
}

func (s *server) Remove(_ context.Context, o kube.Object) error {
	s.ask("remove " + kube.RefOf(o).Kind)
	return nil
}

func (s *server) ApplyObject(_ context.Context, o kube.Object, _ bool) (client.Applied, error) {
	s.ask("apply " + kube.RefOf(o).Kind)
	return client.Applied{UID: "u", ResourceVersion: "1"}, nil
}

func (s *server) Get(_ context.Context, o kube.Object) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	its, ok := o.(*coordinationv1.Lease)
	if !ok || s.lock == nil {
		return apierrors.NewNotFound(leases, o.GetName())
	}
	s.lock.DeepCopyInto(its)
	return nil
}

func (s *server) Replace(_ context.Context, its *coordinationv1.Lease) error {
	s.ask("write the lock for " + strconv.FormatBool(its.Spec.HolderIdentity != nil))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused != nil {
		return s.refused
	}
	version := 0
	if s.lock != nil {
		version, _ = strconv.Atoi(s.lock.ResourceVersion)
	}
	if s.lock != nil && its.ResourceVersion != s.lock.ResourceVersion {
		return apierrors.NewConflict(leases, its.Name, errors.New("changed"))
	}
	s.lock = its.DeepCopy()
	s.lock.ResourceVersion = strconv.Itoa(version + 1)
	written := metav1.NewTime(time.Now())
	s.lock.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubemint", Time: &written}}
	s.lock.DeepCopyInto(its)
	return nil
}

func (s *server) DeleteSame(ctx context.Context, _ *coordinationv1.Lease) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.ask("delete the lock")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lock = nil
	return nil
}

func (s *server) ListSince(
	context.Context, string, string, map[string]string, string,
) ([]kube.Object, error) {
	s.ask("list leases")
	if s.onList != nil {
		s.onList()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.others, nil
}

func (s *server) RequestToken(context.Context, types.NamespacedName, *authenticationv1.TokenRequest) error {
	return errors.ErrUnsupported
}

func (s *server) TokenSecrets(context.Context, string) ([]corev1.Secret, error) { return nil, nil }

func (s *server) GetMetadata(context.Context, *corev1.Secret) error {
	s.ask("look for a permanent token")
	return nil
}

func (s *server) Explain(code problem.Code, op string, err error) error {
	if err == nil {
		return nil
	}
	return problem.New(code, op, err)
}

// clock is the API server's.
type clock struct{}

func (clock) Now() time.Time        { return time.Now() }
func (clock) ServerTime() time.Time { return time.Now() }

// fixture is an entrance, and what it works with.
type fixture struct {
	Entrance
	api      *server
	log      *bytes.Buffer
	observed access.Observed // what a second look finds
	state    State
}

func newFixture(t *testing.T, observed access.Observed) *fixture {
	t.Helper()
	f := &fixture{api: &server{}, log: &bytes.Buffer{}, observed: observed}
	declared := config.Access{
		Namespaces: []string{"shop"}, ServiceAccount: types.NamespacedName{Namespace: "shop", Name: "ci"},
		Provisioning: config.Provisioning{CreateServiceAccount: true},
		Namespaced: config.Grants{Rules: []rbacv1.PolicyRule{{
			Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"pods"},
		}}},
	}
	desired := access.Desire(declared, owner.Marks{})
	log := console.New(f.log)
	record := &receipt.Receipt{
		Server: "https://x", Made: receipt.Made{Output: "o"},
		Account: receipt.Object{Kind: "ServiceAccount", Namespace: "shop", Name: "ci"},
	}
	journal := output.NewJournal(filepath.Join(t.TempDir(), "r"), record, nil)
	stack := undo.New(journal, revoke.Revoker{Server: f.api, Fresh: true, Show: func(access.Plan) {}})
	f.Entrance = Entrance{
		Maker: changes.Maker{Server: f.api, Dry: f.api, Desired: desired, Log: log, Ledger: changes.NewLedger()},
		Issuer: credential.Issuer{
			Server: f.api, Desired: desired, Clock: clock{}, Log: log, Undo: stack,
			Token: config.Token{Lifetime: config.Lifetime{Duration: time.Hour}, Revoke: true},
		},
		Desired: desired, Log: log,
		Read: func(context.Context) (access.Observed, error) { return f.observed, nil },
	}
	var tether credential.Tether
	journal.Note(func(record *receipt.Receipt) { tether = f.Issuer.Plan(record) })
	tether, err := f.Issuer.Create(t.Context(), tether)
	if err != nil {
		t.Fatal(err)
	}
	f.state = f.stateOf(t, tether, observed)
	return f
}

func (f *fixture) stateOf(t *testing.T, tether credential.Tether, observed access.Observed) State {
	t.Helper()
	plan, err := access.Diff(f.Desired, observed)
	if err != nil {
		t.Fatal(err)
	}
	gate := Waiting{Timeout: time.Minute, Now: time.Now, Log: f.Log}.ToMint(f.api, f.Desired)
	f.Mine(gate, tether)
	if gate, err = Look(t.Context(), gate); err != nil {
		t.Fatal(err)
	}
	return State{Observed: observed, Plan: plan, Tether: tether, Gate: gate}
}

// inPlace returns the objects of a cluster that has everything as declared.
func inPlace(t *testing.T) access.Observed {
	t.Helper()
	objects := map[kube.Ref]kube.Object{}
	for _, o := range newFixture(t, access.Observed{}).Desired.Objects {
		objects[kube.RefOf(o)] = o
	}
	return access.Observed{Objects: objects}
}

// other is a live lease of a run that declares other access.
func (f *fixture) other() kube.Object {
	o := &coordinationv1.Lease{TypeMeta: kube.TypeMeta("Lease")}
	o.Namespace = "shop"
	o.Name = "kubemint-ci-otherotherx"
	o.Labels = kube.LabelsFor(f.Desired.Access.ServiceAccount)
	o.CreationTimestamp = metav1.NewTime(time.Now().Add(-time.Hour))
	o.Annotations = map[string]string{
		kube.AnnotationAccess:    "another hash",
		kube.AnnotationExpiresAt: time.Now().Add(time.Hour).Format(time.RFC3339),
	}
	return o
}

func TestEnter_EphemeralIdentityWaitsForNobody(t *testing.T) {
	t.Parallel()
	f := newFixture(t, access.Observed{})
	f.state.Gate = nil
	f.api.asked = nil
	if _, _, err := f.Enter(t.Context(), f.state); err != nil || len(f.api.asked) > 0 {
		t.Errorf("asked %q: %v", f.api.asked, err)
	}
}

// A steady run makes its Secret and reads the lock; it writes nothing else.
func TestEnter_SteadyRunTakesNoLock(t *testing.T) {
	t.Parallel()
	f := newFixture(t, inPlace(t))
	under, s, err := f.Enter(t.Context(), f.state)
	if err != nil || under != t.Context() || !s.Tether.IsBound() || s.Gate.IsHeld() {
		t.Errorf("bound %t, held %t: %v", s.Tether.IsBound(), s.Gate.IsHeld(), err)
	}
	if want := []string{"create Lease", "create Secret"}; !slices.Equal(f.api.asked, want) {
		t.Errorf("asked %q, want %q", f.api.asked, want)
	}
}

func TestEnter_ChangeTakesTheLock(t *testing.T) {
	t.Parallel()
	f := newFixture(t, access.Observed{})
	under, s, err := f.Enter(t.Context(), f.state)
	if err != nil || under == t.Context() || !s.Gate.IsHeld() || !s.Tether.IsBound() {
		t.Fatalf("held %t: %v", s.Gate.IsHeld(), err)
	}
	t.Cleanup(func() { _ = s.Gate.Release(context.Background(), "") })
	account := kube.Ref{Kind: "ServiceAccount", Namespace: "shop", Name: "ci"}
	if !s.Early[account] || !f.api.did("apply ServiceAccount") || f.api.did("apply RoleBinding") {
		t.Errorf("early %v, asked %q", s.Early, f.api.asked)
	}
	if len(f.state.Early) > 0 || f.state.Tether.IsBound() {
		t.Error("the state that was given was changed")
	}
}

// Where a lock was there before, another run may have changed the access since.
func TestEnter_LockThatWasThereHasItObserveAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t, access.Observed{})
	f.api.lock = lockOf(f, "old")
	f.state = f.stateOf(t, f.state.Tether, access.Observed{})
	f.observed = inPlace(t)
	_, s, err := f.Enter(t.Context(), f.state)
	if err != nil || !s.Gate.IsHeld() {
		t.Fatalf("held %t: %v", s.Gate.IsHeld(), err)
	}
	t.Cleanup(func() { _ = s.Gate.Release(context.Background(), "") })
	if slices.ContainsFunc(s.Plan.Changes, changes.TouchesAccess) {
		t.Errorf("it would change what is in place by now: %v", s.Plan.Changes)
	}
	if !strings.Contains(f.log.String(), "another run has changed the access meanwhile") {
		t.Errorf("log: %s", f.log)
	}
}

func lockOf(f *fixture, inEffect string) *coordinationv1.Lease {
	ref := lock.RefOf(f.Desired.Access.ServiceAccount)
	o := &coordinationv1.Lease{TypeMeta: kube.TypeMeta("Lease")}
	o.Namespace = ref.Namespace
	o.Name = ref.Name
	o.ResourceVersion = "1"
	o.Labels = kube.LabelsFor(f.Desired.Access.ServiceAccount)
	o.Annotations = map[string]string{kube.AnnotationAccess: inEffect}
	return o
}

// While a run waits its lease is not in the way of others, and it leaves no lock that it has just made.
func TestEnter_WaitsForALiveCredential(t *testing.T) {
	t.Parallel()
	f := newFixture(t, access.Observed{})
	f.api.others = []kube.Object{f.other()}
	lists := 0
	f.api.onList = func() {
		if lists++; lists == 3 { // the other job has ended
			f.api.mu.Lock()
			f.api.others = nil
			f.api.mu.Unlock()
		}
	}
	_, s, err := f.Enter(t.Context(), f.state)
	if err != nil || !s.Gate.IsHeld() {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Gate.Release(context.Background(), "") })
	if !f.api.did("delete the lock") || !f.api.did("delete Lease") {
		t.Errorf("asked %q", f.api.asked)
	}
	if s.Tether.Lease.Name == f.state.Tether.Lease.Name {
		t.Error("it goes on with the withdrawn lease's name")
	}
	if recorded := f.Issuer.Undo.Journal.Record().Leases; len(recorded) != 1 || recorded[0].Name != s.Tether.Lease.Name {
		t.Errorf("recorded %v", recorded)
	}
}

func TestEnter_RefusesWhenTheTimeIsOver(t *testing.T) {
	t.Parallel()
	f := newFixture(t, access.Observed{})
	f.api.others = []kube.Object{f.other()}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, _, err := f.Enter(ctx, f.state)
	if err == nil || !strings.Contains(err.Error(), "other access is in use") || problem.ExitCode(err) != int(problem.Rights) {
		t.Errorf("got %v", err)
	}
	f.api.asked = nil
	if alive, err := f.Issuer.Undo.Run(t.Context()); alive || err != nil || len(f.api.asked) > 0 {
		t.Errorf("the withdrawn lease is undone again: %q, %v", f.api.asked, err)
	}
}

func TestEnter_PolicyAgainstLeases(t *testing.T) {
	t.Parallel()
	denied := apierrors.NewForbidden(leases, "x", errors.New("exceeded quota"))
	for hasLease, want := range map[bool]bool{true: false, false: true} {
		f := newFixture(t, access.Observed{})
		f.Issuer.Token.Revoke = hasLease
		f.api.refused = denied
		_, s, err := f.Enter(t.Context(), f.state)
		if went := err == nil && s.Gate == nil; went != want {
			t.Errorf("with a lease %t: went on %t: %v", hasLease, went, err)
		}
	}
}

func TestRelease_SaysWhatIsInEffect(t *testing.T) {
	t.Parallel()
	f := newFixture(t, access.Observed{})
	_, s, err := f.Enter(t.Context(), f.state)
	if err == nil {
		err = Release(t.Context(), s.Gate, f.api.Explain)
	}
	if err != nil || f.api.lock.Annotations[kube.AnnotationAccess] != f.Desired.Hash() || s.Gate.IsHeld() {
		t.Errorf("%v: %v", f.api.lock.Annotations, err)
	}
	if err := Release(t.Context(), nil, f.api.Explain); err != nil {
		t.Error(err)
	}
}

// After a failure the lock is given back. Which access is in effect is not known once changes had begun.
func TestPushLock_GivesBack(t *testing.T) {
	t.Parallel()
	for dirty, want := range map[bool]string{true: "", false: "old"} {
		f := newFixture(t, access.Observed{})
		f.api.lock = lockOf(f, "old")
		f.state = f.stateOf(t, f.state.Tether, access.Observed{})
		PushLock(f.Issuer.Undo, f.state.Gate, func() bool { return dirty }, f.Log)
		_, s, err := f.Enter(t.Context(), f.state)
		if err != nil || !s.Gate.IsHeld() {
			t.Fatal(err)
		}
		if _, err := f.Issuer.Undo.Run(t.Context()); err != nil {
			t.Error(err)
		}
		if got := f.api.lock.Annotations[kube.AnnotationAccess]; s.Gate.IsHeld() || got != want {
			t.Errorf("dirty %t: in effect %q, held %t", dirty, got, s.Gate.IsHeld())
		}
	}
}
