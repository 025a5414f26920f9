package scale

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// servers are the API servers of a control plane, and a balancer before them, through which the program goes.
type servers struct {
	cluster  *kubetest.ControlPlane
	second   *kubetest.Second
	balancer *kubetest.Balancer
	direct   *http.Client // to each of them, connected
	dir      string
}

func newServers(t *testing.T) *servers {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a control plane: make test runs it")
	}
	s := &servers{cluster: kubetest.New(t, kubetest.Options{NoControllers: true}), dir: t.TempDir()}
	s.second = s.cluster.StartSecond(t)
	s.balancer = kubetest.NewBalancer(t, s.cluster.URL, s.second.URL)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.cluster.CA)
	s.direct = &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	_ = s.everywhere(t, "", "default") // connects
	return s
}

// fewNamespaces are asked about at each server. Of more than these the newest are, where nothing is forbidden.
const fewNamespaces = 16

// run mints, through a balancer, for a ServiceAccount that was not there, in namespaces where it has no access yet.
func (s *servers) run(t *testing.T, balancer *kubetest.Balancer, account string, namespaces ...string) (token string) {
	t.Helper()
	file := filepath.Join(s.dir, account+balancer.URL[strings.LastIndex(balancer.URL, ":")+1:]) // an output is for one server
	source := strings.ReplaceAll(string(s.cluster.AdminKubeconfig()), s.cluster.URL, balancer.URL)
	mustNot := "* secrets"
	if len(namespaces) > fewNamespaces {
		mustNot = ""
	}
	command, stderr := harness.Command(t, s.dir, []string{
		"KUBEMINT_KUBECONFIG=" + source, "KUBEMINT_NAMESPACE=" + strings.Join(namespaces, ","), "KUBEMINT_SERVICE_ACCOUNT=" + account,
		"KUBEMINT_RULES=list pods", "KUBEMINT_MUST_NOT=" + mustNot, "KUBEMINT_OUTPUT=" + file,
	})
	if err := command.Run(); err != nil {
		t.Errorf("%v: %s", err, stderr)
		return ""
	}
	written, err := clientcmd.LoadFromFile(file)
	if err != nil {
		t.Error(err)
		return ""
	}
	for _, user := range written.AuthInfos {
		token = user.Token
	}
	return token
}

// everywhere asks each server, all at the same time and once, and says what was not answered as it must be.
func (s *servers) everywhere(t *testing.T, token string, namespaces ...string) error {
	t.Helper()
	var all sync.WaitGroup
	errs := make(chan error, 4*len(namespaces))
	for _, server := range []string{s.cluster.URL, s.second.URL} {
		for _, namespace := range namespaces {
			for resource, want := range map[string]int{"pods": http.StatusOK, "secrets": http.StatusForbidden} {
				all.Go(func() {
					have, err := s.status(t, token, server+"/api/v1/namespaces/"+namespace+"/"+resource)
					if err == nil && have != want {
						err = fmt.Errorf("%s of %s: %d, want %d", resource, namespace, have, want)
					}
					if err != nil && server == s.second.URL {
						err = fmt.Errorf("at the second server: %w", err)
					}
					errs <- err
				})
			}
		}
	}
	all.Wait()
	close(errs)
	var failed []error
	for err := range errs {
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

func (s *servers) status(t *testing.T, token, url string) (int, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := s.direct.Do(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

// The credential is in effect at both API servers when the step ends: each run has roles, bindings and a ServiceAccount that
// neither has seen, and whoever uses the credential next is led to either.
func TestInEffectAtBothServers(t *testing.T) {
	t.Parallel()
	s := newServers(t)
	for i := range 200 {
		namespaces := []string{"default", "kube-system"}[:1+i%2]
		token := s.run(t, s.balancer, fmt.Sprintf("fresh-%d", i), namespaces...)
		if err := s.everywhere(t, token, namespaces...); err != nil {
			t.Errorf("run %d: %v", i, err)
		}
		// Somebody else connects between two runs, so that a run does not always begin at the same server.
		if somebody, err := net.Dial("tcp", strings.TrimPrefix(s.balancer.URL, "https://")); err == nil {
			_ = somebody.Close()
		}
	}
	t.Logf("%d connections", s.balancer.Accepted())
}

// One API server learns late of what the run has made. The run goes on until it has, wherever its first connections led it.
func TestAwaitsTheLateServer(t *testing.T) {
	t.Parallel()
	s := newServers(t)
	first, second := s.cluster.URL, s.second.URL
	for name, order := range map[string][]string{
		"proof":   {first, second},
		"another": {first, first, second},
		"last":    {first, first, first, second},
	} {
		balancer := kubetest.NewBalancer(t, order...)
		s.second.Hold()
		ended := make(chan string)
		go func() { ended <- s.run(t, balancer, "late-"+name, "default") }()
		select {
		case <-ended:
			t.Errorf("%s: the run has ended, and the second server knows nothing of it", name)
			s.second.Release()
			continue
		case <-time.After(time.Second): // a run takes a tenth of that
		}
		s.second.Release()
		if err := s.everywhere(t, <-ended, "default"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}

	// Where all its connections lead to one server, the run cannot know of the other: docs/access.md says so.
	s.second.Hold()
	token := s.run(t, kubetest.NewBalancer(t, first), "alone", "default")
	err := s.everywhere(t, token, "default")
	if err == nil || err.Error() != "at the second server: pods of default: 403, want 200" {
		t.Errorf("the second server is not held back: %v", err)
	}
	// A concurrent run that finds everything in place, but fresh, does not take that for granted.
	ended := make(chan string)
	go func() { ended <- s.run(t, kubetest.NewBalancer(t, first, first, second), "alone", "default") }()
	select {
	case <-ended:
		t.Error("concurrent: the run has ended, and the second server knows nothing of the access")
		s.second.Release()
		return
	case <-time.After(time.Second):
	}
	s.second.Release()
	if err := s.everywhere(t, <-ended, "default"); err != nil {
		t.Errorf("concurrent: %v", err)
	}
}

// In many namespaces each server is asked about the newest alone, which says that it knows the others too.
func TestManyNamespacesInEffectAtBothServers(t *testing.T) {
	t.Parallel()
	s := newServers(t)
	var namespaces []string
	for i := range fewNamespaces + 4 {
		namespaces = append(namespaces, fmt.Sprintf("many-%02d", i))
		if _, err := s.cluster.CreateNamespace(t.Context(), namespaces[i]); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 20 {
		token := s.run(t, s.balancer, fmt.Sprintf("many-%d", i), namespaces...)
		if err := s.everywhere(t, token, namespaces...); err != nil {
			t.Errorf("run %d: %v", i, err)
		}
	}
	late := kubetest.NewBalancer(t, s.cluster.URL, s.cluster.URL, s.second.URL)
	s.second.Hold()
	ended := make(chan string)
	go func() { ended <- s.run(t, late, "many-late", namespaces...) }()
	select {
	case <-ended:
		t.Error("the run has ended, and the second server knows nothing of it")
		s.second.Release()
		return
	case <-time.After(2 * time.Second):
	}
	s.second.Release()
	if err := s.everywhere(t, <-ended, namespaces...); err != nil {
		t.Error(err)
	}
}
