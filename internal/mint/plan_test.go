package mint

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/mint/deliver"
	"github.com/kubemint/kubemint/internal/output"
	"github.com/kubemint/kubemint/internal/owner"
	"github.com/kubemint/kubemint/internal/platform"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rules"
	"github.com/kubemint/kubemint/test/kubetest"
)

// ci is a CI system that keeps what is published. What a plan must not ask for is not there: a call
// of it panics.
type ci struct {
	deliver.Platform
	notReady  error
	published platform.Result
}

func (c *ci) Ready() error                         { return c.notReady }
func (c *ci) JobTimeout() time.Duration            { return 0 }
func (c *ci) Publish(result platform.Result) error { c.published = result; return nil }

func (w *world) plan(t *testing.T, system *ci) error {
	t.Helper()
	return Plan(t.Context(), w.job, deliver.File{Output: &output.File{Path: w.to.Path()}, Platform: system})
}

// A plan asks the API server for all that a run would ask, and changes nothing: no lease, no lock,
// no receipt, no token.
func TestPlan_ChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, usual)
	system := &ci{}
	if err := w.plan(t, system); err != nil {
		t.Fatal(err)
	}
	if writes, left := w.Writes(), w.Objects(); len(writes)+len(left) > 0 {
		t.Errorf("sent %q, made %q", writes, left)
	}
	for _, tried := range []string{
		"apply serviceaccounts shop/ci (dry run)", "apply roles shop/kubemint:shop:ci (dry run)",
		"apply rolebindings shop/kubemint:shop:ci (dry run)", "create leases shop/kubemint-ci-… (dry run)",
		"create secrets shop/kubemint-ci-… (dry run)", "apply leases shop/kubemint-ci (dry run)",
	} {
		if !slices.Contains(w.Asked(), tried) {
			t.Errorf("did not try %s:\n%s", tried, strings.Join(w.Asked(), "\n"))
		}
	}
	if len(system.published.Outputs) != 1 || system.published.Outputs[0].Name != "changes" {
		t.Errorf("published %+v", system.published)
	}
	if !strings.Contains(w.log.String(), "dry run: nothing was changed and nothing minted") {
		t.Error(w.log)
	}
}

// What the API server would refuse is refused, after the whole plan was shown.
func TestPlan_ShowsThePlanThenRefuses(t *testing.T) {
	t.Parallel()
	for _, refused := range []string{`^apply roles .*\(dry run\)`, "^create leases"} {
		t.Run(refused, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, usual)
			w.Forbid(refused)
			system := &ci{}
			err := w.plan(t, system)
			if problem.ExitCode(err) != int(problem.Rights) || len(system.published.Outputs) > 0 {
				t.Errorf("%v; published %+v", err, system.published)
			}
			if !strings.Contains(w.log.String(), "would create    RoleBinding shop/kubemint:shop:ci") {
				t.Error(w.log)
			}
		})
	}
}

// A lock that may not be read is one of several things that a plan's user lacks: the rehearsal says
// so with all the rest, and a run refuses at once.
func TestPlan_LockThatMayNotBeReadIsSaidWithTheRest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, usual)
	w.Forbid("^get leases")
	w.Runner = []rbacv1.PolicyRule{rules.NewRule("*", "pods", "", "*")}
	err := w.plan(t, &ci{})
	p, _ := errors.AsType[*problem.Error](err)
	if p == nil || p.Code != problem.Rights || !strings.Contains(strings.Join(p.Details, "\n"), `resources: ["leases"]`) {
		t.Errorf("%v: %+v", err, p)
	}
	if _, err := w.run(t.Context()); problem.ExitCode(err) != int(problem.Rights) {
		t.Error(err)
	}
}

func TestPlan_AsksThePlatformFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t, usual)
	system := &ci{notReady: errors.New("GITHUB_OUTPUT is not set")}
	if err := w.plan(t, system); !errors.Is(err, system.notReady) || len(w.Asked()) > 0 {
		t.Errorf("%v; asked %q", err, w.Asked())
	}
}

