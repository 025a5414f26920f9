package platform

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sethvargo/go-githubactions"

	"github.com/kubemint/kubemint/internal/owner"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
)

// newGitHub is a GitHub Actions step, in the runner's Docker container or on the host.
func newGitHub(env Environment) Platform {
	get := env.Getenv
	action := githubactions.New(githubactions.WithWriter(env.Stdout), githubactions.WithGetenv(get),
		githubactions.WithHTTPClient(newIDTokenClient()))
	p := Platform{
		Effects: github{env: env, action: action},
		Facts: Facts{
			Name:       "GitHub",
			Marks:      env.githubMarks(),
			Debug:      get("RUNNER_DEBUG") == "1",
			SavedState: get("STATE_" + stateName),
			NoIDToken: "give the job `permissions: {id-token: write}` (and `contents: read`, " +
				"since a job that names any has no others); a workflow that a fork's pull " +
				"request starts never gets it",
			Paths: env.githubPaths(),
			Results: Results{
				Masks: true, SecretOutputs: true, Revocation: "the post step revokes it when " +
					"the job ends",
			},
		},
	}
	// Without the permission, the runner does not set these variables.
	if get("ACTIONS_ID_TOKEN_REQUEST_URL") != "" && get("ACTIONS_ID_TOKEN_REQUEST_TOKEN") != "" {
		p.RequestIDToken = idTokenRequest{action}.send
	}
	return p
}

// githubPaths returns the paths of a step. In the runner's Docker container, HOME is mounted on
// every runner, and RUNNER_TEMP is not.
func (e Environment) githubPaths() Paths {
	temp := e.Getenv("RUNNER_TEMP")
	paths := Paths{
		Base:      e.Getenv("GITHUB_WORKSPACE"),
		Workspace: e.dirs("GITHUB_WORKSPACE"), // the only directory that actions/checkout writes to
		Contained: e.Getenv("GITHUB_WORKSPACE") == "/github/workspace",
	}
	output := temp
	if paths.Contained {
		paths.mounts = e.githubMounts()
		output = e.Getenv("HOME")
	}
	paths.Temp = paths.Inside(temp)
	paths.DefaultOutput = filepath.Join(output, "kubemint-"+randomSuffix(), "kubeconfig")
	return paths
}

// githubMounts returns the directories that the runner mounts into a Docker action (actions/runner,
// ContainerActionHandler.cs). It finds them on the host by the inputs host_workspace and host_temp,
// or else by RUNNER_WORKSPACE, which the runner never translates: WORK/REPOSITORY on the host, next
// to WORK/_temp.
func (e Environment) githubMounts() []mount {
	workspace := e.HostWorkspace
	temp := e.HostTemp
	if runner := e.Getenv("RUNNER_WORKSPACE"); runner != "" {
		repository := filepath.Base(e.Getenv("GITHUB_REPOSITORY"))
		workspace = cmp.Or(workspace, filepath.Join(runner, repository))
		temp = cmp.Or(temp, filepath.Join(filepath.Dir(runner), "_temp"))
	}
	mounts := []mount{
		{"/github/workspace", workspace},
		{"/github/home", filepath.Join(temp, "_github_home")},
		{"/github/workflow", filepath.Join(temp, "_github_workflow")},
		{"/github/file_commands", filepath.Join(temp, "_runner_file_commands")},
		{"/github/runner_temp", temp}, // last: it contains the others; runners before 2.331 do not mount it
	}
	return slices.DeleteFunc(mounts, func(m mount) bool {
		return !filepath.IsAbs(m.outside) || !e.Exists(m.inside)
	})
}

func (e Environment) githubMarks() owner.Marks {
	get := e.Getenv
	repository := get("GITHUB_SERVER_URL") + "/" + get("GITHUB_REPOSITORY")
	return e.githubIdentity().addOwner(owner.Marks{
		Job:    get("GITHUB_WORKFLOW") + "/" + get("GITHUB_JOB"),
		Run:    repository + "/actions/runs/" + get("GITHUB_RUN_ID"),
		Commit: get("GITHUB_SHA"),
	})
}

