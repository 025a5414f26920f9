package revoke_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/revoke"
)

// server answers each question by the next of its answers, and by the last one from then on.
type server struct {
	asked                    []string
	lease, secret, mint      []answer
	metadata                 *corev1.Secret // nil: it may not be read
	ended                    func()
	leases, secrets, mintedN int
}

// answer is an error, or the finalizers that hold what is deleted.
type answer struct {
	err        error
	finalizers []string
}

func next(answers []answer, n *int) answer {
	if len(answers) == 0 {
		return answer{}
	}
	a := answers[min(*n, len(answers)-1)]
	*n++
	return a
}

func (s *server) Create(context.Context, kube.Object) error { return errors.ErrUnsupported }

func (s *server) Delete(_ context.Context, o kube.Object) error {
	said := "delete " + kube.RefOf(o).Kind
	if o.GetUID() != "" {
		said += " " + string(o.GetUID())
	}
	s.asked = append(s.asked, said)
	var a answer
	if kube.RefOf(o).Kind == "Lease" {
		a = next(s.lease, &s.leases)
	} else {
		a = next(s.secret, &s.secrets)
	}
	if a.finalizers != nil {
		at := metav1.Now()
		o.SetDeletionTimestamp(&at)
		o.SetFinalizers(a.finalizers)
	}
	return a.err
}

func (s *server) RequestToken(_ context.Context, _ types.NamespacedName, request *authenticationv1.TokenRequest) error {
	if ref := request.Spec.BoundObjectRef; ref.Kind != "Secret" || !strings.HasPrefix(string(ref.UID), "00000000-") {
		return errors.New("this request could mint a token")
	}
	s.asked = append(s.asked, "ask")
	a := next(s.mint, &s.mintedN)
	if s.mintedN == len(s.mint) && s.ended != nil {
		s.ended()
	}
	return a.err
}

func (s *server) GetMetadata(_ context.Context, o *corev1.Secret) error {
	if s.metadata == nil {
		return forbidden
	}
	o.ObjectMeta = s.metadata.ObjectMeta
	return nil
}

func secretError(of func(schema.GroupResource, string) error) error {
	return of(schema.GroupResource{Resource: "secrets"}, leaseName)
}

const leaseName = "kubemint-ci-abcdefg234"

var (
	now       = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	account   = types.NamespacedName{Namespace: "bots", Name: "ci"}
	notFound  = apierrors.NewNotFound(schema.GroupResource{Resource: "leases"}, leaseName)
	forbidden = apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, leaseName, errors.New("no"))

	conflict    = apierrors.NewConflict(schema.GroupResource{Resource: "secrets"}, leaseName, errors.New("the UID in the bound object reference"))
	noSecret    = secretError(func(r schema.GroupResource, n string) error { return apierrors.NewNotFound(r, n) })
	noAccount   = apierrors.NewNotFound(schema.GroupResource{Resource: "serviceaccounts"}, "ci")
	unavailable = apierrors.NewServiceUnavailable("away")
)

// The last look may fail, or run into the end of the time: the finalizers that an earlier answer named are still reported.
func TestEnd_NamesFinalizersSeenBefore(t *testing.T) {
	t.Parallel()
	for name, last := range map[string]error{"unavailable": unavailable, "out of time": context.DeadlineExceeded} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &server{
				lease:  []answer{{finalizers: []string{"example.com/hold"}}, {err: last}},
				secret: []answer{{err: forbidden}}, mint: []answer{{err: conflict}},
			}
			doomed := revoke.Doomed{Account: account, Lease: leaseName, UID: "u1", Secret: "s1"}
			alive, ok := errors.AsType[*revoke.AliveError](revoke.End(t.Context(), s, doomed))
			if !ok || !slices.Equal(alive.LeaseHeld, []string{"example.com/hold"}) {
				t.Errorf("the error does not name the finalizer: %+v", alive)
			}
		})
	}
}

