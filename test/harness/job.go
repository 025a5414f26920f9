package harness

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubemint/kubemint/test/kubetest"
)

// Job is the runs of one kind that are about to be killed, one at each of their requests. All work in the same two
// namespaces, each with a ServiceAccount of its own name.
type Job struct {
	Cluster    *kubetest.ControlPlane
	Admin      []byte // a kubeconfig with a token
	Namespaces [2]string
	Ephemeral  bool

	Mu     sync.Mutex
	Minted []string // every token that the API server issued
}

// NewJob prepares two namespaces, and the credential of an administrator.
func NewJob(t *testing.T, cluster *kubetest.ControlPlane, ephemeral bool) *Job {
	t.Helper()
	l := &Job{Cluster: cluster, Ephemeral: ephemeral}
	var err error
	if l.Admin, err = cluster.AdminTokenKubeconfig(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range l.Namespaces {
		if l.Namespaces[i], err = cluster.CreateNamespace(t.Context(), "killed-"); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// NewRun prepares a run that is held at the request of that number: before the API server has it or, if answered, when
// it has carried it out and the answer is on its way. 0 holds none.
func (l *Job) NewRun(t *testing.T, account string, at int, answered bool) *Run {
	t.Helper()
	reached := make(chan struct{})
	v := &Run{Reached: reached}
	l.RouteThrough(t, v, account, func(number int, w http.ResponseWriter, r *http.Request, next http.Handler) {
		if number != at || answered {
			answer := v.CarryOut(r, next)
			if number != at {
				Deliver(w, answer)
				return
			}
		}
		close(reached)
		<-r.Context().Done() // until the program gives up, or is no more
		panic(http.ErrAbortHandler)
	})
	return v
}

// RouteThrough prepares a run whose requests go through a proxy. What the proxy asks of v is there before the first of them.
func (l *Job) RouteThrough(t *testing.T, v *Run, account string, between kubetest.Between) {
	t.Helper()
	v.Job, v.Account, v.Dir = l, account, t.TempDir()
	v.Proxy = kubetest.NewProxy(t, l.Cluster, between)
	content, err := v.Proxy.Kubeconfig(l.Admin)
	if err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(t.TempDir(), "source")
	if err := os.WriteFile(source, content, 0o600); err != nil {
		t.Fatal(err)
	}
	v.Env = []string{
		"KUBECONFIG=" + source, "KUBEMINT_NAMESPACE=" + strings.Join(l.Namespaces[:], ","),
		"KUBEMINT_SERVICE_ACCOUNT=" + account, "KUBEMINT_RULES=list pods", fmt.Sprintf("KUBEMINT_EPHEMERAL=%t", l.Ephemeral),
	}
	if v.Permanent {
		v.Env = append(v.Env, "KUBEMINT_DURATION=permanent")
	}
}

// KeepToken remembers the token of an answer that has one, for [Job.AssertAllDead].
func (l *Job) KeepToken(r *http.Request, answer *httptest.ResponseRecorder) {
	if !strings.HasSuffix(r.URL.Path, "/token") || answer.Code != http.StatusCreated {
		return
	}
	l.Mu.Lock()
	defer l.Mu.Unlock()
	l.Minted = append(l.Minted, TokenOf(answer)) // "" fails allDead
}

// TokenOf returns the token of an answer, "" if the answer has no token.
func TokenOf(answer *httptest.ResponseRecorder) string {
	var body struct{ Status struct{ Token string } }
	_ = json.Unmarshal(answer.Body.Bytes(), &body)
	return body.Status.Token
}

// AssertAllDead demands that the API server refuses every token that it has issued.
func (l *Job) AssertAllDead(t *testing.T) {
	t.Helper()
	l.Mu.Lock()
	defer l.Mu.Unlock()
	if len(l.Minted) < 3 {
		t.Errorf("%d tokens were minted: nothing was killed after that", len(l.Minted))
	}
	for _, minted := range l.Minted {
		AwaitDeath(t, "a token of a killed run", l.NewBearer(t, minted))
	}
}

// NewBearer is a client with a token.
func (l *Job) NewBearer(t *testing.T, token string) *kubetest.Client {
	t.Helper()
	if token == "" {
		t.Fatal("no token in an answer: does the program not ask for JSON?")
	}
	return l.Cluster.NewTokenClient(t, token)
}

// RunnersToken is that of the runner's own credential.
func (l *Job) RunnersToken(t *testing.T) string {
	t.Helper()
	config, err := clientcmd.Load(l.Admin)
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range config.AuthInfos {
		return user.Token
	}
	return ""
}

// CountRequests is how many a whole run sends: the fewest of a few runs, since a run asks again until its access is in
// effect, and a busy API server is late.
func (l *Job) CountRequests(t *testing.T) int {
	t.Helper()
	fewest := math.MaxInt
	for i := range 3 {
		v := l.NewRun(t, fmt.Sprintf("whole-%d", i), 0, false)
		RunProgram(t, v.Dir, v.Env)
		fewest = min(fewest, v.Proxy.Seen())
		RunProgram(t, v.Dir, v.Env, "revoke")
		v.AssertNothingLeft(t)
	}
	if fewest < 11 {
		t.Fatalf("a whole run sent %d requests only: they do not go through the proxy", fewest)
	}
	return fewest
}
