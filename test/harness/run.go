package harness

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/internal/command"
	"github.com/kubemint/kubemint/test/kubetest"
)

// Run is one run, held at one request.
type Run struct {
	*Job
	Account string // the ServiceAccount, or the beginning of its name
	Dir     string
	Env     []string
	Proxy   *kubetest.Proxy
	Reached chan struct{} // closed when the request is held
	sent    atomic.Int32  // requests that the API server is carrying out

	Permanent bool // its token is: set before through
}

// CarryOut has the API server carry out a request, whether or not the program is still there.
func (v *Run) CarryOut(r *http.Request, next http.Handler) *httptest.ResponseRecorder {
	v.sent.Add(1)
	defer v.sent.Add(-1)
	answer := httptest.NewRecorder()
	next.ServeHTTP(answer, r.WithContext(context.WithoutCancel(r.Context())))
	v.KeepToken(r, answer)
	return answer
}

// Deliver passes an answer on.
func Deliver(w http.ResponseWriter, answer *httptest.ResponseRecorder) {
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// RunUntilKilled starts the run and ends it by the signal as soon as its request is held. It returns the exit code, 0 for a run that
// was complete before, and what the run said.
func (v *Run) RunUntilKilled(t *testing.T, signal syscall.Signal) (code int, said string) {
	t.Helper()
	var stderr bytes.Buffer
	command, _ := Command(t, v.Dir, v.Env)
	command.Stderr = &stderr
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = command.Wait() }()
	var signalled time.Time
	select {
	case <-v.Reached:
		signalled = time.Now()
		_ = command.Process.Signal(signal)
		<-ended
		if took := time.Since(signalled); took > EndsWithin {
			t.Errorf("%s: it ended %s after the signal", v.Account, took)
		}
	case <-ended:
	}
	for v.sent.Load() > 0 { // else a request that was under way would still make something
		time.Sleep(5 * time.Millisecond)
	}
	return command.ProcessState.ExitCode(), stderr.String()
}

// CredentialKinds are the kinds that a run takes back completely.
var CredentialKinds = []string{"/apis/coordination.k8s.io/v1/leases", "/api/v1/secrets"}

// AccessKinds are those that an ephemeral run takes back completely as well.
var AccessKinds = []string{"/api/v1/serviceaccounts", "/apis/rbac.authorization.k8s.io/v1/roles", "/apis/rbac.authorization.k8s.io/v1/rolebindings"}

// FindObjects are the paths of what is on the server of this run's own.
func (v *Run) FindObjects(t *testing.T) []string {
	t.Helper()
	kinds := CredentialKinds
	if v.Ephemeral {
		kinds = slices.Concat(CredentialKinds, AccessKinds)
	}
	var found []string
	for _, kind := range kinds {
		prefix, resource := kind[:strings.LastIndex(kind, "/")], kind[strings.LastIndex(kind, "/"):]
		for _, namespace := range v.Namespaces {
			path := prefix + "/namespaces/" + namespace + resource
			var list metav1.PartialObjectMetadataList
			if err := v.Cluster.Admin.Do(t.Context(), http.MethodGet, path, nil, &list); err != nil {
				t.Fatal(err)
			}
			for _, item := range list.Items {
				if strings.Contains(item.Name, v.Account+"-") || v.Permanent && item.Name == "kubemint-token-"+v.Account { // random letters follow
					found = append(found, path+"/"+item.Name)
				}
			}
		}
	}
	return found
}

// CountLeases is how many leases of this run are on the server.
func (v *Run) CountLeases(t *testing.T) (n int) {
	t.Helper()
	for _, path := range v.FindObjects(t) {
		if strings.Contains(path, "/leases/") {
			n++
		}
	}
	return n
}

// AssertNothingLeft demands that nothing of this run is on the server, where the garbage collector has its moment, and in the
// directory.
func (v *Run) AssertNothingLeft(t *testing.T) {
	t.Helper()
	var left []string
	for start := time.Now(); time.Since(start) < Patience; time.Sleep(20 * time.Millisecond) {
		if left = v.FindObjects(t); len(left) == 0 {
			break
		}
		if strings.Contains(left[0], "/leases/") { // they wait for nobody
			break
		}
	}
	if len(left) > 0 {
		t.Errorf("%s: left on the server: %s", v.Account, strings.Join(left, ", "))
	}
	files, err := os.ReadDir(v.Dir)
	if err != nil {
		t.Error(err)
	}
	for _, file := range files {
		t.Errorf("%s: %s is left", v.Account, file.Name())
	}
}

// MustRun runs the program without a fault.
func (v *Run) MustRun(t *testing.T, args ...string) {
	t.Helper()
	if code, said := v.RunInProcess(t, t.Context(), args...); code != 0 {
		t.Errorf("%s: kubemint %v, without a fault: exit code %d: %s", v.Account, args, code, said)
	}
}

// DescribeRequest a request asks, without the names that are different in each trial.
func (v *Run) DescribeRequest(r *http.Request) string {
	same := strings.NewReplacer(v.Account, "ACCOUNT", v.Namespaces[0], "FIRST", v.Namespaces[1], "SECOND")
	return r.Method + " " + randomName.ReplaceAllString(same.Replace(r.URL.Path), "-…")
}

// randomName matches the random part of the name of a lease or of an ephemeral identity.
var randomName = regexp.MustCompile(`-[a-z0-9]{10}\b`)

// RunInProcess runs the program as main does.
func (v *Run) RunInProcess(t *testing.T, ctx context.Context, args ...string) (code int, said string) { //nolint:revive // as t.Context()
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = command.Main(ctx, command.Process{
		Args: append([]string{"kubemint"}, args...), Environ: v.Env, Dir: v.Dir, Streams: command.Streams{Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr},
	})
	for v.sent.Load() > 0 { // else a request that was under way would still make something
		time.Sleep(5 * time.Millisecond)
	}
	return code, stderr.String() + stdout.String()
}
