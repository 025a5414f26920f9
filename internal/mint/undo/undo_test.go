package undo

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/output"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/revoke"
)

// server notes what is deleted, and with which UID.
type server struct {
	deleted []string
	fail    error // of a deletion
	metas   int   // how often the end of a Secret was looked for
}

func (s *server) Create(context.Context, kube.Object) error { return nil }
func (s *server) Get(context.Context, kube.Object) error    { return nil }

func (s *server) Delete(_ context.Context, o kube.Object) error {
	s.deleted = append(s.deleted, kube.RefOf(o).String()+" "+string(o.GetUID()))
	return s.fail
}

func (s *server) Remove(ctx context.Context, o kube.Object) error { return s.Delete(ctx, o) }

func (s *server) RequestToken(context.Context, types.NamespacedName, *authenticationv1.TokenRequest) error {
	return nil
}

func (s *server) GetMetadata(context.Context, *corev1.Secret) error {
	s.metas++
	return nil
}

func (s *server) Explain(code problem.Code, op string, err error) error {
	if err == nil {
		return nil
	}
	return problem.New(code, op, err)
}

var its = receipt.Object{Kind: "Lease", Namespace: "shop", Name: "kubemint-ci-abcdefghij"}

func newStack(t *testing.T, api *server) *Stack {
	t.Helper()
	record := &receipt.Receipt{
		Server: "https://x", Made: receipt.Made{Output: "o", Leases: []receipt.Object{its}},
		Account: receipt.Object{Kind: "ServiceAccount", Namespace: "shop", Name: "ci"},
	}
	journal := output.NewJournal(filepath.Join(t.TempDir(), "r"), record, nil)
	return New(journal, revoke.Revoker{Server: api, Show: func(access.Plan) {}, Fresh: true})
}

// note is an entry's function that notes that it ran.
func note(ran *[]string, name string, err error) func(context.Context) error {
	return func(context.Context) error {
		*ran = append(*ran, name)
		return err
	}
}

func TestStack_CredentialsFirstThenTheLastFirst(t *testing.T) {
	t.Parallel()
	s := newStack(t, &server{})
	var ran []string
	s.Push(Files, "", note(&ran, "file 1", nil))
	s.Push(Credentials, "", note(&ran, "lease", nil))
	s.Push(Objects, "", note(&ran, "object", nil))
	s.Push(Files, "", note(&ran, "file 2", nil))
	alive, err := s.Run(t.Context())
	if alive || err != nil {
		t.Errorf("alive %t, %v", alive, err)
	}
	if want := []string{"lease", "object", "file 2", "file 1"}; !slices.Equal(ran, want) {
		t.Errorf("got %q, want %q", ran, want)
	}
}

func TestStack_RunsOnce(t *testing.T) {
	t.Parallel()
	s := newStack(t, &server{})
	var ran []string
	s.Push(Files, "", note(&ran, "file", nil))
	for range 2 {
		if _, err := s.Run(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if len(ran) != 1 {
		t.Errorf("ran %q", ran)
	}
}

func TestStack_TriesEverything(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		order Order
		alive bool
	}{"credential": {Credentials, true}, "object": {Objects, true}, "file": {Files, false}, "file at the side": {Beside, false}} {
		s := newStack(t, &server{})
		var ran []string
		s.Push(Files, "", note(&ran, "last", nil))
		s.Push(tt.order, "do it by hand", func(context.Context) error {
			return problem.Newf(problem.Revoke, "x", "refused")
		})
		alive, err := s.Run(t.Context())
		if alive != tt.alive || len(ran) != 1 {
			t.Errorf("%s: alive %t, ran %q", name, alive, ran)
		}
		p, ok := errors.AsType[*problem.Error](err)
		if !ok || !slices.Equal(p.Hints, []string{"do it by hand"}) {
			t.Errorf("%s: %v without the remedy", name, err)
		}
	}
}

func TestEntry_Drop(t *testing.T) {
	t.Parallel()
	s := newStack(t, &server{})
	var ran []string
	s.Push(Files, "", note(&ran, "dropped", nil)).Drop()
	s.Push(Files, "", note(&ran, "kept", nil))
	if _, err := s.Run(t.Context()); err != nil || !slices.Equal(ran, []string{"kept"}) {
		t.Errorf("ran %q: %v", ran, err)
	}
	var none *Entry
	none.Drop()
}

// The UIDs are learnt after the entry was pushed: the one of the journal counts.
func TestPushLease_DeletesByTheUIDThatIsKnownByThen(t *testing.T) {
	t.Parallel()
	api := &server{}
	s := newStack(t, api)
	s.PushLease(its)
	s.Journal.Note(func(record *receipt.Receipt) { record.Leases[0].UID = "u1" })
	if alive, err := s.Run(t.Context()); alive || err != nil {
		t.Error(alive, err)
	}
	if want := "Lease shop/" + its.Name + " u1"; !slices.Equal(api.deleted, []string{want}) {
		t.Errorf("deleted %q, want %q", api.deleted, want)
	}
}

// Once a token was requested its end has to be seen, so the Secret is deleted too. A request that was surely not
// sent changes nothing.
func TestPushLease_AfterATokenRequest(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		sent bool
		want int
	}{"sent": {true, 2}, "not sent": {false, 1}} {
		api := &server{}
		s := newStack(t, api)
		l := s.PushLease(its)
		notSent := l.RequestToken()
		if !tt.sent {
			notSent()
		}
		if _, err := s.Run(t.Context()); err != nil || len(api.deleted) != tt.want {
			t.Errorf("%s: deleted %q: %v", name, api.deleted, err)
		}
	}
}

func TestPushLease_RenewalThatIsNotSentLeavesTheFirstToken(t *testing.T) {
	t.Parallel()
	api := &server{}
	s := newStack(t, api)
	l := s.PushLease(its)
	l.RequestToken()
	l.RequestToken()()
	if _, err := s.Run(t.Context()); err != nil || len(api.deleted) != 2 {
		t.Errorf("deleted %q: %v", api.deleted, err)
	}
}

func TestPushLease_FailureNamesTheCommand(t *testing.T) {
	t.Parallel()
	s := newStack(t, &server{fail: errors.New("refused")})
	s.PushLease(its)
	alive, err := s.Run(t.Context())
	p, ok := errors.AsType[*problem.Error](err)
	if !alive || !ok || len(p.Hints) != 1 || !strings.HasSuffix(p.Hints[0], "kubectl -n shop delete lease "+its.Name) {
		t.Errorf("alive %t: %v", alive, err)
	}
}
