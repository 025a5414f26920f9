package kubetest

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// ServeHTTP answers a request.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/version" {
		writeFake(w, http.StatusOK, map[string]any{})
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		f.t.Error(err)
	}
	q := newFakeRequest(r, body)
	f.mu.Lock()
	token, minted := f.tokens[q.bearer]
	if minted {
		q.as = &token
	}
	asked := q.String()
	f.requests = append(f.requests, asked)
	hooks := slices.Clone(f.hooks)
	f.mu.Unlock()
	for _, hook := range hooks {
		if err := hook(asked); err != nil {
			refuseFake(w, err)
			return
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	creates := r.Method == http.MethodPost || (q.verb == "apply" && f.objects[q.key()] == nil)
	answer, err := f.carryOut(q)
	if err != nil {
		refuseFake(w, err)
		return
	}
	code := http.StatusOK
	if creates {
		code = http.StatusCreated
	}
	writeFake(w, code, answer)
}

func refuseFake(w http.ResponseWriter, err error) {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	answer := status.ErrStatus
	answer.Kind = "Status"
	answer.APIVersion = "v1"
	writeFake(w, int(answer.Code), answer)
}

func writeFake(w http.ResponseWriter, code int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(answer)
}

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
	case "delete":
		return f.remove(q)
	}
	f.t.Errorf("the fake does not know %s", q)
	return nil, apierrors.NewGenericServerResponse(http.StatusMethodNotAllowed, q.verb, q.GroupResource, "", "", 0, true)
}
