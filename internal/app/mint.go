package app

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"time"
	"unicode"

	coordinationv1 "k8s.io/api/coordination/v1"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/cluster"
	"github.com/kubemint/kubemint/internal/kubeconfig"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/source"
	"github.com/kubemint/kubemint/internal/token"
)

// minting is a run of mint: what is known so far.
type minting struct {
	*run
	source   *source.Source
	client   *cluster.Client // as the runner
	prover   *prover         // as the new credential
	desired  access.Desired
	observed access.Observed
	plan     access.Plan
	output   *output
	lease    *coordinationv1.Lease // nil with revoke: false
	leased   bool                  // the lease is on the server
	maybe    bool                  // it may be there: it is, or nobody answered
	minted   token.Minted
	written  kubeconfig.Config
}

// mint is the main job; docs/architecture.md has its picture. With planOnly it ends before anything is written.
func (r *run) mint(ctx context.Context, planOnly bool) error {
	if err := r.load(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Result.Timeout)
	defer cancel()
	m := &minting{run: r}
	if err := m.prepare(); err != nil {
		return err
	}
	defer m.client.Close()
	if planOnly || r.cfg.Result.DryRun {
		return m.dryRun(ctx)
	}
	err := m.steps(ctx)
	if err != nil {
		err = errors.Join(err, m.rollBack(ctx))
	}
	return err
}

// prepare does all that needs no API server: source, wanted objects, output path.
func (m *minting) prepare() (err error) {
	if m.source, err = m.loadSource(m.cfg.Source.Kubeconfig, m.cfg.Source.Context, m.getenv); err != nil {
		return err
	}
	for _, warning := range m.source.Warnings {
		m.log.warnf("%s", warning)
	}
	m.desired = access.Desire(m.cfg.Access.In(m.source.Namespace), m.platform.Marks())
	if m.written, err = m.target(); err != nil {
		return err
	}
	if m.cfg.Result.SecretOutputs != nil && *m.cfg.Result.SecretOutputs && !m.platform.Masks() {
		return problem.Newf(problem.Config, "input secret_outputs",
			"%s cannot mask a value at run time: a secret output would be readable in logs and artifacts", m.platform.Name()).
			Hint("leave `secret_outputs` out, and use the written kubeconfig")
	}
	if m.output, err = m.chooseOutput(m.source.Files); err != nil {
		return err
	}
	if m.client, err = m.connect(m.source.REST); err != nil {
		return err
	}
	m.prover, err = m.newProver(m.written)
	return err
}

// loadSource reads the runner's credential. The context is the caller's: a receipt names another one than the input.
func (r *run) loadSource(given, contextName string, getenv func(string) string) (*source.Source, error) {
	hint := ""
	if r.platform.Inside("/") != "/" || r.getenv("GITHUB_WORKSPACE") == "/github/workspace" {
		hint = "this container does not see the host's home directory: give the input `kubeconfig`, " +
			"or set KUBECONFIG to a path in the workspace or the runner's temp directory"
	}
	return source.Load(source.Input{
		Kubeconfig: given, Context: contextName, AllowInsecure: r.cfg.Source.AllowInsecure,
		Getenv: getenv, Inside: r.platform.Inside, Hint: hint,
	})
}

// steps are the run itself. Each phase sends what it can at once and waits for nothing that it does not need.
func (m *minting) steps(ctx context.Context) (err error) {
	if m.cfg.Token.Revoke {
		account := m.desired.Access.ServiceAccount
		m.lease = token.NewLease(account, m.desired.Marks, time.Now(), m.cfg.Token.Duration)
	}
	if err := m.openReceipt(); err != nil {
		return err
	}
	go m.prover.client.Warm(ctx)
	if err := m.observe(ctx); err != nil {
		return err
	}
	m.showPlan()
	if err := m.ensure(ctx); err != nil {
		return err
	}
	data, err := kubeconfig.Render(m.written)
	if err != nil {
		return problem.New(problem.Mint, "render kubeconfig", err)
	}
	encoded := token.New(base64.StdEncoding.EncodeToString(data))
	for _, secret := range []token.Token{m.minted.Token, encoded} {
		if err := m.platform.Mask(secret); err != nil {
			return err
		}
	}
	if err := m.prover.prove(ctx, m); err != nil {
		return err
	}
	if err := context.Cause(ctx); err != nil { // from here on nothing asks the API server, and so nothing else would notice
		return problem.New(problem.Mint, "hand over the credential", err)
	}
	if err := m.write(data); err != nil {
		return err
	}
	if err := m.publish(encoded); err != nil {
		return err
	}
	m.deleteEarlier(ctx)
	return nil
}

