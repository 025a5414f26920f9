package session

import (
	"cmp"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/kubemint/kubemint/internal/client/connect"
	"github.com/kubemint/kubemint/internal/client/trace"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/output"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/owner"
	"github.com/kubemint/kubemint/internal/platform"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/workspace"
)

// Process holds what main hands over: no other room reads the environment.
type Process struct {
	Args    []string
	Environ []string
	Exposed error  // why a command of exec could read the environment in /proc; nil: it cannot
	Dir     string // working directory
	Streams
	Version string
	ForTests
}

// Streams are the standard streams.
type Streams struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// ForTests is empty but in tests: no token lives under 10 minutes, and no test may write where pods
// have their ServiceAccount or set the machine's clock.
type ForTests struct {
	RenewAfter time.Duration // instead of 80 % of a token's lifetime
	ClockOff   time.Duration // by how much the clock is wrong
	AccountDir string        // instead of /var/run/secrets/kubernetes.io/serviceaccount
	PrivateDir string        // instead of /dev/shm and $TMPDIR
}

// Session holds what one command knows of its process, its job and its inputs. It is a value:
// reading the inputs makes another one.
type Session struct {
	Process   Process
	Config    *config.Config
	Platform  platform.Platform
	Workspace workspace.Dirs // the checkout: what a pull request can have written
	Log       *console.Log
	Trace     *trace.Trace // of what API servers answer
	Stdout    *OwnLine     // where the platform's commands go

	env map[string]string
}

// New reads the environment.
func New(p Process) Session {
	s := Session{
		Process: p, env: map[string]string{}, Config: &config.Config{},
		Log:    console.New(p.Stderr), //nolint:forbidigo // the sink itself
		Stdout: &OwnLine{w: p.Stdout}, //nolint:forbidigo // for the platform's commands
	}
	s.Trace = &trace.Trace{Log: s.Log}
	s.Trace.Set(p.ClockOff)
	for _, entry := range p.Environ {
		if name, value, ok := strings.Cut(entry, "="); ok {
			s.env[NormalizeVariable(name)] = value
		}
	}
	return s.detect()
}

// Getenv is the value of an environment variable, "" where it is not set.
func (s Session) Getenv(name string) string { return s.env[NormalizeVariable(name)] }

// NormalizeVariable normalises an environment variable's name: Windows compares names
// case-insensitively.
func NormalizeVariable(name string) string {
	if runtime.GOOS == "windows" {
		return strings.ToUpper(name)
	}
	return name
}

// detect returns the session with its platform.
func (s Session) detect() Session {
	s.Platform = platform.Detect(platform.Environment{
		Getenv: s.Getenv, Names: slices.Collect(maps.Keys(s.env)), WorkDir: s.Process.Dir, Stdout: s.Stdout,
		Exists:        func(path string) bool { _, err := os.Stat(path); return err == nil },
		HostWorkspace: s.Config.Result.Host.Workspace, HostTemp: s.Config.Result.Host.Temp,
	})
	home := cmp.Or(s.Getenv("HOME"), s.Getenv("USERPROFILE"))
	s.Workspace = workspace.Find(s.Platform.Workspace(), s.Process.Dir, home)
	return s
}

// Load reads the inputs; the session is usable even where they are not all valid. The platform is
// detected again, since two inputs tell it the host's paths.
func (s Session) Load() (Session, error) {
	loaded, err := config.Load(config.Environment{
		Get: s.Getenv, Names: slices.Collect(maps.Keys(s.env)), ReadFile: s.readRules,
	})
	s.Config = loaded
	s = s.detect()
	debug := s.Platform.Debug()
	if loaded.Result.Debug != nil {
		debug = *loaded.Result.Debug
	}
	s.Log.SetDebug(debug)
	for _, warning := range loaded.Warnings {
		s.Log.Warnf("%s", warning)
	}
	return s, err
}

// Print writes lines to standard output.
func (s Session) Print(lines ...string) error {
	return console.WriteLines(s.Process.Stdout, lines...) //nolint:forbidigo // by the sink
}

// Dialer opens connections to API servers, whose audit logs name the run.
func (s Session) Dialer() connect.Dialer {
	return connect.Dialer{UserAgent: formatUserAgent(s.Process.Version, s.Marks()), Trace: s.Trace}
}

// Marks say on whose behalf this run acts: the platform's, but for what the inputs say. An owner
// that is given counts, and what the platform's own owner has made is still this run's.
func (s Session) Marks() owner.Marks {
	marks := s.Platform.Marks()
	marks.Labels = s.Config.Marks.Labels
	given := s.Config.Marks.Owner
	if given == "" {
		return marks
	}
	if marks.Owner != "" {
		marks.Formerly = append(marks.Formerly, marks.Owner)
	}
	marks.Owner = given
	marks.OwnerName = ""
	return marks
}

// readRules reads the file that an input names with @.
func (s Session) readRules(path string) ([]byte, error) {
	data, err := s.Workspace.ReadFile(s.Platform.Absolute(s.Platform.Inside(path)), output.SizeLimit)
	if out, ok := errors.AsType[workspace.LeadsOutError](err); ok {
		return nil, problem.New(problem.Config, "read rules", out, "a pull request can make such a link: "+
			"put the file itself into the workspace, or name its own absolute path")
	}
	return data, err
}

// Files returns what the output room needs to know about this job.
func (s Session) Files() output.Job {
	return output.Job{
		Workspace: s.Workspace, Receipts: s.Receipts(),
		EnvFile: s.Platform.WritesEnvFile,
		Now:     s.Trace.Now, Log: s.Log,
	}
}

// Receipts returns the store of this job's receipts: never a directory that the checkout can write
// to.
func (s Session) Receipts() receipt.Store {
	return receipt.Store{
		InWorkspace: s.Workspace.Hold,
		Outside:     s.Platform.Outside,
		Temp:        existingDir(s.Platform.Temp()),
		State:       s.stateDir(),
		Shared:      cmp.Or(s.Getenv("TMPDIR"), os.TempDir()),
	}
}

// stateDir is the user's directory for state (XDG Base Directory Specification), "" where the user
// has no home.
func (s Session) stateDir() string {
	if dir := s.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return dir
	}
	if runtime.GOOS == "windows" {
		return existingDir(s.Getenv("LOCALAPPDATA"))
	}
	home := existingDir(s.Getenv("HOME"))
	if home == "" {
		return ""
	}
	return filepath.Join(home, ".local", "state")
}

// existingDir is a directory's path, "" where it is not there: a runner's path need not be mounted
// into this container.
func existingDir(dir string) string {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() || !filepath.IsAbs(dir) {
		return ""
	}
	return dir
}

// OwnLine has a platform's command begin a line, without which the runner would print it and not
// carry it out: the command that runs can have begun one on the same standard error.
type OwnLine struct {
	w      io.Writer
	shared atomic.Bool // with the command
}

// MoveTo has the platform's commands go to another stream from here on.
func (o *OwnLine) MoveTo(w io.Writer) { o.w = w }

// Share says that a child writes to the same stream from here on.
func (o *OwnLine) Share() { o.shared.Store(true) }

func (o *OwnLine) Write(data []byte) (int, error) {
	if !o.shared.Load() {
		return o.w.Write(data)
	}
	_, err := o.w.Write(append([]byte("\n"), data...))
	return len(data), err
}
