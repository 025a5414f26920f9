package kubetest

import (
	"fmt"
	"slices"
	"strings"
)

// The flags are kubeadm's where it sets any (cmd/kubeadm/app/phases/controlplane/manifests.go), less what needs nodes.

func (c *ControlPlane) apiServerArgs(port int) []string {
	return override([]string{
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
		"--enable-admission-plugins=NodeRestriction", // in addition to the default ones
		"--allow-privileged=true",
	}, c.server.Flags)
}

// controllerManagerArgs has it serve nothing, so it needs no port. Each controller acts as its own ServiceAccount, as in a
// real cluster: the garbage collector may delete the same objects here as there.
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

// override returns flags without those that with sets again, and then with.
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
