package mint

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/lease"
	"github.com/kubemint/kubemint/internal/mint/changes"
	"github.com/kubemint/kubemint/internal/mint/credential"
	"github.com/kubemint/kubemint/internal/mint/deliver"
	"github.com/kubemint/kubemint/internal/mint/entry"
	"github.com/kubemint/kubemint/internal/mint/undo"
	"github.com/kubemint/kubemint/internal/output"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/owner"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/revoke"
	"github.com/kubemint/kubemint/internal/secret"
)

// destination is a directory that replaces an earlier credential.
type destination struct {
	deliver.Directory
	earlier *receipt.Receipt
	used    time.Duration
}

func (d destination) Earlier() (*receipt.Receipt, bool) { return d.earlier, d.earlier != nil }
func (d destination) UsedFor() time.Duration            { return d.used }

// clock is the API server's.
type clock struct{ now time.Time }

func (c clock) Now() time.Time        { return c.now }
func (c clock) ServerTime() time.Time { return c.now }

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func newJob(log io.Writer, change func(*config.Access, *owner.Marks)) Job {
	declared := config.Access{
		Namespaces: []string{"shop"}, ServiceAccount: types.NamespacedName{Namespace: "shop", Name: "ci"},
		Provisioning: config.Provisioning{CreateServiceAccount: true},
		Namespaced: config.Grants{Rules: []rbacv1.PolicyRule{{
			Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"pods"},
		}}},
	}
	var marks owner.Marks
	change(&declared, &marks)
	return Job{
		Config: &config.Config{
			Token: config.Token{Lifetime: config.Lifetime{Duration: time.Hour}, Asked: "1h", Revoke: true},
		},
		Desired: access.Desire(declared, marks), Clock: clock{noon}, Log: console.New(log),
		Until: time.Now().Add(time.Minute),
	}
}

func usual(*config.Access, *owner.Marks) {}

func ephemeral(_ *config.Access, marks *owner.Marks) { marks.ExpiresAt = noon.Add(time.Hour) }

func object(kind, name string, uid types.UID) receipt.Object {
	return receipt.Object{Kind: kind, Namespace: "shop", Name: name, UID: uid}
}

func tetherOf(name string) credential.Tether {
	its := &coordinationv1.Lease{}
	its.Namespace = "shop"
	its.Name = name
	return credential.Tether{Lease: its}
}

// journalOf keeps a record for a test.
func journalOf(t *testing.T, record *receipt.Receipt) *output.Journal {
	t.Helper()
	record.Server = "https://x"
	record.Output = "o"
	record.Account = object("ServiceAccount", "ci", "")
	return output.NewJournal(filepath.Join(t.TempDir(), "r"), record, nil)
}

func TestEphemeralObjects_AreNamedBeforeTheyAreMade(t *testing.T) {
	t.Parallel()
	named := ephemeralObjects(newJob(&bytes.Buffer{}, func(declared *config.Access, marks *owner.Marks) {
		ephemeral(declared, marks)
		declared.CreateNamespace = true
	}).Desired)
	want := []receipt.Object{
		object("ServiceAccount", "ci", ""), object("Role", "kubemint:shop:ci", ""),
		object("RoleBinding", "kubemint:shop:ci", ""),
	}
	if diff := cmp.Diff(want, named); diff != "" {
		t.Error(diff)
	}
	if shared := ephemeralObjects(newJob(&bytes.Buffer{}, usual).Desired); shared != nil {
		t.Errorf("%v is not of this run alone", shared)
	}
}

func TestSameObjects_TakesTheUIDsOfTheRecord(t *testing.T) {
	t.Parallel()
	recorded := []receipt.Object{
		object("Role", "earlier", "u0"), object("Role", "mine", "u1"), object("Role", "unsure", ""),
	}
	given := []receipt.Object{object("Role", "mine", ""), object("Role", "unsure", "")}
	if diff := cmp.Diff(recorded[1:], sameObjects(recorded, given)); diff != "" {
		t.Error(diff)
	}
}

// What is of the run before this one ends when this one's credential is in place; this one's own
// stays.
func TestEarlierPart(t *testing.T) {
	t.Parallel()
	mine, before := object("Lease", "kubemint-ci-mine", "l1"), object("Lease", "kubemint-ci-before", "l0")
	role, token := object("Role", "before", "r0"), object("Secret", "before", "s0")
	record := &receipt.Receipt{
		Made: receipt.Made{
			Leases:  []receipt.Object{before, mine},
			Objects: []receipt.Object{role, token, object("Role", "mine", "")},
		},
	}
	earlier := &receipt.Receipt{Made: receipt.Made{Leases: []receipt.Object{before}, Objects: []receipt.Object{role, token}}}
	for name, tt := range map[string]struct {
		earlier *receipt.Receipt
		tether  credential.Tether
		want    revoke.Part
	}{
		"an earlier run": {
			earlier, tetherOf(mine.Name),
			revoke.Part{Leases: []receipt.Object{before}, Objects: []receipt.Object{role}},
		},
		"nothing before": {nil, tetherOf(mine.Name), revoke.Part{Leases: []receipt.Object{before}}},
		"without lease":  {nil, credential.Tether{}, revoke.Part{Leases: []receipt.Object{before, mine}}},
	} {
		got := earlierPart(destination{earlier: tt.earlier}, record, tt.tether)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestEndEarlier_NothingBefore(t *testing.T) {
	t.Parallel()
	mine := object("Lease", "kubemint-ci-mine", "l1")
	with := tools{
		to:   destination{},
		undo: undo.New(journalOf(t, &receipt.Receipt{Made: receipt.Made{Leases: []receipt.Object{mine}}}), revoke.Revoker{}),
	}
	endEarlier(t.Context(), with, tetherOf(mine.Name)) // a revoker without a server would fail
}

// permanentSecret holds a permanent token.
func permanentSecret(labels map[string]string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "p", UID: "p1", Labels: labels},
	}
}

