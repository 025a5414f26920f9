package lifecycle

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// neighbour makes the Secret of a lease's name before the run does, as anyone allowed to watch leases and create Secrets
// can.
type neighbour struct {
	*harness.Run
	wins int // of so many races
	seen int
	made []string
}

func (n *neighbour) between(t *testing.T, r *http.Request) {
	t.Helper()
	if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/secrets") {
		return
	}
	body, err := io.ReadAll(r.Body)
	var secret corev1.Secret
	if err != nil || json.Unmarshal(body, &secret) != nil {
		t.Errorf("%s: %v", body, err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if n.seen++; n.seen > n.wins {
		return
	}
	secret.OwnerReferences = nil
	if err := n.Cluster.Admin.Do(r.Context(), http.MethodPost, r.URL.Path, &secret, nil); err != nil {
		t.Error(err)
	}
	n.made = append(n.made, secret.Name)
}

// The token is never bound to a Secret that somebody else made.
func TestNeighbour_MakesTheSecretFirst(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t)
	for _, tt := range []struct {
		name      string
		wins      int
		ephemeral bool
		code      int
	}{
		{"once", 1, false, 0}, {"thrice", 3, false, 0}, {"ephemeral", 2, true, 0}, {"always", 1000, false, 5}, {"always-ephemeral", 1000, true, 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := harness.NewJob(t, cluster, tt.ephemeral)
			n := &neighbour{Run: &harness.Run{}, wins: tt.wins}
			l.RouteThrough(t, n.Run, tt.name, func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
				n.between(t, r)
				harness.Deliver(w, n.CarryOut(r, next))
			})
			said := mintExpecting(t, n.Run, tt.code)
			if count := strings.Count(said, "warning: somebody else made Secret "); count != 1 {
				t.Errorf("it says %d times that somebody was faster:\n%s", count, said)
			}
			if tt.code == 0 {
				if have := n.CountLeases(t); have != 1 {
					t.Errorf("%d leases", have)
				}
				harness.RunProgram(t, n.Dir, n.Env, "revoke")
			} else {
				harness.AssertSays(t, said, `^error: create Secret \S+: it was there already, as were those of 19 names before$`,
					`^hint: somebody may watch leases and create Secrets in namespace \S+, and makes the Secret of each new lease first: use a `)
			}
			for _, name := range n.made { // theirs: the run does not delete it
				path := "/api/v1/namespaces/" + n.Namespaces[0] + "/secrets/" + name
				if err := cluster.Admin.Do(t.Context(), http.MethodDelete, path, nil, nil); err != nil {
					t.Error(err)
				}
			}
			assertDead(t, n.Run)
		})
	}
}

// A Secret that is replaced between its creation and the request for the token: the API server is told which one is meant.
func TestNeighbour_SwapsTheSecret(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t)
	l := harness.NewJob(t, cluster, false)
	v := &harness.Run{}
	var once sync.Once
	l.RouteThrough(t, v, "swapped", func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.HasSuffix(r.URL.Path, "/token") {
			once.Do(func() { swap(t, v) })
		}
		harness.Deliver(w, v.CarryOut(r, next))
	})
	said := mintExpecting(t, v, 5)
	harness.AssertSays(t, said, `^error: mint token for \S+: .*the UID in the bound object reference \(\S+\) does not match the UID in record`)
	if len(v.Minted) > 0 {
		t.Error("a token was minted")
	}
	path := v.FindObjects(t)
	if len(path) != 1 || !strings.Contains(path[0], "/secrets/") {
		t.Fatalf("left are %q", path)
	}
	if err := cluster.Admin.Do(t.Context(), http.MethodDelete, path[0], nil, nil); err != nil {
		t.Error(err)
	}
	v.AssertNothingLeft(t)
}

// A lease that has to take another name counts from then on, so the lock is read once more after that: somebody can have
// changed the access in between, who saw the first lease go.
func TestNeighbour_LockIsReadAfterTheLeaseThatCounts(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t)
	l := harness.NewJob(t, cluster, false)
	v := &harness.Run{}
	lock := "/apis/coordination.k8s.io/v1/namespaces/" + l.Namespaces[0] + "/leases/kubemint-"
	hold := func(by any) {
		patch := map[string]any{"spec": map[string]any{"holderIdentity": by}}
		if err := cluster.Admin.Do(t.Context(), http.MethodPatch, lock+v.Account, patch, nil); err != nil {
			t.Error(err)
		}
	}
	n := &neighbour{Run: v, wins: 1}
	var steady, held atomic.Bool
	var reads atomic.Int32
	looked := make(chan struct{})
	l.RouteThrough(t, v, "counts", func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
		if steady.Load() && n.seen == 0 && strings.HasSuffix(r.URL.Path, "/secrets") {
			<-looked // then somebody takes the lock, and the Secret's name
			hold("somebody")
			held.Store(true)
			n.between(t, r)
		}
		wasHeld := held.Load()
		harness.Deliver(w, v.CarryOut(r, next))
		again := steady.Load() && r.Method == http.MethodGet && r.URL.Path == lock+v.Account
		if again && reads.Add(1) == 2 { // the first time during the observation, then during the creation of the Secret
			close(looked)
		}
		if again && wasHeld && held.CompareAndSwap(true, false) { // the run has seen it
			hold(nil)
		}
	})
	mintExpecting(t, v, 0)
	steady.Store(true)
	harness.AssertSays(t, mintExpecting(t, v, 0), `^note: the access of ServiceAccount \S+ cannot change yet, .*: its lock, .* is held \(.*holder somebody\)`)
}

