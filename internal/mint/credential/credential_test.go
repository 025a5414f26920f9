package credential

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/mint/undo"
	"github.com/kubemint/kubemint/internal/output"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/owner"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/revoke"
	"github.com/kubemint/kubemint/internal/secret"
)

// server is an API server whose answers a test chooses: the next of them for each kind of request, then success.
type server struct {
	asked  []string
	fail   map[string][]error // by "create Lease" and the like
	holder *corev1.Secret     // what Get finds
	theirs []corev1.Secret
	before func(request string) // is called before a request is answered
}

func (s *server) ask(request string) error {
	s.asked = append(s.asked, request)
	if s.before != nil {
		s.before(request)
	}
	if errs := s.fail[request]; len(errs) > 0 {
		s.fail[request] = errs[1:]
		return errs[0]
	}
	return nil
}

func (s *server) Create(_ context.Context, o kube.Object) error {
	o.SetUID(types.UID("uid-" + strings.ToLower(kube.RefOf(o).Kind)))
	return s.ask("create " + kube.RefOf(o).Kind)
}

func (s *server) Delete(_ context.Context, o kube.Object) error {
	return s.ask("delete " + kube.RefOf(o).Kind)
}

func (s *server) Remove(_ context.Context, o kube.Object) error {
	return s.ask("remove " + kube.RefOf(o).Kind)
}

func (s *server) Get(_ context.Context, o kube.Object) error {
	if err := s.ask("get " + kube.RefOf(o).Kind); err != nil {
		return err
	}
	if s.holder == nil {
		return apierrors.NewNotFound(schema.GroupResource{}, o.GetName())
	}
	s.holder.DeepCopyInto(o.(*corev1.Secret))
	return nil
}

func (s *server) ApplyObject(_ context.Context, o kube.Object, _ bool) (client.Applied, error) {
	return client.Applied{UID: "p1"}, s.ask("apply " + kube.RefOf(o).Kind)
}

func (s *server) TokenSecrets(context.Context, string) ([]corev1.Secret, error) {
	return s.theirs, s.ask("list Secrets")
}

func (s *server) GetMetadata(context.Context, *corev1.Secret) error { return s.ask("look") }

func (s *server) RequestToken(_ context.Context, _ types.NamespacedName, r *authenticationv1.TokenRequest) error {
	if err := s.ask("token"); err != nil {
		return err
	}
	r.Status.Token = "not a token of the account"
	return nil
}

func (s *server) Explain(code problem.Code, op string, err error) error {
	if err == nil {
		return nil
	}
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return p
	}
	return problem.New(code, op, err)
}

// clock is the API server's.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time        { return c.now }
func (c *clock) ServerTime() time.Time { return c.now }

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// fixture is an issuer, and what it works with.
type fixture struct {
	Issuer
	api   *server
	clock *clock
	log   *bytes.Buffer
	mask  []string
}

func newFixture(t *testing.T, change func(*config.Token)) *fixture {
	t.Helper()
	f := &fixture{api: &server{fail: map[string][]error{}}, clock: &clock{noon}, log: &bytes.Buffer{}}
	token := config.Token{Lifetime: config.Lifetime{Duration: time.Hour}, Revoke: true}
	change(&token)
	declared := config.Access{
		Namespaces: []string{"shop"}, ServiceAccount: types.NamespacedName{Namespace: "shop", Name: "ci"},
	}
	record := &receipt.Receipt{
		Server: "https://x", Made: receipt.Made{Output: "o"},
		Account: receipt.Object{Kind: "ServiceAccount", Namespace: "shop", Name: "ci"},
	}
	journal := output.NewJournal(filepath.Join(t.TempDir(), "r"), record, nil)
	f.Issuer = Issuer{
		Server: f.api, Desired: access.Desire(declared, owner.Marks{}), Token: token, Clock: f.clock,
		Log: console.New(f.log), Remedy: Remedy{Unserved: "do without", Refused: "or do without"},
		Mask: func(value secret.Value) error {
			f.mask = append(f.mask, value.Reveal())
			return nil
		},
		Undo: undo.New(journal, revoke.Revoker{Server: f.api, Fresh: true, Show: func(access.Plan) {}}),
	}
	return f
}

