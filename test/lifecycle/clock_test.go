package lifecycle

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/internal/command"
	"github.com/kubemint/kubemint/internal/secret"
	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// wrongClocks are by how much the runner's clock is off, and how the program says so.
var wrongClocks = map[time.Duration]string{-24 * time.Hour: "-24h", -time.Hour: "-1h", time.Hour: "1h", 24 * time.Hour: "24h"}

// far is the least difference between a moment and the same moment by a wrong clock. No test takes so long.
const far = 30 * time.Minute

// processWithClock runs kubemint in this process: only there a test can set a wrong clock.
func processWithClock(v *harness.Run, off time.Duration, stdout, stderr *kubetest.Lines, args ...string) command.Process {
	return command.Process{
		Args: append([]string{"kubemint"}, args...), Environ: append([]string{"PATH=" + os.Getenv("PATH")}, v.Env...),
		Dir: v.Dir, Streams: command.Streams{Stdin: http.NoBody, Stdout: stdout, Stderr: stderr}, ForTests: command.ForTests{ClockOff: off},
	}
}

// runWithClock runs the program with a wrong clock, demands its exit code and that it says once that the clock is wrong.
func runWithClock(t *testing.T, v *harness.Run, off time.Duration, want int, args ...string) string {
	t.Helper()
	var stdout, stderr kubetest.Lines
	if code := command.Main(t.Context(), processWithClock(v, off, &stdout, &stderr, args...)); code != want {
		t.Fatalf("kubemint %v: exit code %d, not %d: %s", args, code, want, &stderr)
	}
	warning := "warning: this machine's clock is off by " + wrongClocks[off] + " from the API server's, which decides when tokens expire: set it\n"
	if n := strings.Count(stderr.String(), warning); n != 1 {
		t.Errorf("kubemint %v says %d times that its clock is off by %s:\n%s", args, n, off, &stderr)
	}
	return stderr.String()
}

// expiriesOf are when the objects of this run say that they expire.
func expiriesOf(t *testing.T, v *harness.Run) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, path := range v.FindObjects(t) {
		var object metav1.PartialObjectMetadata
		if err := v.Cluster.Admin.Do(t.Context(), http.MethodGet, path, nil, &object); err != nil {
			t.Fatal(err)
		}
		all[path] = object.Annotations["kubemint/expires-at"]
	}
	return all
}

// readMinted is the token of the kubeconfig that a run wrote, and what its env file says of the token's end.
func readMinted(t *testing.T, v *harness.Run) (client *kubetest.Client, expiresAt time.Time) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(v.Dir, "kubemint.kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	if client, err = kubetest.NewClient(content); err != nil {
		t.Fatal(err)
	}
	env, err := os.ReadFile(filepath.Join(v.Dir, "kubemint.kubeconfig.env"))
	if err != nil {
		t.Fatal(err)
	}
	at := regexp.MustCompile(`(?m)^KUBEMINT_OUT_EXPIRES_AT=(\S+Z)$`).FindStringSubmatch(string(env))
	if at == nil {
		t.Fatalf("no time in UTC in %s", env)
	}
	if expiresAt, err = time.Parse(time.RFC3339, at[1]); err != nil {
		t.Fatal(err)
	}
	return client, expiresAt
}

// A runner whose clock is wrong: what it makes expires when the API server's clock says so. No sweep ends it before, and no
// command takes a live credential for an expired one, or vice versa.
func TestWrongClock(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t)
	var group sync.WaitGroup
	defer group.Wait()
	for off := range wrongClocks {
		for name, test := range map[string]func(*testing.T, *harness.Job, time.Duration){
			"mint, sweep, revoke --wait": mintedBy, "mint ephemeral, sweep, revoke": mintedBy,
			"exec": renewedBy, "sweep": sweptBy, "revoke is refused": refusedTo,
		} {
			// All at the same time, however few tests may run in parallel: they usually wait.
			group.Go(func() {
				t.Run(fmt.Sprintf("%s, %s", name, wrongClocks[off]), func(t *testing.T) {
					test(t, harness.NewJob(t, cluster, strings.Contains(name, "ephemeral")), off)
				})
			})
		}
	}
}

func mintedBy(t *testing.T, l *harness.Job, off time.Duration) {
	t.Helper()
	v := l.NewRun(t, "clock", 0, false)
	runWithClock(t, v, off, 0)
	client, end := readMinted(t, v)
	if have := time.Until(end) - time.Hour; have.Abs() > far {
		t.Errorf("a token of 1h expires %s", end)
	}
	expiries := expiriesOf(t, v)
	for path, said := range expiries {
		at, err := time.Parse(time.RFC3339, said)
		if err != nil || at.Sub(end).Abs() > far {
			t.Errorf("%s says that it expires at %q, and the token expires %s", path, said, end.Format(time.RFC3339))
		}
	}
	if least := map[bool]int{false: 2, true: 7}[l.Ephemeral]; len(expiries) < least {
		t.Errorf("%d objects are marked: %v", len(expiries), expiries)
	}
	// Neither a sweeper with the same clock nor one with the right one takes it for a left one.
	harness.AssertSays(t, runWithClock(t, v, off, 0, "sweep"), `^swept: 0 objects deleted in namespace `)
	harness.RunProgram(t, v.Dir, v.Env, "sweep")
	if err := client.Do(t.Context(), http.MethodGet, "/apis/authentication.k8s.io/v1", nil, nil); err != nil {
		t.Errorf("a sweep has ended a live credential: %v", err)
	}
	revoke := []string{"revoke"}
	if !l.Ephemeral { // with --wait, which takes the API server's 10 s
		revoke = append(revoke, "--wait")
	}
	said := runWithClock(t, v, off, 0, revoke...)
	harness.AssertSays(t, said, `^revoked: lease `)
	if !l.Ephemeral {
		harness.AssertSays(t, said, `^dead: the API server refuses the token`)
		harness.AwaitDeath(t, "the token", client)
	}
	v.AssertNothingLeft(t)
}

