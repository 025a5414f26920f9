package learn

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/remotecommand"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"

	"github.com/kubemint/kubemint/test/kubetest"
)

// kubelet is a node without containers, which answers the API server as a kubelet does (k8s.io/kubernetes,
// pkg/kubelet/server): TLS, the paths of logs, exec and port-forward, SPDY for the two. The API server of the tests has no client
// certificate for it, so it asks for none.
type kubelet struct {
	node string

	mu       sync.Mutex
	finished map[string]chan struct{} // by NAMESPACE/POD: closed when its log may end
}

// startKubelet starts a kubelet, and registers its node.
func startKubelet(t *testing.T, cluster *kubetest.ControlPlane) *kubelet {
	t.Helper()
	k := &kubelet{finished: map[string]chan struct{}{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", k.serveLogs)
	mux.HandleFunc("/exec/{namespace}/{pod}/{container}", k.serveExec)
	mux.HandleFunc("/portForward/{namespace}/{pod}", serveForward)
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.ParseInt(at.Port(), 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	node := corev1.Node{ObjectMeta: metav1.ObjectMeta{GenerateName: "learn-"}}
	if err := cluster.Admin.Do(t.Context(), http.MethodPost, "/api/v1/nodes", &node, &node); err != nil {
		t.Fatal(err)
	}
	node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: at.Hostname()}}
	node.Status.DaemonEndpoints.KubeletEndpoint.Port = int32(port)
	if err := cluster.Admin.Do(t.Context(), http.MethodPut, "/api/v1/nodes/"+node.Name+"/status", &node, nil); err != nil {
		t.Fatal(err)
	}
	k.node = node.Name
	return k
}

// awaitFinish is closed when a pod has been told to finish.
func (k *kubelet) awaitFinish(r *http.Request) chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	pod := r.PathValue("namespace") + "/" + r.PathValue("pod")
	if k.finished[pod] == nil {
		k.finished[pod] = make(chan struct{})
	}
	return k.finished[pod]
}

// serveLogs sends a first line and, to a client that follows, a last one when the pod has been told to finish.
func (k *kubelet) serveLogs(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintln(w, "first")
	_ = http.NewResponseController(w).Flush()
	if r.URL.Query().Get("follow") != "true" {
		return
	}
	select {
	case <-k.awaitFinish(r):
		fmt.Fprintln(w, "last")
	case <-r.Context().Done():
	}
}

// serveExec runs one of three commands: cat, exit CODE, and finish, which ends the log.
func (k *kubelet) serveExec(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	wanted := []string{corev1.StreamTypeError}
	for parameter, stream := range map[string]string{
		corev1.ExecStdinParam: corev1.StreamTypeStdin, corev1.ExecStdoutParam: corev1.StreamTypeStdout,
		corev1.ExecStderrParam: corev1.StreamTypeStderr,
	} {
		if query.Get(parameter) == "1" || query.Get(parameter) == "true" {
			wanted = append(wanted, stream)
		}
	}
	if len(wanted) == 1 {
		http.Error(w, "you must specify at least 1 of stdin, stdout, stderr", http.StatusBadRequest)
		return
	}
	streams, closeAll := acceptStreams(w, r, len(wanted))
	if streams == nil {
		return
	}
	defer closeAll()
	status := metav1.Status{Status: metav1.StatusSuccess}
	switch words := query["command"]; words[0] {
	case "cat":
		_, _ = io.Copy(streams[corev1.StreamTypeStdout], streams[corev1.StreamTypeStdin])
	case "finish":
		close(k.awaitFinish(r))
	case "exit":
		status = metav1.Status{
			Status: metav1.StatusFailure, Reason: remotecommand.NonZeroExitCodeReason,
			Details: &metav1.StatusDetails{
				Causes: []metav1.StatusCause{{Type: remotecommand.ExitCodeCauseType, Message: words[1]}},
			},
			Message: "command terminated with non-zero exit code " + strings.Join(words, " "),
		}
	}
	_ = json.NewEncoder(streams[corev1.StreamTypeError]).Encode(status)
}

// acceptStreams takes the connection over, and waits for as many streams as the client has asked for.
func acceptStreams(w http.ResponseWriter, r *http.Request, number int) (streams map[string]httpstream.Stream, closeAll func()) {
	if _, err := httpstream.Handshake(r, w, []string{remotecommand.StreamProtocolV4Name}); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return nil, nil
	}
	type arrival struct {
		stream  httpstream.Stream
		replied <-chan struct{}
	}
	arrivals := make(chan arrival, number)
	connection := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(stream httpstream.Stream, replied <-chan struct{}) error {
		arrivals <- arrival{stream, replied}
		return nil
	})
	if connection == nil {
		return nil, nil
	}
	streams = map[string]httpstream.Stream{}
	for range number {
		select {
		case a := <-arrivals:
			<-a.replied
			streams[a.stream.Headers().Get(corev1.StreamType)] = a.stream
		case <-time.After(remotecommand.DefaultStreamCreationTimeout):
			_ = connection.Close()
			return nil, nil
		}
	}
	return streams, func() { _ = connection.Close() }
}

// serveForward sends back what arrives at any port.
func serveForward(w http.ResponseWriter, r *http.Request) {
	if _, err := httpstream.Handshake(r, w, []string{"portforward.k8s.io"}); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	connection := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(stream httpstream.Stream, replied <-chan struct{}) error {
		if stream.Headers().Get(corev1.PortHeader) == "" || stream.Headers().Get(corev1.PortForwardRequestIDHeader) == "" {
			return errors.New("a stream without a port or the id of a request")
		}
		go func() {
			<-replied
			if stream.Headers().Get(corev1.StreamType) == corev1.StreamTypeData {
				_, _ = io.Copy(stream, stream)
			}
			_ = stream.Close() // the other one is for errors
		}()
		return nil
	})
	if connection != nil {
		<-connection.CloseChan()
	}
}
