package app

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/output/private"
	"github.com/kubemint/kubemint/internal/problem"
)

// mintPrivately mints for exec: into a directory of mode 0700, on tmpfs where there is one to write to, so that the token
// does not reach a disk.
func (r *run) mintPrivately(ctx context.Context) (*minting, error) {
	// Standard output is the command's, so that the platform's commands (the mask) go to standard error; the runner reads both.
	r.process.Stdout, r.childStdout = ownLine{r}, r.process.Stdout //nolint:forbidigo // for the platform's commands
	if err := r.load(ctx); err != nil {
		return nil, err
	}
	if err := r.refuseForExec(); err != nil {
		return nil, err
	}
	dir, err := private.Make(r.privateBases()...)
	if err != nil {
		return nil, problem.New(problem.Config, "make a private directory", cause(err),
			"exec keeps the credential in /dev/shm or in $TMPDIR: this step must be able to write to one of them")
	}
	o := &output{path: filepath.Join(dir.Path, kubeconfigName), private: dir.Path}
	m := &minting{run: r, private: true, dir: dir, output: o}
	limited, cancel := context.WithTimeout(ctx, r.cfg.Result.Timeout)
	defer cancel()
	if err := m.prepare(limited); err != nil {
		_ = dir.Remove()
		return nil, err
	}
	if err := m.steps(limited); err != nil {
		return nil, errors.Join(err, m.end(ctx))
	}
	return m, nil
}

// kubeconfigName is the file's name in the private directory.
const kubeconfigName = "kubeconfig"

// privateBases are where private directories are made, best first.
func (r *run) privateBases() []string {
	if r.process.PrivateDir != "" {
		return []string{r.process.PrivateDir}
	}
	temp := cmp.Or(r.getenv("TMPDIR"), os.TempDir())
	if runtime.GOOS != "linux" { // on Windows /dev/shm would be in the drive's root, where anybody may make it
		return []string{temp}
	}
	return []string{"/dev/shm", temp}
}

// ownLine has a platform's command begin a line, without which the runner would print it and not carry it out: the command that
// runs can have begun one on the same standard error.
type ownLine struct{ *run }

func (o ownLine) Write(data []byte) (int, error) {
	if !o.shared.Load() {
		return o.process.Stderr.Write(data) //nolint:forbidigo // a platform's command
	}
	_, err := o.process.Stderr.Write(append([]byte("\n"), data...)) //nolint:forbidigo // a platform's command
	return len(data), err
}

// refuseForExec refuses the inputs that have no meaning for exec, so that none is ignored.
func (r *run) refuseForExec() error {
	secrets := r.cfg.Result.SecretOutputs
	var errs []error
	for _, input := range []struct {
		given     bool
		name, why string
	}{
		{r.cfg.Result.Output != "", "output", "the kubeconfig lies in a private directory while the command runs"},
		{r.cfg.Result.DryRun, "dry_run", "there would be no credential for the command; see kubemint plan"},
		{secrets != nil && *secrets, "secret_outputs", "it publishes nothing"},
		{!r.cfg.Result.ExportEnv, "export_env", "the command's environment is how the credential is handed over"},
		{!r.cfg.Token.Revoke, "revoke", "the credential ends with the command"},
		{r.cfg.Token.Duration == config.Permanent, "duration", "the credential ends with the command, so it cannot be permanent"},
	} {
		if input.given {
			err := problem.Newf(problem.Config, "input "+input.name, "has no meaning for kubemint exec: %s", input.why)
			errs = append(errs, err.Hint("leave it out"))
		}
	}
	return errors.Join(errs...)
}

// end revokes what exec minted, and removes its directory, whatever becomes of the lease: no live token is to lie there, and the
// error has the command that ends it.
func (m *minting) end(ctx context.Context) error {
	defer m.client.Close()
	err := m.rollBack(ctx)
	if removeErr := m.dir.Remove(); removeErr != nil {
		err = errors.Join(err, problem.New(problem.Revoke, "delete "+m.output.private, cause(removeErr), "it holds a token: delete it yourself"))
	}
	return err
}

// extendLease moves the lease's expiry along with the renewed token, so that sweep leaves a running command alone.
func (m *minting) extendLease(ctx context.Context) error {
	now := metav1.NewMicroTime(m.now())
	m.lease.Spec.RenewTime = &now
	m.lease.Annotations[kube.AnnotationExpiresAt] = m.minted.ExpiresAt.UTC().Format(time.RFC3339)
	lease := m.lease.DeepCopy()
	lease.ManagedFields, lease.ResourceVersion = nil, "" // the version of the creation: each extension changes it
	err := m.client.Apply(ctx, lease, true)
	if client.Forbidden(err) || client.PolicyDenied(err) {
		who := "the runner's identity may not patch"
		if client.PolicyDenied(err) {
			who = "a policy of the cluster refuses to patch"
		}
		m.extending.Do(func() {
			m.log.Warnf("%s Lease %s/%s: once its first expiry has passed, "+
				"`kubemint sweep` would end this credential, and other runs may change its access", who, lease.Namespace, lease.Name)
		})
		return nil
	}
	return m.client.Explain(problem.Mint, "extend Lease "+lease.Namespace+"/"+lease.Name, err)
}
