package command

import (
	"cmp"
	"context"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/command/session"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/kubeconfig"
	"github.com/kubemint/kubemint/internal/lease/leasename"
	"github.com/kubemint/kubemint/internal/mint"
	"github.com/kubemint/kubemint/internal/mint/deliver"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/source"
	"github.com/kubemint/kubemint/internal/source/certs"
)

// runMint mints into a file that later steps of the job read; docs/architecture.md has its picture.
// With dryRun it ends before anything is written.
func runMint(ctx context.Context, s session.Session, dryRun bool) error {
	job, from, record, err := prepareMint(s)
	if err != nil {
		return err
	}
	if err := refuseSecretOutputs(s); err != nil {
		return err
	}
	path := s.Platform.Absolute(
		s.Platform.Inside(cmp.Or(s.Config.Result.Output, s.Platform.DefaultOutput())),
	)
	if err := s.Platform.Visible(path); err != nil {
		return err
	}
	file, err := s.Files().Choose(path, from.Files, record, dryRun)
	if err != nil {
		return err
	}
	record.Output = path
	defer file.Unlock(record)
	if job, err = connectMint(ctx, s, job, from); err != nil {
		return err
	}
	defer job.Server.Close()
	to := deliver.File{Output: file, Files: s.Files(), Platform: s.Platform}
	if dryRun {
		err = mint.Plan(ctx, job, to)
	} else {
		_, err = mint.Run(ctx, job, to, record)
	}
	return mint.Complete(ctx, job, err)
}

// prepareMint does all that needs no API server: source, wanted objects, the beginning of the
// receipt.
func prepareMint(s session.Session) (mint.Job, *source.Source, *receipt.Receipt, error) {
	from, err := session.LoadSource(s, session.ChooseDeclared(s))
	if err != nil {
		return mint.Job{}, nil, nil, err
	}
	session.ReportSource(s, from)
	declared, err := session.CompleteAccess(s, from)
	if err != nil {
		return mint.Job{}, nil, nil, err
	}
	record := newRecord(from, declared)
	marks := s.Marks()
	if declared.Ephemeral {
		declared.ServiceAccount.Name = leasename.Ephemeral(declared.ServiceAccount.Name)
		marks.ExpiresAt = s.Trace.Now().Add(s.Config.Token.Lifetime.Duration)
	}
	written, err := describeKubeconfig(s, from, declared)
	job := mint.Job{
		Config: s.Config, Desired: access.Desire(declared, marks), Written: written,
		Mask: s.Platform.Mask, Clock: s.Trace, Log: s.Log,
	}
	return job, from, record, err
}

// connectMint completes the job with its connections.
func connectMint(
	ctx context.Context, s session.Session, job mint.Job, from *source.Source,
) (mint.Job, error) {
	job.Until, _ = ctx.Deadline() // both callers set that of the input `timeout`
	var err error
	if job.Verifier, err = s.Dialer().Verifier(job.Written); err != nil {
		return job, err
	}
	job.Server, err = session.OpenExpected(ctx, s, from)
	return job, err
}

// newRecord begins the receipt of a run: the ServiceAccount, the API server and the source.
func newRecord(from *source.Source, declared config.Access) *receipt.Receipt {
	account := declared.ServiceAccount
	return &receipt.Receipt{
		Server: from.Server, Fingerprint: certs.Fingerprint(from.CAData),
		Source:  from.Origin,
		Account: receipt.Object{Kind: "ServiceAccount", Namespace: account.Namespace, Name: account.Name},
	}
}

// describeKubeconfig returns the kubeconfig to write, without the token.
func describeKubeconfig(
	s session.Session, from *source.Source, declared config.Access,
) (kubeconfig.Config, error) {
	written, err := session.ChooseAddress(s, from)
	written.Name = s.Config.Result.ContextName
	written.Namespace = declared.Namespaces[0]
	if written.Name == "" {
		written.Name = declared.ServiceAccount.Name + "@" + session.NameCluster(from)
	}
	if written.Server != from.Server {
		s.Log.Printf(
			"the source is %s; the written kubeconfig names %s, as `server` says", from.Server,
			written.Server,
		)
	}
	return written, err
}

func refuseSecretOutputs(s session.Session) error {
	asked := s.Config.Result.SecretOutputs
	if asked == nil || !*asked || s.Platform.Masks() {
		return nil
	}
	return problem.Newf(problem.Config, "input secret_outputs",
		"%s cannot mask a value at run time: a secret output would be readable in logs and artifacts",
		s.Platform.Name()).
		Hint("leave `secret_outputs` out, and use the written kubeconfig").
		Hint("a program that wants the token alone reads it from that file:  " +
			`TOKEN=$(sed -n 's/^ *token: //p' "$KUBECONFIG")`)
}