func swap(t *testing.T, v *harness.Run) {
	t.Helper()
	for _, path := range v.FindObjects(t) {
		name := path[strings.LastIndex(path, "/")+1:]
		if !strings.Contains(path, "/secrets/") {
			continue
		}
		if err := v.Cluster.Admin.Do(t.Context(), http.MethodDelete, path, nil, nil); err != nil {
			t.Error(err)
		}
		theirs := corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if err := v.Cluster.Admin.Do(t.Context(), http.MethodPost, strings.TrimSuffix(path, "/"+name), &theirs, nil); err != nil {
			t.Error(err)
		}
	}
}

// A tenant who watches, and races for real: who wins is chance, and the token dies with its lease either way.
func TestNeighbour_Races(t *testing.T) {
	t.Parallel()
	cluster, namespace := harness.NewNamespace(t)
	tenant, err := cluster.ClientKubeconfig("tenant-of-" + namespace)
	if err != nil {
		t.Fatal(err)
	}
	if err := cluster.Apply(t.Context(), fmt.Sprintf(rightsOfATenant, namespace)); err != nil {
		t.Fatal(err)
	}
	runner := filepath.Join(t.TempDir(), "source")
	if err := os.WriteFile(runner, withoutSecrets(t, cluster, "runner-of-"+namespace), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	won := make(chan int, 1)
	go func() { won <- outrun(ctx, t, tenant, namespace) }()
	env := []string{"KUBEMINT_NAMESPACE=" + namespace}
	lost, refused := 0, 0
	var clients []*kubetest.Client
	for range 12 {
		dir := t.TempDir()
		command, stderr := harness.Command(t, dir, append([]string{"KUBECONFIG=" + runner}, env...))
		_ = command.Run()
		lost += strings.Count(stderr.String(), "somebody else made Secret ")
		if code := command.ProcessState.ExitCode(); code != 0 { // who loses every race makes no credential
			refused++
			harness.AssertSays(t, fmt.Sprintf("code %d\n%s", code, stderr), `^code 5$`, `^error: create Secret \S+: it was there already, as were those of 19 names before$`)
			continue
		}
		content, err := os.ReadFile(filepath.Join(dir, "kubemint.kubeconfig"))
		if err != nil {
			t.Fatal(err)
		}
		client, err := kubetest.NewClient(content)
		if err != nil {
			t.Fatal(err)
		}
		clients = append(clients, client)
		harness.RunProgram(t, dir, append([]string{"KUBECONFIG=" + runner}, env...), "revoke")
	}
	stop()
	t.Logf("the tenant made %d Secrets: it was first in %d of 12 runs, in %d of them always", <-won, lost, refused)
	for _, client := range clients {
		harness.AwaitDeath(t, "a token of a race", client)
	}
	if left := harness.CountLeases(t, cluster, namespace); left > 0 {
		t.Errorf("%d leases are left", left)
	}
}

const rightsOfATenant = `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: tenant, namespace: "%[1]s"}
rules:
- {apiGroups: [""], resources: [secrets], verbs: [create]}
- {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: tenant, namespace: "%[1]s"}
subjects: [{kind: User, name: "tenant-of-%[1]s"}]
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: tenant}
`

// outrun makes the Secret of every new lease, and says how often it was first.
func outrun(ctx context.Context, t *testing.T, tenant []byte, namespace string) (won int) {
	t.Helper()
	config, err := clientcmd.RESTConfigFromKubeConfig(tenant)
	if err != nil {
		t.Error(err)
		return 0
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Error(err)
		return 0
	}
	url := config.Host + "/apis/coordination.k8s.io/v1/namespaces/" + namespace + "/leases?watch=1"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Error(err)
		return 0
	}
	answer, err := client.Do(request)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer answer.Body.Close()
	plain, err := kubetest.NewClient(tenant)
	if err != nil {
		t.Error(err)
	}
	for decoder := json.NewDecoder(answer.Body); ; {
		var event struct {
			Type   string
			Object metav1.PartialObjectMetadata
		}
		if decoder.Decode(&event) != nil {
			return won
		}
		theirs := corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: event.Object.Name}}
		if event.Type == "ADDED" && plain.Do(ctx, http.MethodPost, "/api/v1/namespaces/"+namespace+"/secrets", &theirs, nil) == nil {
			won++
		}
	}
}
