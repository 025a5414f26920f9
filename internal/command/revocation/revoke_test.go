package revocation

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubemint/kubemint/internal/lease"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/owner"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/test/kubetest"
)

// The credential ends, and what its run wrote goes. The account is declared state, and stays.
func TestRun_EndsWhatTheReceiptNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	record := w.mintWithReceipt(t, usual)
	if err := w.revoke(t, Options{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"serviceaccounts shop/ci"}, w.Objects()); diff != "" {
		t.Error(diff)
	}
	if w.exists("out/kc") || w.exists("out/kc.receipt") {
		t.Error("a file is left")
	}
	w.wantLog(t, "revoked: lease shop/"+record.Leases[0].Name+" is deleted")
}

// A second revoke, or one after a mint that failed, has nothing to do, and sends nothing.
func TestRun_NothingToRevoke(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		prepare func(t *testing.T, w *world)
		says    string
	}{
		"no receipt": {func(*testing.T, *world) {}, "nothing to revoke: no receipt of an earlier run is here"},
		"taken back": {func(t *testing.T, w *world) {
			t.Helper()
			w.mintWithReceipt(t, func(record *receipt.Receipt) { record.Leases = nil })
		}, "nothing to revoke: the run took back what it had made"},
		"revoke: false": {func(t *testing.T, w *world) {
			t.Helper()
			w.mintWithReceipt(t, func(record *receipt.Receipt) {
				record.Leases = nil
				record.Keep = true
			})
		}, "minted with `revoke: false` and lives until "},
		"permanent": {func(t *testing.T, w *world) {
			t.Helper()
			w.mintWithReceipt(t, func(record *receipt.Receipt) {
				record.Leases = nil
				record.Keep = true
				record.ExpiresAt = ""
				record.Objects = []receipt.Object{{Kind: "Secret", Namespace: "shop", Name: "kubemint-token-ci"}}
			})
		}, "kubemint revoke --permanent deletes it"},
		"somebody else's Secret": {func(t *testing.T, w *world) {
			t.Helper()
			w.mintWithReceipt(t, func(record *receipt.Receipt) {
				record.Leases = nil
				record.Keep = true
				record.ExpiresAt = ""
				record.Theirs = []receipt.Object{{Kind: "Secret", Namespace: "shop", Name: "theirs"}}
			})
		}, "somebody else made it. This ends the token:  kubectl -n shop delete secret theirs"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			tt.prepare(t, w)
			before := w.Asked()
			if err := w.revoke(t, Options{}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, w.Asked()); diff != "" {
				t.Error(diff)
			}
			w.wantLog(t, tt.says)
		})
	}
}

// --permanent deletes the Secret of a permanent token; one of somebody else is an error while it is
// there.
func TestRun_Permanent(t *testing.T) {
	t.Parallel()
	for name, theirs := range map[string]bool{"ours": false, "theirs": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			record := w.mintWithReceipt(t, func(record *receipt.Receipt) {
				holder := lease.NewPermanent(accountOf(record), owner.Marks{})
				holder.UID = "p1"
				w.Put(holder)
				its := receipt.Object{Kind: "Secret", Namespace: "shop", Name: holder.Name, UID: "p1"}
				record.Leases = nil
				record.Keep = true
				record.ExpiresAt = ""
				if theirs {
					record.Theirs = []receipt.Object{its}
				} else {
					record.Objects = []receipt.Object{its}
				}
			})
			err := w.revoke(t, Options{Permanent: true})
			if (err != nil) != theirs || w.Read("secrets", "shop", "kubemint-token-ci", nil) != theirs {
				t.Errorf("left %q: %v", w.Objects(), err)
			}
			if theirs && problem.ExitCode(err) != int(problem.Revoke) {
				t.Error(err)
			}
			if w.exists("out/kc.receipt") != theirs {
				t.Errorf("the receipt of %s: there %t", record.Output, !theirs)
			}
		})
	}
}

// An earlier credential at the same output ends, and the permanent one that replaced it stays.
func TestRun_PermanentKeepsItsSecretWhenAnEarlierLeaseEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	record := w.mintWithReceipt(t, func(record *receipt.Receipt) {
		holder := lease.NewPermanent(accountOf(record), owner.Marks{})
		holder.UID = "p1"
		w.Put(holder)
		record.Keep = true
		record.ExpiresAt = ""
		record.Objects = []receipt.Object{{Kind: "Secret", Namespace: "shop", Name: holder.Name, UID: "p1"}}
	})
	if err := w.revoke(t, Options{}); err != nil {
		t.Fatal(err)
	}
	if w.isAlive(record) || !w.Read("secrets", "shop", "kubemint-token-ci", nil) || !w.exists("out/kc") {
		t.Errorf("left %q", w.Objects())
	}
	w.wantLog(t, "kubemint revoke --permanent deletes it")
}