func (f *fixture) plan() (t Tether) {
	f.Undo.Journal.Note(func(record *receipt.Receipt) { t = f.Plan(record) })
	return t
}

func (f *fixture) undoAll(t *testing.T) (asked []string) {
	t.Helper()
	f.api.asked = nil
	if alive, err := f.Undo.Run(t.Context()); alive || err != nil {
		t.Errorf("alive %t: %v", alive, err)
	}
	return f.api.asked
}

func usual(*config.Token)          {}
func permanent(c *config.Token)    { c.Lifetime = config.Lifetime{Permanent: true} }
func withoutLease(c *config.Token) { c.Revoke = false }

func forbidden() error { return apierrors.NewForbidden(schema.GroupResource{}, "x", errors.New("no")) }

var errLost = errors.New("connection reset")

func taken() error { return apierrors.NewAlreadyExists(schema.GroupResource{}, "x") }

func TestPlan_RecordsTheLeaseBeforeItIsRequested(t *testing.T) {
	t.Parallel()
	f := newFixture(t, usual)
	tether := f.plan()
	leases := f.Undo.Journal.Record().Leases
	if len(leases) != 1 || leases[0].Name != tether.Lease.Name || len(f.api.asked) > 0 {
		t.Errorf("recorded %v, asked %q", leases, f.api.asked)
	}
	for name, change := range map[string]func(*config.Token){"permanent": permanent, "revoke: false": withoutLease} {
		if tether := newFixture(t, change).plan(); tether.Lease != nil || !tether.IsBound() {
			t.Errorf("%s: it has a lease", name)
		}
	}
}

func TestCreate_RecordsTheUID(t *testing.T) {
	t.Parallel()
	f := newFixture(t, usual)
	before := f.plan()
	after, err := f.Create(t.Context(), before)
	if err != nil || f.Undo.Journal.Record().Leases[0].UID != "uid-lease" {
		t.Fatal(err)
	}
	if before.Lease.UID != "" {
		t.Error("the tether that was given was changed")
	}
	f.api.asked = nil
	if _, err := f.Create(t.Context(), after); err != nil || len(f.api.asked) > 0 {
		t.Errorf("it is made twice: %q, %v", f.api.asked, err)
	}
}

// The lease stands on the undo stack before the request is sent, and leaves it where it was surely not made.
func TestCreate_IsUndone(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err  error
		want []string
	}{
		"made":           {nil, []string{"delete Lease"}},
		"no answer":      {errLost, []string{"delete Lease"}},
		"surely refused": {forbidden(), nil},
	} {
		f := newFixture(t, usual)
		f.api.fail["create Lease"] = []error{tt.err}
		if _, err := f.Create(t.Context(), f.plan()); (err == nil) != (tt.err == nil) {
			t.Errorf("%s: %v", name, err)
		}
		if got := f.undoAll(t); !slices.Equal(got, tt.want) {
			t.Errorf("%s: undone by %q, want %q", name, got, tt.want)
		}
	}
}

func TestCreateEarly_NamespaceThatIsStillToBeCreated(t *testing.T) {
	t.Parallel()
	missing := apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "shop")
	for _, creates := range []bool{true, false} {
		f := newFixture(t, usual)
		f.Desired.Access.CreateNamespace = creates
		f.api.fail["create Lease"] = []error{missing}
		tether, err := f.CreateEarly(t.Context(), f.plan())
		if (err == nil) != creates {
			t.Errorf("create_namespace %t: %v", creates, err)
		}
		if !creates {
			continue
		}
		if tether, err = f.Create(t.Context(), tether); err != nil || !tether.made {
			t.Errorf("the lease is not made later: %v", err)
		}
	}
}

// Before the first answer the API server has not said its time, from which a lease's expiry is counted.
func TestCreate_RecreatesALeaseOfTheWrongTime(t *testing.T) {
	t.Parallel()
	f := newFixture(t, usual)
	tether := f.plan()
	f.clock.now = noon.Add(time.Hour)
	made, err := f.Create(t.Context(), tether)
	if err != nil || made.Lease.Name != tether.Lease.Name || !made.Lease.Spec.AcquireTime.Time.Equal(f.clock.now) {
		t.Errorf("%s since %s: %v", made.Lease.Name, made.Lease.Spec.AcquireTime, err)
	}
}

