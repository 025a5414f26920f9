package script

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// The scripts in the folders next to this file run the whole program, one process a call, against a real API server. What a script may
// use besides testscript's own commands:
//
//	receipt VAR OUTPUT        set a variable to the path of the receipt of a kubeconfig in the workspace; $RECEIPT is that of
//	                          kubemint.kubeconfig
//	namespace VAR…            make a namespace with a fresh name for each variable
//	identity VAR [free]       make $WORK/VAR.kubeconfig, a user without any rights yet; $VAR is its name. Where the scripts run under
//	                          the guard, it confines the user unless it is free
//	apply FILE                apply manifests as administrator; ${NAME} in them is replaced by the variable
//	exits CODE COMMAND ARG…   run a command and demand this exit code
//	mode PERM FILE            demand a file's permissions
//	canary KUBECONFIG         the token in that file stands nowhere else: see there
//	saves VAR FILE [REGEXP]   set a variable to a file's content, or to the expression's first group in it
//	github [DIR]              make this a step of GitHub Actions on the host: variables and command files
//	leases N NAMESPACE        demand how many credentials of ours are live in a namespace
//	commands FILE DIR         read a command file of GitHub's runner; each value becomes a file of DIR
//	clears VAR…               set variables to ""
//	standin KUBECONFIG WORD…  write a kubeconfig of the administrator for a server that serves less: see there for the words
//	silent KUBECONFIG         make its server one that accepts connections and never answers
//	interrupted SIGNAL CODE KUBECONFIG COMMAND ARG…
//	                          run a command against such a server, signal it, demand this exit code within 5 s
//	substitute FILE           replace ${NAME} in a file by the variable
//	objects FILE NAMESPACE…   write kind, name and resourceVersion of all that kubemint could have made there
//	asks KUBECONFIG VERB URL REASON      send a request and demand the answer's reason: OK, Forbidden|Unauthorized
//	[!] allowed USER VERB RESOURCE [NS]  wait until the API server allows it (RESOURCE as pods/log, roles.rbac…)
//	until REGEXP COMMAND ARG…            repeat a command until it says so
//	jobapi                    serve Buildkite's job API; what is asked of it goes to the file $JOBAPI, outside of $WORK
//
// kubemint-test-private is kubemint with the directory $PRIVATE_DIR in place of /dev/shm and $TMPDIR.
//
// $ROOT is the repository, $ADMIN is the administrator's kubeconfig, and kubectl is that of the API server's version.

func TestScripts(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("the scripts need a control plane: make test runs them")
	}
	cluster, err := harness.Shared()
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, newParams(t, cluster, findScripts(t), setUp))
}

func findScripts(t *testing.T) []string {
	t.Helper()
	scripts, err := filepath.Glob("test/script/*/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatal("no scripts: ", err)
	}
	return scripts
}

// newParams are how scripts run, and what they can call.
func newParams(
	t *testing.T, cluster *kubetest.ControlPlane, scripts []string,
	setUp func(*testscript.Env, *kubetest.ControlPlane) error,
) testscript.Params {
	t.Helper()
	return testscript.Params{
		Files:               scripts,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               func(env *testscript.Env) error { return setUp(env, cluster) },
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"namespace": func(ts *testscript.TestScript, _ bool, args []string) {
				for _, variable := range args {
					name, err := cluster.CreateNamespace(context.Background(), strings.ToLower(variable)+"-")
					ts.Check(err)
					ts.Setenv(variable, name)
				}
			},
			"identity": func(ts *testscript.TestScript, _ bool, args []string) {
				user := "runner-" + strings.ToLower(rand.Text()[:8])
				content, err := cluster.ClientKubeconfig(user)
				ts.Check(err)
				ts.Check(os.WriteFile(ts.MkAbs(args[0]+".kubeconfig"), content, 0o600))
				ts.Setenv(args[0], user)
				if len(args) == 1 {
					confine(ts, "user:"+user)
				}
			},
			"apply": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(cluster.Apply(context.Background(), expand(ts, ts.ReadFile(args[0]))))
			},
			"substitute": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(expand(ts, ts.ReadFile(args[0]))), 0o600))
			},
			"receipt": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Setenv(args[0], harness.ReceiptOf(ts.Getenv("HOME")+"/.local/state", ts.MkAbs(args[1])))
			},
			"exits":  exits,
			"mode":   mode,
			"canary": canary,
			"saves":  saves,
			"github": github,

			"leases": leases, "commands": commands, "clears": clears, "silent": silent, "interrupted": interrupted,
			"standin": func(ts *testscript.TestScript, _ bool, args []string) { standIn(t, ts, cluster, args) },
			"jobapi":  jobAPI, "objects": objects, "asks": asks, "allowed": allowed, "until": until,
		},
	}
}

