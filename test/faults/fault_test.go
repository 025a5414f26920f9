package faults

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// everyFault has TestFaults try all that it knows, which takes minutes: make test-faults. Without it, a sample.
var everyFault = flag.Bool("faults", false, "every request of a run × every fault")

// sampled is one in how many trials is made without everyFault.
const sampled = 16

// walkers is how many trials are made at once, of all walks together: as many as keep two cores busy, since half of them wait.
// More would only have each wait for the others, and find the time of its run over.
const walkers = 40

// slots are taken by trials that are under way.
var slots = make(chan struct{}, walkers)

// Any answer or connection fails, at any request, once or permanently: the run still succeeds, or ends with the code, the
// words and the hint that the fault deserves, and leaves no credential that its error does not name. The next run, without
// the fault, repairs everything.
func TestFaults(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t)
	few := []string{"403 by RBAC", "409", "503", "cut before the answer", "stream reset", "TLS with another's certificate"}
	for _, j := range []*faultWalk{
		{name: "mint", Job: harness.NewJob(t, cluster, false)},
		{name: "mint over an earlier credential", Job: harness.NewJob(t, cluster, false), earlier: true, faults: few},
		{name: "mint an ephemeral identity", Job: harness.NewJob(t, cluster, true), faults: few},
		{name: "mint a permanent token", Job: harness.NewJob(t, cluster, false), permanent: true, faults: few},
		{name: "revoke", Job: harness.NewJob(t, cluster, false), earlier: true, args: []string{"revoke"}},
		{name: "revoke an ephemeral identity", Job: harness.NewJob(t, cluster, true), earlier: true, args: []string{"revoke"}, faults: few},
	} {
		t.Run(j.name, func(t *testing.T) {
			t.Parallel()
			j.all(t)
		})
	}
}

// faultWalk is a command that meets faults.
type faultWalk struct {
	*harness.Job
	name      string
	earlier   bool     // there is a credential before it
	args      []string // none: mint
	permanent bool
	faults    []string // nil: all
	exact     string   // the objects that a mint without faults makes

	count struct{ trials, met, succeeded, failed atomic.Int32 }
}

func (j *faultWalk) revokes() bool { return len(j.args) > 0 }

// lasting is how long a fault lasts.
type lasting string

const (
	once  lasting = "once"
	again lasting = "again" // each time that the same is asked
	since lasting = "since" // from then on, whatever is asked: the API server stays away
)

// request is one request of a run to the API server: what it asks, and which occurrence of it.
type request struct {
	what string
	nth  int
}

// trial is one run of a job. One of its requests meets a fault.
type trial struct {
	*harness.Run
	walk    *faultWalk
	fault   kubetest.Fault
	lasts   lasting
	request request
	number  int32 // which trial of the walk it is
	patient bool  // the next run waits until a lock that was left has expired
	armed   atomic.Bool
	met     atomic.Bool
	hit     func()
}

func (tr *trial) String() string {
	return fmt.Sprintf("%s, %s, %s #%d (%s)", tr.fault.Name, tr.lasts, tr.request.what, tr.request.nth, tr.Account)
}

func (j *faultWalk) all(t *testing.T) {
	t.Helper()
	requests := j.requestsOf(t)
	j.eachFault(requests, func(tr *trial) {
		tr.number = j.count.trials.Add(1)
		tr.set(t, j, fmt.Sprintf("trial%d", tr.number))
		tr.run(t)
	})
	if !j.permanent {
		j.AssertAllDead(t)
	}
	j.report(t, requests)
}

func (j *faultWalk) report(t *testing.T, requests []request) {
	t.Helper()
	c := &j.count
	t.Logf("%d requests, %d trials: %d met their fault, %d succeeded, %d failed as they should",
		len(requests), c.trials.Load(), c.met.Load(), c.succeeded.Load(), c.failed.Load())
}

// eachFault makes the trials of every request, every fault and however long that lasts, or of a sample. They are shuffled:
// those of some faults wait all the time, and those of others never.
func (j *faultWalk) eachFault(requests []request, f func(*trial)) {
	random := rand.New(rand.NewPCG(7, 7)) // the same sample, in the same order, each time
	var trials []*trial
	for _, fault := range kubetest.Faults() {
		if j.faults != nil && !slices.Contains(j.faults, fault.Name) {
			continue
		}
		for _, lasts := range []lasting{once, again, since} {
			for _, request := range requests {
				if *everyFault || random.IntN(sampled) == 0 {
					trials = append(trials, &trial{fault: fault, lasts: lasts, request: request})
				}
			}
		}
	}
	random.Shuffle(len(trials), func(a, b int) { trials[a], trials[b] = trials[b], trials[a] })
	var all sync.WaitGroup
	for i, tr := range trials {
		tr.patient = i < len(trials)/sampled // first, since it takes a minute
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			f(tr)
		})
	}
	all.Wait()
}

