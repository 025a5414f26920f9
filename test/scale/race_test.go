package scale

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/internal/command"
	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

var (
	races    = flag.Int("races", 1, "how many times as many races of runs for one ServiceAccount")
	raceSeed = flag.Uint64("race-seed", 0, "repeat the schedule of one race, as a failure names it")
)

// declarations of one ServiceAccount, and what a credential of each may do.
var declarations = []struct {
	input string
	grant []string
}{
	{"KUBEMINT_RULES=list pods", []string{"list pods"}},
	{"KUBEMINT_RULES=list pods,services", []string{"list pods", "list services"}},
	{"KUBEMINT_RULES=get configmaps", []string{"get configmaps"}},
	{"KUBEMINT_ROLE=role/race-reads", []string{"get endpoints", "list endpoints"}},
	{"KUBEMINT_ROLE=role/race-writes", []string{"create events"}},
}

// racing is how runs meet in one race.
type racing struct {
	runs      int
	declared  []int    // which declarations they draw from
	override  bool     // the first run has take_ownership
	meanwhile []string // commands that are run at the same time
}

// Whatever meets, a credential that was handed out may do what its run declared for as long as it lives,
// no more and no less. The API server is asked again and again, with the credential.
func TestRacesForOneServiceAccount(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t)
	for name, c := range map[string]struct {
		racing
		times int
	}{
		"pairs, the same":               {racing{runs: 2, declared: []int{1}}, 6},
		"pairs, other rules":            {racing{runs: 2, declared: []int{0, 1, 2}}, 14},
		"pairs, other roles":            {racing{runs: 2, declared: []int{3, 4}}, 10},
		"pairs, rules and roles":        {racing{runs: 2, declared: []int{1, 3}}, 10},
		"pairs, one takes over":         {racing{runs: 2, declared: []int{0, 1, 4}, override: true}, 10},
		"eights, the same":              {racing{runs: 8, declared: []int{1}}, 3},
		"eights, other rules":           {racing{runs: 8, declared: []int{0, 1, 2}}, 4},
		"eights, other roles":           {racing{runs: 8, declared: []int{3, 4}}, 3},
		"eights, all kinds, one takes":  {racing{runs: 8, declared: []int{0, 1, 2, 3, 4}, override: true}, 3},
		"eights with sweep and prune":   {racing{runs: 8, declared: []int{0, 1, 3}, meanwhile: []string{"sweep", "prune"}}, 3},
		"pairs with prune":              {racing{runs: 2, declared: []int{0, 3}, meanwhile: []string{"prune"}}, 8},
		"triples with sweep and revoke": {racing{runs: 3, declared: []int{0, 1}, meanwhile: []string{"sweep", "revoke"}}, 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range c.times * *races {
				seed := *raceSeed
				if seed == 0 {
					seed = rand.Uint64()
				}
				newRace(t, cluster, c.racing, seed).start()
			}
		})
	}
}

// race is one meeting of runs.
type race struct {
	*testing.T
	racing
	cluster   *kubetest.ControlPlane
	seed      uint64
	namespace string
	baseline  []string // what every ServiceAccount may do

	mu         sync.Mutex
	log        []string
	overriding int       // runs with take_ownership that are under way
	overridden time.Time // when the last one of them ended
}

func newRace(t *testing.T, cluster *kubetest.ControlPlane, how racing, seed uint64) *race {
	t.Helper()
	namespace, err := cluster.CreateNamespace(t.Context(), "race-")
	if err != nil {
		t.Fatal(err)
	}
	r := &race{T: t, racing: how, cluster: cluster, seed: seed, namespace: namespace}
	for name, rule := range map[string]rbacv1.PolicyRule{
		"race-reads":  {Verbs: []string{"get", "list"}, APIGroups: []string{""}, Resources: []string{"endpoints"}},
		"race-writes": {Verbs: []string{"create"}, APIGroups: []string{""}, Resources: []string{"events"}},
	} {
		role := rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: []rbacv1.PolicyRule{rule}}
		if err := cluster.Admin.Do(t.Context(), http.MethodPost, harness.RolesPath("Role", namespace), role, nil); err != nil {
			t.Fatal(err)
		}
	}
	nobody, err := cluster.TokenKubeconfig(t.Context(), namespace, r.account(t, "nobody"), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	r.baseline = r.ask(t.Context(), nobody)
	return r
}

func (r *race) account(t *testing.T, name string) string {
	t.Helper()
	account := metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: name}}
	path := "/api/v1/namespaces/" + r.namespace + "/serviceaccounts"
	if err := r.cluster.Admin.Do(t.Context(), http.MethodPost, path, account, nil); err != nil {
		t.Fatal(err)
	}
	return name
}

// ask returns what a credential may do in the namespace, beyond what every ServiceAccount may.
func (r *race) ask(ctx context.Context, kubeconfig []byte) (may []string) {
	client, err := kubetest.NewClient(kubeconfig)
	if err != nil {
		r.Error(err)
		return nil
	}
	return r.askBy(ctx, client)
}

