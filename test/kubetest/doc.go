// Package kubetest starts a real Kubernetes control plane for tests and for the demo: etcd, kube-apiserver
// and kube-controller-manager on loopback, without nodes. Every test of kubemint that talks to a cluster
// talks to one of these; client-go's fake can neither mint a token nor does it know RBAC.
//
// In: the binary that controlplane/build.sh builds (make controlplane), and [Options]. Out: a
// [ControlPlane], with credentials for its administrator and for identities that a test invents. Each has
// its own certificates, ports and data, so tests may start several at once. It stands with the process that
// started it: when that ends, by whatever means, the parts stop and delete their data (see
// [ControlPlane.Close]).
//
// [Fake] is an API server in memory, for unit tests of what a room sends and leaves. A test compares its
// answers with those of a control plane.
//
// The environment variable KUBEMINT_CONTROLPLANE_SERVER chooses a server of controlplane/servers, in place
// of the newest.
//
// Nothing but tests and the programs serve and gen imports it. It imports no other room.
package kubetest

//go:generate go run ./gen ../..