// observe reads the cluster, makes the lease at the same time, and plans.
func (m *minting) observe(ctx context.Context) error {
	var observeErr, leaseErr error
	_ = cluster.Each(2, func(i int) error {
		if i == 0 {
			observeErr = m.read(ctx)
		} else {
			leaseErr = m.createLease(ctx, true)
		}
		return nil
	})
	if err := errors.Join(observeErr, leaseErr); err != nil {
		return err
	}
	var err error
	m.plan, err = access.Diff(m.desired, m.observed)
	return err
}

func (m *minting) read(ctx context.Context) error {
	observed, notes, err := m.client.Observe(ctx, m.desired)
	m.observed = observed
	for _, note := range notes {
		m.log.printf("note: %s", note)
	}
	return err
}

// createLease makes the lease. At the first try a missing namespace may be one that this run is about to create.
func (m *minting) createLease(ctx context.Context, first bool) error {
	if m.lease == nil || m.leased {
		return nil
	}
	err := token.CreateLease(ctx, m.client, m.lease)
	m.maybe = !cluster.Untouched(err)
	if first && m.desired.Access.CreateNamespace && cluster.NamespaceMissing(err) {
		return nil
	}
	if err != nil {
		err := m.client.Explain(problem.Mint, "create Lease "+m.lease.Namespace+"/"+m.lease.Name, err)
		return hint(err, problem.Rights, "or set `revoke: false`, and the token lives to its expiry without a lease")
	}
	m.leased = true
	return m.recordLease()
}

// hint adds a remedy to an error of this kind.
func hint(err error, code problem.Code, remedy string) error {
	var p *problem.Error
	if errors.As(err, &p) && p.Code == code {
		p.Hints = append(p.Hints, remedy)
	}
	return err
}

// target is what the written kubeconfig will say, but for the token.
func (m *minting) target() (kubeconfig.Config, error) {
	s, access := m.source, m.desired.Access
	written := kubeconfig.Config{
		Name: m.cfg.Result.ContextName, Namespace: access.Namespaces[0],
		Server: s.Server, CAData: s.CAData, TLSServerName: s.TLSServerName, ProxyURL: s.ProxyURL, Insecure: s.Insecure,
	}
	if written.Name == "" {
		written.Name = access.ServiceAccount.Name + "@" + clusterName(s)
	}
	if given := m.cfg.Source.CertificateAuthority; given != "" {
		bundle, err := source.Certificates(given, m.platform.Inside)
		if err != nil {
			return written, err
		}
		written.CAData, written.Insecure = bundle, false
	}
	return written, nil
}

// clusterName is the source's own word for the cluster, if it can stand on one line of logs and env files.
func clusterName(s *source.Source) string {
	if s.Cluster != "" && !strings.ContainsFunc(s.Cluster, unicode.IsControl) {
		return s.Cluster
	}
	return hostOf(s.Server)
}

// granted says what the API server gave, beside what was asked for.
func (m *minting) granted() {
	asked := m.cfg.Token
	if m.minted.Shortened(asked.Duration) {
		m.log.warnf("the API server shortened the token: %s asked, %s granted", asked.Asked,
			short(m.minted.ExpiresAt.Sub(m.minted.Claims.IssuedAt).Round(time.Second)))
	}
	m.log.printf("minted a token for %s (asked %s, expires %s, id %s)",
		m.desired.Access.ServiceAccount, asked.Asked, m.minted.ExpiresAt.Format(time.RFC3339), m.minted.Claims.ID)
}
