package app

import (
	"context"
	"errors"
	"flag"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/kubemint/kubemint/internal/client/trace"
	"github.com/kubemint/kubemint/internal/command/bootstrap"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/platform"
	"github.com/kubemint/kubemint/internal/problem"
)

// Process is what main hands over: nothing below reads the environment by itself.
type Process struct {
	Args           []string
	Environ        []string
	Exposed        error  // why a command of exec could read the environment in /proc; nil: it cannot
	Dir            string // working directory
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Version        string

	// For tests: no token lives under 10 minutes, no test may write where pods have their ServiceAccount or set the machine's clock.
	RenewAfter time.Duration // instead of 80 % of a token's lifetime
	ClockOff   time.Duration // by how much the clock is wrong
	AccountDir string        // instead of /var/run/secrets/kubernetes.io/serviceaccount
	PrivateDir string        // instead of /dev/shm and $TMPDIR
}

const usage = `kubemint gives a pipeline a cluster credential that is scoped, short-lived and revocable.

usage: kubemint [mint]    mint the credential that the inputs declare
       kubemint plan      print what mint would change; change nothing
       kubemint exec -- COMMAND [ARG…]
                          mint, run the command with the credential, renew it meanwhile, revoke it
       kubemint revoke [--wait] [--permanent]
                          kill what an earlier mint made, by its receipt
       kubemint sweep [--dry-run] [--all-namespaces]
                          delete what killed jobs have left: expired leases, ephemeral identities
       kubemint prune [--dry-run] [--all]
                          delete access of this ServiceAccount that is declared no longer, in any namespace;
                          with --all everything that kubemint made for it
       kubemint bootstrap [--steady] [--subject KIND:NAME]
                          print the least rights that the runner's identity needs, as manifests
       kubemint version
       kubemint help

Inputs are environment variables: KUBEMINT_NAMESPACE, KUBEMINT_RULES, KUBEMINT_DURATION and so on;
docs/inputs.md lists them all.
`

// Main runs the command that the arguments name, reports what failed, and returns the exit code.
func Main(ctx context.Context, p Process) int {
	r := newRun(p)
	err := r.command(ctx)
	if exit, ok := errors.AsType[*exitError](err); ok {
		r.log.Report(exit.error, r.platform.Annotate)
		return exit.code
	}
	r.log.Report(err, r.platform.Annotate)
	return problem.ExitCode(err)
}

func (r *run) command(ctx context.Context) error {
	name, rest := "mint", []string(nil)
	if len(r.process.Args) > 1 {
		name, rest = r.process.Args[1], r.process.Args[2:]
	}
	if strings.TrimSuffix(filepath.Base(r.process.Args[0]), ".exe") == "kubemint-revoke" {
		name, rest = "revoke", nil // a post-entrypoint: the runner passes the main step's arguments to it
	}
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	var given options
	switch name {
	case "exec":
		return r.exec(ctx, rest)
	case "revoke":
		flags.BoolVar(&given.wait, "wait", false, "")
		flags.BoolVar(&given.permanent, "permanent", false, "")
	case "sweep":
		flags.BoolVar(&given.dryRun, "dry-run", false, "")
		flags.BoolVar(&given.allNamespaces, "all-namespaces", false, "")
	case "prune":
		flags.BoolVar(&given.dryRun, "dry-run", false, "")
		flags.BoolVar(&given.all, "all", false, "")
	case "bootstrap":
		flags.BoolVar(&given.steady, "steady", false, "")
		flags.Var(&given.subjects, "subject", "")
	}
	if err := flags.Parse(rest); errors.Is(err, flag.ErrHelp) {
		return r.print(strings.Split(strings.TrimSuffix(usage, "\n"), "\n")...)
	} else if err != nil {
		return problem.New(problem.Config, "run "+name, err, "see kubemint help")
	}
	if flags.NArg() > 0 {
		return problem.Newf(problem.Config, "run "+name, "it takes no arguments, but got %q", flags.Arg(0)).
			Hint("every input is an environment variable: see kubemint help")
	}
	switch name {
	case "mint", "plan", "sweep", "prune", "bootstrap":
		return r.declared(ctx, name, given)
	case "revoke":
		return r.revoke(ctx, given)
	case "version", "--version":
		return r.print("kubemint " + r.process.Version)
	case "help", "-h", "--help":
		return r.print(strings.Split(strings.TrimSuffix(usage, "\n"), "\n")...)
	}
	commands := []string{"mint", "plan", "exec", "revoke", "sweep", "prune", "bootstrap", "version", "help"}
	p := problem.Newf(problem.Config, "run "+name, "there is no such command").Hint("the commands are %s", strings.Join(commands, ", "))
	if near := problem.Nearest(name, commands); near != "" {
		p.Hint("did you mean %s?", near)
	}
	return p
}

