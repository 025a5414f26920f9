package client

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/client/discovery"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/parallel"
	"github.com/kubemint/kubemint/internal/problem"
)

// ManyNamespaces is where one list over all namespaces costs less than a request for each.
const ManyNamespaces = 16

// Observe reads what the plan has to know, all at once: the wanted objects by name, the existing roles to bind, and
// leftovers by label, by lists from the API server's memory where cached is set: that can lack for a moment what another
// run has just made. each is [parallel.Each], or the caller's way to say how far it is. notes are for the log: what could
// not be looked for.
func (c *Client) Observe(
	ctx context.Context, desired access.Desired, cached bool, each func(n int, f func(i int) error) error,
) (observed access.Observed, notes []string, err error) {
	declared := desired.Access
	o := observer{
		client: c, labels: kube.Labels(declared.ServiceAccount), unseen: map[string]bool{}, cached: cached,
		namespaces: slices.Sorted(slices.Values(declared.Namespaces)),
		observed:   access.Observed{Objects: map[kube.Ref]kube.Object{}, Named: map[kube.Ref]kube.Object{}},
	}
	lasting := !desired.Ephemeral() // nothing of an ephemeral identity can be there yet
	places, everywhere := []string{""}, false
	if lasting && declared.Grants() && len(declared.Namespaces) > ManyNamespaces {
		if everywhere = o.everywhere(ctx); everywhere {
			places = nil
		} else {
			places = declared.Namespaces
		}
	}

	var reads []func() error
	for _, want := range desired.Objects {
		ref := kube.RefOf(want)
		listed := everywhere && (ref.Kind == "Role" || ref.Kind == "RoleBinding")
		if !listed && (lasting || ref.Kind == "Namespace") {
			reads = append(reads, func() error { return o.wanted(ctx, ref) })
		}
	}
	for _, ref := range desired.Named {
		reads = append(reads, func() error { return o.named(ctx, ref) })
	}
	if lasting && declared.Grants() {
		for _, kind := range []string{"ClusterRole", "ClusterRoleBinding"} {
			reads = append(reads, func() error { return o.leftovers(ctx, kind, "") })
		}
		for _, place := range places {
			for _, kind := range []string{"Role", "RoleBinding"} {
				reads = append(reads, func() error { return o.leftovers(ctx, kind, place) })
			}
		}
	}
	err = each(len(reads), func(i int) error { return reads[i]() })
	// The answers came in any order, and a plan has to say the same each time.
	byName := func(a, b kube.Object) int {
		return strings.Compare(kube.RefOf(a).String(), kube.RefOf(b).String())
	}
	slices.SortFunc(o.observed.Leftovers, byName)
	slices.SortFunc(o.observed.Elsewhere, byName)
	if len(o.unseen) > 0 {
		o.note("leftovers not looked for " + strings.Join(slices.Sorted(maps.Keys(o.unseen)), ", ") +
			": the runner's identity may not list all roles and bindings there")
	}
	slices.Sort(o.notes)
	return o.observed, o.notes, err
}

// everywhere reads all Roles and RoleBindings with our marks by one list each, and says whether that worked: the
// runner's identity may have no right to list beyond the declared namespaces. The lists are consistent, since they stand
// for the reads by name.
func (o *observer) everywhere(ctx context.Context) bool {
	lists := make([][]kube.Object, 2)
	err := parallel.Each(2, func(i int) (err error) {
		lists[i], err = o.client.list(ctx, []string{"Role", "RoleBinding"}[i], "", o.labels, false)
		return err
	})
	if err != nil {
		o.unseen[otherNamespaces] = true
		return false
	}
	o.found(slices.Concat(lists...))
	for _, object := range o.observed.Leftovers {
		o.observed.Objects[kube.RefOf(object)] = object
	}
	return true
}

// Where leftovers may be, beside the cluster scope.
const (
	declaredNamespaces = "in declared namespaces"
	otherNamespaces    = "in other namespaces"
)

type observer struct {
	client     *Client
	cached     bool // leftovers come from the API server's memory
	labels     map[string]string
	namespaces []string // the declared ones, sorted
	mu         sync.Mutex
	observed   access.Observed
	unseen     map[string]bool // where leftovers may not be looked for
	notes      []string
}

// read reads an object into one of the maps.
func (o *observer) read(ctx context.Context, ref kube.Ref, into map[kube.Ref]kube.Object) error {
	object := Empty(ref)
	err := o.client.Get(ctx, object)
	if err == nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		into[ref] = object
	}
	return err
}

func (o *observer) wanted(ctx context.Context, ref kube.Ref) error {
	err := o.read(ctx, ref, o.observed.Objects)
	if apierrors.IsNotFound(err) {
		return nil
	}
	return o.client.Explain(problem.Mint, "read "+ref.String(), err)
}

// named reads an existing role. One that is missing is an error now: bound, it would grant nothing and say nothing.
func (o *observer) named(ctx context.Context, ref kube.Ref) error {
	err := o.read(ctx, ref, o.observed.Named)
	switch {
	case apierrors.IsNotFound(err) && (ref.Kind != "ClusterRole" || !discovery.MayHide(ctx, o.client.readPath, ref.Name)):
		return o.client.noRole(ctx, ref, o.namespaces)
	case apierrors.IsForbidden(err), apierrors.IsNotFound(err):
		o.note(fmt.Sprintf("%s cannot be read by the runner's identity: that its rights are in effect stays unproven", ref))
		return nil
	}
	return o.client.Explain(problem.Mint, "read "+ref.String(), err)
}

// leftovers lists a kind by our marks: in a namespace, or everywhere. Where a runner may not list over all namespaces, it
// may in those that it works in.
func (o *observer) leftovers(ctx context.Context, kind, namespace string) error {
	items, err := o.client.list(ctx, kind, namespace, o.labels, o.cached)
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
		return parallel.Each(len(o.namespaces), func(i int) error { return o.leftovers(ctx, kind, o.namespaces[i]) })
	case err != nil:
		return o.client.Explain(problem.Mint, "list "+kind+"s", err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.found(items)
	return nil
}

func (o *observer) found(items []kube.Object) {
	for _, item := range items {
		namespace := item.GetNamespace()
		if _, declared := slices.BinarySearch(o.namespaces, namespace); declared || namespace == "" {
			o.observed.Leftovers = append(o.observed.Leftovers, item)
		} else {
			o.observed.Elsewhere = append(o.observed.Elsewhere, item)
		}
	}
}

func (o *observer) note(text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.notes = append(o.notes, text)
}
