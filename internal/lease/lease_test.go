package lease_test

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/lease"
	"github.com/kubemint/kubemint/internal/lease/leasename"
	"github.com/kubemint/kubemint/internal/owner"
	"github.com/kubemint/kubemint/internal/problem"
)

var (
	now      = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	marks    = owner.Marks{Owner: "github:acme/shop", Job: "deploy", Run: "17", Commit: "c0ffee"}
	notFound = apierrors.NewNotFound(schema.GroupResource{Resource: "leases"}, "x")
	exists   = apierrors.NewAlreadyExists(schema.GroupResource{Resource: "leases"}, "x")
)

// api writes down what it is asked, and answers the n-th request by the n-th error. A created object gets a UID.
type api struct {
	errs     []error
	requests []string
	objects  []kube.Object
	token    string
	request  *authenticationv1.TokenRequest
}

func (a *api) answer(request string) error {
	a.requests = append(a.requests, request)
	if n := len(a.requests); n <= len(a.errs) {
		return a.errs[n-1]
	}
	return nil
}

func (a *api) send(verb string, o kube.Object) error {
	a.objects = append(a.objects, o.DeepCopyObject().(kube.Object))
	request := verb + " " + kube.RefOf(o).String()
	if uid := o.GetUID(); uid != "" {
		request += " " + string(uid)
	}
	return a.answer(request)
}

func (a *api) Create(_ context.Context, o kube.Object) error {
	err := a.send("create", o)
	if err == nil {
		o.SetUID("new")
		o.SetResourceVersion("1")
	}
	return err
}

func (a *api) Delete(_ context.Context, o kube.Object) error { return a.send("delete", o) }

func (a *api) RequestToken(_ context.Context, account types.NamespacedName, request *authenticationv1.TokenRequest) error {
	a.request = request.DeepCopy()
	request.Status.Token = a.token
	request.Status.ExpirationTimestamp = metav1.NewTime(now.Add(time.Hour).Local())
	return a.answer("token " + account.String())
}

func TestNewLease(t *testing.T) {
	t.Parallel()
	its := lease.New(account, marks, now, 90*time.Minute)
	if !regexp.MustCompile(`^kubemint-ci-[a-z2-7]{10}$`).MatchString(its.Name) {
		t.Errorf("it is called %s", its.Name)
	}
	renewed := metav1.NewMicroTime(now)
	want := &coordinationv1.Lease{
		TypeMeta: metav1.TypeMeta{APIVersion: "coordination.k8s.io/v1", Kind: "Lease"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "bots", Name: its.Name,
			Labels: map[string]string{"app.kubernetes.io/managed-by": "kubemint", "kubemint/service-account": "bots.ci"},
			Annotations: map[string]string{
				"kubemint/owner": "github:acme/shop", "kubemint/job": "deploy", "kubemint/run": "17", "kubemint/commit": "c0ffee",
				"kubemint/expires-at": "2026-01-02T04:34:05Z",
			},
		},
		Spec: coordinationv1.LeaseSpec{HolderIdentity: new("17"), LeaseDurationSeconds: new(int32(5400)), AcquireTime: &renewed, RenewTime: &renewed},
	}
	if diff := cmp.Diff(want, its); diff != "" {
		t.Error(diff)
	}
	if other := lease.New(account, marks, now, time.Hour); other.Name == its.Name {
		t.Errorf("two leases are called %s", other.Name)
	}
}

func TestNewLeaseAtTheLimits(t *testing.T) {
	t.Parallel()
	here := time.FixedZone("east", 3600)
	lease := lease.New(account, owner.Marks{}, now.In(here), (1<<32)*time.Second)
	if got := *lease.Spec.HolderIdentity; got != "bots/ci" {
		t.Errorf("without a run it is held by %q", got)
	}
	if got := *lease.Spec.LeaseDurationSeconds; got != 1<<31-1 {
		t.Errorf("136 years are %d seconds", got)
	}
	if got, want := lease.Annotations["kubemint/expires-at"], "2162-02-08T09:32:21Z"; got != want {
		t.Errorf("expires at %s, want %s", got, want)
	}
}

func TestLeaseName_EveryServiceAccount(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"a", "a.b", strings.Repeat("a", 232), strings.Repeat("a", 233), strings.Repeat("a", 234), strings.Repeat("a", 253),
		strings.Repeat("a", 232) + "." + strings.Repeat("b", 20), strings.Repeat("a", 232) + "-b", strings.Repeat("a.", 126) + "a",
	} {
		if len(validation.IsDNS1123Subdomain(name)) > 0 {
			t.Fatalf("%s is no ServiceAccount's name", name)
		}
		got := lease.New(types.NamespacedName{Namespace: "n", Name: name}, marks, now, time.Hour).Name
		if faults := validation.IsDNS1123Subdomain(got); len(faults) > 0 || !strings.HasPrefix(got, leasename.Prefix) {
			t.Errorf("%s (%d characters): %q", got, len(got), faults)
		}
	}
}

