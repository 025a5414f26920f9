package revocation

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/command/session"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/kubeconfig"
	"github.com/kubemint/kubemint/internal/lease"
	"github.com/kubemint/kubemint/internal/output"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/owner"
	"github.com/kubemint/kubemint/internal/source/certs"
	"github.com/kubemint/kubemint/test/kubetest"
)

func TestMain(m *testing.M) { kubetest.Main(m) }

// world is an API server and a job: the source's kubeconfig lies in home, the output in out, and the
// step works in a checkout.
type world struct {
	*kubetest.Fake
	root string
	env  []string
	log  *bytes.Buffer
	now  time.Time
}

const expiry = time.Hour

func newWorld(t *testing.T) *world {
	t.Helper()
	now := time.Now().Truncate(time.Second)
	w := &world{Fake: kubetest.StartFake(t, now, "shop"), root: t.TempDir(), log: &bytes.Buffer{}, now: now}
	for _, dir := range []string{"home", "out", "checkout", "tmp"} {
		if err := os.Mkdir(w.path(dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	w.write(t, "home/source", w.Kubeconfig())
	w.env = []string{
		"HOME=" + w.path("home"), "TMPDIR=" + w.path("tmp"), "KUBECONFIG=" + w.path("home/source"),
		"KUBEMINT_OUTPUT=" + w.path("out/kc"), "KUBEMINT_NAMESPACE=shop", "KUBEMINT_SERVICE_ACCOUNT=ci",
	}
	return w
}

func (w *world) path(name string) string { return filepath.Join(w.root, name) }

func (w *world) write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(w.path(name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// session is that of a step with these variables besides its own.
func (w *world) session(env ...string) session.Session {
	return session.New(session.Process{
		Args: []string{"kubemint", "revoke"}, Environ: append(slices.Clip(w.env), env...),
		Dir: w.path("checkout"), Streams: session.Streams{Stdout: io.Discard, Stderr: w.log}, ForTests: session.ForTests{AccountDir: w.path("no-pod")},
	})
}

// loaded is a session whose inputs are read.
func (w *world) loaded(t *testing.T, env ...string) session.Session {
	t.Helper()
	s, err := w.session(env...).Load()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (w *world) revoke(t *testing.T, given Options, env ...string) error {
	t.Helper()
	return Run(t.Context(), w.session(env...), given)
}

// mintCredential makes a credential as a mint does: on the server, and in a kubeconfig without receipt.
func (w *world) mintCredential(t *testing.T, name string) *receipt.Receipt {
	t.Helper()
	account := types.NamespacedName{Namespace: "shop", Name: "ci"}
	marks := owner.Marks{}
	if !w.Read("serviceaccounts", "shop", "ci", nil) {
		w.Put(&corev1.ServiceAccount{TypeMeta: kube.TypeMeta("ServiceAccount"), ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: "ci", Labels: kube.LabelsFor(account),
		}})
	}
	its := lease.New(account, marks, w.now, expiry)
	w.Put(its)
	var stored coordinationv1.Lease
	w.Read("leases", "shop", its.Name, &stored)
	w.Put(&corev1.Secret{TypeMeta: kube.TypeMeta("Secret"), ObjectMeta: metav1.ObjectMeta{
		Namespace: "shop", Name: its.Name, OwnerReferences: []metav1.OwnerReference{lease.OwnedBy(&stored)},
	}})
	var secret corev1.Secret
	w.Read("secrets", "shop", its.Name, &secret)
	api, err := client.New(w.Config())
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	minted, err := lease.Mint(t.Context(), api, lease.Wanted{
		Account: account, Lifetime: expiry, BoundTo: its.Name, BoundUID: secret.UID,
	})
	if err != nil {
		t.Fatal(err)
	}
	data, err := kubeconfig.Render(kubeconfig.Config{
		Name: "ci@fake", Namespace: "shop", Cluster: kubeconfig.Cluster{Server: w.URL, CAData: w.CA}, Token: minted.Token,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.write(t, name, data)
	return &receipt.Receipt{
		Server: w.URL, Fingerprint: certs.Fingerprint(w.CA), Made: receipt.Made{Output: w.path(name), TokenHash: minted.Token.Hash(), Leases: []receipt.Object{{
			Kind: "Lease", Namespace: "shop", Name: its.Name, UID: stored.UID, SecretUID: secret.UID,
		}}},
		Account:   receipt.Object{Kind: "ServiceAccount", Namespace: "shop", Name: "ci"},
		Source:    receipt.Source{Kind: receipt.KindFile, Paths: []string{w.path("home/source")}, Context: "fake"},
		ExpiresAt: w.now.Add(expiry).UTC().Format(time.RFC3339),
	}
}

// keepReceipt writes a receipt where a mint does.
func (w *world) keepReceipt(t *testing.T, record *receipt.Receipt) {
	t.Helper()
	journal := output.NewJournal(receipt.Path(record.Output), record, nil)
	if err := journal.Update(func(*receipt.Receipt) {}); err != nil {
		t.Fatal(err)
	}
}

// mintWithReceipt is a credential with its receipt, at the output that the inputs name.
func (w *world) mintWithReceipt(t *testing.T, change func(*receipt.Receipt)) *receipt.Receipt {
	t.Helper()
	record := w.mintCredential(t, "out/kc")
	change(record)
	w.keepReceipt(t, record)
	return record
}

func usual(*receipt.Receipt) {}

func (w *world) isAlive(record *receipt.Receipt) bool {
	return w.Read("leases", "shop", record.Leases[0].Name, nil) || w.Read("secrets", "shop", record.Leases[0].Name, nil)
}

func (w *world) exists(name string) bool {
	_, err := os.Lstat(w.path(name))
	return err == nil
}

func (w *world) wantLog(t *testing.T, want string) {
	t.Helper()
	if !strings.Contains(w.log.String(), want) {
		t.Errorf("%q is not said:\n%s", want, w.log)
	}
}
