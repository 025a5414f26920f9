package script

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

var underGuard = flag.Bool("guard", false, "run the scripts under the guard")

// TestScriptsUnderGuard runs the scripts once more. Their users, the administrator among them, are confined by what
// kubemint bootstrap --guard prints for each call's inputs. What the guard is meant to refuse is in docs/rights.md: such
// a script has to fail, by the guard.
func TestScriptsUnderGuard(t *testing.T) {
	t.Parallel()
	if !*underGuard {
		t.Skip("make test-guard runs them")
	}
	cluster, err := harness.Shared()
	if err != nil {
		t.Fatal(err)
	}
	unfit := listUnfit(t)
	for _, script := range findScripts(t) {
		name := strings.TrimSuffix(filepath.Base(script), ".txtar")
		if _, ok := unfit[name]; ok {
			delete(unfit, name)
			testscript.RunT(mustFail{T: t}, newParams(t, cluster, []string{script}, setUpUnderGuard))
			continue
		}
		testscript.Run(t, newParams(t, cluster, []string{script}, setUpUnderGuard))
	}
	for name := range unfit {
		t.Errorf("docs/rights.md names %s, which is no script", name)
	}
}

// listUnfit reads which scripts cannot pass under the guard, and why not, from the page that tells users.
func listUnfit(t *testing.T) map[string]string {
	t.Helper()
	unfit := map[string]string{}
	for _, row := range regexp.MustCompile(`(?m)^\| (.+) \| ((?:`+"`[a-z][a-z0-9-]+`"+`(?:, )?)+) \|$`).FindAllStringSubmatch(
		harness.ReadFile(t, "docs/rights.md"), -1) {
		for _, name := range regexp.MustCompile("[a-z0-9-]+").FindAllString(row[2], -1) {
			unfit[name] = row[1]
		}
	}
	return unfit
}

// setUpUnderGuard gives a script an administrator of its own, confined by the guard, and programs that keep the guard
// up to date. kubectl stays with the administrator whom nothing confines.
func setUpUnderGuard(env *testscript.Env, cluster *kubetest.ControlPlane) error {
	if err := setUp(env, cluster); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "kubemint-guard-")
	if err != nil {
		return err
	}
	env.Values[keeper("")] = keeper(dir)
	env.Defer(func() {
		k := keeper(dir)
		err := k.removeGuard(context.Background(), cluster.Admin)
		if err := errors.Join(err, os.RemoveAll(dir)); err != nil {
			env.T().Log(err)
		}
	})
	k := keeper(dir)
	if err := k.writeCredentials(env, cluster); err != nil {
		return err
	}
	if err := k.writePrograms(env, cluster); err != nil {
		return err
	}
	env.Setenv("PATH", k.path("bin")+string(os.PathListSeparator)+env.Getenv("PATH"))
	return nil
}

// writeCredentials has $ADMIN be a user of this script alone, who is called admin in the kubeconfig.
func (k keeper) writeCredentials(env *testscript.Env, cluster *kubetest.ControlPlane) error {
	user := "admin-of-" + filepath.Base(string(k))
	own, err := cluster.ClientKubeconfig(user, "system:masters")
	if err != nil {
		return err
	}
	credential, err := clientcmd.Load(own)
	if err != nil {
		return err
	}
	admin, err := clientcmd.Load(cluster.AdminKubeconfig())
	if err != nil {
		return err
	}
	admin.AuthInfos["admin"] = credential.AuthInfos[user]
	if err := clientcmd.WriteToFile(*admin, env.Getenv("ADMIN")); err != nil {
		return err
	}
	probe, err := cluster.ClientKubeconfig(filepath.Base(string(k)), "system:masters")
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(k.path("admin"), cluster.AdminKubeconfig(), 0o600),
		os.WriteFile(k.path("probe"), probe, 0o600),
		os.WriteFile(k.path("applied"), nil, 0o600),
		k.confine("user:"+user),
	)
}

// confine adds a subject of the script's.
func (k keeper) confine(subject string) error {
	file, err := os.OpenFile(k.path("subjects"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(file, subject)
	return errors.Join(err, file.Close())
}

// writePrograms puts kubemint and kubectl into bin.
func (k keeper) writePrograms(env *testscript.Env, cluster *kubetest.ControlPlane) error {
	if err := errors.Join(os.Mkdir(k.path("bin"), 0o755), os.Mkdir(k.path("real"), 0o755)); err != nil {
		return err
	}
	self, err := exec.LookPath("kubemint-under-guard")
	if err != nil {
		return err
	}
	for _, name := range []string{"kubemint", "kubemint-revoke", "kubemint-test-private"} {
		found, err := exec.LookPath(name)
		if err != nil {
			return err
		}
		program := fmt.Sprintf("#!/bin/sh\nexec '%s' '%s' '%s' \"$@\"\n", self, k, name)
		err = errors.Join(os.Symlink(found, k.path("real/"+name)), os.WriteFile(k.path("bin/"+name), []byte(program), 0o755))
		if err != nil {
			return err
		}
	}
	kubectl := fmt.Sprintf(`#!/bin/sh
if [ "$KUBECONFIG" = '%[1]s' ]; then export KUBECONFIG='%[2]s'; fi
for arg do
  shift
  if [ "$arg" = '%[1]s' ]; then arg='%[2]s'; fi
  set -- "$@" "$arg"
done
exec '%[3]s' "$@"
`, env.Getenv("ADMIN"), k.path("admin"), cluster.Kubectl())
	return os.WriteFile(k.path("bin/kubectl"), []byte(kubectl), 0o755)
}

// mustFail is a test of a script that the guard has to refuse.
type mustFail struct {
	*testing.T

	log *strings.Builder
}

// errFailed ends a script that has failed.
var errFailed = errors.New("the script has failed")

func (m mustFail) Run(name string, f func(testscript.T)) {
	m.T.Run(name, func(t *testing.T) {
		inner := mustFail{T: t, log: new(strings.Builder)}
		defer func() {
			switch failed := recover(); {
			case failed == nil && !t.Skipped():
				t.Error("it passes under the guard, and docs/rights.md says that it cannot")
			case failed != nil && failed != any(errFailed):
				panic(failed)
			case !strings.Contains(inner.log.String(), "kubemint guard: "):
				t.Errorf("it fails, and not by the guard: %s", inner.log)
			}
		}()
		f(inner)
	})
}

func (m mustFail) Log(args ...any)   { fmt.Fprintln(m.log, args...) }
func (m mustFail) Fatal(args ...any) { m.Log(args...); m.FailNow() }
func (m mustFail) FailNow()          { panic(errFailed) }
func (m mustFail) Verbose() bool     { return testing.Verbose() }

// confine has the guard confine one more subject of a script, if the script runs under one.
func confine(ts *testscript.TestScript, subject string) {
	if k, ok := ts.Value(keeper("")).(keeper); ok {
		ts.Check(k.confine(subject))
	}
}
