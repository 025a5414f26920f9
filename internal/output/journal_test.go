package output

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/kubemint/kubemint/internal/output/receipt"
)

func newRecord(path string) *receipt.Receipt {
	return &receipt.Receipt{
		Server: "https://x", Made: receipt.Made{Output: path},
		Account: receipt.Object{Kind: "ServiceAccount", Namespace: "shop", Name: "ci"},
	}
}

var lease = receipt.Object{Kind: "Lease", Namespace: "shop", Name: "kubemint-ci-abcdefghij"}

func TestJournal_UpdateSavesAndNoteDoesNot(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kc")
	states := 0
	j := NewJournal(receipt.Path(path), newRecord(path), func(*receipt.Receipt) error {
		states++
		return nil
	})
	j.Note(func(record *receipt.Receipt) { record.Leases = append(record.Leases, lease) })
	if _, err := receipt.Read(path); !errors.Is(err, os.ErrNotExist) || states != 0 {
		t.Errorf("a note was saved: %v", err)
	}
	if err := j.Update(func(record *receipt.Receipt) { record.TokenHash = "h" }); err != nil {
		t.Fatal(err)
	}
	saved, err := receipt.Read(path)
	if err != nil || len(saved.Leases) != 1 || saved.TokenHash != "h" || states != 1 {
		t.Errorf("saved %+v, %d states: %v", saved, states, err)
	}
}

func TestJournal_RecordIsACopy(t *testing.T) {
	t.Parallel()
	j := NewJournal("unused", newRecord("o"), nil)
	j.Note(func(record *receipt.Receipt) { record.Leases = append(record.Leases, lease) })
	j.Record().Leases[0].Name = "other"
	if got := j.Record().Leases[0].Name; got != lease.Name {
		t.Errorf("a reader has changed it to %q", got)
	}
}

// A receipt that cannot be written must not be in the step state alone.
func TestJournal_FileFirst(t *testing.T) {
	t.Parallel()
	told := false
	j := NewJournal(filepath.Join(t.TempDir(), "missing", "r"), newRecord("o"), func(*receipt.Receipt) error {
		told = true
		return nil
	})
	if err := j.Update(func(*receipt.Receipt) {}); err == nil || told {
		t.Errorf("told %t, %v", told, err)
	}
}

// Two credentials may be alive: revoke may give neither up before the later one has ended.
func TestJournal_CloseKeepsTheLaterExpiry(t *testing.T) {
	t.Parallel()
	const soon, late = "2026-11-29T10:00:00Z", "2026-11-30T10:00:00Z"
	for _, tt := range []struct{ earlier, own, want string }{
		{late, soon, late}, {soon, late, late}, {"", soon, ""}, {late, "", ""},
	} {
		path := filepath.Join(t.TempDir(), "kc")
		earlier := newRecord(path)
		earlier.ExpiresAt = tt.earlier
		j := NewJournal(receipt.Path(path), newRecord(path), nil)
		err := j.Update(func(record *receipt.Receipt) { record.ExpiresAt = tt.own })
		if err = errors.Join(err, j.Close(true, earlier)); err != nil {
			t.Fatal(err)
		}
		left, err := receipt.Read(path)
		if err != nil || left.ExpiresAt != tt.want {
			t.Errorf("%+v: left %+v: %v", tt, left, err)
		}
	}
}

func TestJournal_Close(t *testing.T) {
	t.Parallel()
	earlier := newRecord("")
	earlier.TokenHash = "before"
	for name, tt := range map[string]struct {
		alive   bool
		earlier *receipt.Receipt
		left    bool
		hash    string
	}{
		"all is gone":                    {false, nil, false, ""},
		"something lives":                {true, nil, true, "now"},
		"the earlier one is back":        {false, earlier, true, "before"},
		"something lives, file restored": {true, earlier, true, "before"},
	} {
		path := filepath.Join(t.TempDir(), "kc")
		earlier := tt.earlier
		if earlier != nil {
			copied := *earlier
			copied.Output = path
			earlier = &copied
		}
		var state *receipt.Receipt
		j := NewJournal(receipt.Path(path), newRecord(path), func(record *receipt.Receipt) error {
			state = record
			return nil
		})
		err := j.Update(func(record *receipt.Receipt) {
			record.TokenHash = "now"
			record.Leases = []receipt.Object{lease}
		})
		if err = errors.Join(err, j.Close(tt.alive, earlier)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		left, err := receipt.Read(path)
		if (err == nil) != tt.left || (left != nil && left.TokenHash != tt.hash) {
			t.Errorf("%s: left %+v: %v", name, left, err)
		}
		if living := len(state.Leases) > 0; living != tt.alive {
			t.Errorf("%s: the post step is told of %v", name, state.Leases)
		}
	}
}
