package mint

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/kubeconfig"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/owner"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rules"
	"github.com/kubemint/kubemint/internal/secret"
	"github.com/kubemint/kubemint/test/kubetest"
)

// The order of a first run's requests is that of what they depend on: whoever is to be noticed by
// others comes before what they would have to notice.
func TestRun_FirstRunSendsInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, usual)
	w.mustRun(t)
	asked := w.Asked()
	const lease, bond, lock = "create leases", "create secrets", "apply leases shop/kubemint-ci"
	const account, role, binding = "apply serviceaccounts", "apply roles", "apply rolebindings"
	const token, proved = "create serviceaccounts/token", "token: create"
	for _, order := range [][2]string{
		{lease, lock},         // whoever takes the lock sees the leases that were there before
		{lease, bond},         // the lease owns the Secret from its beginning
		{lock, "list leases"}, // under the lock no lease can come that is not seen
		{"list leases", binding},
		{lock, account},
		{account, token},
		{bond, token}, // the token hangs on it
		{token, proved},
	} {
		if first, then := kubetest.FirstAt(asked, order[0]), kubetest.FirstAt(asked, order[1]); first < 0 || then < first {
			t.Errorf("%q is not before %q:\n%s", order[0], order[1], strings.Join(asked, "\n"))
		}
	}
	want := []string{
		"leases shop/kubemint-ci", "leases shop/kubemint-ci-…", "rolebindings shop/kubemint:shop:ci",
		"roles shop/kubemint:shop:ci", "secrets shop/kubemint-ci-…", "serviceaccounts shop/ci",
	}
	if diff := cmp.Diff(want, w.Objects()); diff != "" {
		t.Error(diff)
	}
	var lock1 coordinationv1.Lease
	w.Read("leases", "shop", "kubemint-ci", &lock1)
	if lock1.Spec.HolderIdentity != nil || lock1.Annotations[kube.AnnotationAccess] != w.job.Desired.Hash() {
		t.Errorf("the lock is not given back with the access in effect: %+v", lock1)
	}
}

// Where there was a lock before, nothing is made early: roles go out first, and then what binds them.
// A binding without its role would grant as soon as somebody makes a role of that name.
func TestRun_RoleComesBeforeItsBinding(t *testing.T) {
	t.Parallel()
	w := newWorld(t, usual)
	if err := w.mustRun(t).End(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.Put(&corev1.Namespace{TypeMeta: kube.TypeMeta("Namespace"), ObjectMeta: metav1.ObjectMeta{Name: "web"}})
	next := w.nextRun(t)
	next.job.Desired = newJob(nil, func(declared *config.Access, _ *owner.Marks) {
		declared.Namespaces = []string{"shop", "web"}
	}).Desired
	next.mustRun(t)
	role, binding := kubetest.FirstAt(w.Asked(), "apply roles web/"), kubetest.FirstAt(w.Asked(), "apply rolebindings web/")
	if role < 0 || binding < role {
		t.Errorf("role %d, binding %d of\n%s", role, binding, strings.Join(w.Asked(), "\n"))
	}
}

// A run that finds all as declared makes its credential, and writes nothing that others share: not
// even the lock.
func TestRun_SteadyRunChangesNoAccess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, usual)
	w.mustRun(t)
	before := len(w.Writes())
	w.nextRun(t).mustRun(t)
	want := []string{
		"create leases shop/kubemint-ci-…", "create secrets shop/kubemint-ci-…",
		"create serviceaccounts/token shop/ci",
	}
	if diff := cmp.Diff(want, w.Writes()[before:]); diff != "" {
		t.Error(diff)
	}
}

