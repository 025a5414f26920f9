package revocation

import (
	"context"
	"time"

	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/client/connect"
	"github.com/kubemint/kubemint/internal/command/session"
	"github.com/kubemint/kubemint/internal/output"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/proof"
	"github.com/kubemint/kubemint/internal/secret"
	"github.com/kubemint/kubemint/internal/source"
)

// deathWithin is twice what the API server's cache of accepted tokens takes (10 s).
const deathWithin = 25 * time.Second

const proveDeath = "prove that the token is dead"

// readWritten reads the token that the record's run wrote.
func readWritten(record *receipt.Receipt) (secret.Value, error) {
	data, err := output.Read(record.Output)
	if err != nil {
		return secret.Value{}, problem.New(problem.Revoke, proveDeath, output.Cause(err),
			"kubemint needs the token of the written kubeconfig to see it fail: run without --wait")
	}
	written, err := output.TokenIn(record.Output, data)
	if err != nil || written.Hash() != record.TokenHash {
		return secret.Value{}, problem.Newf(problem.Revoke, proveDeath,
			"%s does not hold the token that the receipt names", record.Output)
	}
	return written, nil
}

// awaitDeath asks with the dead token until the API server refuses it.
func awaitDeath(
	ctx context.Context, s session.Session, record *receipt.Receipt, from *source.Source,
) error {
	dead, err := readWritten(record)
	if err != nil {
		return err
	}
	address, err := session.ChooseAddress(s, from)
	if err != nil {
		return err
	}
	verifier, err := s.Dialer().Verifier(address)
	if err != nil {
		return err
	}
	defer verifier.Close()
	verifier.Use(dead)
	verifier.AddClients()
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, deathWithin)
	defer cancel()
	err = connect.AskEach(
		verifier.Clients(true), func(c *client.Client) error { return proof.AwaitDeath(ctx, c) },
	)
	if err != nil {
		return problem.Newf(
			problem.Revoke, proveDeath, "the API server still accepts it after %s: %w",
			time.Since(start).Round(time.Second), err,
		).
			Hint(
				"it lives until %s at most; does the cluster's garbage collector run (kube-controller-manager)?",
				record.ExpiresAt,
			).
			Hint("deleting the Secret of the lease's name kills it as well: it needs the right to delete Secrets")
	}
	s.Log.Printf(
		"dead: the API server refuses the token, %s after its lease was deleted",
		time.Since(start).Round(time.Second),
	)
	return nil
}