func (r *race) askBy(ctx context.Context, client *kubetest.Client) (may []string) {
	review := authorizationv1.SelfSubjectRulesReview{Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: r.namespace}}
	err := client.Do(ctx, http.MethodPost, "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", review, &review)
	if err != nil {
		r.Errorf("seed %d: %v", r.seed, err)
		return nil
	}
	for _, rule := range review.Status.ResourceRules {
		for _, resource := range rule.Resources {
			for _, verb := range rule.Verbs {
				if one := verb + " " + resource; !slices.Contains(r.baseline, one) && !slices.Contains(may, one) {
					may = append(may, one)
				}
			}
		}
	}
	slices.Sort(may)
	return may
}

// start runs the race, and logs its schedule where something is wrong.
func (r *race) start() {
	schedule := rand.New(rand.NewPCG(r.seed, 0))
	r.note("schedule: go test . -run '%s' -race-seed %d", r.Name(), r.seed)
	var group sync.WaitGroup
	for i := range r.runs {
		p := part{
			number: i, declared: r.declared[schedule.IntN(len(r.declared))], override: r.override && i == 0,
			after: time.Duration(schedule.IntN(60)) * time.Millisecond,
			lives: time.Duration(20+schedule.IntN(250)) * time.Millisecond,
		}
		if schedule.IntN(8) == 0 { // longer than a run with the lock waits for others to withdraw
			p.lives = 3 * time.Second
		}
		if !r.override && r.runs == 2 {
			p.declared = r.declared[(i+int(r.seed%2))%len(r.declared)]
		}
		group.Go(func() { r.live(p) })
	}
	for i, command := range r.meanwhile {
		first, pause := r.declared[schedule.IntN(len(r.declared))], time.Duration(schedule.IntN(80))*time.Millisecond
		group.Go(func() {
			for range 3 {
				time.Sleep(pause)
				dir := r.dir(100 + i)
				code, said := r.kubemint(dir, declarations[first].input, command)
				r.note("%s of %s: exit code %d", command, declarations[first].input, code)
				if code != 0 && code != 4 {
					r.Errorf("%s: exit code %d: %s", command, code, said)
				}
			}
		})
	}
	group.Wait()
	if r.Failed() {
		r.Fatal(strings.Join(r.log, "\n"))
	}
}

func (r *race) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = append(r.log, time.Now().Format("05.000 ")+fmt.Sprintf(format, args...))
}

// part is one run of a race, and the job that uses its credential.
type part struct {
	number, declared int
	override         bool
	after, lives     time.Duration
}

func (r *race) dir(number int) string {
	dir := filepath.Join(r.TempDir(), fmt.Sprint(number))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		r.Error(err)
	}
	if err := os.WriteFile(dir+"-admin", r.cluster.AdminKubeconfig(), 0o600); err != nil {
		r.Error(err)
	}
	return dir
}

func (r *race) kubemint(dir string, declared string, args ...string) (code int, said string) {
	var output bytes.Buffer
	code = command.Main(r.Context(), command.Process{
		Args: append([]string{"kubemint"}, args...), Dir: dir, Streams: command.Streams{Stdin: strings.NewReader(""), Stdout: &output, Stderr: &output},
		Environ: append(strings.Split(declared, "\x00"), "KUBECONFIG="+dir+"-admin", harness.StateIn(dir), "KUBEMINT_NAMESPACE="+r.namespace,
			"KUBEMINT_SERVICE_ACCOUNT=racer", "KUBEMINT_TIMEOUT=60s"),
	})
	return code, output.String()
}

// live is the job: it mints, watches what its credential may do, and revokes it.
func (r *race) live(p part) {
	dir, declared := r.dir(p.number), declarations[p.declared]
	time.Sleep(p.after)
	input := declared.input
	if p.override {
		input += "\x00KUBEMINT_TAKE_OWNERSHIP=true"
		r.overrides(1)
		defer r.overrides(-1)
	}
	began := time.Now()
	r.note("run %d begins: %s", p.number, input)
	code, said := r.kubemint(dir, input)
	r.note("run %d: exit code %d", p.number, code)
	if code != 0 {
		r.Errorf("seed %d: run %d: exit code %d: %s", r.seed, p.number, code, said)
		return
	}
	kubeconfig, err := os.ReadFile(filepath.Join(dir, "kubemint.kubeconfig"))
	if err != nil {
		r.Error(err)
		return
	}
	r.watch(p, kubeconfig, began, said)
	if code, said := r.kubemint(dir, input, "revoke"); code != 0 {
		r.Errorf("seed %d: revoke %d: exit code %d: %s", r.seed, p.number, code, said)
	}
	r.note("run %d is revoked", p.number)
}

func (r *race) overrides(change int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.overriding += change
	if change < 0 {
		r.overridden = time.Now()
	}
}

// promised says whether nobody has asked to change the access under this credential.
func (r *race) promised(p part, began time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return p.override || (r.overriding == 0 && began.After(r.overridden))
}

func (r *race) watch(p part, kubeconfig []byte, began time.Time, said string) {
	client, err := kubetest.NewClient(kubeconfig)
	if err != nil {
		r.Error(err)
		return
	}
	asked := 0
	for start := time.Now(); time.Since(start) < p.lives; asked++ {
		may := r.askBy(r.Context(), client)
		if diff := cmp.Diff(declarations[p.declared].grant, may); diff != "" && r.promised(p, began) {
			r.Errorf("seed %d: run %d, question %d, %s:\n%s\n%s", r.seed, p.number, asked, declarations[p.declared].input, diff, said)
			return
		}
	}
	r.note("run %d asked %d times", p.number, asked)
}