// What lives on is an error with the command that ends it, and its receipt stays for another try;
// the kubeconfig goes, so that nobody goes on using it.
func TestRun_LeaseThatStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	record := w.mintWithReceipt(t, usual)
	w.Forbid("^delete leases")
	err := w.revoke(t, Options{})
	if problem.ExitCode(err) != int(problem.Revoke) || !w.isAlive(record) {
		t.Error(err)
	}
	if want := "unless you run  kubectl -n shop delete lease " + record.Leases[0].Name; !strings.Contains(kubetest.HintsOf(err), want) {
		t.Errorf("hints:\n%s", kubetest.HintsOf(err))
	}
	if w.exists("out/kc") || !w.exists("out/kc.receipt") {
		t.Error("the kubeconfig is there, or the receipt is not")
	}
}

// A token that has expired cannot be misused, so a job does not fail for a lease that stays.
func TestRun_LeaseThatStaysOfAnExpiredToken(t *testing.T) {
	t.Parallel()
	for ago, fails := range map[time.Duration]bool{time.Hour: false, time.Minute: true} {
		w := newWorld(t)
		w.mintWithReceipt(t, func(record *receipt.Receipt) {
			record.ExpiresAt = w.now.Add(-ago).UTC().Format(time.RFC3339)
		})
		w.Forbid("^delete leases")
		if err := w.revoke(t, Options{}); (err != nil) != fails || w.exists("out/kc.receipt") != fails {
			t.Errorf("expired %s ago: %v", ago, err)
		}
		if !fails {
			w.wantLog(t, "not everything could be deleted, but the token expired at ")
		}
	}
}

// A configuration that has become faulty is no reason to leave a credential alive.
func TestRun_FaultyInputs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	record := w.mintWithReceipt(t, usual)
	if err := w.revoke(t, Options{}, "KUBEMINT_DURATION=soon"); err != nil || w.isAlive(record) {
		t.Error(err)
	}
	w.wantLog(t, "the inputs are not all valid, revoking all the same")
}

// Another cluster's lease could have the same name: nothing is sent to a server that the receipt
// does not name.
func TestRun_SourceOfAnotherCluster(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*receipt.Receipt){
		"another address": func(record *receipt.Receipt) { record.Server = "https://other.example" },
		"another CA":      func(record *receipt.Receipt) { record.Fingerprint = strings.Repeat("0", 64) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			record := w.mintWithReceipt(t, change)
			asked := len(w.Asked())
			err := w.revoke(t, Options{})
			if problem.ExitCode(err) != int(problem.Revoke) || len(w.Asked()) != asked || !w.isAlive(record) {
				t.Errorf("asked %q: %v", w.Asked()[asked:], err)
			}
			for _, want := range []string{"another cluster's lease could have the same name", "kubectl -n shop delete lease"} {
				if !strings.Contains(kubetest.HintsOf(err), want) {
					t.Errorf("%q is not among the hints:\n%s", want, kubetest.HintsOf(err))
				}
			}
			if !w.exists("out/kc.receipt") {
				t.Error("the receipt is gone")
			}
		})
	}
}

// --wait proves the death by asking with the token, which has to be read before its file goes.
func TestRun_WaitProvesTheDeath(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mintWithReceipt(t, usual)
	if err := w.revoke(t, Options{Wait: true}); err != nil {
		t.Fatal(err)
	}
	deleted := slices.Index(w.Asked(), "delete leases shop/kubemint-ci-…")
	proved := slices.Index(w.Asked(), "token: create selfsubjectreviews")
	if deleted < 0 || proved < deleted || w.exists("out/kc") {
		t.Errorf("asked %q", w.Asked())
	}
	w.wantLog(t, "dead: the API server refuses the token")
}

// Without the token nobody can be asked.
func TestRun_WaitWithoutTheToken(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(t *testing.T, w *world)
		says   string
	}{
		"the file is gone": {func(t *testing.T, w *world) {
			t.Helper()
			if err := os.Remove(w.path("out/kc")); err != nil {
				t.Fatal(err)
			}
		}, "no such file"},
		"another kubeconfig": {func(t *testing.T, w *world) {
			t.Helper()
			w.write(t, "out/kc", w.Kubeconfig())
		}, "does not hold the token that the receipt names"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			record := w.mintWithReceipt(t, usual)
			tt.change(t, w)
			err := w.revoke(t, Options{Wait: true})
			if problem.ExitCode(err) != int(problem.Revoke) || !strings.Contains(err.Error(), tt.says) || w.isAlive(record) {
				t.Error(err)
			}
		})
	}
}

