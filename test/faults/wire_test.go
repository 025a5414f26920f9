package faults

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// Each request of a job in turn is answered by a redirect, of every kind and to every kind of place: it is not followed, nor
// sent again, and the run ends as it does where anybody else answers in the API server's place.
func TestRedirectsOfTheAPIServer(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t)
	l := harness.NewJob(t, cluster, false)
	plain, arrivedPlain := kubetest.StartCanary(t, false)
	secure, arrivedSecure := kubetest.StartCanary(t, true)
	places := []string{secure + "/canary", plain + "/canary", "/canary", "//" + strings.TrimPrefix(plain, "http://"), ""}
	codes := []int{302, 307, 308, 301, 303}
	for _, args := range [][]string{nil, {"plan"}, {"revoke"}} {
		revokes := len(args) > 0 && args[0] == "revoke"
		for number := 1; ; number++ {
			what, seen, armed := "", 0, !revokes
			var mu sync.Mutex
			v := &harness.Run{}
			l.RouteThrough(t, v, fmt.Sprintf("redirect-%d-%d", len(args), number), func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
				mu.Lock()
				if armed {
					seen++
				}
				hit := armed && seen == number
				if hit {
					what = v.DescribeRequest(r)
				}
				lock := strings.HasPrefix(what, "PATCH ") && strings.Contains(what, "/leases/") // taken, and given back after the failure
				again := what != "" && !lock && !hit && v.DescribeRequest(r) == what && r.Method != http.MethodDelete && !strings.Contains(what, "/selfsubject")
				mu.Unlock()
				if again && args == nil {
					t.Errorf("%s was sent again", what)
				}
				if !hit {
					harness.Deliver(w, v.CarryOut(r, next))
					return
				}
				if to := places[number%len(places)]; to != "" {
					w.Header().Set("Location", to)
				}
				w.WriteHeader(codes[number%len(codes)])
			})
			if revokes {
				v.MustRun(t)
				mu.Lock()
				armed = true
				mu.Unlock()
			}
			code, said := v.RunInProcess(t, t.Context(), args...)
			mu.Lock()
			hit := what
			armed = false
			mu.Unlock()
			if hit == "" {
				if least := map[bool]int{true: 2, false: 8}[revokes]; number <= least {
					t.Errorf("%v sends %d requests only", args, number-1)
				}
				if code != 0 {
					t.Errorf("%v, without a redirect: exit code %d: %s", args, code, said)
				}
				break
			}
			if strings.HasSuffix(hit, "/selfsubjectaccessreviews") { // whether the runner may do anything: nothing depends on it
				if code != 0 {
					t.Errorf("%v, %s: exit code %d: %s", args, hit, code, said)
				}
				if args == nil {
					v.MustRun(t, "revoke")
				}
				continue
			}
			want := map[bool]int{true: 7, false: 3}[revokes]
			if code != want || !regexp.MustCompile(`(?m)^(error|warning): .*: the answer is a redirect \(30[12378] .*\)( that does not say where to|.* to "https?://127\.0\.0\.1:\d+", which is not followed)`).MatchString(said) {
				t.Errorf("%v, %s: exit code %d: %s", args, hit, code, said)
			}
			if strings.Contains(said, "canary") || !strings.Contains(said, "\nhint: ") {
				t.Errorf("%v, %s: it says %s", args, hit, said)
			}
			if _, err := os.Stat(filepath.Join(v.Dir, "kubemint.kubeconfig")); !revokes && !os.IsNotExist(err) {
				t.Errorf("%v, %s: a kubeconfig is left: %v", args, hit, err)
			}
			if revokes {
				v.MustRun(t, "revoke")
			}
			if left := leasesOf(t, l, v.Account); left > 0 {
				t.Errorf("%v, %s: %d leases are left: %s", args, hit, left, said)
			}
		}
	}
	if arrivedPlain.Load()+arrivedSecure.Load() > 0 {
		t.Error("a request went where a redirect leads")
	}
}