// What a run is about to make stands in the receipt before it is requested, so that revoke finds it
// even if the process is killed right after the request.
func TestRun_RecordsBeforeItRequests(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change  func(*config.Access, *owner.Marks)
		request string
		objects int
	}{
		"a lease":               {usual, "create leases", 0},
		"an ephemeral identity": {ephemeral, "apply serviceaccounts", 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tt.change)
			var early, late *receipt.Receipt
			w.onFirst(tt.request, func() { early, _ = receipt.Read(w.to.Path()) })
			w.onFirst("create serviceaccounts/token", func() { late, _ = receipt.Read(w.to.Path()) })
			w.mustRun(t)
			if early == nil || len(early.Leases) != 1 || len(early.Objects) != tt.objects {
				t.Errorf("recorded before %q: %+v", tt.request, early)
			}
			if late == nil || late.Leases[0].UID == "" {
				t.Errorf("the lease's UID is not recorded before the token is requested: %+v", late)
			}
		})
	}
}

// Whichever request fails, no credential is left that works, and nothing at the output. The access
// is declared state: it stays, for the next run.
func TestRun_FailureLeavesNoCredential(t *testing.T) {
	t.Parallel()
	for request, tt := range map[string]struct {
		code problem.Code
		left []string // besides what every case may leave
	}{
		"^create leases":                   {problem.Rights, nil},
		"^apply leases":                    {problem.Rights, nil},
		"^list leases":                     {problem.Rights, []string{"leases shop/kubemint-ci"}},
		"^create secrets":                  {problem.Rights, nil},
		"^apply serviceaccounts":           {problem.Rights, nil},
		"^apply roles":                     {problem.Rights, nil},
		"^apply rolebindings":              {problem.Rights, []string{"roles shop/kubemint:shop:ci"}},
		"^create serviceaccounts/token":    {problem.Rights, []string{"serviceaccounts shop/ci"}},
		"^token: create selfsubjectreview": {problem.Mint, []string{"serviceaccounts shop/ci", "roles shop/kubemint:shop:ci"}},
	} {
		t.Run(request, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, usual)
			if request == "^token: create selfsubjectreview" {
				w.takeForAnother(t)
			} else {
				w.Forbid(request)
			}
			made, err := w.run(t.Context())
			if made != nil || problem.ExitCode(err) != int(tt.code) {
				t.Errorf("exit code %d: %v", problem.ExitCode(err), err)
			}
			for _, left := range w.Objects() {
				if strings.HasPrefix(left, "secrets") || strings.HasSuffix(left, "…") {
					t.Errorf("%s is left", left)
				}
			}
			for _, want := range tt.left {
				if !slices.Contains(w.Objects(), want) {
					t.Errorf("%s is gone; left: %q", want, w.Objects())
				}
			}
			if exists(w.to.Path()) || exists(w.to.TokenFile()) || exists(receipt.Path(w.to.Path())) {
				t.Error("a file is left at the output")
			}
			var lock coordinationv1.Lease
			if w.Read("leases", "shop", "kubemint-ci", &lock) && lock.Spec.HolderIdentity != nil {
				t.Error("the lock is still held")
			}
		})
	}
}

// takeForAnother has the API server take the next credential for somebody else's.
func (w *world) takeForAnother(t *testing.T) {
	t.Helper()
	w.Intercept(func(asked string) error {
		if asked != "token: create selfsubjectreviews" {
			return nil
		}
		return apierrors.NewForbidden(schema.GroupResource{Resource: "selfsubjectreviews"}, "",
			errors.New(`User "jane" cannot create resource "selfsubjectreviews" in API group "authentication.k8s.io"`))
	})
}

// Once changes have begun, nobody knows which access is in effect: the lock that a failed run gives
// back must not say that it does.
func TestRun_FailureAfterChangesForgetsWhatIsInEffect(t *testing.T) {
	t.Parallel()
	w := newWorld(t, usual)
	w.mustRun(t)
	next := w.nextRun(t)
	next.job.Desired = newJob(nil, func(declared *config.Access, _ *owner.Marks) {
		declared.TakeOwnership = true // under the live credential of the first run
		declared.Namespaced.Rules[0].Verbs = []string{"list"}
	}).Desired
	w.Forbid("^apply roles")
	if _, err := next.run(t.Context()); err == nil {
		t.Fatal("it did not fail")
	}
	var lock coordinationv1.Lease
	w.Read("leases", "shop", "kubemint-ci", &lock)
	if lock.Annotations[kube.AnnotationAccess] != "" || lock.Spec.HolderIdentity != nil {
		t.Errorf("the lock says %v, holder %v", lock.Annotations, lock.Spec.HolderIdentity)
	}
}

