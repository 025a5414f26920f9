package kubetest

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// fakeKinds are the kinds that a fake stores, and their groups.
var fakeKinds = []struct{ resource, kind, group string }{
	{"namespaces", "Namespace", ""},
	{"serviceaccounts", "ServiceAccount", ""},
	{"secrets", "Secret", ""},
	{"roles", "Role", rbacv1.GroupName},
	{"rolebindings", "RoleBinding", rbacv1.GroupName},
	{"clusterroles", "ClusterRole", rbacv1.GroupName},
	{"clusterrolebindings", "ClusterRoleBinding", rbacv1.GroupName},
	{"leases", "Lease", "coordination.k8s.io"},
}

func resourceOf(kind string) (resource string, known bool) {
	for _, each := range fakeKinds {
		if each.kind == kind {
			return each.resource, true
		}
	}
	return "", false
}

func groupOf(resource string) schema.GroupResource {
	for _, each := range fakeKinds {
		if each.resource == resource {
			return schema.GroupResource{Group: each.group, Resource: resource}
		}
	}
	return schema.GroupResource{Resource: resource}
}

func kindOf(resource string) string {
	for _, each := range fakeKinds {
		if each.resource == resource {
			return each.kind
		}
	}
	return ""
}

// fakeKey is where an object is stored.
func fakeKey(resource, namespace, name string) string {
	if namespace == "" {
		return resource + " " + name
	}
	return resource + " " + namespace + "/" + name
}

func metaTime(at time.Time) metav1.Time { return metav1.NewTime(at.UTC()) }

// fakeRequest is a request as a fake reads it.
type fakeRequest struct {
	asked
	path     string
	bearer   string
	as       *fakeToken // nil: the runner
	dry      bool
	metadata bool   // is all that is asked for
	patch    string // content type
	// the discovery of resources is asked for, and not only that of groups
	aggregated bool
	query      url.Values
	body       []byte
	sent       *unstructured.Unstructured // the object in the body; nil for a body without one
}

func newFakeRequest(r *http.Request, body []byte) fakeRequest {
	q := fakeRequest{
		asked: about(r), path: r.URL.Path, query: r.URL.Query(), body: body,
		patch: r.Header.Get("Content-Type"),
	}
	q.bearer, _ = strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	q.metadata = strings.Contains(r.Header.Get("Accept"), "as=PartialObjectMetadata")
	q.aggregated = strings.Contains(r.Header.Get("Accept"), "as=APIGroupDiscoveryList")
	sent := &unstructured.Unstructured{}
	if len(body) > 0 && json.Unmarshal(body, &sent.Object) == nil {
		q.sent = sent
		if q.verb == "create" && q.name == "" {
			q.name = sent.GetName()
		}
	}
	dry, _, _ := unstructured.NestedStringSlice(sent.Object, "dryRun") // of a deletion
	q.dry = slices.Contains(dry, "All") || q.query.Get("dryRun") == "All"
	if q.verb == "patch" {
		q.verb = "apply"
	}
	return q
}

func (q fakeRequest) String() string {
	text := q.verb + " " + q.full
	if q.Resource == "" {
		text = "get " + q.path
	}
	if place := strings.Trim(fakeKey("", q.namespace, q.name), " /"); place != "" {
		text += " " + place
	}
	text = randomEnd.ReplaceAllString(text, "-…$1")
	if q.dry {
		text += " (dry run)"
	}
	if q.as != nil {
		text = "token: " + text
	}
	return text
}

func (q fakeRequest) key() string { return fakeKey(q.Resource, q.namespace, q.name) }

