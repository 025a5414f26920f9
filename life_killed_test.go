package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubemint/kubemint/internal/kubetest"
)

// life is the runs of one kind that are about to be killed, one at each of their requests. All work in the same two
// namespaces, each with a ServiceAccount of its own name.
type life struct {
	cluster    *kubetest.ControlPlane
	admin      []byte // a kubeconfig with a token
	namespaces [2]string
	ephemeral  bool

	mu     sync.Mutex
	minted []string // every token that the API server issued
}

func newLife(t *testing.T, cluster *kubetest.ControlPlane, ephemeral bool) *life {
	t.Helper()
	l := &life{cluster: cluster, ephemeral: ephemeral}
	var err error
	if l.admin, err = cluster.AdminTokenKubeconfig(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range l.namespaces {
		if l.namespaces[i], err = cluster.CreateNamespace(t.Context(), "killed-"); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// victim is one run, held at one request.
type victim struct {
	*life
	account string // the ServiceAccount, or the beginning of its name
	dir     string
	env     []string
	proxy   *kubetest.Proxy
	reached chan struct{} // closed when the request is held
	sent    atomic.Int32  // requests that the API server is carrying out

	permanent bool // its token is: set before through
}

// victim prepares a run that is held at the request of that number: before the API server has it or, if answered, when
// it has carried it out and the answer is on its way. 0 holds none.
func (l *life) victim(t *testing.T, account string, at int, answered bool) *victim {
	t.Helper()
	reached := make(chan struct{})
	v := &victim{reached: reached}
	l.through(t, v, account, func(number int, w http.ResponseWriter, r *http.Request, next http.Handler) {
		if number != at || answered {
			answer := v.carriedOut(r, next)
			if number != at {
				deliver(w, answer)
				return
			}
		}
		close(reached)
		<-r.Context().Done() // until the program gives up, or is no more
		panic(http.ErrAbortHandler)
	})
	return v
}

// through prepares a run whose requests go through a proxy. What the proxy asks of v is there before the first of them.
func (l *life) through(t *testing.T, v *victim, account string, between kubetest.Between) {
	t.Helper()
	v.life, v.account, v.dir = l, account, t.TempDir()
	v.proxy = kubetest.NewProxy(t, l.cluster, between)
	content, err := v.proxy.Kubeconfig(l.admin)
	if err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(t.TempDir(), "source")
	if err := os.WriteFile(source, content, 0o600); err != nil {
		t.Fatal(err)
	}
	v.env = []string{
		"KUBECONFIG=" + source, "KUBEMINT_NAMESPACE=" + strings.Join(l.namespaces[:], ","),
		"KUBEMINT_SERVICE_ACCOUNT=" + account, "KUBEMINT_RULES=list pods", fmt.Sprintf("KUBEMINT_EPHEMERAL=%t", l.ephemeral),
	}
	if v.permanent {
		v.env = append(v.env, "KUBEMINT_DURATION=permanent")
	}
}

// carriedOut has the API server carry out a request, whether or not the program is still there.
func (v *victim) carriedOut(r *http.Request, next http.Handler) *httptest.ResponseRecorder {
	v.sent.Add(1)
	defer v.sent.Add(-1)
	answer := httptest.NewRecorder()
	next.ServeHTTP(answer, r.WithContext(context.WithoutCancel(r.Context())))
	v.keepToken(r, answer)
	return answer
}

func deliver(w http.ResponseWriter, answer *httptest.ResponseRecorder) {
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

func (l *life) keepToken(r *http.Request, answer *httptest.ResponseRecorder) {
	if !strings.HasSuffix(r.URL.Path, "/token") || answer.Code != http.StatusCreated {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.minted = append(l.minted, tokenOf(answer)) // "" fails allDead
}

func tokenOf(answer *httptest.ResponseRecorder) string {
	var body struct{ Status struct{ Token string } }
	_ = json.Unmarshal(answer.Body.Bytes(), &body)
	return body.Status.Token
}

// killed starts the run and ends it by the signal as soon as its request is held. It returns the exit code, 0 for a run that
// was complete before, and what the run said.
func (v *victim) killed(t *testing.T, signal syscall.Signal) (code int, said string) {
	t.Helper()
	var stderr bytes.Buffer
	command, _ := program(t, v.dir, v.env)
	command.Stderr = &stderr
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = command.Wait() }()
	var signalled time.Time
	select {
	case <-v.reached:
		signalled = time.Now()
		_ = command.Process.Signal(signal)
		<-ended
		if took := time.Since(signalled); took > endsWithin {
			t.Errorf("%s: it ended %s after the signal", v.account, took)
		}
	case <-ended:
	}
	for v.sent.Load() > 0 { // else a request that was under way would still make something
		time.Sleep(5 * time.Millisecond)
	}
	return command.ProcessState.ExitCode(), stderr.String()
}

// requests is how many a whole run sends.
func (l *life) requests(t *testing.T) int {
	t.Helper()
	v := l.victim(t, "whole", 0, false)
	run(t, v.dir, v.env)
	requests := v.proxy.Seen()
	if requests < 11 {
		t.Fatalf("a whole run sent %d requests only: they do not go through the proxy", requests)
	}
	run(t, v.dir, v.env, "revoke")
	v.nothingLeft(t)
	return requests
}

// ofOneRun are the kinds of which a run takes everything back; an ephemeral run, of the others as well.
var (
	ofOneRun  = []string{"/apis/coordination.k8s.io/v1/leases", "/api/v1/secrets"}
	ephemeral = []string{"/api/v1/serviceaccounts", "/apis/rbac.authorization.k8s.io/v1/roles", "/apis/rbac.authorization.k8s.io/v1/rolebindings"}
)

// objects are the paths of what is on the server of this run's own.
func (v *victim) objects(t *testing.T) []string {
	t.Helper()
	kinds := ofOneRun
	if v.ephemeral {
		kinds = slices.Concat(ofOneRun, ephemeral)
	}
	var found []string
	for _, kind := range kinds {
		prefix, resource := kind[:strings.LastIndex(kind, "/")], kind[strings.LastIndex(kind, "/"):]
		for _, namespace := range v.namespaces {
			path := prefix + "/namespaces/" + namespace + resource
			var list metav1.PartialObjectMetadataList
			if err := v.cluster.Admin.Do(t.Context(), http.MethodGet, path, nil, &list); err != nil {
				t.Fatal(err)
			}
			for _, item := range list.Items {
				if strings.Contains(item.Name, v.account+"-") || v.permanent && item.Name == "kubemint-token-"+v.account { // random letters follow
					found = append(found, path+"/"+item.Name)
				}
			}
		}
	}
	return found
}

func (v *victim) leases(t *testing.T) (n int) {
	t.Helper()
	for _, path := range v.objects(t) {
		if strings.Contains(path, "/leases/") {
			n++
		}
	}
	return n
}

// nothingLeft demands that nothing of this run is on the server, where the garbage collector has its moment, and in the
// directory.
func (v *victim) nothingLeft(t *testing.T) {
	t.Helper()
	var left []string
	for start := time.Now(); time.Since(start) < patience; time.Sleep(20 * time.Millisecond) {
		if left = v.objects(t); len(left) == 0 {
			break
		}
		if strings.Contains(left[0], "/leases/") { // they wait for nobody
			break
		}
	}
	if len(left) > 0 {
		t.Errorf("%s: left on the server: %s", v.account, strings.Join(left, ", "))
	}
	files, err := os.ReadDir(v.dir)
	if err != nil {
		t.Error(err)
	}
	for _, file := range files {
		t.Errorf("%s: %s is left", v.account, file.Name())
	}
}

// allDead demands that the API server refuses every token that it has issued.
func (l *life) allDead(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.minted) < 3 {
		t.Errorf("%d tokens were minted: nothing was killed after that", len(l.minted))
	}
	for _, minted := range l.minted {
		awaitDeath(t, "a token of a killed run", l.bearer(t, minted))
	}
}

// bearer is a client with a token.
func (l *life) bearer(t *testing.T, token string) *kubetest.Client {
	t.Helper()
	config, err := clientcmd.Load(l.admin)
	if err != nil || token == "" {
		t.Fatal(errors.Join(err, errors.New("no token in an answer: does the program not ask for JSON?")))
	}
	for _, user := range config.AuthInfos {
		user.Token = token
	}
	content, err := clientcmd.Write(*config)
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubetest.NewClient(content)
	if err != nil {
		t.Fatal(err)
	}
	return client
}
