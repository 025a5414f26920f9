package kubetest

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Fake is an API server in memory, for the unit tests of rooms that take a whole client: what they
// send in which order, and what they leave after a failure. It compares UIDs and versions, knows
// namespaces, dry runs, owners and bound tokens, and works out from its roles and bindings what a
// token may do. A request that it does not know is an error of the test.
//
// The runner may do everything: [Fake.Intercept] has it refused. What depends on
// admission, field managers or the runner's own RBAC belongs into a script, on a real API server.
type Fake struct {
	URL  string
	CA   []byte           // PEM
	Now  func() time.Time // its clock; no answer tells it
	Kept bool             // no garbage collector runs: what a deleted object owned stays
	// Longest is the longest lifetime of a token; a longer one is shortened. 0 is any.
	Longest time.Duration
	// Runner holds the rules that a review of the runner returns; nil stands for all rights. It refuses
	// no request: Intercept does.
	Runner []rbacv1.PolicyRule
	// Lacks is a resource that it does not serve.
	Lacks string
	// Custom are resources of other groups, as CustomResourceDefinitions declare them. They can be
	// discovered, and not used.
	Custom []schema.GroupResource

	t        testing.TB
	mu       sync.Mutex
	objects  map[string]*unstructured.Unstructured
	tokens   map[string]fakeToken
	requests []string
	hooks    []func(asked string) error
	last     int // resourceVersion, and number of the last UID
}

// RunnerToken is the bearer token of the runner.
const RunnerToken = "runner-token"

// StartFake starts one that holds namespaces, and then objects. It ends with the test.
func StartFake(t testing.TB, now time.Time, namespaces ...string) *Fake {
	t.Helper()
	authority, err := NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	certificate, key, err := authority.Server("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	f := &Fake{
		CA: authority.PEM, Now: func() time.Time { return now }, t: t,
		objects: map[string]*unstructured.Unstructured{}, tokens: map[string]fakeToken{},
	}
	server := httptest.NewUnstartedServer(f)
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // connections that nobody needed after all
	server.StartTLS()
	t.Cleanup(server.Close)
	f.URL = server.URL
	for _, namespace := range namespaces {
		f.Put(&unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": namespace},
		}})
	}
	return f
}

// Config connects as the runner.
func (f *Fake) Config() *rest.Config {
	return &rest.Config{
		Host: f.URL, BearerToken: RunnerToken, TLSClientConfig: rest.TLSClientConfig{CAData: f.CA},
		Dial: (&net.Dialer{}).DialContext, // one of its own, so that client-go shares no connection between tests
	}
}

// Kubeconfig is that of the runner, with one context.
func (f *Fake) Kubeconfig() []byte {
	config := clientcmdapi.NewConfig()
	config.Clusters["fake"] = &clientcmdapi.Cluster{Server: f.URL, CertificateAuthorityData: f.CA}
	config.AuthInfos["runner"] = &clientcmdapi.AuthInfo{Token: RunnerToken}
	config.Contexts["fake"] = &clientcmdapi.Context{Cluster: "fake", AuthInfo: "runner"}
	config.CurrentContext = "fake"
	data, err := clientcmd.Write(*config)
	if err != nil {
		f.t.Fatal(err)
	}
	return data
}

// Intercept has a function see each request from now on, as [Fake.Asked] has it, before it is
// carried out. An error takes the place of the answer: an *apierrors.StatusError is sent, and any
// other error breaks the connection. The function may use the fake.
func (f *Fake) Intercept(hook func(asked string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hooks = append(f.hooks, hook)
}

// Forbid has the API server refuse the requests that match a pattern, as RBAC does.
func (f *Fake) Forbid(pattern string) {
	matches := regexp.MustCompile(pattern)
	f.Intercept(func(asked string) error {
		if !matches.MatchString(asked) {
			return nil
		}
		words := strings.Fields(strings.TrimPrefix(asked, "token: "))
		return apierrors.NewForbidden(groupOf(words[1]), "", denial(
			`User "runner" cannot `+words[0]+` resource "`+words[1]+`" in API group "" in the namespace "x"`,
		))
	})
}

// randomEnd is that of a lease's name.
var randomEnd = regexp.MustCompile(`-[a-z2-7]{10}( |$)`)

// Asked are the requests so far: "create leases shop/kubemint-ci-…", with "token: " before those of
// a minted token, and " (dry run)" after those that change nothing. Random ends of names are left
// out.
func (f *Fake) Asked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.requests)
}

// Writes are those of the requests that change something.
func (f *Fake) Writes() []string {
	return slices.DeleteFunc(f.Asked(), func(asked string) bool {
		return strings.HasSuffix(asked, "(dry run)") || strings.HasPrefix(asked, "get ") ||
			strings.HasPrefix(asked, "list ") || strings.Contains(asked, "reviews")
	})
}

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
	answer, err := f.carryOut(q)
	if err != nil {
		refuseFake(w, err)
		return
	}
	code := http.StatusOK
	if r.Method == http.MethodPost {
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

// fakeToken is a token that was minted.
type fakeToken struct {
	account      types.NamespacedName
	secret       string // key of the Secret that it is bound to; "" where it is bound to none
	secretUID    types.UID
	accountUID   types.UID // "" where any account of that name will do
	accountStore string    // key of the account
}

func (f *Fake) isAlive(token *fakeToken) bool {
	account := f.objects[token.accountStore]
	if account == nil || (token.accountUID != "" && account.GetUID() != token.accountUID) {
		return false
	}
	if token.secret == "" {
		return true
	}
	secret := f.objects[token.secret]
	return secret != nil && secret.GetUID() == token.secretUID
}

// rulesOf are the rules of an account in a namespace, by the roles and bindings that there are.
// faults names the roles that a binding refers to in vain.
func (f *Fake) rulesOf(account types.NamespacedName, namespace string) (granted []rbacv1.PolicyRule, faults []string) {
	for key, stored := range f.objects {
		resource, _, _ := strings.Cut(key, " ")
		inPlace := resource == "rolebindings" && stored.GetNamespace() == namespace
		if !inPlace && resource != "clusterrolebindings" {
			continue
		}
		var binding rbacv1.ClusterRoleBinding // a RoleBinding has the same fields
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(stored.Object, &binding); err != nil {
			f.t.Error(err)
		}
		its := rbacv1.Subject{Kind: "ServiceAccount", Namespace: account.Namespace, Name: account.Name}
		if !slices.Contains(binding.Subjects, its) {
			continue
		}
		resource, _ = resourceOf(binding.RoleRef.Kind)
		if binding.RoleRef.Kind == "ClusterRole" {
			namespace = ""
		}
		role := f.objects[fakeKey(resource, namespace, binding.RoleRef.Name)]
		if role == nil {
			faults = append(faults, apierrors.NewNotFound(groupOf(resource), binding.RoleRef.Name).Error())
			continue
		}
		var held rbacv1.ClusterRole
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(role.Object, &held); err != nil {
			f.t.Error(err)
		}
		granted = append(granted, held.Rules...)
	}
	return granted, faults
}

// PermanentToken is a token without expiry, as the token controller writes it into a Secret. The
// account need not be there yet.
func (f *Fake) PermanentToken(namespace, name string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	store := fakeKey("serviceaccounts", namespace, name)
	token := fakeToken{account: types.NamespacedName{Namespace: namespace, Name: name}, accountStore: store}
	text := f.sign(token, time.Time{})
	f.tokens[text] = token
	return text
}
