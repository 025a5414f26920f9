package revoke_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/owner"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/revoke"
)

const ephemeralName = "ci-abcdefg234"

// ephemeralObjects are those of an identity of one run alone, as a receipt names them.
func ephemeralObjects(uid types.UID) []receipt.Object {
	return []receipt.Object{
		{Kind: "ServiceAccount", Namespace: "shop", Name: ephemeralName, UID: uid},
		{Kind: "Role", Namespace: "web", Name: "kubemint:shop:" + ephemeralName, UID: uid},
		{Kind: "ClusterRoleBinding", Name: "kubemint:shop:" + ephemeralName, UID: uid},
	}
}

// onCluster has these objects exist, with the mark that they are of one run alone.
func onCluster(recorded []receipt.Object, change func(kube.Object)) *cluster {
	api := &cluster{have: map[string]kube.Object{}}
	for _, o := range recorded {
		var made kube.Object = &rbacv1.Role{TypeMeta: kube.TypeMeta(o.Kind)}
		made.SetNamespace(o.Namespace)
		made.SetName(o.Name)
		made.SetUID("u1")
		made.SetLabels(map[string]string{kube.LabelManagedBy: kube.ManagedBy})
		made.SetAnnotations(map[string]string{
			owner.AnnotationOwner: "github:1", kube.AnnotationExpiresAt: "2026-01-01T13:00:00Z",
		})
		change(made)
		api.have[kube.RefOf(made).String()] = made
	}
	return api
}

// All objects of an ephemeral identity go, and are told in the receipt's order, whichever was faster.
func TestRecord_DeletesAnEphemeralIdentity(t *testing.T) {
	t.Parallel()
	objects := ephemeralObjects("u1")
	api := onCluster(objects, func(kube.Object) {})
	r, shown := revoker(api)
	its := record()
	its.Objects = objects
	left, err := r.Record(t.Context(), its, revoke.Part{Objects: objects}, nil)
	if err != nil || !left.Empty() || len(api.removed) != len(objects) {
		t.Errorf("removed %q, left %v: %v", api.removed, left, err)
	}
	if len(*shown) != len(objects) {
		t.Fatalf("shown %+v", *shown)
	}
	for i, change := range *shown {
		if change.Verb != access.Deleted || change.Ref.Name != objects[i].Name || change.Ref.Kind != objects[i].Kind {
			t.Errorf("%d: %+v", i, change)
		}
	}
}

// What was deleted already is neither an error nor said.
func TestRecord_ObjectsThatAreGone(t *testing.T) {
	t.Parallel()
	objects := ephemeralObjects("u1")
	r, shown := revoker(&cluster{})
	its := record()
	its.Objects = objects
	if left, err := r.Record(t.Context(), its, revoke.Part{Objects: objects}, nil); err != nil || !left.Empty() || len(*shown) > 0 {
		t.Errorf("left %v, shown %v: %v", left, *shown, err)
	}
}

// An object whose UID the run did not live to record has to say that it is of one run alone. The
// process that has made it knows.
func TestRecord_ObjectsWithoutUID(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fresh, marked, deleted bool
	}{
		"a later process":            {deleted: false},
		"a later process, marked":    {marked: true, deleted: true},
		"this very process":          {fresh: true, deleted: true},
		"this very process, by mark": {fresh: true, marked: true, deleted: true},
	} {
		objects := ephemeralObjects("")
		api := onCluster(objects, func(o kube.Object) {
			if !tt.marked {
				delete(o.GetAnnotations(), kube.AnnotationExpiresAt)
			}
		})
		r, _ := revoker(api)
		r.Fresh = tt.fresh
		its := record()
		its.Objects = objects
		left, err := r.Record(t.Context(), its, revoke.Part{Objects: objects}, nil)
		if (err == nil) != tt.deleted || (len(api.removed) > 0) != tt.deleted || left.Empty() != tt.deleted {
			t.Errorf("%s: removed %q: %v", name, api.removed, err)
		}
	}
}

// With an ephemeral identity in the receipt, still only names of that identity count: neither the
// declared account, which its name begins with, nor another role.
func TestRecord_ObjectsNextToAnEphemeralIdentity(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]receipt.Object{
		"another role":        {Kind: "Role", Namespace: "web", Name: "admin", UID: "u1"},
		"another account":     {Kind: "ServiceAccount", Namespace: "shop", Name: "other", UID: "u1"},
		"the declared itself": {Kind: "ServiceAccount", Namespace: "shop", Name: "ci", UID: "u1"},
	} {
		api := onCluster([]receipt.Object{o}, func(kube.Object) {})
		r, _ := revoker(api)
		its := record()
		its.Objects = append(ephemeralObjects("u1"), o)
		_, err := r.Record(t.Context(), its, revoke.Part{Objects: []receipt.Object{o}}, nil)
		if problem.ExitCode(err) != int(problem.Revoke) || len(api.removed) > 0 {
			t.Errorf("%s: removed %q: %v", name, api.removed, err)
		}
	}
}

// An end that could not be asked for keeps the cause's own remedies, and adds the command.
func TestRecord_EndThatCouldNotBeAsked(t *testing.T) {
	t.Parallel()
	api := &cluster{}
	api.secret = []answer{{err: forbidden}}
	api.mint = []answer{{err: apierrors.NewUnauthorized("Unauthorized")}}
	r, _ := revoker(api)
	its := leaseNamed(recordedLease, "l1")
	receiptOf := record(its)
	receiptOf.ExpiresAt = "2026-01-01T13:00:00Z"
	left, err := r.Record(t.Context(), receiptOf, revoke.Part{Leases: []receipt.Object{its}}, func(receipt.Object) {
		t.Error("it is told as ended")
	})
	p, _ := errors.AsType[*problem.Error](err)
	if p == nil || p.Code != problem.Revoke || len(left.Leases) != 1 || !strings.Contains(p.Error(), "could not be asked") {
		t.Fatalf("left %v: %v", left, err)
	}
	want := "the token lives until 2026-01-01T13:00:00Z unless you run  kubectl -n shop delete secret " + recordedLease
	if !slices.Contains(p.Hints, want) {
		t.Errorf("%q", p.Hints)
	}
}

func TestWithout(t *testing.T) {
	t.Parallel()
	one, two := leaseNamed("a", "1"), leaseNamed("b", "2")
	list := []receipt.Object{one, two}
	if got := revoke.Without(list, []receipt.Object{one}); !slices.Equal(got, []receipt.Object{two}) || len(list) != 2 || list[0] != one {
		t.Errorf("%v of %v", got, list)
	}
}