// sweptBy has a sweeper with a wrong clock find a lease whose time is over and one whose time is not.
func sweptBy(t *testing.T, l *harness.Job, off time.Duration) {
	t.Helper()
	leases := "/apis/coordination.k8s.io/v1/namespaces/" + l.Namespaces[0] + "/leases"
	for name, left := range map[string]time.Duration{"over": -far, "current": far} {
		lease := coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{
			Name: "kubemint-" + name, Labels: map[string]string{"app.kubernetes.io/managed-by": "kubemint"},
			Annotations: map[string]string{"kubemint/expires-at": time.Now().Add(left).UTC().Format(time.RFC3339)},
		}}
		if err := l.Cluster.Admin.Do(t.Context(), http.MethodPost, leases, lease, nil); err != nil {
			t.Fatal(err)
		}
	}
	said := runWithClock(t, l.NewRun(t, "sweeper", 0, false), off, 0, "sweep")
	harness.AssertSays(t, said, `^deleted +Lease \S+/kubemint-over, expired 20\S+Z$`, `^swept: 1 object deleted in namespace `)
	if err := l.Cluster.Admin.Do(t.Context(), http.MethodGet, leases+"/kubemint-current", nil, nil); err != nil {
		t.Errorf("the other one: %v", err)
	}
}

// renewedBy has exec run a command. A token of ten minutes is not renewed in the second that the command takes, whatever the
// clock says; one of two seconds is.
func renewedBy(t *testing.T, l *harness.Job, off time.Duration) {
	t.Helper()
	var requests atomic.Int32
	short := atomic.Bool{}
	v := &harness.Run{}
	l.RouteThrough(t, v, "exec", func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		l.KeepToken(r, answer)
		if strings.HasSuffix(r.URL.Path, "/token") {
			requests.Add(1)
			if short.Load() {
				answer = expiring(t, answer, 2*time.Second)
			}
		}
		harness.Deliver(w, answer)
	})
	v.Env = append(v.Env, "KUBEMINT_DURATION=10m")
	runWithClock(t, v, off, 0, "exec", "--", "sleep", "1")
	if n := requests.Load(); n != 1 {
		t.Errorf("a token of 10 minutes was requested %d times in a second", n)
	}
	v.AssertNothingLeft(t)

	short.Store(true)
	e := &harness.Exec{Run: v, Code: make(chan int, 1)}
	go func() {
		e.Code <- command.Main(t.Context(), processWithClock(v, off, &e.Stdout, &e.Stderr, "exec", "--", "sh", "-c", harness.WaitForDone))
	}()
	e.AwaitTrue(t, "a token of 2 seconds is renewed", func() bool { return requests.Load() > 2 })
	e.Finish(t)
}

// expiring is the answer to a request for a token, which says that the token lives for so long from when it was issued.
func expiring(t *testing.T, answer *httptest.ResponseRecorder, lifetime time.Duration) *httptest.ResponseRecorder {
	t.Helper()
	claims, err := secret.New(harness.TokenOf(answer)).Claims()
	if err != nil {
		t.Error(err)
	}
	var body map[string]any
	if err := json.Unmarshal(answer.Body.Bytes(), &body); err != nil {
		t.Error(err)
	}
	body["status"].(map[string]any)["expirationTimestamp"] = claims.IssuedAt.Add(lifetime).Format(time.RFC3339)
	changed := httptest.NewRecorder()
	maps.Copy(changed.Header(), answer.Header())
	changed.Header().Del("Content-Length")
	changed.WriteHeader(answer.Code)
	if err := json.NewEncoder(changed).Encode(body); err != nil {
		t.Error(err)
	}
	return changed
}

// refusedTo has the API server refuse the deletion: a clock that is ahead must not make an error of a live token good.
func refusedTo(t *testing.T, l *harness.Job, off time.Duration) {
	t.Helper()
	v := &harness.Run{}
	l.RouteThrough(t, v, "refused", func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodDelete {
			r.Header.Set("Impersonate-User", "nobody")
		}
		next.ServeHTTP(w, r)
	})
	harness.RunProgram(t, v.Dir, v.Env)
	harness.AssertSays(t, runWithClock(t, v, off, 7, "revoke"), `^error: delete Lease \S+: `, `^hint: the credential lives until 20\S+Z unless you run  kubectl `)
	if _, err := os.Stat(harness.ReceiptIn(v.Dir, "kubemint.kubeconfig")); err != nil {
		t.Errorf("the receipt is gone, and the token lives: %v", err)
	}
}

// What answers in the API server's place has no say in what time it is.
func TestAPageHasNoClock(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t)
	l, v := harness.NewJob(t, cluster, false), &harness.Run{}
	l.RouteThrough(t, v, "page", func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodDelete {
			w.Header().Set("Date", time.Now().AddDate(1, 0, 0).UTC().Format(http.TimeFormat))
			http.Error(w, "please sign in", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
	harness.RunProgram(t, v.Dir, v.Env)
	code, said := v.RunInProcess(t, t.Context(), "revoke")
	if code != 7 {
		t.Errorf("exit code %d", code)
	}
	harness.AssertSays(t, said, `^error: delete Lease \S+: the answer is not one of the Kubernetes API`, `^hint: the credential lives until `)
	if _, err := os.Stat(harness.ReceiptIn(v.Dir, "kubemint.kubeconfig")); err != nil {
		t.Errorf("the receipt is gone, and the token lives: %v", err)
	}
}