// options are the flags of a command.
type options struct {
	wait          bool // revoke: prove that the token is dead
	permanent     bool // revoke: delete a permanent token's Secret too
	dryRun        bool // sweep, prune
	allNamespaces bool // sweep
	all           bool // prune
	steady        bool // bootstrap
	subjects      bootstrap.Subjects
}

// declared runs a command that needs valid inputs, within their timeout.
func (r *run) declared(ctx context.Context, name string, given options) error {
	if err := r.load(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Result.Timeout)
	defer cancel()
	switch name {
	case "sweep":
		return r.sweep(ctx, given)
	case "prune":
		return r.prune(ctx, given)
	case "bootstrap":
		return r.bootstrap(given)
	}
	return r.mint(ctx, name == "plan")
}

func (r *run) print(lines ...string) error {
	return console.Write(r.process.Stdout, lines...) //nolint:forbidigo // by the sink
}

// run is one command in progress.
type run struct {
	process  Process
	env      map[string]string
	cfg      *config.Config
	platform platform.Platform
	log      *console.Log

	namespace string // of the source's context, once the source was read

	childStdout io.Writer   // the process's standard output, while the platform's commands go elsewhere
	shared      atomic.Bool // standard error, with the command of exec
	trace       trace.Trace // of what API servers answer
}

func newRun(p Process) *run {
	r := &run{process: p, env: map[string]string{}, cfg: &config.Config{}, log: console.New(p.Stderr)} //nolint:forbidigo // the sink itself
	r.trace.Log = r.log
	r.trace.Set(p.ClockOff)
	for _, entry := range p.Environ {
		if name, value, ok := strings.Cut(entry, "="); ok {
			r.env[variable(name)] = value
		}
	}
	r.detect()
	return r
}

func (r *run) getenv(name string) string { return r.env[variable(name)] }

// variable is a name as two of the same are equal: Windows, where PATH is most often Path, tells no cases apart.
func variable(name string) string {
	if runtime.GOOS == "windows" {
		return strings.ToUpper(name)
	}
	return name
}

func (r *run) detect() {
	r.platform = platform.Detect(platform.Environment{
		Getenv: r.getenv, Names: slices.Collect(maps.Keys(r.env)), WorkDir: r.process.Dir,
		Stdout:        r.process.Stdout, //nolint:forbidigo // for the platform's commands
		Exists:        func(path string) bool { _, err := os.Stat(path); return err == nil },
		HostWorkspace: r.cfg.Result.HostWorkspace, HostTemp: r.cfg.Result.HostTemp,
	})
}

// load reads the inputs. The platform is detected again, since two inputs tell it the host's paths.
func (r *run) load(ctx context.Context) error {
	cfg, err := config.Load(ctx, config.Environment{Get: r.getenv, Names: slices.Collect(maps.Keys(r.env)), ReadFile: r.readRules})
	r.cfg = cfg
	r.detect()
	debug := r.platform.Debug()
	if cfg.Result.Debug != nil {
		debug = *cfg.Result.Debug
	}
	r.log.Debug(debug)
	for _, warning := range cfg.Warnings {
		r.log.Warnf("%s", warning)
	}
	return err
}