// An API server that still takes the token: the job learns until when.
func TestAwaitDeath_TokenLives(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	record := w.mintWithReceipt(t, usual)
	s := w.loaded(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	over := errors.New("the time is over")
	w.Intercept(func(asked string) error {
		if asked == "token: create selfsubjectreviews" {
			cancel(over)
		}
		return nil
	})
	_, from, err := reconnect(ctx, s, record)
	if err != nil {
		t.Fatal(err)
	}
	err = awaitDeath(ctx, s, record, from)
	if problem.ExitCode(err) != int(problem.Revoke) || !errors.Is(err, over) ||
		!strings.Contains(kubetest.HintsOf(err), "it lives until "+record.ExpiresAt) {
		t.Errorf("%v\n%s", err, kubetest.HintsOf(err))
	}
}

// Neither a mint nor another revoke changes what is about to be deleted; what the run that had the
// lock left counts.
func TestFindLocked_ReadsAgainUnderTheLock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	record := w.mintWithReceipt(t, usual)
	s := w.loaded(t)
	unlock, err := s.Files().Await(t.Context(), record) // another revoke
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, _, err := findLocked(ctx, s); problem.ExitCode(err) != int(problem.Revoke) {
		t.Errorf("it did not wait: %v", err)
	}
	waiting := &kubetest.OnWait{Context: t.Context(), Do: func() {
		if err := os.Remove(receipt.Path(record.Output)); err != nil {
			t.Error(err)
		}
		unlock()
	}}
	found, _, release, err := findLocked(waiting, s)
	if err != nil || found != nil {
		t.Fatalf("found %+v, which was deleted meanwhile: %v", found, err)
	}
	release()
}

// The step state comes first: nothing but the runner writes it. What is damaged deletes nothing.
func TestFindReceipt(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		state, file string
		from, fails string
	}{
		"the step state first": {state: "state", file: "file", from: "state"},
		"the file":             {file: "file", from: "file"},
		"none":                 {},
		"a damaged state":      {state: "{", file: "file", fails: "read receipt from the step state: damaged"},
		"a damaged file":       {file: "{", fails: "damaged, or not a receipt"},
		"another version":      {file: `{"version":1}`, fails: "version 1, but this kubemint reads version 2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			encode := func(text string) string {
				if text == "" || strings.HasPrefix(text, "{") {
					return text
				}
				record := &receipt.Receipt{
					Server: "https://" + text, Made: receipt.Made{Output: w.path("out/kc")},
					Account: receipt.Object{Kind: "ServiceAccount", Namespace: "shop", Name: "ci"},
				}
				data, err := record.Encode()
				if err != nil {
					t.Fatal(err)
				}
				return string(data)
			}
			if tt.file != "" {
				w.write(t, "out/kc.receipt", []byte(encode(tt.file)))
			}
			s := w.loaded(t)
			s.Platform.Facts.SavedState = encode(tt.state)
			record, path, err := findReceipt(s)
			switch {
			case tt.fails != "":
				if problem.ExitCode(err) != int(problem.Revoke) || !strings.Contains(err.Error(), tt.fails) {
					t.Error(err)
				}
			case err != nil, (record == nil) != (tt.from == ""), record != nil && record.Server != "https://"+tt.from:
				t.Errorf("%+v: %v", record, err)
			case record != nil && path != w.path("out/kc.receipt"):
				t.Errorf("the receipt lies at %s", path)
			}
		})
	}
}

// One path in $KUBECONFIG may be an output of this job; a list is the user's own.
func TestOutputCandidates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own := w.path("checkout/kubemint.kubeconfig")
	list := w.path("a") + string(filepath.ListSeparator) + w.path("b")
	for name, tt := range map[string]struct {
		output, kubeconfig string
		want               []string
	}{
		"given":            {"kc", w.path("a"), []string{w.path("checkout/kc")}},
		"the default":      {"", "", []string{own}},
		"one KUBECONFIG":   {"", w.path("a"), []string{own, w.path("a")}},
		"some KUBECONFIGs": {"", list, []string{own}},
	} {
		s := w.loaded(t, "KUBEMINT_OUTPUT="+tt.output, "KUBECONFIG="+tt.kubeconfig)
		if diff := cmp.Diff(tt.want, outputCandidates(s)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// A state that had no room for the objects takes them from the file, if that is of the same run.
func TestCompleteRecord(t *testing.T) {
	t.Parallel()
	role := receipt.Object{Kind: "Role", Namespace: "shop", Name: "x"}
	for name, tt := range map[string]struct {
		elsewhere, another bool
		objects            int
		fails              bool
	}{
		"it has them":         {},
		"the file has them":   {elsewhere: true, objects: 1},
		"it is another run's": {elsewhere: true, another: true, fails: true},
	} {
		w := newWorld(t)
		record := w.mintWithReceipt(t, func(record *receipt.Receipt) { record.Objects = []receipt.Object{role} })
		state := *record
		state.Objects = nil
		state.Elsewhere = tt.elsewhere
		if tt.another {
			other := state.Leases[0]
			other.Name = "kubemint-ci-bcdefg2345"
			state.Leases = []receipt.Object{other}
		}
		err := completeRecord(w.loaded(t), &state)
		if (err != nil) != tt.fails || len(state.Objects) != tt.objects {
			t.Errorf("%s: %+v: %v", name, state.Objects, err)
		}
		if tt.fails && !strings.Contains(kubetest.HintsOf(err), "kubemint sweep --all-namespaces") {
			t.Errorf("%s: %s", name, kubetest.HintsOf(err))
		}
	}
}