// carryOut answers as the API server does. The lock is held.
func (f *Fake) carryOut(q fakeRequest) (any, error) {
	if (q.as == nil && q.bearer != RunnerToken) || (q.as != nil && !f.isAlive(q.as)) {
		return nil, apierrors.NewUnauthorized("Unauthorized")
	}
	switch {
	case f.Lacks != "" && q.Resource == f.Lacks: // as for a group that nobody has installed
		return nil, apierrors.NewGenericServerResponse(http.StatusNotFound, "", schema.GroupResource{}, "", "", 0, true)
	case q.full == "serviceaccounts/token" && q.verb == "create":
		return f.mint(q)
	case strings.HasSuffix(q.Resource, "reviews") && q.verb == "create":
		return f.review(q)
	case q.path == "/apis" && q.aggregated:
		return f.discover(), nil
	case q.path == "/apis":
		return f.listGroups(), nil
	case kindOf(q.Resource) == "" || q.full != q.Resource:
		f.t.Errorf("the fake does not know %s", q)
		return nil, apierrors.NewGenericServerResponse(http.StatusNotFound, q.verb, q.GroupResource, "", "", 0, true)
	case q.GroupResource != groupOf(q.Resource):
		f.t.Errorf("%s: %s is not of group %q", q, q.Resource, q.Group)
	}
	switch q.verb {
	case "get":
		return f.get(q)
	case "list":
		return f.list(q)
	case "create":
		return f.create(q)
	case "apply":
		return f.apply(q)
	}
	return f.remove(q)
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
	if (version != "" && version != have.GetResourceVersion()) || (uid != "" && uid != have.GetUID()) {
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
			return nil, apierrors.NewConflict(q.GroupResource, q.name, fmt.Errorf(
				"Precondition failed: UID in precondition: %s, UID in object meta: %s", *wanted.UID, have.GetUID()))
		}
		if wanted.ResourceVersion != nil && *wanted.ResourceVersion != have.GetResourceVersion() {
			return nil, apierrors.NewConflict(q.GroupResource, q.name, errors.New("Precondition failed: ResourceVersion"))
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

func (f *Fake) mint(q fakeRequest) (any, error) {
	account := f.objects[fakeKey("serviceaccounts", q.namespace, q.name)]
	var request authenticationv1.TokenRequest
	if err := json.Unmarshal(q.body, &request); err != nil || request.Spec.ExpirationSeconds == nil {
		return nil, apierrors.NewBadRequest("this is not a TokenRequest")
	}
	switch {
	case account == nil:
		return nil, apierrors.NewNotFound(q.GroupResource, q.name)
	case request.UID != "" && request.UID != account.GetUID():
		return nil, apierrors.NewConflict(q.GroupResource, q.name, errors.New("the UID in the token request"))
	}
	f.last++
	token := fakeToken{
		account:    types.NamespacedName{Namespace: q.namespace, Name: q.name},
		accountUID: account.GetUID(), accountStore: fakeKey("serviceaccounts", q.namespace, q.name),
	}
	if bound := request.Spec.BoundObjectRef; bound != nil {
		token.secret = fakeKey("secrets", q.namespace, bound.Name)
		secret := f.objects[token.secret]
		if secret == nil {
			return nil, apierrors.NewNotFound(groupOf("secrets"), bound.Name)
		}
		if bound.UID != secret.GetUID() {
			return nil, apierrors.NewConflict(groupOf("secrets"), bound.Name, errors.New("the UID in the bound object reference"))
		}
		token.secretUID = secret.GetUID()
	}
	lifetime := time.Duration(*request.Spec.ExpirationSeconds) * time.Second
	if f.Longest > 0 {
		lifetime = min(lifetime, f.Longest)
	}
	ends := f.Now().Add(lifetime)
	request.Status.ExpirationTimestamp = metaTime(ends)
	request.Status.Token = f.sign(token, ends)
	request.Kind = "TokenRequest"
	request.APIVersion = "authentication.k8s.io/v1"
	f.tokens[request.Status.Token] = token
	return request, nil
}

// sign writes a token as Kubernetes does, with a signature that nobody checks.
func (f *Fake) sign(token fakeToken, ends time.Time) string {
	kubernetes := map[string]any{
		"namespace":      token.account.Namespace,
		"serviceaccount": map[string]any{"name": token.account.Name, "uid": token.accountUID},
	}
	if token.secret != "" {
		_, name, _ := strings.Cut(token.secret, "/")
		kubernetes["secret"] = map[string]any{"name": name, "uid": token.secretUID}
	}
	claims := map[string]any{
		"sub": "system:serviceaccount:" + token.account.Namespace + ":" + token.account.Name,
		"iat": f.Now().Unix(), "jti": fmt.Sprint("token-", f.last), "kubernetes.io": kubernetes,
	}
	if !ends.IsZero() {
		claims["exp"] = ends.Unix()
	}
	var parts []string
	for _, part := range []any{map[string]any{"alg": "RS256"}, claims, "signature"} {
		data, err := json.Marshal(part)
		if err != nil {
			f.t.Error(err)
		}
		parts = append(parts, base64.RawURLEncoding.EncodeToString(data))
	}
	return strings.Join(parts, ".")
}

func (f *Fake) review(q fakeRequest) (any, error) {
	user := "runner"
	if q.as != nil {
		user = "system:serviceaccount:" + q.as.account.Namespace + ":" + q.as.account.Name
	}
	answer := maps.Clone(q.sent.Object)
	switch q.Resource {
	case "selfsubjectreviews":
		answer["status"] = map[string]any{"userInfo": map[string]any{"username": user}}
	case "selfsubjectrulesreviews":
		namespace, _, _ := unstructured.NestedString(answer, "spec", "namespace")
		granted := []rbacv1.PolicyRule{{Verbs: []string{"*"}, APIGroups: []string{"*"}, Resources: []string{"*"}}}
		if f.Runner != nil {
			granted = f.Runner
		}
		var faults []string
		if q.as != nil {
			granted, faults = f.rulesOf(q.as.account, namespace)
		}
		status := authorizationv1.SubjectRulesReviewStatus{EvaluationError: strings.Join(faults, ", ")}
		for _, rule := range granted {
			status.ResourceRules = append(status.ResourceRules, authorizationv1.ResourceRule{
				Verbs: rule.Verbs, APIGroups: rule.APIGroups, Resources: rule.Resources, ResourceNames: rule.ResourceNames,
			})
		}
		answer["status"] = status
	case "selfsubjectaccessreviews": // of a right that a rules review has named
		answer["status"] = authorizationv1.SubjectAccessReviewStatus{Allowed: true, Reason: "RBAC: allowed"}
	}
	return answer, nil
}
