package deliver

import (
	"context"
	"time"

	"github.com/kubemint/kubemint/internal/mint/credential"
	"github.com/kubemint/kubemint/internal/mint/undo"
	"github.com/kubemint/kubemint/internal/output"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/secret"
)

// Directory is the destination for one command: a private directory, which holds the kubeconfig,
// and the token in a file of its own. Nothing is published.
type Directory struct{ Dir string }

// Path is the path of the kubeconfig.
func (d Directory) Path() string { return output.InDirectory(d.Dir) }

// TokenFile is read again by clients while the command runs.
func (d Directory) TokenFile() string { return output.TokenFile(d.Path()) }

// UsedFor is zero: the token is renewed for as long as the command runs.
func (d Directory) UsedFor() time.Duration { return 0 }

// Earlier returns nothing: the directory is new.
func (d Directory) Earlier() (earlier *receipt.Receipt, live bool) { return nil, false }

// Remedy names another command: exec could not end a credential without a lease.
func (d Directory) Remedy(bool) credential.Remedy {
	return credential.Remedy{Unserved: "kubemint exec ends a credential by its lease: " +
		"here only `kubemint mint` works, with `revoke: false`"}
}

// revokeWithin bounds the end of a credential whose source may have to log in again.
const revokeWithin = time.Minute

// Patience is the time limit of kubemint revoke.
func (d Directory) Patience() time.Duration { return revokeWithin }

// Open begins the receipt, which is for another kubemint if this process is killed.
func (d Directory) Open(record *receipt.Receipt) (*output.Journal, error) {
	record.Dirs = []string{d.Dir}
	return output.NewJournal(receipt.Path(d.Path()), record, nil), nil
}

// Mask has nothing to hide: a long mask could be torn apart, as the command may write to the same
// stream.
func (d Directory) Mask(secret.Value) error { return nil }

// Deliver writes the kubeconfig, after the token file that it names. Revoke compares the token
// file's content with the receipt, so a run that is killed between the two leaves nothing that
// revoke would not know.
func (d Directory) Deliver(what Delivery, stack *undo.Stack) error {
	err := stack.Journal.Update(func(record *receipt.Receipt) {
		record.TokenHash = what.Issued.Token.Hash()
		record.ExpiresAt = credential.FormatExpiry(what.Issued.Minted)
	})
	if err != nil {
		return err
	}
	stack.Push(
		undo.Files, "", ignoringContext(func() error { return output.Restore(d.Path(), nil) }),
	)
	if err := output.Write(d.TokenFile(), []byte(what.Issued.Token.Reveal())); err != nil {
		return err
	}
	return output.Write(d.Path(), what.Rendered.Data)
}

func ignoringContext(f func() error) func(context.Context) error {
	return func(context.Context) error { return f() }
}
