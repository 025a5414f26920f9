package app

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/cluster"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/problem"
)

// mintPrivately mints for exec: into a directory of mode 0700, on tmpfs where there is one, so that the token does not
// reach a disk.
func (r *run) mintPrivately(ctx context.Context) (*minting, error) {
	// Standard output is the command's, so that the platform's commands (the mask) go to standard error; the runner reads both.
	r.process.Stdout, r.childStdout = r.process.Stderr, r.process.Stdout
	if err := r.load(ctx); err != nil {
		return nil, err
	}
	if err := r.refuseForExec(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(r.privateParent(), "kubemint-")
	if err != nil {
		return nil, problem.New(problem.Config, "make a private directory", cause(err))
	}
	m := &minting{run: r, private: true, output: &output{path: filepath.Join(dir, "kubeconfig"), private: dir}}
	limited, cancel := context.WithTimeout(ctx, r.cfg.Result.Timeout)
	defer cancel()
	if err := m.prepare(); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	if err := m.steps(limited); err != nil {
		return nil, errors.Join(err, m.end(ctx))
	}
	return m, nil
}

// refuseForExec refuses the inputs that have no meaning for exec, so that none is ignored.
func (r *run) refuseForExec() error {
	var errs []error
	refuse := func(input, why string) {
		errs = append(errs, problem.Newf(problem.Config, "input "+input, "has no meaning for kubemint exec: %s", why).Hint("leave it out"))
	}
	if r.cfg.Result.Output != "" {
		refuse("output", "the kubeconfig lies in a private directory while the command runs")
	}
	if r.cfg.Result.DryRun {
		refuse("dry_run", "there would be no credential for the command; see kubemint plan")
	}
	if secrets := r.cfg.Result.SecretOutputs; secrets != nil && *secrets {
		refuse("secret_outputs", "it publishes nothing")
	}
	if !r.cfg.Result.ExportEnv {
		refuse("export_env", "the command's environment is how the credential is handed over")
	}
	if !r.cfg.Token.Revoke {
		refuse("revoke", "the credential ends with the command")
	}
	if r.cfg.Token.Duration == config.Permanent {
		refuse("duration", "the credential ends with the command, so it cannot be permanent")
	}
	return errors.Join(errs...)
}

// privateParent is a tmpfs where the system has one to write to, else the usual place for temporary files.
func (r *run) privateParent() string {
	const shared = "/dev/shm"
	if probe, err := os.MkdirTemp(shared, "kubemint-"); err == nil {
		_ = os.Remove(probe)
		return shared
	}
	if dir := r.getenv("TMPDIR"); dir != "" {
		return dir
	}
	return os.TempDir()
}

// end revokes what exec minted, and removes its directory.
func (m *minting) end(ctx context.Context) error {
	err := m.rollBack(ctx)
	if err == nil {
		if removeErr := os.RemoveAll(m.output.private); removeErr != nil {
			err = problem.New(problem.Revoke, "delete "+m.output.private, cause(removeErr))
		}
	}
	return err
}

// extendLease moves the lease's expiry along with the renewed token, so that sweep leaves a running command alone.
func (m *minting) extendLease(ctx context.Context) error {
	now := metav1.NewMicroTime(time.Now())
	m.lease.Spec.RenewTime = &now
	m.lease.Annotations[access.AnnotationExpiresAt] = m.minted.ExpiresAt.UTC().Format(time.RFC3339)
	lease := m.lease.DeepCopy()
	lease.ManagedFields, lease.ResourceVersion = nil, "" // the version of the creation: each extension changes it
	err := m.client.Apply(ctx, lease, true)
	if cluster.Forbidden(err) {
		m.extending.Do(func() {
			m.log.warnf("the runner's identity may not patch Lease %s/%s: once its first expiry has passed, "+
				"`kubemint sweep` would end this credential", lease.Namespace, lease.Name)
		})
		return nil
	}
	return m.client.Explain(problem.Mint, "extend Lease "+lease.Namespace+"/"+lease.Name, err)
}
