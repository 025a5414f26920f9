package kubetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// startTimeout bounds [Start]. It takes 4 s on an idle machine of two cores; compilers at the same time multiply that.
const startTimeout = 90 * time.Second

// Options change the control plane from the usual one. The zero value is right for most tests.
type Options struct {
	// APIServerArgs are flags of kube-apiserver, as "--name=value". One that is set already is replaced.
	APIServerArgs []string
	// ControllerManagerArgs are the same for kube-controller-manager.
	ControllerManagerArgs []string
	// NoControllers leaves out kube-controller-manager. Then no ServiceAccount "default" comes into being, view, edit
	// and admin stay empty, and nothing is collected.
	NoControllers bool
	// Names are further names in the API server's certificate, DNS names (with * as their first label, too) and IP
	// addresses: a kubeconfig may then name a server as a cloud does, and a proxy leads it here.
	Names []string

	port func() (int, error) // a free port; for the test of a port that was taken meanwhile
}

// ControlPlane is a running cluster without nodes.
type ControlPlane struct {
	URL   string  // https://127.0.0.1:PORT
	CA    []byte  // PEM, of the API server's certificate and of client certificates
	Admin *Client // member of system:masters

	server    Server
	binary    string
	kine      string // its binary, where that is the store
	dir       string // all files of this control plane
	authority *Authority
	admin     []byte // kubeconfig
	stdin     *os.File
	lifeline  *os.File // other end of stdin
	parts     []*part
	closing   sync.Once

	controllers bool
}

// New starts a control plane for one test, which fails where it cannot, and also where a part of it dies by itself.
func New(t testing.TB, opts Options) *ControlPlane {
	t.Helper()
	c, err := Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.closing.Do(func() { // unless the test has closed it
			if err := c.died(); err != nil {
				t.Error(err)
			}
			c.close()
		})
	})
	return c
}

// Start starts a control plane and waits until it does what tests need: it serves, its own RBAC roles are there and
// aggregated, and the namespace default is complete. ctx bounds the start alone; what ends the control plane is Close,
// or the end of this process. An error holds the end of the log of the part that died.
func Start(ctx context.Context, opts Options) (*ControlPlane, error) {
	server, err := chosenServer()
	if err != nil {
		return nil, err
	}
	binary, err := built(ctx, server.Build)
	if err != nil {
		return nil, err
	}
	if opts.port == nil {
		opts.port = freePort
	}
	c := &ControlPlane{server: server, binary: binary, controllers: !opts.NoControllers}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := c.start(ctx, opts); err != nil {
		c.Close()
		return nil, fmt.Errorf("start control plane: %w", err)
	}
	return c, nil
}

// Close stops all parts and deletes their data. It does so by the means that work without it too: it closes the pipe
// that the parts wait on (see controlplane/main.go).
func (c *ControlPlane) Close() {
	c.closing.Do(c.close)
}

func (c *ControlPlane) close() {
	if c.lifeline != nil {
		_ = c.lifeline.Close()
		_ = c.stdin.Close()
	}
	for _, p := range c.parts {
		p.stop()
	}
	if c.dir != "" {
		_ = os.RemoveAll(c.dir) // where no part got so far as to wait
	}
}

// AdminConfig is the administrator's credential. The caller may change it.
func (c *ControlPlane) AdminConfig() *rest.Config {
	return rest.CopyConfig(c.Admin.config)
}

// AdminKubeconfig is the administrator's credential as a file's content.
func (c *ControlPlane) AdminKubeconfig() []byte {
	return c.admin
}

// APIServerLog returns kube-apiserver's log so far. Only there it says why it refused a credential.
func (c *ControlPlane) APIServerLog() (string, error) {
	for _, p := range slices.Backward(c.parts) {
		if p.name == "kube-apiserver" {
			log, err := os.ReadFile(p.log)
			return string(log), err
		}
	}
	return "", errors.New("there is no kube-apiserver")
}

// Kubectl is the path of kubectl, of the version of the control plane.
func (c *ControlPlane) Kubectl() string {
	return c.path("kubectl")
}

func (c *ControlPlane) path(name string) string {
	return filepath.Join(c.dir, name)
}

func (c *ControlPlane) start(ctx context.Context, opts Options) (err error) {
	if c.dir, err = os.MkdirTemp("", "kubemint-controlplane-"); err != nil {
		return err
	}
	if c.stdin, c.lifeline, err = os.Pipe(); err != nil {
		return err
	}
	// A prebuilt binary may lie alone: the name kubectl is ours to give.
	if err := os.Symlink(c.binary, c.Kubectl()); err != nil {
		return err
	}
	if err := c.startStore(ctx, c.server.Store); err != nil {
		return err
	}
	if err := c.writeCertificates(opts.Names); err != nil {
		return err
	}
	if err := c.await(ctx, c.server.Store, c.etcdListens); err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		err := c.startAPIServer(ctx, opts)
		if err == nil {
			break
		}
		if attempt == 5 || !portTaken(err) {
			return err
		}
		c.parts = c.parts[:1] // without the one that died
	}
	if opts.NoControllers {
		return nil
	}
	if _, err := c.run(ctx, "kube-controller-manager", override(c.controllerManagerArgs(), opts.ControllerManagerArgs)); err != nil {
		return err
	}
	return c.await(ctx, "the controllers", c.controllersWork)
}

// startAPIServer takes a port that was free a moment ago. Another process may take it first: then this one dies, the
// caller tries the next, and a stranger who listens there is never taken for ours, as its certificate is not.
func (c *ControlPlane) startAPIServer(ctx context.Context, opts Options) error {
	port, err := opts.port()
	if err != nil {
		return err
	}
	c.URL = fmt.Sprintf("https://127.0.0.1:%d", port)
	if err := c.writeCredentials(); err != nil {
		return err
	}
	if _, err := c.run(ctx, "kube-apiserver", override(c.apiServerArgs(port), opts.APIServerArgs)); err != nil {
		return err
	}
	return c.await(ctx, "kube-apiserver", c.serves)
}
