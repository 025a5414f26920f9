package source

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/client-go/rest"

	"github.com/kubemint/kubemint/internal/output/receipt"
)

func TestInClusterAsClientGoDoesIt(t *testing.T) {
	ca := load(t, Input{Given: Given{Kubeconfig: kubeconfigs + "kind.yaml"}}).CAData
	whole := t.TempDir()
	write(t, whole+"/token", "pod-token\n")
	write(t, whole+"/namespace", "build\n")
	write(t, whole+"/ca.crt", string(ca))
	noCA := t.TempDir()
	write(t, noCA+"/token", "pod-token")
	write(t, noCA+"/ca.crt", "nothing")
	pod := func(host string) func(string) string {
		return env("KUBERNETES_SERVICE_HOST", host, "KUBERNETES_SERVICE_PORT", "443", "HOME", "/nonexistent")
	}
	config := func(host, dir string, ca []byte) *rest.Config {
		return &rest.Config{Host: host, BearerToken: "pod-token", BearerTokenFile: dir + "/token", TLSClientConfig: rest.TLSClientConfig{CAData: ca}, QPS: -1}
	}
	for name, c := range map[string]struct {
		in   Input
		want *Source
	}{
		"whole": {Input{Host: Host{Getenv: pod("10.96.0.1"), InClusterDir: whole}}, &Source{
			REST:     config("https://10.96.0.1:443", whole, ca),
			Endpoint: Endpoint{Server: "https://10.96.0.1:443", CAData: ca},
			Entry:    Entry{Namespace: "build"},
			Files:    []string{whole + "/ca.crt", whole + "/token"},
			Origin:   receipt.Source{Kind: receipt.KindInCluster},
		}},
		"IPv6, no CA": {Input{Host: Host{Getenv: pod("fd00::1"), InClusterDir: noCA}}, &Source{
			REST:     config("https://[fd00::1]:443", noCA, nil),
			Endpoint: Endpoint{Server: "https://[fd00::1]:443"},
			Files:    []string{noCA + "/token"},
			Origin:   receipt.Source{Kind: receipt.KindInCluster},
			Warnings: []string{"the system's certificate authorities are used: there is no certificate in " + noCA + "/ca.crt"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, load(t, c.in), cmpopts.IgnoreUnexported(Source{}, Entry{})); diff != "" {
				t.Error(diff)
			}
		})
	}
	empty := t.TempDir()
	for name, c := range map[string]struct {
		in   Input
		want string
	}{
		"no token": {
			Input{Host: Host{Getenv: pod("10.96.0.1"), InClusterDir: empty}},
			"find the cluster's credential: no input `kubeconfig`, no $KUBECONFIG, nothing in \"/nonexistent/.kube/config\", and no token of the pod: " +
				empty + "/token: no such file or directory\nset `kubeconfig`, or `automountServiceAccountToken: true` in the pod",
		},
		"a context": {
			Input{Host: Host{Getenv: pod("10.96.0.1"), InClusterDir: whole}, Given: Given{Context: "prod"}},
			"use context \"prod\": the source is the pod's own account, which has no contexts\nleave `context` out, or set `kubeconfig` as well",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(c.in)
			if diff := refusedAs(t, c.want, err); diff != "" {
				t.Error(diff)
			}
		})
	}
}
