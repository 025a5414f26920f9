package observe

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/parallel"
	"github.com/kubemint/kubemint/internal/problem"
)

// ManyNamespaces is the number of namespaces above which one list over all of them costs less than
// a request for each.
const ManyNamespaces = 16

// ReadState reads everything that the plan needs, all at once: the wanted objects by name, the
// existing roles to bind, and leftovers by label. With cached these come from the API server's
// memory, which can lack for a moment what another run has just made. each is [parallel.Each], or
// the caller's way to show progress. notes are for the log: what could not be looked for.
func ReadState(
	ctx context.Context, api *client.Client, desired access.Desired, cached bool,
	each func(n int, f func(i int) error) error,
) (observed access.Observed, notes []string, err error) {
	o := observer{
		client: api, labels: kube.LabelsFor(desired.Access.ServiceAccount), unseen: map[string]bool{},
		cached:     cached,
		namespaces: slices.Sorted(slices.Values(desired.Access.Namespaces)),
		observed: access.Observed{
			Objects: map[kube.Ref]kube.Object{}, Named: map[kube.Ref]kube.Object{},
		},
	}
	reads := o.planReads(ctx, desired)
	err = each(len(reads), func(i int) error { return reads[i]() })
	// The answers came in any order, and a plan has to say the same each time.
	byName := func(a, b kube.Object) int {
		return strings.Compare(kube.RefOf(a).String(), kube.RefOf(b).String())
	}
	slices.SortFunc(o.observed.Leftovers, byName)
	slices.SortFunc(o.observed.Elsewhere, byName)
	if len(o.unseen) > 0 {
		o.addNote("leftovers were not looked for " + strings.Join(slices.Sorted(maps.Keys(o.unseen)), ", ") +
			": the runner's identity may not list all roles and bindings there")
	}
	slices.Sort(o.notes)
	return o.observed, o.notes, err
}

// planReads returns the remaining reads, to make at once. In many namespaces two lists replace the
// reads by name, if the runner's identity may list everywhere.
func (o *observer) planReads(ctx context.Context, desired access.Desired) (reads []func() error) {
	lasting := !desired.IsEphemeral() // nothing of an ephemeral identity can be there yet
	places := []string{""}
	listed := false
	if lasting && desired.Access.Grants() && len(o.namespaces) > ManyNamespaces {
		places = desired.Access.Namespaces
		if listed = o.listEverywhere(ctx); listed {
			places = nil
		}
	}
	for _, want := range desired.Objects {
		ref := kube.RefOf(want)
		known := listed && (ref.Kind == "Role" || ref.Kind == "RoleBinding")
		if !known && (lasting || ref.Kind == "Namespace") {
			reads = append(reads, func() error { return o.readWanted(ctx, ref) })
		}
	}
	for _, ref := range desired.Named {
		reads = append(reads, func() error { return o.readNamed(ctx, ref) })
	}
	if !lasting || !desired.Access.Grants() {
		return reads
	}
	for _, kind := range []string{"ClusterRole", "ClusterRoleBinding"} {
		reads = append(reads, func() error { return o.listLeftovers(ctx, kind, "") })
	}
	for _, place := range places {
		for _, kind := range []string{"Role", "RoleBinding"} {
			reads = append(reads, func() error { return o.listLeftovers(ctx, kind, place) })
		}
	}
	return reads
}

// listEverywhere reads all Roles and RoleBindings with our marks by one list each, and says whether
// that worked: the runner's identity may have no right to list beyond the declared namespaces. The
// lists are consistent, since they stand for the reads by name.
func (o *observer) listEverywhere(ctx context.Context) bool {
	kinds := []string{"Role", "RoleBinding"}
	lists := make([][]kube.Object, len(kinds))
	err := parallel.Each(len(kinds), func(i int) (err error) {
		lists[i], err = o.client.ListLabelled(ctx, kinds[i], "", o.labels)
		return err
	})
	if err != nil {
		o.unseen[otherNamespaces] = true
		return false
	}
	o.addFound(slices.Concat(lists...))
	for _, object := range o.observed.Leftovers {
		o.observed.Objects[kube.RefOf(object)] = object
	}
	return true
}

// Where leftovers may be, apart from the cluster scope.
const (
	declaredNamespaces = "in declared namespaces"
	otherNamespaces    = "in other namespaces"
)

type observer struct {
	client     *client.Client
	cached     bool // leftovers come from the API server's memory
	labels     map[string]string
	namespaces []string // the declared ones, sorted
	mu         sync.Mutex
	observed   access.Observed
	unseen     map[string]bool // where leftovers may not be looked for
	notes      []string
}

// readInto reads an object into one of the maps.
func (o *observer) readInto(ctx context.Context, ref kube.Ref, into map[kube.Ref]kube.Object) error {
	object := client.NewObject(ref)
	err := o.client.Get(ctx, object)
	if err == nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		into[ref] = object
	}
	return err
}

func (o *observer) readWanted(ctx context.Context, ref kube.Ref) error {
	err := o.readInto(ctx, ref, o.observed.Objects)
	if apierrors.IsNotFound(err) {
		return nil
	}
	return o.client.Explain(problem.Mint, "read "+ref.String(), err)
}

// readNamed reads an existing role. One that is missing is an error now: bound, it would grant
// nothing and say nothing.
func (o *observer) readNamed(ctx context.Context, ref kube.Ref) error {
	err := o.readInto(ctx, ref, o.observed.Named)
	switch {
	case apierrors.IsNotFound(err) && (ref.Kind != "ClusterRole" || !o.client.MayHideRole(ctx, ref.Name)):
		return ExplainNoRole(ctx, o.client, ref, o.namespaces)
	case apierrors.IsForbidden(err), apierrors.IsNotFound(err):
		o.addNote(
			fmt.Sprintf(
				"%s cannot be read by the runner's identity, so it is unproven that its rights are in effect",
				ref,
			),
		)
		return nil
	}
	return o.client.Explain(problem.Mint, "read "+ref.String(), err)
}

// listLeftovers lists a kind by our marks: in a namespace, or everywhere. Where a runner may not
// list over all namespaces, it may in those that it works in.
func (o *observer) listLeftovers(ctx context.Context, kind, namespace string) error {
	list := o.client.ListLabelled
	if o.cached {
		list = o.client.ListRecent
	}
	items, err := list(ctx, kind, namespace, o.labels)
	switch {
	case apierrors.IsForbidden(err):
		place := declaredNamespaces
		if namespace == "" {
			place = otherNamespaces
		}
		if strings.HasPrefix(kind, "Cluster") {
			place = "at the cluster scope"
		}
		o.mu.Lock()
		o.unseen[place] = true
		o.mu.Unlock()
		if place != otherNamespaces {
			return nil
		}
		return parallel.Each(
			len(o.namespaces),
			func(i int) error { return o.listLeftovers(ctx, kind, o.namespaces[i]) },
		)
	case err != nil:
		return o.client.Explain(problem.Mint, "list "+kind+"s", err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.addFound(items)
	return nil
}

func (o *observer) addFound(items []kube.Object) {
	for _, item := range items {
		namespace := item.GetNamespace()
		if _, declared := slices.BinarySearch(o.namespaces, namespace); declared || namespace == "" {
			o.observed.Leftovers = append(o.observed.Leftovers, item)
		} else {
			o.observed.Elsewhere = append(o.observed.Elsewhere, item)
		}
	}
}

func (o *observer) addNote(text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.notes = append(o.notes, text)
}