// set prepares the trial's proxy: it hands everything on until the trial is armed.
func (tr *trial) set(t *testing.T, walk *faultWalk, account string) {
	t.Helper()
	tr.walk, tr.Run = walk, &harness.Run{Permanent: walk.permanent}
	var faulty kubetest.Between
	tr.walk.RouteThrough(t, tr.Run, account, func(number int, w http.ResponseWriter, r *http.Request, next http.Handler) {
		recorded := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { harness.Deliver(w, tr.CarryOut(r, next)) })
		if tr.armed.Load() {
			faulty(number, w, r, recorded)
		} else {
			recorded.ServeHTTP(w, r)
		}
	})
	seen := 0
	faulty = tr.fault.Between(func(r *http.Request) bool {
		same := tr.DescribeRequest(r) == tr.request.what
		if same {
			seen++
		}
		hit := same && seen == tr.request.nth || same && tr.lasts == again && tr.met.Load() || tr.lasts == since && tr.met.Load()
		if hit {
			tr.met.Store(true)
			tr.hit()
		}
		return hit
	})
}

// listen returns a run whose requests are written down from a moment on.
func (j *faultWalk) listen(t *testing.T, account string) (v *harness.Run, all *[]request, from *atomic.Bool) {
	t.Helper()
	v, all, from = &harness.Run{Permanent: j.permanent}, new([]request), new(atomic.Bool)
	var mu sync.Mutex
	count := map[string]int{}
	j.RouteThrough(t, v, account, func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
		mu.Lock()
		if what := v.DescribeRequest(r); from.Load() {
			count[what]++
			*all = append(*all, request{what, count[what]})
		}
		mu.Unlock()
		harness.Deliver(w, v.CarryOut(r, next))
	})
	return v, all, from
}

// requestsOf returns the requests that every run of the job sends to the API server, without faults. A run may repeat
// requests while its access is not in effect yet, so only those that all of three runs send count.
func (j *faultWalk) requestsOf(t *testing.T) []request {
	t.Helper()
	common := j.requestsOfOne(t, "whole")
	for _, account := range []string{"again", "oncemore"} {
		all := j.requestsOfOne(t, account)
		common = slices.DeleteFunc(common, func(r request) bool { return !slices.Contains(all, r) })
	}
	if len(common) < 2 || !j.revokes() && len(common) < 11 {
		t.Fatalf("it sent %d requests only: they do not go through the proxy", len(common))
	}
	return common
}

func (j *faultWalk) requestsOfOne(t *testing.T, account string) []request {
	t.Helper()
	v, all, from := j.listen(t, account)
	if j.earlier {
		v.MustRun(t)
	}
	from.Store(true)
	v.MustRun(t, j.args...)
	from.Store(false)
	if !j.revokes() {
		j.exact = describeAccess(t, v)
		revokeRun(t, v)
	}
	v.AssertNothingLeft(t)
	return *all
}

func revokeRun(t *testing.T, v *harness.Run) {
	t.Helper()
	if v.Permanent {
		v.MustRun(t, "revoke", "--permanent")
		return
	}
	v.MustRun(t, "revoke")
}

// timeLimit is a context whose deadline is set later, so that a busy machine takes no time from what comes before the fault.
type timeLimit struct {
	context.Context
	over chan struct{}
	set  sync.Once
}

func (l *timeLimit) Done() <-chan struct{} { return l.over }

