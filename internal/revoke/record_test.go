package revoke_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/owner"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/revoke"
)

// cluster is the server with objects in it.
type cluster struct {
	server
	have    map[string]kube.Object // by kind and name
	mu      sync.Mutex
	removed []string
}

func (c *cluster) Get(_ context.Context, o kube.Object) error {
	have := c.have[kube.RefOf(o).String()]
	if have == nil {
		return apierrors.NewNotFound(schema.GroupResource{}, o.GetName())
	}
	o.SetUID(have.GetUID())
	o.SetLabels(have.GetLabels())
	o.SetAnnotations(have.GetAnnotations())
	return nil
}

func (c *cluster) Remove(_ context.Context, o kube.Object) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.removed = append(c.removed, kube.RefOf(o).String()+" "+string(o.GetUID()))
	return nil
}

func (c *cluster) Explain(code problem.Code, op string, err error) error {
	if err == nil {
		return nil
	}
	return problem.New(code, op, err)
}

const recordedLease = "kubemint-ci-abcdefghij"

func record(leases ...receipt.Object) *receipt.Receipt {
	return &receipt.Receipt{
		Account: receipt.Object{Kind: "ServiceAccount", Namespace: "shop", Name: "ci"}, Made: receipt.Made{Leases: leases},
	}
}

func leaseNamed(name string, uid types.UID) receipt.Object {
	return receipt.Object{Kind: "Lease", Namespace: "shop", Name: name, UID: uid, SecretUID: "s1"}
}

// ours is a Secret of a permanent token, as kubemint makes it for ci.
func ours(change func(*corev1.Secret)) kube.Object {
	o := &corev1.Secret{TypeMeta: kube.TypeMeta("Secret")}
	o.Namespace = "shop"
	o.Name = "kubemint-token-ci"
	o.UID = "p1"
	o.Labels = map[string]string{kube.LabelManagedBy: kube.ManagedBy}
	o.Annotations = map[string]string{owner.AnnotationOwner: "github:1"}
	change(o)
	return o
}

func revoker(api *cluster) (revoke.Revoker, *[]access.Change) {
	shown := &[]access.Change{}
	return revoke.Revoker{
		Server: api, Marks: owner.Marks{Owner: "github:1"},
		Declared: types.NamespacedName{Namespace: "shop", Name: "ci"},
		Show:     func(plan access.Plan) { *shown = append(*shown, plan.Changes...) },
	}, shown
}

func TestRecord_EndsLeasesAndSaysWhich(t *testing.T) {
	t.Parallel()
	api := &cluster{}
	r, _ := revoker(api)
	its := leaseNamed(recordedLease, "l1")
	var ended []receipt.Object
	left, err := r.Record(t.Context(), record(its), revoke.Part{Leases: []receipt.Object{its}},
		func(o receipt.Object) { ended = append(ended, o) })
	if err != nil || !left.Empty() || !slices.Equal(ended, []receipt.Object{its}) {
		t.Errorf("left %v, ended %v: %v", left, ended, err)
	}
	if want := []string{"delete Lease l1", "delete Secret s1"}; !slices.Equal(api.asked, want) {
		t.Errorf("asked %q, want %q", api.asked, want)
	}
}