// leasesOf are those of an account of ours.
func leasesOf(t *testing.T, l *harness.Job, account string) int {
	t.Helper()
	var list metav1.PartialObjectMetadataList
	path := "/apis/coordination.k8s.io/v1/namespaces/" + l.Namespaces[0] + "/leases?labelSelector=kubemint%2Fservice-account%3D" + l.Namespaces[0] + "." + account
	if err := l.Cluster.Admin.Do(t.Context(), http.MethodGet, path, nil, &list); err != nil {
		t.Fatal(err)
	}
	return len(slices.DeleteFunc(list.Items, harness.IsLock))
}

// A server that asks for the client certificate and then redirects gets a connection, and where it leads gets none.
func TestNoClientCertificateFollowsARedirect(t *testing.T) {
	t.Parallel()
	cluster, namespace := harness.NewNamespace(t)
	far, arrived := kubetest.StartCanary(t, true)
	proxy := kubetest.NewProxy(t, cluster, func(_ int, w http.ResponseWriter, r *http.Request, _ http.Handler) {
		http.Redirect(w, r, far+r.URL.Path, http.StatusPermanentRedirect)
	})
	source, err := proxy.Kubeconfig(cluster.AdminKubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	for args, code := range map[string]int{"mint": 3, "plan": 3, "sweep": 7, "prune": 3} {
		said := harness.RunAs(t, t.TempDir(), source, []string{"KUBEMINT_NAMESPACE=" + namespace, "KUBEMINT_RULES=list pods"}, code, args)
		harness.AssertSays(t, said, `^error: .*: the answer is a redirect \(308 Permanent Redirect\) to "`+far+`", which is not followed$`,
			`^hint: give the address of the API server itself: a login page, a proxy or a moved server answers at https://127\.0\.0\.1:\d+, and no credential is sent where it leads$`)
	}
	if arrived.Load() > 0 {
		t.Error("a request went where the redirect leads")
	}
}

// alterations change the answer to a TokenRequest, as somebody in the API server's place could.
var alterations = map[string]struct {
	change func(t *testing.T, l *harness.Job, answer *authenticationv1.TokenRequest)
	says   string
}{
	"an expiry in the past": {func(_ *testing.T, _ *harness.Job, answer *authenticationv1.TokenRequest) {
		answer.Status.ExpirationTimestamp = metav1.NewTime(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))
	}, `the token expires at 2000-01-01T00:00:00Z, before it was issued`},
	"an expiry a moment ago": {func(_ *testing.T, _ *harness.Job, answer *authenticationv1.TokenRequest) {
		answer.Status.Token = claiming(answer.Status.Token, func(claims map[string]any) { claims["iat"] = claims["iat"].(float64) - 7200 })
		answer.Status.ExpirationTimestamp = metav1.NewTime(time.Now().Add(-time.Minute))
	}, `the token has expired already, at `},
	"no expiry": {func(_ *testing.T, _ *harness.Job, answer *authenticationv1.TokenRequest) {
		answer.Status.ExpirationTimestamp = metav1.Time{}
	}, `the token has no expiry, although one was asked for`},
	"the token of another account": {func(t *testing.T, l *harness.Job, answer *authenticationv1.TokenRequest) {
		t.Helper()
		answer.Status.Token = l.RunnersToken(t)
	}, `the token is not one of ServiceAccount `},
	"a CI system's token": {func(_ *testing.T, _ *harness.Job, answer *authenticationv1.TokenRequest) {
		answer.Status.Token = claiming(answer.Status.Token, func(claims map[string]any) {
			delete(claims, "kubernetes.io")
			claims["iss"] = "https://token.actions.githubusercontent.com"
		})
	}, `the token is not one of ServiceAccount `},
	"a line break": {func(_ *testing.T, _ *harness.Job, answer *authenticationv1.TokenRequest) {
		answer.Status.Token += "\n::set-env name=A::b"
	}, `the token is not one word of ASCII`},
	"a jti that is a command": {func(_ *testing.T, _ *harness.Job, answer *authenticationv1.TokenRequest) {
		answer.Status.Token = claiming(answer.Status.Token, func(claims map[string]any) { claims["jti"] = "x\n::stop-commands::y" })
	}, `the token's jti is not one word of ASCII`},
	"a page's worth": {func(_ *testing.T, _ *harness.Job, answer *authenticationv1.TokenRequest) {
		answer.Status.Token += strings.Repeat("x", 1<<20)
	}, `the token is longer than 64 KiB`},
}

