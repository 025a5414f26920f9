package platform

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sethvargo/go-githubactions"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/client/wire"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
)

// github is a GitHub Actions step, in the runner's Docker container or on the host.
type github struct {
	plain
	action *githubactions.Action
	mounts []mount // empty on the host
}

// mount is a directory that the runner mounts into a Docker action: actions/runner, ContainerActionHandler.cs.
type mount struct{ inside, outside string }

// stateName is what the post step finds as STATE_receipt.
const stateName = "receipt"

func newGitHub(env Environment) github {
	g := github{
		plain: plain{env},
		action: githubactions.New(githubactions.WithWriter(env.Stdout), githubactions.WithGetenv(env.Getenv),
			githubactions.WithHTTPClient(idTokenClient())),
	}
	if g.container() {
		g.mounts = g.containerMounts()
	}
	return g
}

// containerMounts pairs the paths by the inputs host_workspace and host_temp, else by RUNNER_WORKSPACE, which the
// runner never translates: WORK/REPOSITORY on the host, beside WORK/_temp.
func (g github) containerMounts() []mount {
	workspace, temp := g.env.HostWorkspace, g.env.HostTemp
	if runner := g.env.Getenv("RUNNER_WORKSPACE"); runner != "" {
		workspace = cmp.Or(workspace, filepath.Join(runner, filepath.Base(g.env.Getenv("GITHUB_REPOSITORY"))))
		temp = cmp.Or(temp, filepath.Join(filepath.Dir(runner), "_temp"))
	}
	mounts := []mount{
		{"/github/workspace", workspace},
		{"/github/home", filepath.Join(temp, "_github_home")},
		{"/github/workflow", filepath.Join(temp, "_github_workflow")},
		{"/github/file_commands", filepath.Join(temp, "_runner_file_commands")},
		{"/github/runner_temp", temp}, // last: it holds the others; runners before 2.331 do not mount it
	}
	return slices.DeleteFunc(mounts, func(m mount) bool { return !filepath.IsAbs(m.outside) || !g.env.Exists(m.inside) })
}

func (github) Name() string  { return "GitHub" }
func (g github) Debug() bool { return g.env.Getenv("RUNNER_DEBUG") == "1" }
func (github) Masks() bool   { return true }

func (g github) Marks() access.Marks {
	get := g.env.Getenv
	return g.identity().mark(access.Marks{
		Job:    get("GITHUB_WORKFLOW") + "/" + get("GITHUB_JOB"),
		Run:    get("GITHUB_SERVER_URL") + "/" + get("GITHUB_REPOSITORY") + "/actions/runs/" + get("GITHUB_RUN_ID"),
		Commit: get("GITHUB_SHA"),
	})
}

// identity is by the repository's id, which Gitea, Forgejo and act do not set. Gitea and Forgejo take themselves for
// GitHub in all other respects; they are one system here, since older runners of Forgejo call themselves Gitea.
func (g github) identity() identity {
	get := g.env.Getenv
	who := identity{
		system: "github", id: ids(get("GITHUB_REPOSITORY_ID")), name: get("GITHUB_REPOSITORY"),
		instance: instance(get("GITHUB_SERVER_URL"), "github.com"), before: "github",
	}
	if get("GITEA_ACTIONS") == "true" || get("FORGEJO_ACTIONS") == "true" {
		who.system = "gitea"
		who.instance = instance(get("GITHUB_SERVER_URL"), "")
	}
	return who
}

func (g github) DefaultOutput() string {
	dir := g.env.Getenv("RUNNER_TEMP")
	if g.container() {
		dir = g.env.Getenv("HOME") // mounted on every runner, which RUNNER_TEMP is not
	}
	return filepath.Join(dir, "kubemint-"+random(), "kubeconfig")
}

func (g github) container() bool { return g.env.Getenv("GITHUB_WORKSPACE") == "/github/workspace" }

func (g github) Absolute(path string) string { return under(g.env.Getenv("GITHUB_WORKSPACE"), path) }

// Workspace is the only directory that actions/checkout writes into.
func (g github) Workspace() []string { return g.dirs("GITHUB_WORKSPACE") }

func (g github) Inside(path string) string {
	return g.translate(path, func(m mount) (from, to string) { return m.outside, m.inside })
}

func (g github) Outside(path string) string {
	return g.translate(path, func(m mount) (from, to string) { return m.inside, m.outside })
}

func (g github) translate(path string, ends func(mount) (from, to string)) string {
	for _, m := range g.mounts {
		from, to := ends(m)
		if rest, ok := below(path, from); ok {
			return to + rest
		}
	}
	return path
}

// below says whether path is dir or lies in it, and what follows dir.
func below(path, dir string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(path, dir)
	return rest, ok && (rest == "" || strings.HasPrefix(rest, "/"))
}

func (g github) Temp() string { return g.Inside(g.env.Getenv("RUNNER_TEMP")) }

// idTokenTries is how often the runner's endpoint is asked: it is a web service that fails now and then, which GitHub's own
// toolkit meets in the same way.
const idTokenTries = 4