// declareWidgets declares resources outside the built-in groups.
func declareWidgets(resources ...string) func(*config.Access, *owner.Marks) {
	return func(declared *config.Access, _ *owner.Marks) {
		rule := rules.NewRule("example.com", "", "", "get")
		rule.Resources = resources
		declared.Namespaced.Rules = append(slices.Clone(declared.Namespaced.Rules), rule)
	}
}

// A resource that the cluster does not serve yet may be what the pipeline is about to install: the
// run goes on. An obvious slip is refused, by the name of the input.
func TestCheckServed(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		declared []string
		mustNot  bool
		forbid   bool
		fails    string
		says     string
	}{
		"it is served":          {declared: []string{"widgets"}},
		"it is not served yet":  {declared: []string{"gadgets"}, says: `warning: input rules: the cluster does not serve "gadgets.example.com"`},
		"a singular":            {declared: []string{"widget"}, fails: `input rules: unknown resource "widget.example.com": did you mean "widgets.example.com"?`},
		"a singular, forbidden": {declared: []string{"widget"}, mustNot: true, fails: "input must_not: unknown resource"},
		"it may not be read":    {declared: []string{"gadgets"}, forbid: true, says: "are not checked"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			change := declareWidgets(tt.declared...)
			if tt.mustNot {
				change = func(declared *config.Access, _ *owner.Marks) {
					rule := rules.NewRule("example.com", tt.declared[0], "", "get")
					declared.MustNot = []rbacv1.PolicyRule{rule}
				}
			}
			w := newWorld(t, change)
			w.Custom = []schema.GroupResource{{Group: "example.com", Resource: "widgets"}}
			if tt.forbid {
				w.Forbid("^get /apis")
			}
			err := checkServed(t.Context(), w.job)
			if (err != nil) != (tt.fails != "") || (err != nil && !strings.Contains(err.Error(), tt.fails)) {
				t.Errorf("%v", err)
			}
			if tt.fails != "" && problem.ExitCode(err) != int(problem.Config) {
				t.Errorf("exit code %d", problem.ExitCode(err))
			}
			if (tt.says == "") != (w.log.String() == "") || !strings.Contains(w.log.String(), tt.says) {
				t.Error(w.log)
			}
		})
	}
}

func TestCheckServed_BuiltInGroupsAreNotAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, usual)
	if err := checkServed(t.Context(), w.job); err != nil || len(w.Asked()) > 0 {
		t.Errorf("%v; asked %q", err, w.Asked())
	}
}

// ofJob marks what a run makes with its owner and job.
func ofJob(_ *config.Access, marks *owner.Marks) {
	marks.Owner = "github:acme/shop"
	marks.Job = "deploy"
}

// A job that makes its account may have left another one behind, whose access lives on.
func TestLookForMoved_OnlyWhereTheAccountIsNew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ofJob)
	was := newJob(nil, func(declared *config.Access, marks *owner.Marks) {
		ofJob(declared, marks)
		declared.ServiceAccount.Name = "ci-before"
	})
	for _, o := range was.Desired.Objects {
		if kube.IsBinding(o) {
			w.Put(o)
		}
	}
	w.mustRun(t)
	const advice = "KUBEMINT_SERVICE_ACCOUNT=shop/ci-before kubemint prune --all"
	if strings.Count(w.log.String(), advice) != 1 {
		t.Errorf("the first run does not tell:\n%s", w.log)
	}
	w.nextRun(t).mustRun(t)
	if strings.Count(w.log.String(), advice) != 1 {
		t.Errorf("a steady run tells again:\n%s", w.log)
	}
}

// The right to list bindings is one that a runner need not have.
func TestLookForMoved_FailureIsNoReasonToFail(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ofJob)
	w.Forbid("^list rolebindings")
	w.mustRun(t)
	if strings.Count(w.log.String(), "warning: ") != 1 || !strings.Contains(w.log.String(), "may do anything") {
		t.Error(w.log)
	}
}

