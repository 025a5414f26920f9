package revocation

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/test/kubetest"
)

func accountOf(record *receipt.Receipt) types.NamespacedName {
	return types.NamespacedName{Namespace: record.Account.Namespace, Name: record.Account.Name}
}

// Where the receipt is gone, the token says which lease it hangs on, once the API server has said
// that the token is its own.
func TestRevokeByToken_EndsWhatTheTokenNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	record := w.mintCredential(t, "out/kc")
	if err := w.revoke(t, Options{Wait: true}); err != nil {
		t.Fatal(err)
	}
	if w.isAlive(record) || w.exists("out/kc") {
		t.Errorf("left %q", w.Objects())
	}
	w.wantLog(t, "the receipt of "+w.path("out/kc")+" is gone; its token says: ServiceAccount shop/ci, lease shop/kubemint-ci-")
	w.wantLog(t, "dead: ")
	var asked []string
	for _, one := range w.Asked() {
		if strings.HasPrefix(one, "token: ") || strings.HasPrefix(one, "delete leases") {
			asked = append(asked, one)
		}
	}
	want := []string{"token: create selfsubjectreviews", "delete leases shop/kubemint-ci-…"}
	if diff := cmp.Diff(want, asked[:2]); diff != "" {
		t.Error(diff)
	}
}

// A pull request can have made the file up: a token that the API server refuses names nothing, and
// its file is left.
func TestRevokeByToken_TokenIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mintCredential(t, "out/kc")
	other := w.mintCredential(t, "out/other")
	w.Intercept(func(asked string) error {
		if strings.HasPrefix(asked, "delete") {
			t.Errorf("sent %s", asked)
		}
		return nil
	})
	forged := strings.ReplaceAll(string(mustRead(t, w.path("out/other"))), "InNpZ25hdHVyZSI", "ImZvcmdlZCI")
	w.write(t, "out/kc", []byte(forged))
	if err := w.revoke(t, Options{}); err != nil {
		t.Fatal(err)
	}
	if !w.isAlive(other) || !w.exists("out/kc") {
		t.Error("a forged token has ended a credential")
	}
	w.wantLog(t, "refuses the token in "+w.path("out/kc")+", whose receipt is gone; the file is left")
}

// The token is good, and still not this run's to end: it declares another account.
func TestRevokeByToken_AnotherAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	record := w.mintCredential(t, "out/kc")
	err := w.revoke(t, Options{}, "KUBEMINT_SERVICE_ACCOUNT=other")
	if problem.ExitCode(err) != int(problem.Revoke) || !w.isAlive(record) || !w.exists("out/kc") {
		t.Error(err)
	}
	for _, want := range []string{"give this step the inputs `namespace` and `service_account` of the mint", "kubectl -n shop delete lease"} {
		if !strings.Contains(kubetest.HintsOf(err), want) {
			t.Errorf("%q is not among the hints:\n%s", want, kubetest.HintsOf(err))
		}
	}
}

// The runner's own credential ends the other, never the credential itself.
func TestRevokeByToken_SourceIsTheCredentialItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	record := w.mintCredential(t, "out/kc")
	asked := len(w.Asked())
	err := w.revoke(t, Options{}, "KUBECONFIG="+w.path("out/kc"))
	if problem.ExitCode(err) != int(problem.Revoke) || !w.isAlive(record) || len(w.Asked()) != asked {
		t.Errorf("%v; asked %q", err, w.Asked()[asked:])
	}
}

// The token is shown to the API server that the source names, and only where the file names it too.
func TestRevokeByToken_AnotherServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mintCredential(t, "out/kc")
	other := newWorld(t)
	asked := len(w.Asked())
	err := w.revoke(t, Options{}, "KUBECONFIG="+other.path("home/source"))
	if problem.ExitCode(err) != int(problem.Revoke) || !strings.Contains(err.Error(), "whose receipt is gone, is for "+w.URL) {
		t.Error(err)
	}
	if len(w.Asked()) != asked || len(other.Asked()) > 0 {
		t.Error("the token was sent")
	}
}

// Whatever else lies at an output is somebody else's.
func TestFindKubeconfig_OnlyOursCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, content := range map[string]string{
		"no kubeconfig":        "hello",
		"another's":            string(w.Kubeconfig()),
		"a token without bond": "",
	} {
		data := []byte(content)
		if content == "" {
			w.mintCredential(t, "out/kc")
			bound := string(mustRead(t, w.path("out/kc")))
			data = []byte(strings.ReplaceAll(bound, tokenIn(bound), w.PermanentToken("shop", "ci")))
		}
		w.write(t, "out/kc", data)
		found, err := findKubeconfig(w.loaded(t))
		if found != nil || err != nil {
			t.Errorf("%s: %+v: %v", name, found, err)
		}
	}
	record := w.mintCredential(t, "out/kc")
	found, err := findKubeconfig(w.loaded(t))
	if err != nil || found == nil || found.lease.Name != record.Leases[0].Name ||
		found.lease.SecretUID != record.Leases[0].SecretUID || found.account != accountOf(record) {
		t.Errorf("%+v: %v", found, err)
	}
}