// IDToken asks as @actions/core does. Without the permission the runner does not set the two variables.
func (g github) IDToken() (func(context.Context, string) (secret.Value, error), string) {
	if g.env.Getenv("ACTIONS_ID_TOKEN_REQUEST_URL") == "" || g.env.Getenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN") == "" {
		return nil, "give the job `permissions: {id-token: write}` (and `contents: read`, since a job that names any has no others); " +
			"a workflow that a fork's pull request starts never gets it"
	}
	return func(ctx context.Context, audience string) (secret.Value, error) {
		const op = "request the job's OIDC token"
		for try := 1; ; try++ {
			value, err := g.action.GetIDToken(ctx, audience)
			refused, answered := errors.AsType[*githubactions.RequestFailedError](err)
			switch {
			case err == nil && value != "":
				return secret.New(value), nil
			case err == nil:
				return secret.Value{}, problem.Newf(problem.Source, op, "the runner's answer holds none")
			case answered && refused.StatusCode < http.StatusInternalServerError && refused.StatusCode != http.StatusTooManyRequests:
				status := http.StatusText(refused.StatusCode)
				return secret.Value{}, problem.Newf(problem.Source, op, "the runner answers %d %s", refused.StatusCode, status)
			case wire.Final(err):
				return secret.Value{}, problem.New(problem.Source, op, innermost(err),
					"see what answers at ACTIONS_ID_TOKEN_REQUEST_URL: the runner sets it, and no step should")
			case try == idTokenTries || ctx.Err() != nil:
				return secret.Value{}, problem.Newf(problem.Source, op, "the runner's endpoint does not answer: %s", innermost(err))
			}
			select {
			case <-ctx.Done():
			case <-time.After(time.Duration(try) * 500 * time.Millisecond):
			}
		}
	}, ""
}

// idTokenClient asks through the environment's proxy, as @actions/core does.
func idTokenClient() *http.Client {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, DisableKeepAlives: true}
	return wire.Client(transport, wire.MostOfToken)
}

// innermost is an error without the address that was asked, which is a credential of the job.
func innermost(err error) error {
	if refused, ok := errors.AsType[*githubactions.RequestFailedError](err); ok {
		return errors.New(http.StatusText(refused.StatusCode))
	}
	if asked, ok := errors.AsType[*url.Error](err); ok {
		return asked.Err
	}
	return errors.New("its answer is not what was expected")
}

func (g github) Visible(path string) error {
	mounted := slices.ContainsFunc(g.mounts, func(m mount) bool {
		_, ok := below(path, m.inside)
		return ok
	})
	if mounted || !g.container() {
		return nil
	}
	return problem.Newf(problem.Config, "input output",
		"%q is not in a directory that the runner mounts into this container, so the file would vanish with the step", path).
		Hint("leave `output` out, or write a path relative to the workspace")
}

// Mask covers exactly this value, which must be one line: the runner would mask each line of several by itself.
func (g github) Mask(secret secret.Value) error {
	return guard("mask secret", func() { g.action.AddMask(secret.Reveal()) })
}

// Ready opens the files of the runner's commands as the commands will.
func (g github) Ready() error {
	for _, command := range []string{"state", "output", "env"} {
		file, err := g.open(command)
		if err != nil {
			return err
		}
		_ = file.Close()
	}
	return nil
}

func (g github) SaveState(receipt string) error {
	_, err := g.file("state", Output{Name: stateName, Value: receipt})
	return err
}

func (g github) SavedState() string { return g.env.Getenv("STATE_" + stateName) }

// Publish leaves nothing behind if it fails: the runner reads the files of a failed step, too.
func (g github) Publish(result Result) error {
	takeBack, err := g.file("output", result.Outputs...)
	if err != nil {
		return err
	}
	if _, err = g.file("env", result.Env...); err != nil {
		takeBack()
	}
	return err
}

func (github) EnvFile(Result) []byte { return nil }

// summaryLimit is what the runner takes of one step: 1 MiB, beyond which it drops the whole summary.
const summaryLimit = 1 << 20

func (g github) Summarize(markdown string) error {
	if len(markdown) > summaryLimit {
		return problem.Newf(problem.Publish, "write summary", "it is longer than the runner takes")
	}
	if g.env.Getenv("GITHUB_STEP_SUMMARY") == "" {
		return nil
	}
	return guard("write summary", func() { g.action.AddStepSummary(markdown) })
}

func (g github) Annotate(message string) {
	_ = guard("annotate", func() { g.action.Errorf("%s", message) })
}

func (github) RevokeAdvice(string) string { return "the post step revokes it when the job ends" }

// file issues file commands, all of them or none, each with a delimiter of its own. go-githubactions has a fixed one, which a
// value could hold and so forge further commands (CVE-2022-35954).
func (g github) file(command string, values ...Output) (takeBack func(), err error) {
	file, err := g.open(command)
	if err != nil {
		return nil, err
	}
	var text strings.Builder
	for _, value := range values {
		delimiter := "kubemint_" + rand.Text() // 128 random bits: no value that is there already holds them
		fmt.Fprintf(&text, "%s<<%s\n%s\n%s\n", value.Name, delimiter, value.Value, delimiter)
	}
	return addTo(file, "$GITHUB_"+strings.ToUpper(command), text.String())
}

// open opens a command's file to append to it.
func (g github) open(command string) (*os.File, error) {
	name := "GITHUB_" + strings.ToUpper(command)
	const remedy = "kubemint takes itself for a GitHub Actions step, since GITHUB_ACTIONS is true: run it as one, or unset that variable"
	if g.env.Getenv(name) == "" {
		return nil, problem.Newf(problem.Publish, "open $"+name, "it is not set").Hint(remedy)
	}
	return g.env.open(name, 0, remedy)
}

// guard turns a panic of go-githubactions, its answer to a file that cannot be written, into an error.
func guard(op string, f func()) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = problem.Newf(problem.Publish, op, "%v", cause)
		}
	}()
	f()
	return nil
}