// A receipt is data, never authority: what it names is checked before a request is sent.
func TestRecord_LeavesLeasesThatCannotBeOurs(t *testing.T) {
	t.Parallel()
	elsewhere := leaseNamed(recordedLease, "l1")
	elsewhere.Namespace = "kube-system"
	for name, tt := range map[string]struct {
		lease    receipt.Object
		declared string
		want     string
	}{
		"another name":              {leaseNamed("kube-scheduler", "l1"), "ci", "kubemint makes no lease of that name"},
		"another namespace":         {elsewhere, "ci", "kubemint makes no lease of that name"},
		"no UID, another account":   {leaseNamed(recordedLease, ""), "other", "its UID is not known"},
		"a UID and another account": {leaseNamed(recordedLease, "l1"), "other", ""},
		"no UID, the same account":  {leaseNamed(recordedLease, ""), "ci", ""},
	} {
		api := &cluster{}
		r, _ := revoker(api)
		r.Declared.Name = tt.declared
		left, err := r.Record(t.Context(), record(tt.lease), revoke.Part{Leases: []receipt.Object{tt.lease}},
			func(receipt.Object) {})
		if tt.want == "" {
			if err != nil || !left.Empty() {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) || len(left.Leases) != 1 || len(api.asked) > 0 {
			t.Errorf("%s: left %v, asked %q: %v", name, left, api.asked, err)
		}
	}
}

func TestRecord_TriesTheRestAfterAFailure(t *testing.T) {
	t.Parallel()
	refused := apierrors.NewForbidden(schema.GroupResource{}, "x", errors.New("no"))
	api := &cluster{have: map[string]kube.Object{"Secret shop/kubemint-token-ci": ours(func(*corev1.Secret) {})}}
	api.lease = []answer{{err: refused}, {}}
	r, shown := revoker(api)
	first, second := leaseNamed(recordedLease, "l1"), leaseNamed("kubemint-ci-bbbbbbbbbb", "l2")
	permanent := receipt.Object{Kind: "Secret", Namespace: "shop", Name: "kubemint-token-ci", UID: "p1"}
	part := revoke.Part{Leases: []receipt.Object{first, second}, Objects: []receipt.Object{permanent}}
	left, err := r.Record(t.Context(), record(first, second), part, func(receipt.Object) {})
	if err == nil || !slices.Equal(left.Leases, []receipt.Object{first}) || len(left.Objects) > 0 {
		t.Errorf("left %v: %v", left, err)
	}
	if want := []string{"Secret shop/kubemint-token-ci p1"}; !slices.Equal(api.removed, want) || len(*shown) != 1 {
		t.Errorf("removed %q, want %q; shown %v", api.removed, want, *shown)
	}
	p, ok := errors.AsType[*problem.Error](err)
	if !ok || !strings.Contains(strings.Join(p.Hints, "\n"), "kubectl -n shop delete lease "+recordedLease) {
		t.Errorf("no command in %q", p.Hints)
	}
}

func TestRecord_LeavesForeignObjects(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		have kube.Object
		uid  types.UID
		want string
	}{
		"recreated":               {ours(func(o *corev1.Secret) { o.UID = "p2" }), "p1", "it was recreated since"},
		"without our label":       {ours(func(o *corev1.Secret) { o.Labels = nil }), "p1", "it has lost the label"},
		"another owner's":         {ours(func(o *corev1.Secret) { o.Annotations[owner.AnnotationOwner] = "github:2" }), "p1", "another owner"},
		"UID not known":           {ours(func(*corev1.Secret) {}), "", "before it knew the object's UID"},
		"gone":                    {nil, "p1", ""},
		"of one run, UID unknown": {ours(func(o *corev1.Secret) { o.Annotations[kube.AnnotationExpiresAt] = "2030-01-01T00:00:00Z" }), "", ""},
	} {
		api := &cluster{have: map[string]kube.Object{}}
		if tt.have != nil {
			api.have["Secret shop/kubemint-token-ci"] = tt.have
		}
		r, _ := revoker(api)
		o := receipt.Object{Kind: "Secret", Namespace: "shop", Name: "kubemint-token-ci", UID: tt.uid}
		left, err := r.Record(t.Context(), record(), revoke.Part{Objects: []receipt.Object{o}}, nil)
		if tt.want == "" && (err != nil || !left.Empty()) {
			t.Errorf("%s: %v", name, err)
		}
		if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || len(api.removed) > 0) {
			t.Errorf("%s: removed %q: %v", name, api.removed, err)
		}
	}
}

func TestRecord_LeavesObjectsOfOtherNames(t *testing.T) {
	t.Parallel()
	for _, o := range []receipt.Object{
		{Kind: "Secret", Namespace: "shop", Name: "database"},
		{Kind: "Secret", Namespace: "kube-system", Name: "kubemint-token-ci"},
		{Kind: "ServiceAccount", Namespace: "shop", Name: "default"},
		{Kind: "Namespace", Name: "shop"},
		{Kind: "ClusterRoleBinding", Name: "cluster-admin"},
	} {
		api := &cluster{}
		r, _ := revoker(api)
		_, err := r.Record(t.Context(), record(), revoke.Part{Objects: []receipt.Object{o}}, nil)
		if err == nil || !strings.Contains(err.Error(), "kubemint makes no object of that name") {
			t.Errorf("%s %s: %v", o.Kind, o.Name, err)
		}
	}
}

// A Secret that somebody else made is never deleted, and its token lives for as long as it is there.
func TestRecord_TheirSecret(t *testing.T) {
	t.Parallel()
	theirs := receipt.Object{Kind: "Secret", Namespace: "shop", Name: "theirs", UID: "t1"}
	for name, tt := range map[string]struct {
		uid   types.UID
		there bool
		lives bool
	}{"there": {"t1", true, true}, "another one": {"t2", true, false}, "gone": {"", false, false}} {
		api := &cluster{have: map[string]kube.Object{}}
		if tt.there {
			api.have["Secret shop/theirs"] = ours(func(o *corev1.Secret) { o.UID = tt.uid })
		}
		r, _ := revoker(api)
		left, err := r.Record(t.Context(), record(), revoke.Part{Theirs: []receipt.Object{theirs}}, nil)
		if (err != nil) != tt.lives || (len(left.Theirs) > 0) != tt.lives || len(api.removed) > 0 {
			t.Errorf("%s: left %v, removed %q: %v", name, left, api.removed, err)
		}
	}
}

// Nobody can hold a token that was not requested: its lease is deleted, and nothing is waited for.
func TestOwn(t *testing.T) {
	t.Parallel()
	its := leaseNamed(recordedLease, "l1")
	its.SecretUID = ""
	for requested, want := range map[bool]int{true: 2, false: 1} {
		api := &cluster{}
		r, _ := revoker(api)
		if err := r.Own(t.Context(), record(its), its, requested); err != nil || len(api.asked) != want {
			t.Errorf("requested %t: asked %q: %v", requested, api.asked, err)
		}
	}
}
