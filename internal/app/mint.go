package app

import (
	"context"
	"errors"
	"strings"
	"sync"
	"unicode"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/kubeconfig"
	"github.com/kubemint/kubemint/internal/lease"
	"github.com/kubemint/kubemint/internal/lease/lock"
	"github.com/kubemint/kubemint/internal/output/private"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/source"
)

// minting is a run of mint: what is known so far.
type minting struct {
	*run
	private   bool         // for exec: nothing is published, and the token stands in a file of its own
	dir       *private.Dir // of exec
	source    *source.Source
	client    *client.Client // as the runner
	prover    *prover        // as the new credential
	desired   access.Desired
	observed  access.Observed
	plan      access.Plan
	replan    sync.Mutex        // while changes are carried out, some are planned anew
	planned   map[kube.Ref]bool // of a dry run: what it would create, or narrow
	outcome   access.Outcome
	output    *output
	lease     *coordinationv1.Lease // nil with revoke: false, and for a permanent token
	leased    bool                  // the lease is on the server
	maybe     bool                  // it may be there: it is, or nobody answered
	bound     types.UID             // of the lease's Secret, once it is there
	asked     bool                  // a token was requested: it may live, whatever became of the answer
	permanent *corev1.Secret        // the token Secret, found or made
	made      bool                  // this run made the token Secret
	minted    lease.Minted
	written   kubeconfig.Config
	extending sync.Once         // that the lease may not be extended is said once
	gate      *lock.Gate        // nil for an ephemeral identity
	noted     bool              // what could not be observed was said
	rendered  []byte            // the kubeconfig of exec, as it was written last
	dirty     bool              // changes to the access have begun
	early     map[kube.Ref]bool // changes that were made before it was known who depends on the access
}

// mint is the main job; docs/architecture.md has its picture. With planOnly it ends before anything is written.
func (r *run) mint(ctx context.Context, planOnly bool) error {
	m := &minting{run: r}
	r.cfg.Result.DryRun = r.cfg.Result.DryRun || planOnly
	defer func() { m.output.unlock() }()
	if err := m.prepare(ctx); err != nil {
		return err
	}
	defer m.client.Close()
	if r.cfg.Result.DryRun {
		return m.refused(ctx, m.dryRun(ctx))
	}
	err := m.steps(ctx)
	if err != nil {
		err = errors.Join(m.tellTokenLives(err), m.rollBack(ctx))
	}
	return m.refused(ctx, err)
}

// prepare does all that needs no API server: source, wanted objects, output path. Then it connects.
func (m *minting) prepare(ctx context.Context) (err error) {
	if m.source, err = m.loadSource(m.declaredSource()); err != nil {
		return err
	}
	m.reportSource(m.source)
	declared, err := m.declaredAt(m.source)
	if err != nil {
		return err
	}
	marks := m.marks()
	if declared.Ephemeral {
		declared.ServiceAccount.Name = lease.EphemeralName(declared.ServiceAccount.Name)
		marks.ExpiresAt = m.now().Add(m.cfg.Token.Duration)
	}
	m.desired = access.Desire(declared, marks)
	if m.written, err = m.target(); err != nil {
		return err
	}
	if m.cfg.Result.SecretOutputs != nil && *m.cfg.Result.SecretOutputs && !m.platform.Masks() {
		return problem.Newf(problem.Config, "input secret_outputs",
			"%s cannot mask a value at run time: a secret output would be readable in logs and artifacts", m.platform.Name()).
			Hint("leave `secret_outputs` out, and use the written kubeconfig").
			Hint(`a program that wants the token alone reads it from that file:  TOKEN=$(sed -n 's/^ *token: //p' "$KUBECONFIG")`)
	}
	if m.private {
		m.output.receipt = m.newRecord()
		m.output.receipt.Output = m.output.path
	} else if m.output, err = m.chooseOutput(m.source.Files, m.newRecord()); err != nil {
		return err
	}
	if m.prover, err = m.newProver(m.written); err != nil {
		return err
	}
	m.client, err = m.openExpected(ctx, m.source)
	return err
}

// steps are the run itself. Each phase sends what it can at once and waits for nothing that it does not need.
func (m *minting) steps(ctx context.Context) (err error) {
	m.advise()
	if m.cfg.Token.Revoke && m.cfg.Token.Duration != config.Permanent {
		m.lease = m.newLease()
	}
	m.openGate()
	if err := m.openReceipt(); err != nil {
		return err
	}
	go m.prover.clients[0].Warm(ctx)
	defer m.prover.close()
	if err := m.observe(ctx); err != nil {
		return err
	}
	m.warn()
	defer m.lookForMoved(ctx)()
	m.prover.widen(ctx, m.fresh())
	err = m.ensure(ctx)
	m.showDone(err != nil)
	if err != nil {
		return err
	}
	m.reportToken()
	if m.private {
		m.written.TokenFile = tokenFile(m.output.path)
	}
	data, encoded, err := m.render()
	if err != nil {
		return err
	}
	if err := m.prove(ctx); err != nil {
		return err
	}
	if err := context.Cause(ctx); err != nil { // from here on nothing asks the API server, and so nothing else would notice
		return problem.New(problem.Mint, "hand over the credential", err)
	}
	if m.private {
		return m.write(data)
	}
	if err := m.refuseLinkedParents(m.output.path); err != nil {
		return err
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
	err := m.apply(ctx, nil, m.checkServed, // a faulty input comes first
		m.read, m.client.Recognise, m.createLeaseEarly, m.findPermanent, m.lookAtLock)
	if err != nil {
		return err
	}
	m.plan, err = access.Diff(m.desired, m.observed)
	return err
}

func (m *minting) read(ctx context.Context) error { return m.readBy(ctx, true) }

// readNow is read by consistent lists.
func (m *minting) readNow(ctx context.Context) error { return m.readBy(ctx, false) }

func (m *minting) readBy(ctx context.Context, cached bool) error {
	observed, notes, err := m.client.Observe(ctx, m.desired, cached, func(n int, f func(int) error) error {
		return m.log.Each("objects read", n, f)
	})
	if err == nil {
		m.observed = observed
	}
	if !m.noted {
		m.log.List("note: ", notes)
	}
	m.noted = true
	return err
}

// hint adds a remedy to an error of this kind.
func hint(err error, code problem.Code, remedy string) error {
	if p, ok := errors.AsType[*problem.Error](err); ok && p.Code == code {
		p.Hint("%s", remedy)
	}
	return err
}

// target is what the written kubeconfig will say, but for the token.
func (m *minting) target() (kubeconfig.Config, error) {
	written, err := m.address(m.source)
	written.Name, written.Namespace = m.cfg.Result.ContextName, m.desired.Access.Namespaces[0]
	if written.Name == "" {
		written.Name = m.desired.Access.ServiceAccount.Name + "@" + clusterName(m.source)
	}
	if written.Server != m.source.Server {
		m.log.Printf("the source is %s; the written kubeconfig names %s, as `server` says", m.source.Server, written.Server)
	}
	return written, err
}

// clusterName is the source's own word for the cluster, if it can stand on one line of logs and env files.
func clusterName(s *source.Source) string {
	if s.Cluster != "" && !strings.ContainsFunc(s.Cluster, unicode.IsControl) {
		return s.Cluster
	}
	return hostOf(s.Server)
}
