package kubetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// Put stores an object as if somebody had made it earlier: with a UID, unless it has one.
func (f *Fake) Put(object runtime.Object) {
	f.t.Helper()
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		f.t.Fatal(err)
	}
	stored := &unstructured.Unstructured{Object: fields}
	resource, known := resourceOf(stored.GetKind())
	if !known {
		f.t.Fatalf("the fake knows no %s", stored.GetKind())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if created := stored.GetCreationTimestamp(); created.IsZero() { // long ago
		stored.SetCreationTimestamp(metaTime(f.Now().Add(-24 * time.Hour)))
	}
	f.store(fakeKey(resource, stored.GetNamespace(), stored.GetName()), stored)
}

// Read reads the object into out, and says whether it is there. resource is "roles".
func (f *Fake) Read(resource, namespace, name string, out any) bool {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	have := f.objects[fakeKey(resource, namespace, name)]
	if have == nil {
		return false
	}
	if out == nil {
		return true
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(have.Object, out); err != nil {
		f.t.Fatal(err)
	}
	return true
}

// Objects names all there is, but namespaces: "leases shop/kubemint-ci". Random ends of names are
// left out.
func (f *Fake) Objects() (names []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key := range f.objects {
		if !strings.HasPrefix(key, "namespaces ") {
			names = append(names, randomEnd.ReplaceAllString(key, "-…$1"))
		}
	}
	slices.Sort(names)
	return names
}

// discover returns the aggregated discovery of the custom resources.
func (f *Fake) discover() any {
	groups := []any{}
	for _, custom := range f.Custom {
		resource := map[string]any{"resource": custom.Resource}
		groups = append(groups, map[string]any{
			"metadata": map[string]any{"name": custom.Group},
			"versions": []any{map[string]any{"version": "v1", "resources": []any{resource}}},
		})
	}
	return map[string]any{"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": groups}
}

func (f *Fake) listGroups() metav1.APIGroupList {
	list := metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}}
	for _, each := range fakeKinds {
		if each.group != groupOf(f.Lacks).Group || f.Lacks == "" {
			version := metav1.GroupVersionForDiscovery{GroupVersion: each.group + "/v1", Version: "v1"}
			group := metav1.APIGroup{Name: each.group, Versions: []metav1.GroupVersionForDiscovery{version}}
			list.Groups = append(list.Groups, group)
		}
	}
	return list
}

func (f *Fake) get(q fakeRequest) (any, error) {
	have := f.objects[q.key()]
	if have == nil {
		return nil, apierrors.NewNotFound(q.GroupResource, q.name)
	}
	return q.show(have), nil
}

// show leaves out what was not asked for.
func (q fakeRequest) show(o *unstructured.Unstructured) map[string]any {
	if !q.metadata {
		return o.Object
	}
	return map[string]any{
		"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": o.Object["metadata"],
	}
}

func (f *Fake) list(q fakeRequest) (any, error) {
	labelled, err := labels.Parse(q.query.Get("labelSelector"))
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	chosen, err := fields.ParseSelector(q.query.Get("fieldSelector"))
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	items := []any{}
	for _, key := range slices.Sorted(maps.Keys(f.objects)) {
		o := f.objects[key]
		kind, _, _ := unstructured.NestedString(o.Object, "type")
		if !strings.HasPrefix(key, q.Resource+" ") || (q.namespace != "" && o.GetNamespace() != q.namespace) ||
			!labelled.Matches(labels.Set(o.GetLabels())) || !chosen.Matches(fields.Set{"type": kind}) {
			continue
		}
		item := maps.Clone(q.show(o))
		delete(item, "kind") // as the API server does in the items of a list
		delete(item, "apiVersion")
		items = append(items, item)
	}
	list := map[string]any{
		"kind": kindOf(q.Resource) + "List", "apiVersion": schema.GroupVersion{Group: q.Group, Version: "v1"}.String(),
		"metadata": map[string]any{"resourceVersion": fmt.Sprint(f.last)}, "items": items,
	}
	if q.metadata {
		list["kind"] = "PartialObjectMetadataList"
		list["apiVersion"] = "meta.k8s.io/v1"
	}
	return list, nil
}

func (f *Fake) create(q fakeRequest) (any, error) {
	switch {
	case q.sent == nil || q.sent.GetKind() != kindOf(q.Resource) || q.name == "":
		return nil, apierrors.NewBadRequest("the body is not a " + kindOf(q.Resource))
	case q.namespace != "" && f.objects[fakeKey("namespaces", "", q.namespace)] == nil:
		return nil, apierrors.NewNotFound(groupOf("namespaces"), q.namespace)
	case f.objects[q.key()] != nil:
		return nil, apierrors.NewAlreadyExists(q.GroupResource, q.name)
	}
	made := q.sent.DeepCopy()
	made.SetUID("") // is the API server's to choose
	made.SetNamespace(q.namespace)
	made.SetCreationTimestamp(metaTime(f.Now()))
	return f.save(q, made), nil
}