func TestRecordMade(t *testing.T) {
	t.Parallel()
	job := newJob(&bytes.Buffer{}, usual)
	own := permanentSecret(kube.LabelsFor(job.Desired.Access.ServiceAccount))
	for name, tt := range map[string]struct {
		issued credential.Issued
		before []receipt.Object
		want   []receipt.Object
		theirs int
	}{
		"our Secret": {
			credential.Issued{Secret: own}, nil, []receipt.Object{object("Secret", "p", "p1")}, 0,
		},
		"recorded before": {
			credential.Issued{Secret: own},
			[]receipt.Object{object("Secret", "p", "")},
			[]receipt.Object{object("Secret", "p", "p1")},
			0,
		},
		"somebody else's":    {credential.Issued{Secret: permanentSecret(nil)}, nil, nil, 1},
		"nothing of its own": {credential.Issued{}, nil, nil, 0},
		"an earlier one stays": {
			credential.Issued{Secret: own},
			[]receipt.Object{object("Role", "x", "r")},
			[]receipt.Object{object("Role", "x", "r"), object("Secret", "p", "p1")},
			0,
		},
	} {
		journal := journalOf(t, &receipt.Receipt{Made: receipt.Made{Objects: tt.before}})
		with := tools{
			job: job, undo: undo.New(journal, revoke.Revoker{}),
			maker: changes.Maker{Ledger: changes.NewLedger()},
		}
		if err := recordMade(with, tt.issued); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		record := journal.Record()
		if diff := cmp.Diff(tt.want, record.Objects); diff != "" || len(record.Theirs) != tt.theirs {
			t.Errorf("%s: theirs %v\n%s", name, record.Theirs, diff)
		}
	}
}

func TestTellTokenLives_WhereNothingEndsIt(t *testing.T) {
	t.Parallel()
	minted := lease.Minted{Token: secret.New("t"), ExpiresAt: noon}
	for name, tt := range map[string]struct {
		made *Credential
		want bool
	}{
		"no token":       {&Credential{}, false},
		"nothing at all": {nil, false},
		"with a lease": {
			&Credential{issued: credential.Issued{Minted: minted, Tether: tetherOf("l")}}, false,
		},
		"without a lease": {&Credential{issued: credential.Issued{Minted: minted}}, true},
		"permanent": {
			&Credential{issued: credential.Issued{Minted: lease.Minted{Token: secret.New("t")}}}, false,
		},
	} {
		err := tellTokenLives(
			newJob(&bytes.Buffer{}, usual), tt.made, problem.Newf(problem.Mint, "prove", "refused"),
		)
		p, _ := errors.AsType[*problem.Error](err)
		if told := len(p.Hints) == 1 && strings.Contains(p.Hints[0], "2026-01-01T12:00:00Z"); told != tt.want {
			t.Errorf("%s: %q", name, p.Hints)
		}
	}
}

func TestIsFresh(t *testing.T) {
	t.Parallel()
	writtenAgo := func(ago time.Duration) access.Observed {
		at := metav1.NewTime(noon.Add(-ago))
		role := &rbacv1.Role{
			ObjectMeta: metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{{Time: &at}}},
		}
		return access.Observed{Objects: map[kube.Ref]kube.Object{{Kind: "Role"}: role}}
	}
	for name, tt := range map[string]struct {
		state entry.State
		want  bool
	}{
		"written a second ago": {entry.State{Observed: writtenAgo(time.Second)}, true},
		"written a minute ago": {entry.State{Observed: writtenAgo(time.Minute)}, false},
		"this run changes it": {
			entry.State{Plan: access.Plan{Changes: []access.Change{{Verb: access.Created}}}}, true,
		},
		"nothing changes": {
			entry.State{Plan: access.Plan{Changes: []access.Change{{Verb: access.Unchanged}}}}, false,
		},
	} {
		if got := isFresh(newJob(&bytes.Buffer{}, usual), tt.state); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestFindNewest_AsksEverywhereAboutFewNamespaces(t *testing.T) {
	t.Parallel()
	many := func(declared *config.Access, _ *owner.Marks) {
		for i := range fewNamespaces + 1 {
			declared.Namespaces = append(declared.Namespaces, fmt.Sprint("ns", i))
		}
	}
	for name, tt := range map[string]struct {
		change  func(*config.Access, *owner.Marks)
		inOrder bool
	}{
		"few":  {usual, false},
		"many": {many, true},
		"many, must_not": {func(declared *config.Access, marks *owner.Marks) {
			many(declared, marks)
			declared.MustNot = declared.Namespaced.Rules
		}, false},
	} {
		places, inOrder := findNewest(newJob(&bytes.Buffer{}, tt.change).Desired, ensured{})
		if inOrder != tt.inOrder || (inOrder && len(places) == 0) {
			t.Errorf("%s: %v, %t", name, places, inOrder)
		}
	}
}

func TestAdvise(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		used      time.Duration
		permanent bool
		want      string
	}{
		"the job is longer": {
			2 * time.Hour, false, "the job may run for 2h0m0s, longer than the token lives (1h)",
		},
		"the job is shorter": {time.Minute, false, ""},
		"nobody says":        {0, false, ""},
		"it does not matter": {2 * time.Hour, true, "a permanent token never expires"},
	} {
		var log bytes.Buffer
		job := newJob(&log, usual)
		job.Config.Token.Lifetime.Permanent = tt.permanent
		advise(job, destination{used: tt.used})
		if (tt.want == "") != (log.Len() == 0) || !strings.Contains(log.String(), tt.want) {
			t.Errorf("%s: %q", name, log.String())
		}
	}
}
