//go:build unix

package leftover

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/output"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/revoke"
)

// server notes what is deleted.
type server struct{ deleted []string }

func (s *server) Create(context.Context, kube.Object) error { return errors.ErrUnsupported }
func (s *server) Get(context.Context, kube.Object) error    { return errors.ErrUnsupported }

func (s *server) Delete(_ context.Context, o kube.Object) error {
	s.deleted = append(s.deleted, kube.RefOf(o).String())
	return nil
}

func (s *server) Remove(context.Context, kube.Object) error         { return errors.ErrUnsupported }
func (s *server) GetMetadata(context.Context, *corev1.Secret) error { return errors.ErrUnsupported }

func (s *server) RequestToken(context.Context, types.NamespacedName, *authenticationv1.TokenRequest) error {
	return errors.ErrUnsupported
}

func (s *server) Explain(code problem.Code, op string, err error) error {
	if err == nil {
		return nil
	}
	return problem.New(code, op, err)
}

const lease = "kubemint-ci-abcdefghij"

// leave leaves the directory of an exec that was killed, with a receipt for the cluster.
func leave(t *testing.T, base, cluster string) string {
	t.Helper()
	dir := filepath.Join(base, "kubemint-exec-1234567890") // as private.Make names one that it has locked
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := output.InDirectory(dir)
	record := &receipt.Receipt{
		Server: cluster, Made: receipt.Made{Output: path, Leases: []receipt.Object{{Kind: "Lease", Namespace: "shop", Name: lease, UID: "u", SecretUID: "s"}}},
		Account: receipt.Object{Kind: "ServiceAccount", Namespace: "shop", Name: "ci"},
	}
	if err := output.NewJournal(receipt.Path(path), record, nil).Update(func(*receipt.Receipt) {}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func newFinder(base string, api *server, log *bytes.Buffer) Finder {
	return Finder{
		Bases: []string{base}, Server: "https://x", Log: console.New(log),
		HasCA:   func(fingerprint string) bool { return fingerprint == "" },
		Revoker: revoke.Revoker{Server: api, Show: func(access.Plan) {}},
	}
}

func isGone(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, os.ErrNotExist)
}

func TestRemoveAll_EndsTheLease(t *testing.T) {
	t.Parallel()
	base, api := t.TempDir(), &server{}
	dir := leave(t, base, "https://x")
	var log bytes.Buffer
	if err := newFinder(base, api, &log).RemoveAll(t.Context(), false); err != nil {
		t.Error(err)
	}
	if !isGone(dir) || strings.Join(api.deleted, ", ") != "Lease shop/"+lease+", Secret shop/"+lease {
		t.Errorf("gone %t, deleted %q", isGone(dir), api.deleted)
	}
}

func TestRemoveAll_DryRunLeavesIt(t *testing.T) {
	t.Parallel()
	base, api := t.TempDir(), &server{}
	dir := leave(t, base, "https://x")
	var log bytes.Buffer
	if err := newFinder(base, api, &log).RemoveAll(t.Context(), true); err != nil {
		t.Error(err)
	}
	if isGone(dir) || len(api.deleted) > 0 || !strings.Contains(log.String(), "its lease ended: shop/"+lease) {
		t.Errorf("gone %t, deleted %q: %s", isGone(dir), api.deleted, log.String())
	}
}

// A lease of that name in this cluster is another one. The token goes all the same.
func TestRemoveAll_LeaseOfAnotherCluster(t *testing.T) {
	t.Parallel()
	base, api := t.TempDir(), &server{}
	dir := leave(t, base, "https://elsewhere")
	err := newFinder(base, api, &bytes.Buffer{}).RemoveAll(t.Context(), false)
	if err == nil || !strings.Contains(err.Error(), "https://elsewhere") || len(api.deleted) > 0 || !isGone(dir) {
		t.Errorf("gone %t, deleted %q: %v", isGone(dir), api.deleted, err)
	}
}

func TestRemoveAll_WithoutAReceipt(t *testing.T) {
	t.Parallel()
	base, api := t.TempDir(), &server{}
	dir := leave(t, base, "https://x")
	if err := os.Remove(receipt.Path(filepath.Join(dir, "kubeconfig"))); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	if err := newFinder(base, api, &log).RemoveAll(t.Context(), false); err != nil {
		t.Error(err)
	}
	if !isGone(dir) || !strings.Contains(log.String(), "no receipt that names its lease") {
		t.Errorf("gone %t: %s", isGone(dir), log.String())
	}
}
