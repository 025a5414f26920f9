package kubetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"time"
)

// part is one process of a control plane.
type part struct {
	name    string
	process *os.Process
	log     string        // path of its output
	ended   chan struct{} // closed when the process has ended
}

// run starts the part of that name. It outlives ctx: its life hangs on its standard input.
func (c *ControlPlane) run(ctx context.Context, name string, args []string) (*part, error) {
	log, err := os.Create(c.path(fmt.Sprintf("%s-%d.log", name, len(c.parts))))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	command := exec.CommandContext(context.WithoutCancel(ctx), c.program(name))
	command.Args = append([]string{name}, args...)
	command.Stdin, command.Stdout, command.Stderr = c.stdin, log, log
	// Nothing else of the environment, since etcd takes its flags from there too.
	// It lives for minutes and is small: to collect its garbage less often saves a fifth of its time.
	command.Env = []string{"KUBEMINT_CONTROLPLANE_LIFELINE=" + c.dir, "GOGC=400"}
	command.SysProcAttr = ownGroup()
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &part{name: name, process: command.Process, log: log.Name(), ended: make(chan struct{})}
	go func() {
		_ = command.Wait()
		close(p.ended)
	}()
	c.parts = append(c.parts, p)
	return p, nil
}

// program is the binary that has the part of that name.
func (c *ControlPlane) program(name string) string {
	if name == "kine" {
		return c.kine
	}
	return c.binary
}

// stop waits for a part whose standard input is closed, and kills it after five seconds.
func (p *part) stop() {
	select {
	case <-p.ended:
	case <-time.After(5 * time.Second):
		_ = p.process.Kill()
		<-p.ended
	}
}

// await asks until ready has no error any more, a part has died, or ctx is done. It gives ready three seconds at a
// time, since who has taken our port may leave us waiting for an answer.
func (c *ControlPlane) await(ctx context.Context, what string, ready func(context.Context) error) error {
	for {
		asking, cancel := context.WithTimeout(ctx, 3*time.Second)
		err := ready(asking)
		cancel()
		if err == nil {
			return nil
		}
		if err := c.died(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("await %s: %w: at last: %w\n%s", what, ctx.Err(), err, c.parts[len(c.parts)-1].tail())
		case <-time.After(15 * time.Millisecond):
		}
	}
}

// died returns a *diedError for the first part that has ended, else nil.
func (c *ControlPlane) died() error {
	for _, p := range c.parts {
		select {
		case <-p.ended:
			return &diedError{part: p.name, log: p.tail()}
		default:
		}
	}
	return nil
}

// diedError says that a part ended by itself.
type diedError struct {
	part string
	log  []byte // its end
}

func (e *diedError) Error() string {
	return fmt.Sprintf("%s died. The end of its log:\n%s", e.part, e.log)
}

// portTaken says whether a part died since another process listens on its port.
func portTaken(err error) bool {
	died := new(diedError)
	return errors.As(err, &died) && bytes.Contains(died.log, []byte("address already in use"))
}

// tail is the end of the part's log: its last 20 lines.
func (p *part) tail() []byte {
	log, err := os.ReadFile(p.log)
	if err != nil {
		return []byte(err.Error())
	}
	lines := bytes.Split(bytes.TrimSpace(log), []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-20):], []byte("\n"))
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// SignalControllers sends a signal to kube-controller-manager: one that is stopped for a while is late with all that it does.
func (c *ControlPlane) SignalControllers(signal os.Signal) error {
	for _, p := range c.parts {
		if p.name == "kube-controller-manager" {
			return p.process.Signal(signal)
		}
	}
	return errors.New("there is no kube-controller-manager")
}