// A name comes from a receipt or a token's claim: only the exact form counts, for the account that is meant.
func TestNamesLease(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 253)
	for name, c := range map[string]struct {
		lease, account string
		want           bool
	}{
		"its own":                    {"kubemint-ci-abcdefg234", "ci", true},
		"of an ephemeral account":    {"kubemint-ci-abcdefg234-hijklmn567", "ci", true},
		"of an account with dashes":  {"kubemint-a-b.c-abcdefg234", "a-b.c", true},
		"of the longest name":        {lease.New(types.NamespacedName{Namespace: "n", Name: long}, owner.Marks{}, time.Time{}, 1).Name, long, true},
		"ephemeral, longest":         {lease.New(types.NamespacedName{Namespace: "n", Name: leasename.Ephemeral(long)}, owner.Marks{}, time.Time{}, 1).Name, long, true},
		"leader election":            {"kubemint-leader-election", "leader", false},
		"without our prefix":         {"ci-abcdefg234", "ci", false},
		"another account":            {"kubemint-cd-abcdefg234", "ci", false},
		"an account that begins so":  {"kubemint-cirrus-abcdefg234", "ci", false},
		"an account that ends so":    {"kubemint-my-ci-abcdefg234", "ci", false},
		"nothing random":             {"kubemint-ci", "ci", false},
		"too short an end":           {"kubemint-ci-abcdefg23", "ci", false},
		"too long an end":            {"kubemint-ci-abcdefg2345", "ci", false},
		"digits that are not base32": {"kubemint-ci-abcdefg189", "ci", false},
		"upper case":                 {"kubemint-ci-ABCDEFG234", "ci", false},
		"the permanent token's":      {"kubemint-token-ci", "token", false},
		"three random ends":          {"kubemint-ci-abcdefg234-abcdefg234-abcdefg234", "ci", false},
		"empty":                      {"", "", false},
	} {
		if have := leasename.BelongsTo(c.lease, c.account); have != c.want {
			t.Errorf("%s: %s of %s: %v", name, c.lease, c.account, have)
		}
	}
}

func TestCreateLease(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		errs []error
		want []string
		err  error
	}{
		"at once":                          {nil, []string{"create"}, nil},
		"refused":                          {[]error{forbidden}, []string{"create"}, forbidden},
		"the first answer was lost":        {[]error{exists}, []string{"create", "delete", "create"}, nil},
		"somebody was faster to delete it": {[]error{exists, notFound}, []string{"create", "delete", "create"}, nil},
		"it may not be deleted":            {[]error{exists, forbidden}, []string{"create", "delete"}, forbidden},
		"the next was lost too":            {[]error{exists, nil, exists}, []string{"create", "delete", "create", "delete", "create"}, nil},
		"there again and again": {
			slices.Repeat([]error{exists, nil}, 30), append(slices.Repeat([]string{"create", "delete"}, 19), "create"), exists,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			its := lease.New(account, marks, now, time.Hour)
			a := &api{errs: tt.errs}
			err := lease.Create(t.Context(), a, its)
			if !errors.Is(err, tt.err) {
				t.Errorf("got %v, want %v", err, tt.err)
			}
			var want []string
			for _, verb := range tt.want {
				want = append(want, verb+" Lease bots/"+its.Name)
			}
			if diff := cmp.Diff(want, a.requests); diff != "" {
				t.Error(diff)
			}
			if made := err == nil; made != (its.UID == "new") {
				t.Errorf("error %v, UID %q", err, its.UID)
			}
			// The second try sends the very its of the first.
			if diff := cmp.Diff(a.objects[0], a.objects[len(a.objects)-1]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestBond_EmptySecretOwnedByLease(t *testing.T) {
	t.Parallel()
	its := lease.New(account, marks, now, time.Hour)
	its.UID = "u1"
	for _, tt := range []struct {
		answer error
		uid    types.UID
	}{{nil, "new"}, {exists, ""}, {forbidden, ""}} {
		a := &api{errs: []error{tt.answer}}
		// That a Secret of that name is there says nothing of whose it is.
		if uid, err := lease.CreateBond(t.Context(), a, its); !errors.Is(err, tt.answer) || uid != tt.uid {
			t.Errorf("%v: got %q, %v", tt.answer, uid, err)
		}
		want := &corev1.Secret{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
			ObjectMeta: metav1.ObjectMeta{
				Namespace: "bots", Name: its.Name, Labels: its.Labels, Annotations: its.Annotations,
				// blockOwnerDeletion unset: setting it takes a right to update the Lease's finalizers.
				OwnerReferences: []metav1.OwnerReference{{APIVersion: "coordination.k8s.io/v1", Kind: "Lease", Name: its.Name, UID: "u1"}},
			},
			Type: "Opaque",
		}
		if diff := cmp.Diff([]kube.Object{want}, a.objects); diff != "" {
			t.Error(diff)
		}
	}
}

// Another name changes nothing else: not the marks that others go by, nor the time of its end.
func TestRenamed(t *testing.T) {
	t.Parallel()
	its := lease.New(account, marks, now, time.Hour)
	its.Annotations["kubemint/access"] = "hash"
	made := its.DeepCopy()
	made.UID, made.ResourceVersion, made.Generation = "u1", "7", 1
	made.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "m"}}
	renamed := lease.WithNewName(made, account)
	if renamed.Name == its.Name || !leasename.BelongsTo(renamed.Name, account.Name) {
		t.Errorf("it is called %s", renamed.Name)
	}
	renamed.Name = its.Name
	if diff := cmp.Diff(its, renamed); diff != "" {
		t.Error(diff)
	}
}

func TestLeaseAccount(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ lease, declared, want string }{
		{"kubemint-ci-abcdefg234", "ci", "ci"},
		{"kubemint-ci-abcdefg234-hijklmn567", "ci", "ci-abcdefg234"},
		{"kubemint-ci-abcdefg234-hijklmn567", "ci-abcdefg234", "ci-abcdefg234"},
		{"kubemint-other-abcdefg234", "ci", "ci"},
		{"", "ci", "ci"},
		{lease.New(types.NamespacedName{Name: strings.Repeat("a", 253)}, marks, now, 1).Name, strings.Repeat("a", 253), strings.Repeat("a", 253)},
	} {
		if have := leasename.AccountOf(c.lease, c.declared); have != c.want {
			t.Errorf("%s of %s: %s", c.lease, c.declared, have)
		}
	}
}