func TestBind_TakesAnotherNameWhereTheSecretIsThere(t *testing.T) {
	t.Parallel()
	f := newFixture(t, usual)
	f.api.fail["create Secret"] = []error{taken()}
	old, err := f.Create(t.Context(), f.plan())
	if err != nil {
		t.Fatal(err)
	}
	var during []receipt.Object
	f.api.before = func(request string) {
		if request == "delete Lease" {
			during = f.Undo.Journal.Record().Leases
		}
	}
	bound, err := f.Bind(t.Context(), old)
	if err != nil || !bound.IsBound() || bound.Lease.Name == old.Lease.Name {
		t.Fatalf("%+v: %v", bound, err)
	}
	if len(during) != 2 {
		t.Errorf("the receipt names %v while there are two leases", during)
	}
	leases := f.Undo.Journal.Record().Leases
	if len(leases) != 1 || leases[0].Name != bound.Lease.Name || leases[0].SecretUID != "uid-secret" {
		t.Errorf("recorded %v", leases)
	}
	if !strings.Contains(f.log.String(), "somebody else made Secret shop/"+old.Lease.Name) {
		t.Errorf("log: %s", f.log)
	}
	if got := f.undoAll(t); !slices.Equal(got, []string{"delete Lease", "delete Secret"}) {
		t.Errorf("undone by %q", got)
	}
}

func TestBind_GivesUpAgainstAFastNeighbour(t *testing.T) {
	t.Parallel()
	f := newFixture(t, usual)
	for range bindTries {
		f.api.fail["create Secret"] = append(f.api.fail["create Secret"], taken())
	}
	tether, err := f.Create(t.Context(), f.plan())
	if err == nil {
		_, err = f.Bind(t.Context(), tether)
	}
	if err == nil || !strings.Contains(err.Error(), "as were those of 19 names before") {
		t.Error(err)
	}
}

func TestWithdraw_LeavesNothingToUndo(t *testing.T) {
	t.Parallel()
	f := newFixture(t, usual)
	tether, err := f.Create(t.Context(), f.plan())
	if err == nil {
		err = f.Withdraw(t.Context(), tether)
	}
	if err != nil || f.api.asked[len(f.api.asked)-1] != "delete Lease" {
		t.Fatalf("asked %q: %v", f.api.asked, err)
	}
	next, err := f.Replace(tether)
	leases := f.Undo.Journal.Record().Leases
	if err != nil || next.made || len(leases) != 1 || leases[0].Name != next.Lease.Name || next.Lease.Name == tether.Lease.Name {
		t.Errorf("recorded %v: %v", leases, err)
	}
	if got := f.undoAll(t); len(got) > 0 {
		t.Errorf("undone by %q", got)
	}
}

