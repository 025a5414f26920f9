package kubetest

import (
	"context"
	"net"
)

// startStore starts what the API server keeps its objects in: etcd, or kine, which answers as etcd does.
func (c *ControlPlane) startStore(ctx context.Context, store string) error {
	args := c.etcdArgs()
	if store == "kine" {
		args = c.kineArgs()
		var err error
		if c.kine, err = built(ctx, "kine"); err != nil {
			return err
		}
	}
	_, err := c.run(ctx, store, args)
	return err
}

// etcdArgs has etcd listen on a socket in our folder: no port to lose, and nobody else on the machine can
// reach it. It requires addresses for its peers and for what it advertises all the same: nobody uses them
// (Kubernetes' own test/integration/framework/etcd.go does the same).
func (c *ControlPlane) etcdArgs() []string {
	return []string{
		"--data-dir=" + c.path("etcd"),
		"--listen-client-urls=unix://" + c.etcdSocket(),
		"--advertise-client-urls=http://127.0.0.111:0",
		"--listen-peer-urls=http://127.0.0.1:0",
		"--log-level=warn",
		"--unsafe-no-fsync", // the data dies with the process anyway
	}
}

// kineArgs gives kine the same socket. The database has the parameters that kine sets by default, and so k3s.
func (c *ControlPlane) kineArgs() []string {
	return []string{
		"--endpoint=sqlite://" + c.path("state.db") + "?_journal_mode=WAL&_busy_timeout=30000&_synchronous=NORMAL" +
			"&_txlock=immediate&_stmt_cache_size=20&cache=shared",
		"--listen-address=unix://" + c.etcdSocket(),
		"--metrics-bind-address=0",
	}
}

func (c *ControlPlane) etcdSocket() string {
	return c.path("etcd.sock")
}

func (c *ControlPlane) etcdListens(ctx context.Context) error {
	var dialer net.Dialer
	connection, err := dialer.DialContext(ctx, "unix", c.etcdSocket())
	if err != nil {
		return err
	}
	return connection.Close()
}