func TestMint(t *testing.T) {
	t.Parallel()
	secret := signed(ours)
	for name, tt := range map[string]struct {
		audiences []string
		boundTo   string
		want      authenticationv1.TokenRequestSpec
	}{
		"bound": {nil, "kubemint-ci-x", authenticationv1.TokenRequestSpec{
			ExpirationSeconds: new(int64(5400)), BoundObjectRef: &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Secret", Name: "kubemint-ci-x"},
		}},
		"unbound, for audiences": {[]string{"a", "b"}, "", authenticationv1.TokenRequestSpec{Audiences: []string{"a", "b"}, ExpirationSeconds: new(int64(5400))}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := &api{token: secret}
			minted, err := lease.Mint(t.Context(), a, lease.Wanted{Account: account, Lifetime: 90 * time.Minute, Audiences: tt.audiences, BoundTo: tt.boundTo})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, a.request.Spec); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]string{"token bots/ci"}, a.requests); diff != "" {
				t.Error(diff)
			}
			if minted.Token.Reveal() != secret || minted.Claims.ID != "0f1e2d3c" || minted.ExpiresAt != now.Add(time.Hour) {
				t.Errorf("minted %+v", minted)
			}
		})
	}
}

func TestMintRefusesWhatIsNoToken(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		api  *api
		want string
		code problem.Code
	}{
		"refused":         {&api{errs: []error{forbidden}, token: "canary"}, forbidden.Error(), problem.Unknown}, // the client explains it
		"without a token": {&api{}, "mint token: the API server answered without a token", problem.Mint},
		"opaque":          {&api{token: "canary"}, "mint token: decode token: not a JSON Web Token", problem.Mint},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := lease.Mint(t.Context(), tt.api, lease.Wanted{Account: account, Lifetime: time.Hour})
			if err == nil || err.Error() != tt.want || problem.ExitCode(err) != int(tt.code) {
				t.Errorf("got %v (code %d), want %s", err, problem.ExitCode(err), tt.want)
			}
		})
	}
}

// At its very second a lease has not expired yet: sweep never comes too early. What bears no time, or none that can be read,
// never expires.
func TestExpiredAtTheBoundary(t *testing.T) {
	t.Parallel()
	end := time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC) // when Europe's clocks go forward
	berlin := time.FixedZone("CEST", 2*60*60)
	for said, want := range map[string][3]bool{ // a nanosecond before, at, a nanosecond after
		"2026-03-29T01:00:00Z": {false, false, true}, "2026-03-29T03:00:00+02:00": {false, false, true},
		"2026-03-29T01:00:00": {}, "29 March": {}, "": {},
	} {
		its := lease.New(types.NamespacedName{Namespace: "shop", Name: "ci"}, owner.Marks{}, end, 0)
		its.Annotations[kube.AnnotationExpiresAt] = said
		for i, now := range []time.Time{end.Add(-1), end.In(berlin), end.Add(1)} {
			if have := lease.IsExpired(its, now); have != want[i] {
				t.Errorf("%q, at %s: expired: %t", said, now, have)
			}
		}
	}
}

func TestBoundByName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"kubemint-ci-abcdefg234": true, "kubemint-ci": false, "kubemint-cd-abcdefg234": false, "ci-abcdefg234": false,
		"kubemint-token-ci": false, "kubemint-token-abcdefg234": false,
	} {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "bots", Name: name, Labels: kube.LabelsFor(account)}}
		if have := lease.BoundByName(secret); have != want {
			t.Errorf("%s: %t", name, have)
		}
	}
	if lease.BoundByName(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "bots", Name: "kubemint-ci-abcdefg234"}}) {
		t.Error("without our labels")
	}
}