func TestCreate_TellsTheWayOut(t *testing.T) {
	t.Parallel()
	denied := apierrors.NewForbidden(schema.GroupResource{}, "x", errors.New("exceeded quota"))
	for name, tt := range map[string]struct {
		remedy Remedy
		want   bool
	}{"a file": {Remedy{Refused: "or do without"}, true}, "exec": {Remedy{}, false}} {
		f := newFixture(t, usual)
		f.Remedy = tt.remedy
		f.api.fail["create Lease"] = []error{denied}
		_, err := f.Create(t.Context(), f.plan())
		p, ok := errors.AsType[*problem.Error](err)
		if !ok || slices.Contains(p.Hints, "or do without") != tt.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// From the request on the token may live, so its end has to be seen; where it was surely not sent, nobody has one.
func TestMint_FailureDecidesHowTheLeaseEnds(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err  error
		want []string
	}{
		"refused":   {forbidden(), []string{"delete Lease"}},
		"no answer": {errLost, []string{"delete Lease", "delete Secret"}},
	} {
		f := newFixture(t, usual)
		f.api.fail["token"] = []error{tt.err}
		tether, err := f.Create(t.Context(), f.plan())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Mint(t.Context(), tether, ""); err == nil {
			t.Errorf("%s: no error", name)
		}
		if got := f.undoAll(t); !slices.Equal(got, tt.want) {
			t.Errorf("%s: undone by %q, want %q", name, got, tt.want)
		}
	}
}

// holder is a token Secret of ci.
func holder(name string) corev1.Secret {
	s := corev1.Secret{TypeMeta: kube.TypeMeta("Secret"), Type: corev1.SecretTypeServiceAccountToken}
	s.Namespace = "shop"
	s.Name = name
	s.Annotations = map[string]string{corev1.ServiceAccountNameKey: "ci"}
	s.Data = map[string][]byte{corev1.ServiceAccountTokenKey: []byte("found token")}
	return s
}

func TestFindPermanent_MasksWhatItFinds(t *testing.T) {
	t.Parallel()
	ours := holder("kubemint-token-ci")
	for name, tt := range map[string]struct {
		ours   *corev1.Secret
		theirs []corev1.Secret
		want   string
	}{
		"ours":    {&ours, nil, "kubemint-token-ci"},
		"theirs":  {nil, []corev1.Secret{holder("theirs")}, "theirs"},
		"nothing": {nil, nil, ""},
	} {
		f := newFixture(t, permanent)
		f.api.holder = tt.ours
		f.api.theirs = tt.theirs
		found, err := f.FindPermanent(t.Context())
		if err != nil || (found == nil) != (tt.want == "") || (found != nil && found.Name != tt.want) {
			t.Errorf("%s: %v: %v", name, found, err)
		}
		if masked := slices.Contains(f.mask, "found token"); masked != (tt.want != "") {
			t.Errorf("%s: masked %t", name, masked)
		}
	}
}

func TestFindPermanent_RefusesASecretThatHoldsNoToken(t *testing.T) {
	t.Parallel()
	f := newFixture(t, permanent)
	f.api.holder = &corev1.Secret{Type: corev1.SecretTypeOpaque}
	if _, err := f.FindPermanent(t.Context()); err == nil || !strings.Contains(err.Error(), "holds no token") {
		t.Error(err)
	}
}

func TestFindPermanent_IsForPermanentTokensAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t, usual)
	if found, err := f.FindPermanent(t.Context()); found != nil || err != nil || len(f.api.asked) > 0 {
		t.Errorf("found %v, asked %q: %v", found, f.api.asked, err)
	}
}

func TestIssue_PermanentSecretIsUndone(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err      error
		recorded int
		undone   bool
	}{"no answer": {errLost, 1, true}, "surely refused": {forbidden(), 0, false}} {
		f := newFixture(t, permanent)
		f.api.fail["apply Secret"] = []error{tt.err}
		if _, err := f.Issue(t.Context(), Tether{}, nil, ""); err == nil {
			t.Errorf("%s: no error", name)
		}
		if objects := f.Undo.Journal.Record().Objects; len(objects) != tt.recorded {
			t.Errorf("%s: recorded %v", name, objects)
		}
		if got := f.undoAll(t); slices.Contains(got, "get Secret") != tt.undone {
			t.Errorf("%s: undone by %q", name, got)
		}
	}
}

// It ends before the lock is given back: that may break the connection, again and again.
func TestIssue_PermanentSecretIsUndoneFirst(t *testing.T) {
	t.Parallel()
	f := newFixture(t, permanent)
	f.api.fail["apply Secret"] = []error{errLost}
	givenBack := make(chan struct{})
	f.Undo.Push(undo.Beside, "", func(context.Context) error {
		close(givenBack)
		return nil
	})
	if _, err := f.Issue(t.Context(), Tether{}, nil, ""); err == nil {
		t.Error("no error")
	}
	f.api.before = func(string) {
		select {
		case <-givenBack:
			t.Error("the lock is given back while the Secret is there")
		case <-time.After(20 * time.Millisecond):
		}
	}
	f.undoAll(t)
	select {
	case <-givenBack:
	default:
		t.Error("the lock is not given back")
	}
}
