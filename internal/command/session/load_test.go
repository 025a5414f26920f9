package session

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/test/kubetest"
)

func TestMain(m *testing.M) { kubetest.Main(m) }

// step is a directory with a checkout and a home, and what a session of it logs.
type step struct {
	root string
	log  *bytes.Buffer
}

func newStep(t *testing.T) *step {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := &step{root: root, log: &bytes.Buffer{}}
	for _, dir := range []string{"checkout", "home", "tmp"} {
		if err := os.Mkdir(s.path(dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *step) path(name string) string { return filepath.Join(s.root, name) }

func (s *step) write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(s.path(name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// session is that of a process in the checkout with this environment.
func (s *step) session(environ ...string) Session {
	return New(Process{
		Args: []string{"kubemint"}, Environ: environ, Dir: s.path("checkout"),
		Streams: Streams{Stdout: io.Discard, Stderr: s.log}, ForTests: ForTests{AccountDir: s.path("no-pod")},
	})
}

// load is a session whose inputs are valid.
func (s *step) load(t *testing.T, environ ...string) Session {
	t.Helper()
	loaded, err := s.session(environ...).Load()
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// Revoke goes on with what is valid of faulty inputs.
func TestLoad_FaultyInputsLeaveAUsableSession(t *testing.T) {
	t.Parallel()
	s := newStep(t)
	loaded, err := s.session("KUBEMINT_DURATION=soon", "KUBEMINT_OUTPUT=kc", "KUBEMINT_NAMESPACE=shop").Load()
	if problem.ExitCode(err) != int(problem.Config) || loaded.Config == nil || loaded.Config.Result.Output != "kc" {
		t.Errorf("%+v: %v", loaded.Config, err)
	}
}

// The input decides over the platform's own flag.
func TestLoad_Debug(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		environ []string
		want    bool
	}{
		"nothing":                  {nil, false},
		"the platform":             {[]string{"GITHUB_ACTIONS=true", "RUNNER_DEBUG=1"}, true},
		"the input":                {[]string{"KUBEMINT_DEBUG=true"}, true},
		"the input over its flag":  {[]string{"GITHUB_ACTIONS=true", "RUNNER_DEBUG=1", "KUBEMINT_DEBUG=false"}, false},
		"the platform of a plugin": {[]string{"CI_DEBUG_TRACE=true", "GITLAB_CI=true"}, true},
	} {
		s := newStep(t)
		s.load(t, tt.environ...).Log.Debugf("a line")
		if strings.Contains(s.log.String(), "a line") != tt.want {
			t.Errorf("%s: %q", name, s.log)
		}
	}
}

// An input that two jobs would read differently is warned of when it is read.
func TestLoad_SaysWarnings(t *testing.T) {
	t.Parallel()
	s := newStep(t)
	loaded := s.load(t, "KUBEMINT_NAMESPCE=shop")
	if len(loaded.Config.Warnings) != 1 || !strings.Contains(s.log.String(), "KUBEMINT_NAMESPCE") {
		t.Errorf("%q: %s", loaded.Config.Warnings, s.log)
	}
}

// An owner that is given counts, and what the platform's own owner has made is still this run's.
func TestMarks_GivenOwner(t *testing.T) {
	t.Parallel()
	github := []string{
		"GITHUB_ACTIONS=true", "GITHUB_REPOSITORY=acme/shop", "GITHUB_REPOSITORY_ID=1234", "GITHUB_SERVER_URL=https://github.com",
	}
	s := newStep(t)
	own := s.load(t, github...).Marks()
	if own.Owner == "" || own.OwnerName == "" {
		t.Fatalf("%+v", own)
	}
	given := s.load(t, append(github, "KUBEMINT_OWNER=team-a", "KUBEMINT_LABELS=tier=ci")...).Marks()
	if given.Owner != "team-a" || given.OwnerName != "" || given.Labels["tier"] != "ci" {
		t.Errorf("%+v", given)
	}
	want := append(slices.Clip(own.Formerly), own.Owner)
	if diff := cmp.Diff(want, given.Formerly); diff != "" {
		t.Error(diff)
	}
	if plain := s.load(t, "KUBEMINT_OWNER=team-a").Marks(); plain.Formerly != nil || plain.Owner != "team-a" {
		t.Errorf("%+v", plain)
	}
}

// Rules come from the checkout, and from nothing that a link of the checkout leads to.
func TestLoad_RulesOfAFile(t *testing.T) {
	t.Parallel()
	s := newStep(t)
	s.write(t, "checkout/rules", "get pods")
	s.write(t, "home/secret", "get secrets")
	if err := os.Symlink(s.path("home/secret"), s.path("checkout/link")); err != nil {
		t.Fatal(err)
	}
	if loaded := s.load(t, "KUBEMINT_RULES=@rules"); len(loaded.Config.Access.Namespaced.Rules) != 1 {
		t.Errorf("%+v", loaded.Config.Access)
	}
	_, err := s.session("KUBEMINT_RULES=@link").Load()
	p, _ := errors.AsType[*problem.Error](problem.ListErrors(err)[0])
	if p == nil || p.Code != problem.Config || !strings.Contains(strings.Join(p.Hints, "\n"), "a pull request can make such a link") {
		t.Errorf("%+v", p)
	}
	if loaded := s.load(t, "KUBEMINT_RULES=@"+s.path("home/secret")); len(loaded.Config.Access.Namespaced.Rules) != 1 {
		t.Error("its own absolute path was refused")
	}
}

// Receipts lie where the checkout cannot write. A directory that does not exist is left out.
func TestReceipts_Places(t *testing.T) {
	t.Parallel()
	s := newStep(t)
	for name, tt := range map[string]struct {
		environ                  []string
		temp, state, sharedBelow string
	}{
		"a home":             {[]string{"HOME=" + s.path("home"), "TMPDIR=" + s.path("tmp")}, "", s.path("home/.local/state"), s.path("tmp")},
		"XDG":                {[]string{"HOME=" + s.path("home"), "XDG_STATE_HOME=" + s.path("state")}, "", s.path("state"), os.TempDir()},
		"a relative XDG":     {[]string{"HOME=" + s.path("home"), "XDG_STATE_HOME=state"}, "", s.path("home/.local/state"), os.TempDir()},
		"a home of the host": {[]string{"HOME=" + s.path("not-mounted")}, "", "", os.TempDir()},
		"GitHub": {
			[]string{"GITHUB_ACTIONS=true", "RUNNER_TEMP=" + s.path("tmp"), "HOME=" + s.path("home")},
			s.path("tmp"), s.path("home/.local/state"), os.TempDir(),
		},
		"GitHub, its temp not mounted": {
			[]string{"GITHUB_ACTIONS=true", "RUNNER_TEMP=" + s.path("not-mounted")}, "", "", os.TempDir(),
		},
	} {
		store := s.load(t, tt.environ...).Receipts()
		if store.Temp != tt.temp || store.State != tt.state || store.Shared != tt.sharedBelow {
			t.Errorf("%s: %q, %q, %q", name, store.Temp, store.State, store.Shared)
		}
		if !store.InWorkspace(s.path("checkout/kc")) {
			t.Errorf("%s: a receipt may lie in the checkout", name)
		}
	}
}

// A platform's command has to begin a line, without which the runner prints it and does not carry it
// out: the command that runs can have begun one on the same stream.
func TestOwnLine(t *testing.T) {
	t.Parallel()
	var before, after bytes.Buffer
	line := &OwnLine{w: &before}
	write := func(text string) {
		if n, err := line.Write([]byte(text)); n != len(text) || err != nil {
			t.Errorf("%d: %v", n, err)
		}
	}
	write("::one::\n")
	line.MoveTo(&after)
	write("::two::\n")
	line.Share()
	write("::three::\n")
	if before.String() != "::one::\n" || after.String() != "::two::\n\n::three::\n" {
		t.Errorf("%q, then %q", before.String(), after.String())
	}
}
