package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubemint/kubemint/internal/kubetest"
)

// deadWithin is how long a revoked token may still be taken: the API server caches what it has authenticated for 10 s.
const deadWithin = 15 * time.Second

// sharedCluster is the scripts' control plane, and a namespace of it for this test.
func sharedCluster(t *testing.T) (cluster *kubetest.ControlPlane, namespace string) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a control plane: make test runs it")
	}
	cluster, err := onCluster()
	if err != nil {
		t.Fatal(err)
	}
	if namespace, err = cluster.CreateNamespace(t.Context(), "life-"); err != nil {
		t.Fatal(err)
	}
	return cluster, namespace
}

// program is kubemint in a directory, with these variables and no others.
func program(t *testing.T, dir string, env []string, args ...string) (command *exec.Cmd, stderr *bytes.Buffer) {
	t.Helper()
	stderr = new(bytes.Buffer)
	command = exec.CommandContext(t.Context(), "kubemint", args...)
	command.Dir, command.Env, command.Stderr = dir, env, stderr
	return command, stderr
}

func run(t *testing.T, dir string, env []string, args ...string) {
	t.Helper()
	if command, stderr := program(t, dir, env, args...); command.Run() != nil {
		t.Fatalf("kubemint %v: %s", args, stderr)
	}
}

// awaitDeath waits until the API server refuses a credential as it does one that it does not know.
func awaitDeath(t *testing.T, what string, client *kubetest.Client) {
	t.Helper()
	var err error
	for start := time.Now(); time.Since(start) < deadWithin; time.Sleep(50 * time.Millisecond) {
		err = client.Do(t.Context(), http.MethodGet, "/apis/authentication.k8s.io/v1", nil, nil)
		if apierrors.IsUnauthorized(err) {
			return
		}
	}
	t.Errorf("%s: %s later the API server still takes the token (%v)", what, deadWithin, err)
}

// The promise of the whole program: dead when the job ends. By revoke, and by the command that its errors name.
func TestRevokedTokenIsRefused(t *testing.T) {
	t.Parallel()
	cluster, namespace := sharedCluster(t)
	for name, revoke := range map[string]func(t *testing.T, dir string, env []string){
		"kubemint revoke": func(t *testing.T, dir string, env []string) {
			t.Helper()
			run(t, dir, env, "revoke")
		},
		"kubectl delete lease": func(t *testing.T, _ string, _ []string) {
			t.Helper()
			if _, err := cluster.RunKubectl(t.Context(), cluster.AdminKubeconfig(), "", "-n", namespace, "delete", "leases", "-l", "kubemint/service-account="+namespace+".kubectl"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "source"), cluster.AdminKubeconfig(), 0o600); err != nil {
				t.Fatal(err)
			}
			account, _, _ := strings.Cut(name, " ")
			env := []string{"KUBECONFIG=source", "KUBEMINT_NAMESPACE=" + namespace, "KUBEMINT_SERVICE_ACCOUNT=" + account}
			run(t, dir, env)
			minted, err := os.ReadFile(filepath.Join(dir, "kubemint.kubeconfig"))
			if err != nil {
				t.Fatal(err)
			}
			client, err := kubetest.NewClient(minted)
			if err != nil {
				t.Fatal(err)
			}
			if err := client.Do(t.Context(), http.MethodGet, "/apis/authentication.k8s.io/v1", nil, nil); err != nil {
				t.Fatalf("the token is refused before it is revoked: %v", err)
			}
			revoke(t, dir, env)
			awaitDeath(t, name, client)
		})
	}
}

// An interrupted run takes back what it made, wherever the signal meets it: at each request in turn, before it reaches the
// API server, and when it was carried out but not answered yet.
func TestInterruptedRunLeavesNothingAlive(t *testing.T) {
	t.Parallel()
	cluster, namespace := sharedCluster(t)
	proxy := newHoldingProxy(t, cluster)
	source := filepath.Join(t.TempDir(), "source")
	if err := os.WriteFile(source, proxy.kubeconfig(t, cluster), 0o600); err != nil {
		t.Fatal(err)
	}
	env := func(account string) []string {
		return []string{
			"KUBECONFIG=" + source, "KUBEMINT_NAMESPACE=" + namespace, "KUBEMINT_SERVICE_ACCOUNT=" + account, "KUBEMINT_RULES=list pods",
		}
	}
	dir := t.TempDir()
	proxy.arm(0, false)
	run(t, dir, env("whole"))
	requests := int(proxy.seen.Load())
	if requests < 10 {
		t.Fatalf("a whole run sent %d requests only: they do not go through the proxy", requests)
	}
	run(t, dir, env("whole"), "revoke")

	stopped := 0
	for at := 1; at <= requests; at++ {
		for _, answered := range []bool{false, true} {
			account := fmt.Sprintf("at-%d-%t", at, answered)
			dir := t.TempDir()
			command, stderr := program(t, dir, env(account))
			reached := proxy.arm(at, answered)
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- command.Wait() }()
			var signalled time.Time
			var err error
			select {
			case <-reached:
				signalled = time.Now()
				_ = command.Process.Signal(syscall.SIGTERM)
				err = <-ended
			case err = <-ended:
			}
			if err == nil { // too late for it: the result stands
				run(t, dir, env(account), "revoke")
				continue
			}
			stopped++
			if code := command.ProcessState.ExitCode(); code != 143 {
				t.Errorf("%s: exit code %d: %s", account, code, stderr)
			}
			if took := time.Since(signalled); took > endsWithin {
				t.Errorf("%s: it ended %s after the signal", account, took)
			}
			if strings.Contains(stderr.String(), "may live on") || !strings.Contains(stderr.String(), "interrupted by terminated") {
				t.Errorf("%s: it says:\n%s", account, stderr)
			}
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("%s: %s is left", account, left[0].Name())
			}
			noLease(t, cluster, namespace, account)
		}
	}
	if stopped < requests {
		t.Errorf("of %d runs only %d met the signal", 2*requests, stopped)
	}
	proxy.mu.Lock()
	defer proxy.mu.Unlock()
	if len(proxy.minted) < 2 {
		t.Errorf("%d tokens were minted: nothing was interrupted after that", len(proxy.minted))
	}
	for _, minted := range proxy.minted {
		client, err := kubetest.NewClient(minted)
		if err != nil {
			t.Fatal(err)
		}
		awaitDeath(t, "a token of an interrupted run", client)
	}
}