// An object of another owner is refused before anything that is shared is written, and the lease
// that was made meanwhile is taken back.
func TestRun_RefusesAnotherOwnersRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *config.Access, marks *owner.Marks) { marks.Owner = "github:acme/shop" })
	labels := kube.LabelsFor(w.job.Desired.Access.ServiceAccount)
	w.Put(&rbacv1.Role{TypeMeta: kube.TypeMeta("Role"), ObjectMeta: metav1.ObjectMeta{
		Namespace: "shop", Name: "kubemint:shop:ci", Labels: labels,
		Annotations: map[string]string{owner.AnnotationOwner: "github:evil/fork"},
	}})
	_, err := w.run(t.Context())
	if problem.ExitCode(err) != int(problem.Rights) || !strings.Contains(err.Error(), "github:evil/fork") {
		t.Error(err)
	}
	for _, write := range w.Writes() {
		if strings.HasPrefix(write, "apply") {
			t.Errorf("sent %s", write)
		}
	}
	if diff := cmp.Diff([]string{"roles shop/kubemint:shop:ci"}, w.Objects()); diff != "" {
		t.Error(diff)
	}
}

// A signal before the delivery takes everything back.
func TestRun_InterruptedBeforeDeliveryTakesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, usual)
	ctx, interrupt := context.WithCancelCause(t.Context())
	signal := errors.New("interrupted by a signal")
	w.onFirst("token: create selfsubjectrulesreviews", func() { interrupt(signal) })
	made, err := w.run(ctx)
	if made != nil || !errors.Is(err, signal) || exists(w.to.Path()) {
		t.Errorf("made %v: %v", made, err)
	}
	if left := w.Objects(); slices.ContainsFunc(left, func(o string) bool { return strings.HasSuffix(o, "…") }) {
		t.Errorf("left: %q", left) // although the context has ended
	}
}

func TestHandOver_NotAfterASignal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, usual)
	ctx, interrupt := context.WithCancelCause(t.Context())
	interrupt(errors.New("a signal"))
	err := handOver(ctx, newTools(w.job, w.to, nil), &Credential{with: newTools(w.job, w.to, nil)}, access.Plan{})
	if problem.ExitCode(err) != int(problem.Mint) || exists(w.to.Path()) {
		t.Error(err)
	}
}

// A receipt that cannot be written comes before every request: nothing could be revoked later.
func TestRun_WithoutReceiptSendsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, usual)
	if err := os.Mkdir(receipt.Path(w.to.Path()), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := w.run(t.Context()); err == nil || len(w.Asked()) > 0 {
		t.Errorf("%v; asked %q", err, w.Asked())
	}
}

// What the run knows of the token is masked before it can be logged, and the kubeconfig holds it.
func TestRun_MasksTheTokenBeforeItIsUsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, usual)
	var masked []string
	w.job.Mask = func(token secret.Value) error {
		if kubetest.FirstAt(w.Asked(), "token: ") >= 0 {
			t.Error("the token was used before it was masked")
		}
		masked = append(masked, token.Reveal())
		return nil
	}
	made := w.mustRun(t)
	data, err := os.ReadFile(w.to.Path())
	if err != nil {
		t.Fatal(err)
	}
	written, err := kubeconfig.Read(data)
	if err != nil || written.TokenFile != w.to.TokenFile() || written.Server != w.URL {
		t.Errorf("%+v: %v", written, err)
	}
	token, err := os.ReadFile(w.to.TokenFile())
	if err != nil || string(token) != made.Minted().Token.Reveal() || !slices.Equal(masked, []string{string(token)}) {
		t.Errorf("masked %d values: %v", len(masked), err)
	}
	if strings.Contains(w.log.String(), string(token)) {
		t.Error("the log has the token")
	}
}

func TestRun_MaskThatFailsStopsTheRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, usual)
	full := errors.New("no space left on device")
	w.job.Mask = func(secret.Value) error { return full }
	if _, err := w.run(t.Context()); !errors.Is(err, full) || exists(w.to.Path()) {
		t.Error(err)
	}
	if kubetest.FirstAt(w.Asked(), "token: ") >= 0 || kubetest.FirstAt(w.Objects(), "secrets") >= 0 {
		t.Errorf("the token was used, or lives: %q", w.Objects())
	}
}

// The objects of an ephemeral identity hang on its lease, so that even a killed run's are collected;
// nobody else uses them, so there is no lock, and all of them go with a failure.
func TestRun_EphemeralIdentityHangsOnItsLease(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ephemeral)
	w.mustRun(t)
	if kubetest.FirstAt(w.Asked(), "apply leases") >= 0 || kubetest.FirstAt(w.Asked(), "get leases") >= 0 {
		t.Error("an identity of one run alone took the lock")
	}
	if bond, account := kubetest.FirstAt(w.Asked(), "create secrets"), kubetest.FirstAt(w.Asked(), "apply serviceaccounts"); bond > account {
		t.Error("the Secret, which can take another lease, was made after what hangs on the lease")
	}
	var role rbacv1.Role
	w.Read("roles", "shop", "kubemint:shop:ci", &role)
	if len(role.OwnerReferences) != 1 || role.OwnerReferences[0].Kind != "Lease" {
		t.Errorf("owners: %v", role.OwnerReferences)
	}
}

func TestRun_EphemeralIdentityIsUndone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(declared *config.Access, marks *owner.Marks) {
		ephemeral(declared, marks)
		declared.ServiceAccount.Name = "ci-abcdefg234" // a random name, made from the declared one
	})
	w.Kept = true // not by the garbage collector
	w.Forbid("^create serviceaccounts/token")
	_, err := w.run(t.Context())
	if err == nil || len(w.Objects()) > 0 {
		t.Errorf("left: %q: %v", w.Objects(), err)
	}
}

// What could not be taken back is named with what a person can do, and the receipt stays for revoke.
func TestRun_UndoThatFailsKeepsTheReceipt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, usual)
	w.Forbid("^(apply rolebindings|delete leases)")
	_, err := w.run(t.Context())
	hints := kubetest.HintsOf(err)
	advised := strings.Contains(hints, "kubectl -n shop delete lease kubemint-ci-")
	record, readErr := receipt.Read(w.to.Path())
	if !advised || readErr != nil || len(record.Leases) != 1 {
		t.Errorf("hints %q, record %+v: %v", hints, record, readErr)
	}
}

// A credential with `revoke: false` has no lease: a later failure has to say that its token lives.
func TestRun_WithoutLeaseSaysThatTheTokenLives(t *testing.T) {
	t.Parallel()
	w := newWorld(t, usual)
	w.job.Config.Token.Revoke = false
	w.takeForAnother(t)
	_, err := w.run(t.Context())
	text := kubetest.HintsOf(err)
	if !strings.Contains(text, "it is valid until 2026-01-01T13:00:00Z") || kubetest.FirstAt(w.Asked(), "create leases") >= 0 {
		t.Errorf("%v\n%s", err, text)
	}
}

// A change that takes rights away is proved before the lock is given back, so that no other run's
// credential still has them; any other is proved at the same time, and the user is told of the
// proof first.
func TestProve_LockAndFailedProof(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		verb string
		held bool
	}{
		"rights are taken away": {"watch", true},
		"rights are added":      {"", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, usual)
			if tt.verb != "" {
				narrow := w.job.Desired.Objects[1].DeepCopyObject().(*rbacv1.Role)
				narrow.Rules = []rbacv1.PolicyRule{rules.NewRule("", "pods", "", "get", tt.verb)}
				w.Put(narrow)
			}
			w.takeForAnother(t)
			var holder *string
			w.onFirst("delete leases", func() { // undoing begins
				var lock coordinationv1.Lease
				w.Read("leases", "shop", "kubemint-ci", &lock)
				holder = lock.Spec.HolderIdentity
			})
			_, err := w.run(t.Context())
			if err == nil || (holder != nil) != tt.held {
				t.Errorf("held %t: %v", holder != nil, err)
			}
			if !strings.Contains(err.Error(), `the API server takes it for "jane"`) {
				t.Error(err)
			}
		})
	}
}