// The warnings come before the first change, and a token that lives anyway is warned of once.
func TestWarn_OutlivingIsSaidOnce(t *testing.T) {
	t.Parallel()
	for permanent, want := range map[bool]int{false: 1, true: 0} {
		w := newWorld(t, func(declared *config.Access, _ *owner.Marks) {
			declared.Namespaced.Rules = []rbacv1.PolicyRule{rules.NewRule("", "serviceaccounts/token", "", "create")}
		})
		w.job.Config.Token.Lifetime.Permanent = permanent
		warn(w.job, access.Plan{}, access.Observed{})
		if said := strings.Count(w.log.String(), "revoking it does not undo that"); said != want {
			t.Errorf("permanent %t: %s", permanent, w.log)
		}
	}
}

// A token that the cluster shortened is used, and said: a later step could be refused.
func TestReportToken_Shortened(t *testing.T) {
	t.Parallel()
	w := newWorld(t, usual)
	w.job.Config.Token.Lifetime.Duration = 10 * time.Hour
	w.job.Config.Token.Asked = "10h"
	made := w.mustRun(t)
	const shortened = "asked 10h, granted 1h"
	if strings.Contains(w.log.String(), shortened) {
		t.Errorf("it was not shortened:\n%s", w.log)
	}
	issued := made.issued
	issued.ExpiresAt = noon.Add(time.Hour)
	reportToken(w.job, issued)
	if !strings.Contains(w.log.String(), "warning: ") || !strings.Contains(w.log.String(), shortened) {
		t.Error(w.log)
	}
}

// The lock, the lease and the existing objects are read at the same time. A faulty input is the error
// that is reported, whatever else fails with it.
func TestObserveCluster_FaultyInputComesFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t, declareWidgets("widget"))
	w.Custom = []schema.GroupResource{{Group: "example.com", Resource: "widgets"}}
	w.Forbid("^(list|get|create) (roles|leases)")
	_, err := w.run(t.Context())
	if problem.ExitCode(err) != int(problem.Config) {
		t.Errorf("exit code %d: %v", problem.ExitCode(err), err)
	}
}

// A namespace that the run is about to create has no place for the lease yet: it is made right after
// the namespace.
func TestRun_LeaseWaitsForItsNamespace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(declared *config.Access, _ *owner.Marks) {
		declared.CreateNamespace = true
		declared.Namespaces = []string{"fresh"}
		declared.ServiceAccount.Namespace = "fresh"
	})
	w.to.Directory.Dir = t.TempDir()
	record := w.record()
	record.Account.Namespace = "fresh"
	if _, err := Run(t.Context(), w.job, w.to, record); err != nil {
		t.Fatal(err)
	}
	asked := w.Asked()
	if kubetest.FirstAt(asked, "create leases") > kubetest.FirstAt(asked, "apply namespaces") {
		t.Errorf("it was not tried early:\n%s", strings.Join(asked, "\n"))
	}
	if lastAt(asked, "create leases") < kubetest.FirstAt(asked, "apply namespaces") {
		t.Errorf("the lease was not made after its namespace:\n%s", strings.Join(asked, "\n"))
	}
}

// A role that another run has written a moment ago may not have reached every API server: it is
// proved over more than one connection, though this run changes nothing.
func TestProve_FreshAccessOverSeveralConnections(t *testing.T) {
	t.Parallel()
	w := newWorld(t, usual)
	w.mustRun(t)
	reviews := func() (count int) {
		for _, asked := range w.Asked() {
			if asked == "token: create selfsubjectrulesreviews" {
				count++
			}
		}
		return count
	}
	first := reviews()
	next := w.nextRun(t)
	later := clock{noon.Add(time.Hour)}
	next.job.Clock = later
	w.Now = later.Now
	next.mustRun(t)
	if first != verifiers || reviews()-first != 1 {
		t.Errorf("%d reviews of fresh access, %d of access that is an hour old", first, reviews()-first)
	}
}

// verifiers is how many connections prove fresh access.
const verifiers = 3