// Success is only said of what was seen: no finalizer on the lease, and the Secret gone.
func TestEnd_IsSeen(t *testing.T) {
	t.Parallel()
	const lease, secret = "delete Lease u1", "delete Secret s1"
	another := apierrors.NewConflict(schema.GroupResource{}, leaseName, errors.New("Precondition failed: UID in precondition: u1, UID in object meta: u2"))
	modified := apierrors.NewConflict(schema.GroupResource{}, leaseName, errors.New("the object has been modified"))
	for name, tt := range map[string]struct {
		server server
		want   []string
		err    error
	}{
		"the runner deletes both":         {server{}, []string{lease, secret}, nil},
		"the Secret is collected already": {server{secret: []answer{{err: noSecret}}}, []string{lease, secret}, nil},
		"another Secret has its name":     {server{secret: []answer{{err: another}}}, []string{lease, secret}, nil},
		"the collector is faster":         {server{secret: []answer{{err: forbidden}}, mint: []answer{{err: noSecret}}}, []string{lease, secret, "ask"}, nil},
		"the collector takes a moment": {
			server{secret: []answer{{err: forbidden}}, mint: []answer{{err: conflict}, {err: conflict}, {err: noSecret}}},
			[]string{lease, secret, "ask", "ask", "ask"},
			nil,
		},
		"a server that compares no UIDs": {
			server{secret: []answer{{err: forbidden}}, mint: []answer{{}, {err: noSecret}}}, []string{lease, secret, "ask", "ask"}, nil,
		},
		"the account is gone": {server{secret: []answer{{err: forbidden}}, mint: []answer{{err: noAccount}}}, []string{lease, secret, "ask"}, nil},
		"the lease is gone, and its Secret is asked for": {
			server{lease: []answer{{err: notFound}}, secret: []answer{{err: forbidden}}, mint: []answer{{err: noSecret}}},
			[]string{lease, secret, "ask"},
			nil,
		},
		"another lease has the name by now": {server{lease: []answer{{err: another}}}, []string{lease, secret}, nil},
		"a finalizer that is taken off": {
			server{lease: []answer{{finalizers: []string{"a"}}, {err: notFound}}}, []string{lease, secret, lease}, nil,
		},
		"a finalizer on the Secret that is taken off": {
			server{secret: []answer{{finalizers: []string{"a"}}, {err: noSecret}}}, []string{lease, secret, secret}, nil,
		},
		"any other conflict tells nothing of the lease":  {server{lease: []answer{{err: modified}}}, []string{lease}, modified},
		"any other conflict tells nothing of the Secret": {server{secret: []answer{{err: modified}}}, []string{lease, secret}, modified},
		"the lease may not be deleted":                   {server{lease: []answer{{err: forbidden}}}, []string{lease}, forbidden},
		"the Secret is out of reach":                     {server{secret: []answer{{err: unavailable}}}, []string{lease, secret}, unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := revoke.End(t.Context(), &tt.server, revoke.Doomed{Account: account, Lease: leaseName, UID: "u1", Secret: "s1"})
			if !errors.Is(err, tt.err) {
				t.Errorf("got %v, want %v", err, tt.err)
			}
			if diff := cmp.Diff(tt.want, tt.server.asked); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Without the Secret's UID nothing shows whose a Secret is that has the name of another lease.
func TestEnd_AnotherLeaseHasTheName(t *testing.T) {
	t.Parallel()
	s := &server{lease: []answer{{err: conflict}}}
	err := revoke.End(t.Context(), s, revoke.Doomed{Account: account, Lease: leaseName, UID: "u1"})
	if !apierrors.IsConflict(err) || !slices.Equal(s.asked, []string{"delete Lease u1"}) {
		t.Errorf("got %v after %q", err, s.asked)
	}
}

func TestEnd_IsNotSeen(t *testing.T) {
	t.Parallel()
	const deleteSecret = "the token lives until noon unless you run  kubectl -n bots delete secret " + leaseName
	own := metav1.OwnerReference{Kind: "Lease", Name: leaseName}
	there := []answer{{err: conflict}, {err: conflict}}
	for name, tt := range map[string]struct {
		server server
		says   string
		hints  []string
	}{
		"a finalizer on the lease": {
			server{lease: []answer{{finalizers: []string{"example.com/hold", "b"}}}, metadata: &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{OwnerReferences: []metav1.OwnerReference{own}},
			}, mint: there},
			"finalizers hold Lease bots/" + leaseName + ": example.com/hold, b; Secret bots/" + leaseName +
				", which the token is bound to, is still there after 0s: it stays for as long as its Lease does",
			[]string{deleteSecret, "see what set the finalizers on the Lease; this removes them:  kubectl -n bots patch lease " + leaseName +
				` --type merge -p '{"metadata":{"finalizers":null}}'`},
		},
		"ownerReferences are gone": {
			server{metadata: &corev1.Secret{}, mint: there}, "is still there after 0s: its ownerReferences no longer name the Lease", []string{deleteSecret},
		},
		"adopted": {
			server{mint: there, metadata: &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
				OwnerReferences: []metav1.OwnerReference{own, {Kind: "ConfigMap", Name: "keeper"}},
			}}},
			"is still there after 0s: it has another owner: ConfigMap keeper",
			[]string{deleteSecret},
		},
		"no collector": {
			server{mint: there, metadata: &corev1.Secret{ObjectMeta: metav1.ObjectMeta{OwnerReferences: []metav1.OwnerReference{own}}}},
			"the garbage collector has not deleted it: does kube-controller-manager run?",
			[]string{deleteSecret},
		},
		"marked for deletion": {
			server{mint: there, metadata: &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
				OwnerReferences: []metav1.OwnerReference{own}, DeletionTimestamp: &metav1.Time{Time: now}, Finalizers: []string{"c"},
			}}},
			"finalizers hold it: c",
			[]string{"the API server refuses the token about 70 s after its Secret was marked for deletion; this removes what holds it:  " +
				"kubectl -n bots patch secret " + leaseName + ` --type merge -p '{"metadata":{"finalizers":null}}'`},
		},
		"nothing may be read": {server{mint: there}, ", is still there after 0s", []string{
			deleteSecret, "the runner's identity may not read the Secret, so this cannot tell why it stays: its ownerReferences were changed, another object " +
				"owns it too, a finalizer holds it, or the garbage collector (kube-controller-manager) does not run",
		}},
		"it may not be asked": {
			server{mint: []answer{{err: forbidden}}}, "whether Secret bots/" + leaseName + " is gone, and the token with it, could not be asked: ", []string{deleteSecret},
		},
		"another account's is not found": {
			server{mint: []answer{{err: apierrors.NewNotFound(schema.GroupResource{Resource: "serviceaccounts"}, "x")}}},
			"could not be asked: ",
			[]string{deleteSecret},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(t.Context())
			tt.server.secret = []answer{{err: forbidden}}
			tt.server.ended = func() { cancel(context.DeadlineExceeded) }
			of := account
			if strings.HasPrefix(name, "another account") {
				of.Name = "c"
			}
			err := revoke.End(ctx, &tt.server, revoke.Doomed{Account: of, Lease: leaseName})
			alive, ok := errors.AsType[*revoke.AliveError](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			alive.After = alive.After.Truncate(time.Hour)
			if !strings.Contains(alive.Error(), tt.says) {
				t.Errorf("it says %q", alive)
			}
			if diff := cmp.Diff(tt.hints, alive.Hints("noon")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A lease that is held, of a token that is dead: both are said.
func TestEnd_LeaseIsHeldAndTheTokenDead(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	s := &server{lease: []answer{{finalizers: []string{"a"}}}}
	time.AfterFunc(20*time.Millisecond, func() { cancel(context.DeadlineExceeded) })
	err := revoke.End(ctx, s, revoke.Doomed{Account: account, Lease: leaseName})
	alive, ok := errors.AsType[*revoke.AliveError](err)
	if !ok || !strings.HasSuffix(err.Error(), "the token itself is dead: its Secret is gone") || len(alive.Hints("noon")) != 1 {
		t.Errorf("got %v", err)
	}
}

// The API server makes a lease whose creation it never answered after the first deletion has found nothing.
func TestDiscard_LeaseThatComesLate(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		uid     types.UID
		answers []answer
		want    []string
	}{
		"it was there":     {"", []answer{{}}, []string{"delete Lease"}},
		"it comes":         {"", []answer{{err: notFound}, {}}, []string{"delete Lease", "delete Lease"}},
		"it comes later":   {"", []answer{{err: notFound}, {err: notFound}, {}}, []string{"delete Lease", "delete Lease", "delete Lease"}},
		"it does not come": {"", []answer{{err: notFound}, {err: notFound}, {err: notFound}, {}}, []string{"delete Lease", "delete Lease", "delete Lease"}},
		"its UID is known": {"u1", []answer{{err: notFound}}, []string{"delete Lease u1"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &server{lease: tt.answers}
			err := revoke.Discard(t.Context(), s, revoke.Doomed{Account: account, Lease: leaseName, UID: tt.uid})
			if err != nil || !slices.Equal(s.asked, tt.want) {
				t.Errorf("%s: got %v after %q", name, err, s.asked)
			}
		})
	}
}

// Where no token was requested, nothing is waited for and nothing asked.
func TestDiscard(t *testing.T) {
	t.Parallel()
	for secret, want := range map[types.UID][]string{
		"s1": {"delete Lease u1", "delete Secret s1"},
		"":   {"delete Lease u1"}, // whose a Secret of that name is, nobody knows
	} {
		s := &server{secret: []answer{{err: forbidden}}}
		err := revoke.Discard(t.Context(), s, revoke.Doomed{Account: account, Lease: leaseName, UID: "u1", Secret: secret})
		if err != nil || !slices.Equal(s.asked, want) {
			t.Errorf("got %v after %q", err, s.asked)
		}
	}
}