// claiming changes the claims of a token.
func claiming(token string, change func(claims map[string]any)) string {
	parts := strings.Split(token, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		panic(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		panic(err)
	}
	change(claims)
	if payload, err = json.Marshal(claims); err != nil {
		panic(err)
	}
	parts[1] = base64.RawURLEncoding.EncodeToString(payload)
	return strings.Join(parts, ".")
}

// altering hands a run's requests on, and changes the answers to those for a token.
func altering(t *testing.T, l *harness.Job, account string, change func(answer *authenticationv1.TokenRequest)) (v *harness.Run, asked *atomic.Int32) {
	t.Helper()
	v, asked = &harness.Run{}, &atomic.Int32{}
	l.RouteThrough(t, v, account, func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
		answer := v.CarryOut(r, next)
		if !strings.HasSuffix(r.URL.Path, "/token") || answer.Code != http.StatusCreated {
			harness.Deliver(w, answer)
			return
		}
		asked.Add(1)
		var request authenticationv1.TokenRequest
		if err := json.Unmarshal(answer.Body.Bytes(), &request); err != nil {
			t.Error(err)
		}
		change(&request)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(request)
	})
	v.Env = append(v.Env, "PATH="+os.Getenv("PATH"))
	return v, asked
}

// A token that cannot be the ServiceAccount's is not used for anything, and all is taken back.
func TestTokensThatAreNotTheAccounts(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t)
	l := harness.NewJob(t, cluster, false)
	number := 0
	for name, c := range alterations {
		number++
		account := fmt.Sprintf("altered-%d", number)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for args, want := range map[string]int{"mint": 5, "exec -- true": 125} {
				v, asked := altering(t, l, account, func(answer *authenticationv1.TokenRequest) { c.change(t, l, answer) })
				code, said := v.RunInProcess(t, t.Context(), strings.Fields(args)...)
				if code != want {
					t.Errorf("%s: exit code %d", args, code)
				}
				harness.AssertSays(t, said, `^error: mint token: `+c.says, `^hint: it is not used: see what answers in the API server's place`)
				if asked.Load() != 1 {
					t.Errorf("%s: a token was asked for %d times", args, asked.Load())
				}
				if strings.Contains(said, "eyJ") || strings.Contains(said, "\n::") {
					t.Errorf("%s: it says %s", args, said)
				}
				if files, err := os.ReadDir(v.Dir); err != nil || len(files) > 0 {
					t.Errorf("%s: left are %v, %v", args, files, err)
				}
				if left := leasesOf(t, l, account); left > 0 {
					t.Errorf("%s: %d leases are left", args, left)
				}
			}
		})
	}
}

// However short the API server says that its tokens live, exec asks for one at a time.
func TestExecDoesNotMintInALoop(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t)
	l := harness.NewJob(t, cluster, false)
	v, asked := altering(t, l, "short", func(answer *authenticationv1.TokenRequest) {
		answer.Status.ExpirationTimestamp = metav1.NewTime(time.Now().Add(2 * time.Second))
	})
	if code, said := v.RunInProcess(t, t.Context(), "exec", "--", "sleep", "6"); code != 0 {
		t.Errorf("exit code %d: %s", code, said)
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("%d tokens were asked for in 6 seconds", n)
	}
}