// setUp gives a script nothing of the environment of whoever runs the tests but PATH.
func setUp(env *testscript.Env, cluster *kubetest.ControlPlane) error {
	// Outside the script's directory, which is the checkout: what lies there could be a pull request's.
	home, err := os.MkdirTemp("", "kubemint-home-")
	if err != nil {
		return err
	}
	env.Defer(func() { _ = os.RemoveAll(home) })
	admin := filepath.Join(home, "admin.kubeconfig")
	if err := os.WriteFile(admin, cluster.AdminKubeconfig(), 0o600); err != nil {
		return err
	}
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	env.Setenv("ROOT", root)
	env.Setenv("ADMIN", admin)
	env.Setenv("HOME", home)
	env.Setenv("SERVER", cluster.URL)
	env.Setenv("RECEIPT", harness.ReceiptOf(home+"/.local/state", filepath.Join(env.WorkDir, "kubemint.kubeconfig")))
	env.Setenv("PATH", filepath.Dir(cluster.Kubectl())+string(os.PathListSeparator)+env.Getenv("PATH"))
	return nil
}

func expand(ts *testscript.TestScript, text string) string { return os.Expand(text, ts.Getenv) }

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARG…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	have := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		have = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if have != want {
		ts.Fatalf("exit code %d, not %d", have, want)
	}
}

func mode(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if have := fmt.Sprintf("%04o", info.Mode().Perm()); have != args[0] {
		ts.Fatalf("%s has mode %s, not %s", args[1], have, args[0])
	}
}

// canary looks for the token of a kubeconfig, and for the kubeconfig's base64, in the last command's streams and in every
// file of the script's directory. Allowed are the kubeconfig itself, the lines of the mask command, and in the file of
// GITHUB_OUTPUT the two declared secret outputs.
func canary(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	data := ts.ReadFile(args[0])
	config, err := clientcmd.Load([]byte(data))
	ts.Check(err)
	secrets := map[string]string{"the kubeconfig's base64": base64.StdEncoding.EncodeToString([]byte(data))}
	for name, user := range config.AuthInfos {
		if user.Token == "" {
			ts.Fatalf("user %s of %s has no token", name, args[0])
		}
		secrets["the token of user "+name] = user.Token
		secrets["the token's signature"] = user.Token[strings.LastIndex(user.Token, ".")+1:]
		secrets["the token's base64"] = strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(user.Token)), "=")
	}
	look := func(where, text string) {
		for name, secret := range secrets {
			for line := range strings.SplitSeq(text, "\n") {
				masks := strings.HasPrefix(line, "::add-mask::") || strings.HasPrefix(line, "##vso[task.setsecret]")
				if strings.Contains(line, secret) && !masks {
					ts.Fatalf("%s is in %s", name, where)
				}
			}
		}
	}
	look("stdout", ts.ReadFile("stdout"))
	look("stderr", ts.ReadFile("stderr"))
	visit := func(file string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || file == path {
			return err
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if file == ts.Getenv("GITHUB_OUTPUT") {
			content = harness.CutSecretOutputs(content)
		}
		look(file, string(content))
		return nil
	}
	for _, root := range []string{ts.Getenv("WORK"), ts.Getenv("HOME")} {
		ts.Check(filepath.WalkDir(root, visit))
	}
}