// save stores what a request has made of an object, unless that is a dry run.
func (f *Fake) save(q fakeRequest, o *unstructured.Unstructured) map[string]any {
	written := metaTime(f.Now())
	o.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: "kubemint", Time: &written}})
	if !q.dry {
		f.store(q.key(), o)
	}
	return o.Object
}

func (f *Fake) store(key string, o *unstructured.Unstructured) {
	f.last++
	if o.GetUID() == "" {
		o.SetUID(types.UID(fmt.Sprintf("uid-%d", f.last)))
	}
	o.SetResourceVersion(fmt.Sprint(f.last + 1000)) // never 1, which no object has
	f.objects[key] = o
}

// apply is a server-side apply of the only field manager that there is: what it does not send any
// more is gone, but for the labels and annotations of others, who are taken to use other domains.
func (f *Fake) apply(q fakeRequest) (any, error) {
	have := f.objects[q.key()]
	switch {
	case q.patch != string(types.ApplyYAMLPatchType) || q.query.Get("fieldManager") == "" || q.sent == nil:
		return nil, apierrors.NewBadRequest("this is not a server-side apply")
	case have == nil:
		return f.create(q)
	}
	version := q.sent.GetResourceVersion()
	uid := q.sent.GetUID()
	if uid != "" && uid != have.GetUID() {
		return nil, apierrors.NewInvalid(schema.GroupKind{Group: q.Group, Kind: have.GetKind()}, q.name, nil)
	}
	if version != "" && version != have.GetResourceVersion() {
		return nil, apierrors.NewConflict(q.GroupResource, q.name, errors.New("the object has been modified"))
	}
	if was := have.Object["roleRef"]; was != nil && !reflect.DeepEqual(was, q.sent.Object["roleRef"]) {
		return nil, apierrors.NewInvalid(schema.GroupKind{Group: q.Group, Kind: have.GetKind()}, q.name, nil)
	}
	next := have.DeepCopy()
	for field, value := range q.sent.Object {
		if field != "metadata" {
			next.Object[field] = value
		}
	}
	next.SetLabels(merge(have.GetLabels(), q.sent.GetLabels()))
	next.SetAnnotations(merge(have.GetAnnotations(), q.sent.GetAnnotations()))
	if owners := q.sent.GetOwnerReferences(); owners != nil {
		next.SetOwnerReferences(owners)
	}
	return f.save(q, next), nil
}

func merge(have, sent map[string]string) map[string]string {
	merged := maps.Clone(sent)
	for key, value := range have {
		if !strings.Contains(key, "kubemint") && merged != nil && merged[key] == "" {
			merged[key] = value
		}
	}
	return merged
}

// asKind is how the storage names a resource, beneath what knows it by its path.
func (q fakeRequest) asKind() schema.GroupResource {
	return schema.GroupResource{Group: q.Group, Resource: kindOf(q.Resource)}
}

func (f *Fake) remove(q fakeRequest) (any, error) {
	have := f.objects[q.key()]
	if have == nil {
		return nil, apierrors.NewNotFound(q.GroupResource, q.name)
	}
	var options metav1.DeleteOptions
	if err := json.Unmarshal(q.body, &options); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	if wanted := options.Preconditions; wanted != nil {
		if wanted.UID != nil && *wanted.UID != have.GetUID() {
			return nil, apierrors.NewConflict(q.asKind(), q.name, fmt.Errorf( //nolint:staticcheck // the API server's own words
				"Precondition failed: UID in precondition: %s, UID in object meta: %s", *wanted.UID, have.GetUID()))
		}
		if wanted.ResourceVersion != nil && *wanted.ResourceVersion != have.GetResourceVersion() {
			return nil, apierrors.NewConflict(q.asKind(), q.name, errors.New("the ResourceVersion in the precondition"))
		}
	}
	if q.dry {
		return metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Success"}, nil
	}
	if len(have.GetFinalizers()) > 0 {
		at := metaTime(f.Now())
		have.SetDeletionTimestamp(&at)
		return have.Object, nil
	}
	f.drop(q.key())
	return metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Success"}, nil
}

// drop deletes an object, and what it owns.
func (f *Fake) drop(key string) {
	uid := f.objects[key].GetUID()
	delete(f.objects, key)
	for other, o := range f.objects {
		owned := slices.ContainsFunc(o.GetOwnerReferences(), func(r metav1.OwnerReference) bool { return r.UID == uid })
		if owned && !f.Kept && f.objects[other] != nil {
			f.drop(other)
		}
	}
}