// A proxy that ends TLS takes the client certificate with it. The API server takes such a runner for nobody, and so nothing
// that is made for it stays, whatever nobody may do.
func TestNobodyBehindAProxy(t *testing.T) {
	t.Parallel()
	cluster, namespace := harness.NewNamespace(t)
	bind := func(path string, binding any) {
		if err := cluster.Admin.Do(t.Context(), http.MethodPost, "/apis/rbac.authorization.k8s.io/v1/"+path, binding, nil); err != nil {
			t.Fatal(err)
		}
	}
	everyone := []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "system:anonymous"}}
	ran := func(code int, args string) {
		t.Helper()
		var made, deleted atomic.Int32
		proxy := kubetest.NewProxy(t, cluster, func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
			r.Header.Del("Authorization")
			answer := answered(t, r, next)
			if strings.Contains(r.URL.Path, "/leases") && answer.Code/100 == 2 {
				made.Add(map[bool]int32{true: 1}[r.Method == http.MethodPost])
				deleted.Add(map[bool]int32{true: 1}[r.Method == http.MethodDelete])
			}
			harness.Deliver(w, answer)
		})
		for what, credential := range map[string][]byte{"a client certificate": cluster.AdminKubeconfig(), "a token": adminToken(t, cluster)} {
			source, err := proxy.Kubeconfig(credential)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			said := harness.RunAs(t, dir, source, []string{"KUBEMINT_NAMESPACE=" + namespace, "KUBEMINT_RULES=list pods"}, code, args)
			harness.AssertSays(t, said, `^error: .*the API server did not recognise the credential: it takes the runner for "system:anonymous"$`)
			if strings.Count(said, "error: ") != 1 || regexp.MustCompile(`bootstrap|apiGroups|may live on|created`).MatchString(said) {
				t.Errorf("%s, %s: it says %s", args, what, said)
			}
			if files, err := filepath.Glob(filepath.Join(dir, "kubemint*")); err != nil || len(files) > 0 {
				t.Errorf("%s, %s: left are %v, %v", args, what, files, err)
			}
		}
		if made.Load() > deleted.Load() {
			t.Errorf("%s: %d leases were made, and %d deleted", args, made.Load(), deleted.Load())
		}
		for _, path := range []string{"/api/v1/namespaces/" + namespace + "/secrets", "/apis/coordination.k8s.io/v1/namespaces/" + namespace + "/leases" + harness.ManagedSelector} {
			var list metav1.PartialObjectMetadataList
			if err := cluster.Admin.Do(t.Context(), http.MethodGet, path, nil, &list); err != nil || len(list.Items) > 0 {
				t.Errorf("%s: left at %s: %v %v", args, path, list.Items, err)
			}
		}
	}
	nobodyMay := func(right authorizationv1.ResourceAttributes) { // a binding takes effect a little after it was written
		harness.AwaitTrue(t, func() (bool, error) {
			review := authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
				User: "system:anonymous", Groups: []string{"system:unauthenticated"}, ResourceAttributes: &right,
			}}
			const reviews = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
			err := cluster.Admin.Do(t.Context(), http.MethodPost, reviews, review, &review)
			return review.Status.Allowed, err
		})
	}
	all := map[string]int{"mint": 3, "plan": 3, "sweep": 3, "prune": 3}
	for args, code := range all { // nobody may do anything
		ran(code, args)
	}
	bind("namespaces/"+namespace+"/rolebindings", rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "everyone"}, Subjects: everyone,
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
	})
	nobodyMay(authorizationv1.ResourceAttributes{
		Namespace: namespace, Verb: "create", Group: "coordination.k8s.io", Resource: "leases",
	})
	ran(3, "mint") // nobody may do anything there
	ran(3, "plan")
	bind("clusterrolebindings", rbacv1.ClusterRoleBinding{ // and ask who it is, as on clusters from before Kubernetes 1.14
		ObjectMeta: metav1.ObjectMeta{Name: namespace}, Subjects: everyone,
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "system:basic-user"},
	})
	nobodyMay(authorizationv1.ResourceAttributes{
		Verb: "create", Group: "authorization.k8s.io", Resource: "selfsubjectaccessreviews",
	})
	ran(3, "mint")
	ran(3, "plan")
}

// answered has the API server answer a request: it ends HTTP/2 connections that ask for nobody (feature gate
// UnauthenticatedHTTP2DOSMitigation), so that one may be asked again.
func answered(t *testing.T, r *http.Request, next http.Handler) *httptest.ResponseRecorder {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	for {
		answer, cut := httptest.NewRecorder(), false
		func() { //nolint:contextcheck // it is of the request
			defer func() { cut = recover() != nil }()
			again := r.Clone(r.Context())
			again.Body = io.NopCloser(bytes.NewReader(body))
			next.ServeHTTP(answer, again)
		}()
		if !cut || r.Context().Err() != nil {
			return answer
		}
	}
}

func adminToken(t *testing.T, cluster *kubetest.ControlPlane) []byte {
	t.Helper()
	content, err := cluster.AdminTokenKubeconfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return content
}
