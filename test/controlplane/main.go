// Command controlplane is etcd, kube-apiserver, kube-controller-manager and kubectl in one binary. It compiles with each
// release of Kubernetes that build.sh knows.
//
// It does the part whose name it is called by (a symbolic link), or the one that its first argument names. Tests and
// the demo start it on loopback; it is never shipped. One binary links the Kubernetes code once, not four times.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

// lifelineVariable names the directory of this control plane's data. Where it is set, the process holds on to its
// standard input: at EOF it deletes that directory and exits. The one who started it keeps the other end of that pipe, which the kernel closes however
// that process ends: return, panic, Ctrl-C, kill -9. (Pdeathsig fires when the starting *thread* ends, which in a Go
// program says nothing: https://go.dev/issue/27505.)
const lifelineVariable = "KUBEMINT_CONTROLPLANE_LIFELINE"

func main() {
	if !known(os.Args[0]) && len(os.Args) > 1 {
		os.Args = os.Args[1:] // in place: kubectl reads os.Args itself
	}
	if dir, set := os.LookupEnv(lifelineVariable); set {
		go holdOn(dir)
	}
	switch filepath.Base(os.Args[0]) {
	case "etcd":
		etcdmain.Main(os.Args)
	case "kube-apiserver":
		os.Exit(cli.Run(apiserver.NewAPIServerCommand()))
	case "kube-controller-manager":
		os.Exit(cli.Run(controllermanager.NewControllerManagerCommand()))
	case "kubectl":
		if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
			kubectlutil.CheckErr(err)
		}
	default:
		fmt.Fprintln(os.Stderr, "usage: controlplane etcd|kube-apiserver|kube-controller-manager|kubectl [FLAG…]")
		os.Exit(2)
	}
}

func known(program string) bool {
	switch filepath.Base(program) {
	case "etcd", "kube-apiserver", "kube-controller-manager", "kubectl":
		return true
	}
	return false
}

// holdOn returns never. All parts of one control plane share the directory, and another may still be writing there:
// so each tries again until it is gone, for at most two seconds. Only what bears the name that kubetest gives is
// deleted, so that a stray value of the variable costs nobody's files.
func holdOn(dir string) {
	_, _ = io.Copy(io.Discard, os.Stdin)
	if strings.HasPrefix(filepath.Base(dir), "kubemint-controlplane-") {
		for end := time.Now().Add(2 * time.Second); os.RemoveAll(dir) != nil && time.Now().Before(end); {
			time.Sleep(5 * time.Millisecond)
		}
	}
	os.Exit(0)
}
