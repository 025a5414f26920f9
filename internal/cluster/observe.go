package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/problem"
)

// manyNamespaces is where one list over all namespaces costs less than a request for each.
const manyNamespaces = 16

// atOnce bounds the requests in flight; an API server's HTTP/2 connection carries 100 streams or more.
const atOnce = 64

// Each calls f for 0 to n-1 concurrently, and returns every error, joined in order: one failure hides no other.
func Each(n int, f func(i int) error) error {
	errs := make([]error, n)
	slots := make(chan struct{}, atOnce)
	var group sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			errs[i] = f(i)
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// Observe reads what the plan has to know, all at once: the wanted objects by name, the existing roles to bind, and
// leftovers by label. notes are for the log: what could not be looked for.
func (c *Client) Observe(ctx context.Context, desired access.Desired) (observed access.Observed, notes []string, err error) {
	o := observer{client: c, observed: access.Observed{Objects: map[access.Ref]access.Object{}, Named: map[access.Ref]access.Object{}}}
	declared := desired.Access
	labels := access.Labels(declared.ServiceAccount)
	lasting := !desired.Ephemeral() // nothing of an ephemeral identity can be there yet
	everywhere := lasting && declared.Grants() && len(declared.Namespaces) > manyNamespaces && o.everywhere(ctx, declared.Namespaces, labels)

	var reads []func() error
	for _, want := range desired.Objects {
		ref := access.RefOf(want)
		listed := everywhere && (ref.Kind == "Role" || ref.Kind == "RoleBinding")
		if !listed && (lasting || ref.Kind == "Namespace") {
			reads = append(reads, func() error { return o.object(ctx, ref) })
		}
	}
	for _, ref := range desired.Named {
		reads = append(reads, func() error { return o.named(ctx, ref) })
	}
	if lasting && declared.Grants() {
		for _, kind := range []string{"ClusterRole", "ClusterRoleBinding"} {
			reads = append(reads, func() error { return o.leftovers(ctx, kind, "", labels) })
		}
		for _, namespace := range declared.Namespaces {
			if everywhere {
				break
			}
			for _, kind := range []string{"Role", "RoleBinding"} {
				reads = append(reads, func() error { return o.leftovers(ctx, kind, namespace, labels) })
			}
		}
	}
	err = Each(len(reads), func(i int) error { return reads[i]() })
	// The answers came in any order, and a plan has to say the same each time.
	slices.SortFunc(o.observed.Leftovers, func(a, b access.Object) int {
		return strings.Compare(access.RefOf(a).String(), access.RefOf(b).String())
	})
	slices.Sort(o.notes)
	return o.observed, o.notes, err
}

// everywhere reads all Roles and RoleBindings with our marks by one list each, and says whether that worked: the
// runner's identity may have no right to list beyond the declared namespaces. The lists are consistent, since they stand
// for the reads by name.
func (o *observer) everywhere(ctx context.Context, namespaces []string, labels map[string]string) bool {
	lists := make([][]access.Object, 2)
	err := Each(2, func(i int) (err error) {
		lists[i], err = o.client.list(ctx, []string{"Role", "RoleBinding"}[i], "", labels, false)
		return err
	})
	if err != nil {
		return false
	}
	declared := map[string]bool{}
	for _, namespace := range namespaces {
		declared[namespace] = true
	}
	for _, object := range slices.Concat(lists...) {
		if declared[object.GetNamespace()] {
			o.observed.Objects[access.RefOf(object)] = object
			o.observed.Leftovers = append(o.observed.Leftovers, object)
		}
	}
	return true
}

type observer struct {
	client   *Client
	mu       sync.Mutex
	observed access.Observed
	notes    []string
}

func (o *observer) object(ctx context.Context, ref access.Ref) error {
	object := Empty(ref)
	err := o.client.Get(ctx, object)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return o.client.Explain(problem.Mint, "read "+ref.String(), err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.observed.Objects[ref] = object
	return nil
}

// named reads an existing role. One that is missing is an error now: bound, it would grant nothing and say nothing.
func (o *observer) named(ctx context.Context, ref access.Ref) error {
	object := Empty(ref)
	err := o.client.Get(ctx, object)
	switch {
	case apierrors.IsNotFound(err):
		return problem.Newf(problem.Rights, "bind "+ref.String(), "there is no such role").
			Hint("see whether `role` is spelt right; a bare name is a ClusterRole, `role/%s` a Role of the namespace", ref.Name)
	case apierrors.IsForbidden(err):
		o.note(fmt.Sprintf("%s cannot be read by the runner's identity: that its rights are in effect stays unproven", ref))
		return nil
	case err != nil:
		return o.client.Explain(problem.Mint, "read "+ref.String(), err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.observed.Named[ref] = object
	return nil
}

func (o *observer) leftovers(ctx context.Context, kind, namespace string, labels map[string]string) error {
	items, err := o.client.list(ctx, kind, namespace, labels, true)
	switch {
	case apierrors.IsForbidden(err):
		place := "at the cluster scope"
		if namespace != "" {
			place = "in namespace " + namespace
		}
		o.note(fmt.Sprintf("leftovers not looked for: %ss %s may not be listed by the runner's identity", kind, place))
		return nil
	case err != nil:
		return o.client.Explain(problem.Mint, "list "+kind+"s", err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.observed.Leftovers = append(o.observed.Leftovers, items...)
	return nil
}

func (o *observer) note(text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.notes = append(o.notes, text)
}
