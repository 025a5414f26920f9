package learn

import "testing"

// crew may list ConfigMaps, and so may who acts as a member of it.
const crew = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: learn-crew}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: learn-crew}]
`

// A command acts as other identities: what the API server asks of it then is a right for each part of them, and not the
// right to what it does.
func TestLoop_Identity(t *testing.T) { //nolint:tparallel // those of proveRules are
	t.Parallel()
	cluster := shareCluster(t)
	if err := cluster.Apply(t.Context(), crew); err != nil {
		t.Fatal(err)
	}
	d := deployer{
		name: "acting as others", cluster: cluster,
		script: `
kubectl get configmaps --as jane --as-group learn-crew --as-group system:authenticated --as-uid 7 --as-user-extra acme.com/scopes=view
namespace=$(kubectl config view --minify -o jsonpath={..namespace})
kubectl get configmaps --as "system:serviceaccount:$namespace:web" --as-group learn-crew --as-group system:authenticated
`,
	}
	d.proveRules(t)
}