// githubIdentity uses the repository's id, which Gitea, Forgejo and act do not set. Gitea and
// Forgejo pretend to be GitHub in all other respects. They count as one system, since older runners
// of Forgejo call themselves Gitea.
func (e Environment) githubIdentity() identity {
	get := e.Getenv
	who := identity{
		system: "github", id: joinIDs(get("GITHUB_REPOSITORY_ID")), name: get("GITHUB_REPOSITORY"),
		instance: normalizeInstance(get("GITHUB_SERVER_URL"), "github.com"), before: "github",
	}
	if get("GITEA_ACTIONS") == "true" || get("FORGEJO_ACTIONS") == "true" {
		who.system = "gitea"
		who.instance = normalizeInstance(get("GITHUB_SERVER_URL"), "")
	}
	return who
}

// github is the Effects of a GitHub Actions step.
type github struct {
	env    Environment
	action *githubactions.Action
}

// stateName is the state that the post step finds as STATE_receipt.
const stateName = "receipt"

// Mask masks exactly this value, which has to be one line: the runner would mask each line of
// several by itself.
func (g github) Mask(value secret.Value) error {
	return catchPanic("mask secret", func() { g.action.AddMask(value.Reveal()) })
}

// Ready opens the files of the runner's commands, as the commands will.
func (g github) Ready() error {
	for _, command := range []string{"state", "output", "env"} {
		file, err := g.openCommand(command)
		if err != nil {
			return err
		}
		_ = file.Close()
	}
	return nil
}

// SaveState keeps the receipt for the post step.
func (g github) SaveState(receipt string) error {
	_, err := g.writeCommands("state", Output{Name: stateName, Value: receipt})
	return err
}

// Publish leaves nothing behind if it fails: the runner reads the files of a failed step, too.
func (g github) Publish(result Result) error {
	undo, err := g.writeCommands("output", result.Outputs...)
	if err != nil {
		return err
	}
	if _, err = g.writeCommands("env", result.Env...); err != nil {
		undo()
	}
	return err
}

// summaryLimit bounds a summary, in bytes: the runner drops a longer one.
const summaryLimit = 1 << 20

// Summarize adds to the step's summary.
func (g github) Summarize(markdown string) error {
	if len(markdown) > summaryLimit {
		return problem.Newf(problem.Publish, "write summary", "it is longer than the runner takes")
	}
	if g.env.Getenv("GITHUB_STEP_SUMMARY") == "" {
		return nil
	}
	return catchPanic("write summary", func() { g.action.AddStepSummary(markdown) })
}

// Annotate shows an error as an annotation of the job.
func (g github) Annotate(message string) {
	_ = catchPanic("annotate", func() { g.action.Errorf("%s", message) })
}

// writeCommands writes file commands, all of them or none, each with a delimiter of its own. The
// delimiter of go-githubactions is fixed: a value could hold it, and so forge more commands
// (CVE-2022-35954).
func (g github) writeCommands(command string, values ...Output) (undo func(), err error) {
	file, err := g.openCommand(command)
	if err != nil {
		return nil, err
	}
	var text strings.Builder
	for _, value := range values {
		delimiter := "kubemint_" + rand.Text() // 128 random bits, which no existing value holds
		fmt.Fprintf(&text, "%s<<%s\n%s\n%s\n", value.Name, delimiter, value.Value, delimiter)
	}
	return appendFile(file, "$GITHUB_"+strings.ToUpper(command), text.String())
}

// openCommand opens a command's file to append to it.
func (g github) openCommand(command string) (*os.File, error) {
	name := "GITHUB_" + strings.ToUpper(command)
	const remedy = "kubemint takes itself for a GitHub Actions step, since GITHUB_ACTIONS is " +
		"true: run it as one, or unset that variable"
	if g.env.Getenv(name) == "" {
		return nil, problem.Newf(problem.Publish, "open $"+name, "it is not set").Hint(remedy)
	}
	return g.env.openFile(name, 0, remedy)
}

// catchPanic turns a panic of go-githubactions into an error: it panics where a file cannot be
// written.
func catchPanic(op string, f func()) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = problem.Newf(problem.Publish, op, "%v", cause)
		}
	}()
	f()
	return nil
}