func noLease(t *testing.T, cluster *kubetest.ControlPlane, namespace, account string) {
	t.Helper()
	var list metav1.PartialObjectMetadataList
	path := "/apis/coordination.k8s.io/v1/namespaces/" + namespace + "/leases?labelSelector=kubemint/service-account=" + namespace + "." + account
	if err := cluster.Admin.Do(t.Context(), http.MethodGet, path, nil, &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Items) > 0 {
		t.Errorf("%s: lease %s is left", account, list.Items[0].Name)
	}
}

// holdingProxy stands before the API server, slows it down, and holds one request.
type holdingProxy struct {
	*httptest.Server
	seen atomic.Int32 // requests since it was armed

	mu       sync.Mutex
	at       int32
	answered bool
	reached  chan struct{}
	minted   [][]byte // a kubeconfig for each token that passed
}

// arm makes it hold the request of this number, before the API server has it or when it has answered, and returns what is
// closed then. 0 holds none.
func (p *holdingProxy) arm(at int, answered bool) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at, p.answered, p.reached = int32(at), answered, make(chan struct{})
	p.seen.Store(0)
	return p.reached
}

func newHoldingProxy(t *testing.T, cluster *kubetest.ControlPlane) *holdingProxy {
	t.Helper()
	target, err := url.Parse(cluster.URL)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cluster.CA)
	p := &holdingProxy{}
	forward := httputil.NewSingleHostReverseProxy(target)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	forward.Transport = transport
	forward.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) } // the client is gone
	forward.ModifyResponse = func(response *http.Response) error {
		if strings.HasSuffix(response.Request.URL.Path, "/token") {
			return p.keepToken(response, cluster)
		}
		return nil
	}
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		time.Sleep(5 * time.Millisecond)
		number := p.seen.Add(1)
		p.mu.Lock()
		hold, answered, reached := number == p.at, p.answered, p.reached
		p.mu.Unlock()
		if hold && answered {
			forward.ServeHTTP(httptest.NewRecorder(), request)
		}
		if hold {
			close(reached)
			<-request.Context().Done() // until the program gives up
			panic(http.ErrAbortHandler)
		}
		forward.ServeHTTP(w, request)
	}))
	p.EnableHTTP2 = true
	p.StartTLS()
	t.Cleanup(p.Close)
	return p
}

func (p *holdingProxy) keepToken(response *http.Response, cluster *kubetest.ControlPlane) error {
	body, err := io.ReadAll(response.Body)
	response.Body = io.NopCloser(bytes.NewReader(body))
	var answer struct{ Status struct{ Token string } }
	if err != nil || json.Unmarshal(body, &answer) != nil || answer.Status.Token == "" {
		return errors.Join(err, errors.New("no token in the answer: does the program ask for JSON?"))
	}
	config, err := clientcmd.Load(cluster.AdminKubeconfig())
	if err != nil {
		return err
	}
	for _, user := range config.AuthInfos {
		user.Token, user.ClientCertificateData, user.ClientKeyData = answer.Status.Token, nil, nil
	}
	kubeconfig, err := clientcmd.Write(*config)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.minted = append(p.minted, kubeconfig)
	return err
}

// kubeconfig is an administrator's that leads through the proxy: by a token, since a client certificate would end there.
func (p *holdingProxy) kubeconfig(t *testing.T, cluster *kubetest.ControlPlane) []byte {
	t.Helper()
	namespace, err := cluster.CreateNamespace(t.Context(), "life-admin-")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.RunKubectl(t.Context(), cluster.AdminKubeconfig(), "", "create", "clusterrolebinding", namespace, "--clusterrole=cluster-admin", "--serviceaccount="+namespace+":default"); err != nil {
		t.Fatal(err)
	}
	content, err := cluster.TokenKubeconfig(t.Context(), namespace, "default", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.Load(content)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range config.Clusters {
		c.Server = p.URL
		c.CertificateAuthorityData = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw})
	}
	if content, err = clientcmd.Write(*config); err != nil {
		t.Fatal(err)
	}
	return content
}