func TestTakesAway(t *testing.T) {
	t.Parallel()
	role := &rbacv1.Role{}
	for name, tt := range map[string]struct {
		change access.Change
		want   bool
	}{
		"a new role":      {access.Change{Verb: access.Created, Apply: role}, false},
		"a wider role":    {access.Change{Verb: access.Configured, Apply: role, Added: make([]rbacv1.PolicyRule, 1)}, false},
		"a narrower role": {access.Change{Verb: access.Configured, Apply: role, Removed: make([]rbacv1.PolicyRule, 1)}, true},
		"a leftover":      {access.Change{Verb: access.Deleted, Delete: role}, true},
		"recreated":       {access.Change{Verb: access.Configured, Apply: role, Delete: role}, true},
	} {
		if takesAway(tt.change) != tt.want {
			t.Error(name)
		}
	}
}

// bindUnseen has a run bind a ClusterRole that its identity may not read, and that does not exist.
func bindUnseen(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, func(declared *config.Access, _ *owner.Marks) {
		declared.Namespaced = config.Grants{Roles: []config.Role{{Kind: "ClusterRole", Name: "veiw"}}}
	})
	w.Forbid("^get clusterroles")
	return w
}

// A binding of a role that turns out not to exist would grant as soon as somebody makes a role of
// that name.
func TestProve_BindingOfNoRoleIsTakenBack(t *testing.T) {
	t.Parallel()
	w := bindUnseen(t)
	_, err := w.run(t.Context())
	if problem.ExitCode(err) != int(problem.Rights) || !strings.Contains(err.Error(), "veiw") {
		t.Error(err)
	}
	if kubetest.FirstAt(w.Objects(), "rolebindings") >= 0 {
		t.Errorf("left: %q", w.Objects())
	}
}

func TestProve_BindingOfNoRoleThatStaysIsNamed(t *testing.T) {
	t.Parallel()
	w := bindUnseen(t)
	w.Forbid("^delete rolebindings")
	_, err := w.run(t.Context())
	p, _ := errors.AsType[*problem.Error](err)
	if p == nil || !strings.Contains(strings.Join(p.Hints, "\n"), "have an administrator delete RoleBinding shop/kubemint:") {
		t.Errorf("%v", err)
	}
}

// What must_not forbids may come from a binding that kubemint did not make: the credential is not
// handed out.
func TestProve_MustNotByAForeignBinding(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(declared *config.Access, _ *owner.Marks) {
		declared.MustNot = []rbacv1.PolicyRule{rules.NewRule("", "secrets", "", "get")}
	})
	w.Put(&rbacv1.ClusterRole{
		TypeMeta: kube.TypeMeta("ClusterRole"), ObjectMeta: metav1.ObjectMeta{Name: "reader"},
		Rules: []rbacv1.PolicyRule{rules.NewRule("", "secrets", "", "get")},
	})
	w.Put(&rbacv1.ClusterRoleBinding{
		TypeMeta: kube.TypeMeta("ClusterRoleBinding"), ObjectMeta: metav1.ObjectMeta{Name: "all"},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "reader"},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "shop", Name: "ci"}},
	})
	_, err := w.run(t.Context())
	if problem.ExitCode(err) != int(problem.Mint) || !strings.Contains(err.Error(), "prove must_not") {
		t.Error(err)
	}
	if exists(w.to.Path()) || kubetest.FirstAt(w.Objects(), "secrets") >= 0 {
		t.Errorf("left: %q", w.Objects())
	}
}

