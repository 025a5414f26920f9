package kubetest

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
)

// The flags are kubeadm's where it sets any (cmd/kubeadm/app/phases/controlplane/manifests.go), less what needs nodes.

// etcdArgs has etcd listen on a socket in our folder: no port to lose, and nobody else on the machine can reach it. It
// wants addresses for its peers and for what it advertises all the same: nobody uses them (Kubernetes' own
// test/integration/framework/etcd.go does the same).
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

func (c *ControlPlane) apiServerArgs(port int) []string {
	return []string{
		"--etcd-servers=unix://" + c.etcdSocket(),
		"--bind-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", port),
		// Without these two it looks for an address that nodes can reach, and there may be none.
		"--advertise-address=127.0.0.1",
		"--endpoint-reconciler-type=none",
		"--service-cluster-ip-range=10.96.0.0/16",
		"--client-ca-file=" + c.path("ca.crt"),
		"--tls-cert-file=" + c.path("apiserver.crt"),
		"--tls-private-key-file=" + c.path("apiserver.key"),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + c.path("sa.pub"),
		"--service-account-signing-key-file=" + c.path("sa.key"),
		"--authorization-mode=RBAC",
		"--enable-admission-plugins=NodeRestriction", // beside the default ones
		"--allow-privileged=true",
	}
}

// controllerManagerArgs has it serve nothing, so it needs no port. Each controller acts as its own ServiceAccount, as
// in a real cluster: what the garbage collector may delete is what it may delete there.
func (c *ControlPlane) controllerManagerArgs() []string {
	return []string{
		"--kubeconfig=" + c.path("controller-manager.kubeconfig"),
		"--secure-port=0",
		"--leader-elect=false",
		"--controllers=" + strings.Join([]string{
			"serviceaccount-token-controller",
			"serviceaccount-controller",
			"root-ca-certificate-publisher-controller",
			"namespace-controller",
			"garbage-collector-controller",
			"clusterrole-aggregation-controller",
		}, ","),
		"--use-service-account-credentials=true",
		"--service-account-private-key-file=" + c.path("sa.key"),
		"--root-ca-file=" + c.path("ca.crt"),
		// 20 and 30 by default: a thousand new namespaces would keep it busy for minutes.
		"--kube-api-qps=1000",
		"--kube-api-burst=1000",
	}
}

// override returns flags without those that with sets anew, and with.
func override(flags, with []string) []string {
	name := func(flag string) string {
		before, _, _ := strings.Cut(flag, "=")
		return before
	}
	kept := slices.DeleteFunc(flags, func(flag string) bool {
		return slices.ContainsFunc(with, func(other string) bool { return name(other) == name(flag) })
	})
	return append(kept, with...)
}