func (l *timeLimit) Err() error {
	select {
	case <-l.over:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// in sets it, the first time; 0 sets none.
func (l *timeLimit) in(d time.Duration) {
	if d > 0 {
		l.set.Do(func() { time.AfterFunc(d, func() { close(l.over) }) })
	}
}

// describeAccess describes the ServiceAccount and its access, without what differs in each trial.
func describeAccess(t *testing.T, v *harness.Run) string {
	t.Helper()
	if v.Ephemeral {
		return ""
	}
	const rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/"
	paths := []string{"/api/v1/namespaces/" + v.Namespaces[0] + "/serviceaccounts/" + v.Account}
	for _, namespace := range v.Namespaces {
		name := "/kubemint:" + v.Namespaces[0] + ":" + v.Account
		paths = append(paths, rbac+namespace+"/roles"+name, rbac+namespace+"/rolebindings"+name)
	}
	var all strings.Builder
	for _, path := range paths {
		var object unstructured.Unstructured
		if err := v.Cluster.Admin.Do(t.Context(), http.MethodGet, path, nil, &object.Object); err != nil {
			t.Errorf("%s: %v", v.Account, err)
			continue
		}
		for _, field := range []string{"uid", "resourceVersion", "creationTimestamp", "managedFields"} {
			unstructured.RemoveNestedField(object.Object, "metadata", field)
		}
		text, err := json.Marshal(object.Object)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(strings.ReplaceAll(string(text), v.Account, "ACCOUNT") + "\n")
	}
	return all.String()
}

func (tr *trial) run(t *testing.T) {
	t.Helper()
	if tr.walk.earlier {
		tr.MustRun(t)
	}
	before := tr.FindObjects(t)
	code, said := tr.meet(t)
	if code == 0 {
		tr.succeeded(t)
	} else {
		tr.failed(t, said, before)
		if !tr.patient {
			tr.releaseLock(t)
		}
		tr.MustRun(t, tr.walk.args...) // what was left stands in nobody's way
		tr.succeeded(t)
	}
	if !tr.walk.revokes() {
		revokeRun(t, tr.Run)
	}
	tr.AssertNothingLeft(t)
	tr.deleteAccess(t)
}

// deleteAccess deletes what a run leaves on purpose, the ServiceAccount and its access: with that of thousands of trials
// the lists would take more time than the trials.
func (tr *trial) deleteAccess(t *testing.T) {
	t.Helper()
	if tr.Ephemeral {
		return // nothing of it is left
	}
	var paths []string
	for _, namespace := range tr.Namespaces {
		for _, kind := range []string{"roles", "rolebindings"} {
			paths = append(paths, "/apis/rbac.authorization.k8s.io/v1/namespaces/"+namespace+"/"+kind+
				"/kubemint:"+tr.Namespaces[0]+":"+tr.Account)
		}
	}
	paths = append(paths, tr.lockPath(), "/api/v1/namespaces/"+tr.Namespaces[0]+"/serviceaccounts/"+tr.Account)
	for _, path := range paths {
		if err := tr.Cluster.Admin.Do(t.Context(), http.MethodDelete, path, nil, nil); err != nil && !apierrors.IsNotFound(err) {
			t.Errorf("%s: %v", tr, err)
		}
	}
}

// lockPath is where the lock of the access is.
func (tr *trial) lockPath() string {
	return "/apis/coordination.k8s.io/v1/namespaces/" + tr.Namespaces[0] + "/leases/kubemint-" + tr.Account
}

// releaseLock gives back the lock that a run still holds whose API server stayed away. The next run would wait for a
// minute until it has expired. It does in the patient trials.
func (tr *trial) releaseLock(t *testing.T) {
	t.Helper()
	nobody := map[string]any{"spec": map[string]any{"holderIdentity": nil}}
	if err := tr.Cluster.Admin.Do(t.Context(), http.MethodPatch, tr.lockPath(), nobody, nil); err != nil && !apierrors.IsNotFound(err) {
		t.Errorf("%s: give back the lock: %v", tr, err)
	}
}

// meet runs the command, and compares how it ends with what is expected. Later requests meet no fault.
func (tr *trial) meet(t *testing.T) (code int, said string) {
	t.Helper()
	want := tr.expected()
	tr.armed.Store(true)
	limit := &timeLimit{Context: t.Context(), over: make(chan struct{})}
	tr.hit = func() { limit.in(want.within) }
	code, said = tr.RunInProcess(t, limit, tr.walk.args...)
	tr.armed.Store(false)
	tr.Proxy.Recover()
	if tr.met.Load() {
		tr.walk.count.met.Add(1)
	}
	if code == 0 {
		tr.walk.count.succeeded.Add(1)
	} else {
		tr.walk.count.failed.Add(1)
	}
	if !tr.met.Load() {
		want = success
		if !tr.mayGoUnsent() {
			t.Errorf("%s: it did not meet its fault", tr)
		}
	}
	if problem := want.compare(code, said); problem != "" {
		t.Errorf("%s: %s:\n%s", tr, problem, said)
	}
	tr.secretsIn(t, said)
	return code, said
}

// So often every run asks the same: for rules reviews of two namespaces, over three connections where access is fresh, and
// for an object before it is made and after.
const (
	proofs      = 2
	freshProofs = 6
	reads       = 2
)

// mayGoUnsent says whether a run need not send the request of the trial: the garbage collector may have been faster, of an
// ephemeral identity, a run asks again only as long as what it waits for is not there, and where a run came before, some
// seconds may have passed since.
func (tr *trial) mayGoUnsent() bool {
	what, nth := tr.request.what, tr.request.nth
	always := freshProofs
	if tr.walk.earlier {
		always = proofs
	}
	asksAgain := (nth > reads && strings.HasPrefix(what, "GET ")) || (nth > always && strings.HasSuffix(what, "/selfsubjectrulesreviews"))
	return asksAgain || (tr.Ephemeral && slices.Contains(tr.walk.args, "revoke"))
}

// succeeded demands what a successful run leaves.
func (tr *trial) succeeded(t *testing.T) {
	t.Helper()
	if tr.walk.revokes() {
		tr.AssertNothingLeft(t)
		return
	}
	if made := describeAccess(t, tr.Run); made != tr.walk.exact {
		t.Errorf("%s: it made\n%s, not\n%s", tr, made, tr.walk.exact)
	}
	credentials := 0
	for _, path := range tr.FindObjects(t) {
		if strings.Contains(path, "/leases/") || tr.Permanent {
			credentials++
		}
	}
	if credentials != 1 && !(tr.replaces() && credentials == 2) {
		t.Errorf("%s: %d credentials", tr, credentials)
	}
	if err := tr.minted(t).Do(t.Context(), http.MethodGet, "/api/v1/namespaces/"+tr.Namespaces[1]+"/pods", nil, nil); err != nil {
		t.Errorf("%s: the credential: %v", tr, err)
	}
}

// minted is a client with the credential that was written, at the API server itself.
func (tr *trial) minted(t *testing.T) *kubetest.Client {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(tr.Dir, "kubemint.kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubetest.NewClient(content)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// failed demands that a run that failed has left nothing that lives, or named it where the API server stayed away.
func (tr *trial) failed(t *testing.T, said string, before []string) {
	t.Helper()
	rollsBack := tr.Permanent && strings.Contains(tr.request.what, "/secrets/") // it takes the same request
	away := tr.lasts == since || tr.fault.Stays || tr.walk.revokes() || tr.lasts == again && rollsBack
	for _, path := range tr.FindObjects(t) {
		if slices.Contains(before, path) && !tr.walk.revokes() {
			continue
		}
		parts := strings.Split(path, "/")
		namespace, kind, name := parts[len(parts)-3], parts[len(parts)-2], parts[len(parts)-1]
		remove := "kubectl -n " + namespace + " delete "
		named := strings.Contains(said, remove+strings.TrimSuffix(kind, "s")+" "+name) ||
			(kind == "secrets" && strings.Contains(said, remove+"lease "+name)) // it goes with its lease
		if !away || (!named && (kind == "leases" || kind == "secrets")) {
			t.Errorf("%s: left, and not named: %s\n%s", tr, path, said)
		}
	}
	if !away && strings.Contains(said, "may live on") {
		t.Errorf("%s: nothing lives on:\n%s", tr, said)
	}
	_, err := os.Stat(filepath.Join(tr.Dir, "kubemint.kubeconfig"))
	if there := err == nil; there != (tr.walk.earlier && !tr.walk.revokes()) {
		t.Errorf("%s: after the failure, a kubeconfig is there: %t", tr, there)
	}
}

// secretsIn demands that the log, and the files that the run wrote next to the kubeconfig, have no token in
// them.
func (tr *trial) secretsIn(t *testing.T, said string) {
	t.Helper()
	texts := map[string]string{"output": said}
	files, err := os.ReadDir(tr.Dir)
	if err != nil {
		t.Error(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(filepath.Join(tr.Dir, file.Name()))
		if err != nil {
			t.Error(err)
		}
		if file.Name() != "kubemint.kubeconfig" {
			texts[file.Name()] = string(content)
		}
	}
	tr.Mu.Lock()
	tokens := slices.Clone(tr.Job.Minted)
	tr.Mu.Unlock()
	for where, text := range texts {
		for _, token := range append(tokens, tr.RunnersToken(t)) {
			if signature := token[strings.LastIndex(token, ".")+1:]; strings.Contains(text, signature) {
				t.Errorf("%s: a token stands in %s", tr, where)
			}
		}
	}
}