// earlierRun has a credential in place at an output, and the record of the run that replaces it.
func earlierRun(t *testing.T) (w *world, record *receipt.Receipt) {
	t.Helper()
	w = newWorld(t, usual)
	w.mustRun(t)
	earlier, err := receipt.Read(w.to.Path())
	if err != nil {
		t.Fatal(err)
	}
	next := w.nextRun(t)
	next.to.earlier = earlier
	record = next.record()
	record.Leases = slices.Clone(earlier.Leases)
	return next, record
}

// The credential that was at the output ends once the new one is in place, and not before.
func TestRun_EndsTheCredentialThatItReplaces(t *testing.T) {
	t.Parallel()
	w, record := earlierRun(t)
	before := record.Leases[0].Name
	w.onFirst("delete leases", func() {
		if !exists(w.to.Path()) {
			t.Error("the earlier credential was ended before the new one was in place")
		}
	})
	if _, err := Run(t.Context(), w.job, w.to, record); err != nil {
		t.Fatal(err)
	}
	if w.Read("leases", "shop", before, nil) || w.Read("secrets", "shop", before, nil) {
		t.Error("the earlier credential lives")
	}
	kept, err := receipt.Read(w.to.Path())
	if err != nil || len(kept.Leases) != 1 || kept.Leases[0].Name == before {
		t.Errorf("recorded %+v: %v", kept, err)
	}
}

// That the earlier one cannot be ended does not spoil the new one: the receipt keeps both.
func TestRun_EarlierCredentialThatStaysIsKeptForRevoke(t *testing.T) {
	t.Parallel()
	w, record := earlierRun(t)
	w.Forbid("^delete leases")
	made, err := Run(t.Context(), w.job, w.to, record)
	if err != nil || made == nil {
		t.Fatal(err)
	}
	kept, err := receipt.Read(w.to.Path())
	if err != nil || len(kept.Leases) != 2 {
		t.Errorf("recorded %+v: %v", kept, err)
	}
	if !strings.Contains(w.log.String(), "the credential that was here before lives on until `kubemint revoke`") {
		t.Error(w.log)
	}
}

// The lease of the credential that is replaced holds its own successor not back.
func TestRun_WhatItReplacesIsNotInTheWay(t *testing.T) {
	t.Parallel()
	w, record := earlierRun(t)
	w.job.Desired = newJob(nil, func(declared *config.Access, _ *owner.Marks) {
		declared.Namespaced.Rules[0].Verbs = []string{"list"}
	}).Desired
	if _, err := Run(t.Context(), w.job, w.to, record); err != nil {
		t.Fatal(err)
	}
	var role rbacv1.Role
	w.Read("roles", "shop", "kubemint:shop:ci", &role)
	if got := rules.Format(role.Rules); !slices.Equal(got, []string{"list  pods"}) {
		t.Errorf("%q", got)
	}
}

// A permanent token has no lease, and its Secret is in the receipt, for `revoke --permanent`.
func TestRun_PermanentTokenIsFoundAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, usual)
	w.job.Config.Token.Lifetime.Permanent = true
	w.job.Config.Token.Revoke = false
	account := w.job.Desired.Access.ServiceAccount
	w.Put(&corev1.Secret{
		TypeMeta: kube.TypeMeta("Secret"), Type: corev1.SecretTypeServiceAccountToken,
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: "kubemint-token-ci", UID: "p1", Labels: kube.LabelsFor(account),
			Annotations: map[string]string{corev1.ServiceAccountNameKey: "ci"},
		},
		Data: map[string][]byte{"token": []byte(w.PermanentToken("shop", "ci")), "ca.crt": w.CA},
	})
	made := w.mustRun(t)
	record, err := receipt.Read(w.to.Path())
	want := []receipt.Object{{Kind: "Secret", Namespace: "shop", Name: "kubemint-token-ci", UID: "p1"}}
	if err != nil || !record.Keep || len(record.Leases) > 0 || !made.Minted().IsPermanent() {
		t.Errorf("recorded %+v: %v", record, err)
	}
	if diff := cmp.Diff(want, record.Objects); diff != "" {
		t.Error(diff)
	}
}
