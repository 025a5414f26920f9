package revocation

import (
	"os"
	"strings"
	"testing"

	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/test/kubetest"
)

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// tokenIn finds the token of a kubeconfig's text.
func tokenIn(kubeconfig string) string {
	_, rest, _ := strings.Cut(kubeconfig, "eyJ")
	end := strings.IndexAny(rest, "\"\n ")
	return "eyJ" + rest[:end]
}

// The source of the mint counts, not what $KUBECONFIG names by now: that may be our own file.
func TestChooseRecorded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	there, gone := w.path("home/source"), w.path("gone")
	for name, tt := range map[string]struct {
		source   receipt.Source
		given    string
		recorded bool   // the files of the receipt are read
		content  string // the input is read
		getenv   bool   // a kubeconfig may come from the environment
		fails    string
	}{
		"a file":                     {source: receipt.Source{Kind: receipt.KindFile, Paths: []string{there}}, recorded: true, getenv: true},
		"a file, and an input":       {source: receipt.Source{Kind: receipt.KindFile, Paths: []string{there}}, given: "x", recorded: true, getenv: true},
		"a file that moved":          {source: receipt.Source{Kind: receipt.KindFile, Paths: []string{gone}}, given: there, content: there, getenv: true},
		"a file that is gone":        {source: receipt.Source{Kind: receipt.KindFile, Paths: []string{gone}}, recorded: true, getenv: true},
		"content, given again":       {source: receipt.Source{Kind: receipt.KindContent}, given: "x", content: "x", getenv: true},
		"content, not given again":   {source: receipt.Source{Kind: receipt.KindContent}, fails: "give the input `kubeconfig` to this command as well"},
		"an ID token, not again":     {source: receipt.Source{Kind: receipt.KindServer}, fails: "`server`, with what belongs to it"},
		"the pod's account":          {source: receipt.Source{Kind: receipt.KindInCluster}},
		"a kind of a later kubemint": {source: receipt.Source{Kind: "vault"}, fails: `unknown kind of source "vault"`},
	} {
		s := w.loaded(t)
		s.Config.Source.Kubeconfig = tt.given
		chosen, err := chooseRecorded(s, &receipt.Receipt{Source: tt.source})
		if tt.fails != "" {
			if problem.ExitCode(err) != int(problem.Revoke) || !strings.Contains(err.Error()+kubetest.HintsOf(err), tt.fails) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || (chosen.Recorded != nil) != tt.recorded || chosen.Kubeconfig != tt.content {
			t.Errorf("%s: %+v: %v", name, chosen, err)
		}
		if (chosen.Getenv("KUBECONFIG") != "") != tt.getenv || (chosen.Getenv("HOME") != "") != tt.getenv {
			t.Errorf("%s: $KUBECONFIG %q, $HOME %q", name, chosen.Getenv("KUBECONFIG"), chosen.Getenv("HOME"))
		}
		if chosen.Getenv("TMPDIR") == "" {
			t.Errorf("%s: the rest of the environment is gone", name)
		}
	}
}

// An error before the first request leaves every credential of the receipt alive, and says so.
func TestAsRevoke_NamesWhatLivesOn(t *testing.T) {
	t.Parallel()
	record := &receipt.Receipt{ExpiresAt: "2026-01-01T13:00:00Z", Made: receipt.Made{
		Leases: []receipt.Object{
			{Kind: "Lease", Namespace: "shop", Name: "a"}, {Kind: "Lease", Namespace: "web", Name: "b"},
		},
	}}
	err := asRevoke(problem.Newf(problem.Source, "read kubeconfig", "no such file").Hint("look"), record)
	want := []string{
		"look", "a credential lives until 2026-01-01T13:00:00Z unless you run  kubectl -n shop delete lease a",
		"a credential lives until 2026-01-01T13:00:00Z unless you run  kubectl -n web delete lease b",
	}
	if problem.ExitCode(err) != int(problem.Revoke) || kubetest.HintsOf(err) != strings.Join(want, "\n") {
		t.Errorf("%v\n%s", err, kubetest.HintsOf(err))
	}
}
