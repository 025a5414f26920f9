//go:build container

package image

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// This file does what actions/runner does (2.336, src/Runner.Worker): a job's directories, and a step that is a Docker
// action. The one difference is the network: the runner leaves Docker's default, and here the cluster is on loopback.

// runnerUser is the user that the runner and its host steps run as; nobody else on the machine is stranger.
const (
	runnerUser = 1001
	stranger   = 1002
)

// githubJob is a job on a runner that works in WORK/shop/shop. WORK/_temp is its temp directory.
type githubJob struct {
	uid                   int
	work, workspace, temp string
	// A runner before 2.331 neither mounts its temp directory nor translates its path.
	old bool
	// env is the context of that name: what the workflow declares, and what steps have written to $GITHUB_ENV.
	env    map[string]string
	action action
}

// action holds what the runner reads of action.yml.
type action struct {
	Inputs map[string]struct{ Default string }
	Runs   struct {
		Entrypoint string
		Post       string `json:"post-entrypoint"`
	}
}

func newGitHubJob(t *testing.T, old bool) *githubJob {
	t.Helper()
	j := &githubJob{uid: user(runnerUser), old: old, env: map[string]string{}}
	j.work = workDir(t, j.uid)
	j.workspace, j.temp = j.work+"/shop/shop", j.work+"/_temp"
	for _, dir := range []string{j.work + "/shop", j.workspace, j.temp, j.home(), j.temp + "/_github_workflow", j.commands()} {
		makeDir(t, dir, j.uid)
	}
	manifest, err := os.ReadFile("action.yml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(manifest, &j.action); err != nil {
		t.Fatal(err)
	}
	return j
}

func (j *githubJob) home() string     { return j.temp + "/_github_home" }
func (j *githubJob) commands() string { return j.temp + "/_runner_file_commands" }

// mounts are those of ContainerActionHandler.RunAsync, in its order.
func (j *githubJob) mounts() [][2]string {
	mounts := [][2]string{
		{j.temp, "/github/runner_temp"},
		{j.home(), "/github/home"},
		{j.temp + "/_github_workflow", "/github/workflow"},
		{j.commands(), "/github/file_commands"},
		{j.workspace, "/github/workspace"},
	}
	if j.old {
		return mounts[1:]
	}
	return mounts
}

// translate is ContainerInfo.TranslateToContainerPath: the value as a whole, the mapping that was added last first.
func (j *githubJob) translate(value string) string {
	for _, mount := range slices.Backward(j.mounts()) {
		if value == mount[0] || strings.HasPrefix(value, mount[0]+"/") {
			return mount[1] + value[len(mount[0]):]
		}
	}
	return value
}

// githubStep is one action of the job: what it was given, and what it left.
type githubStep struct {
	*githubJob
	inputs, outputs, state map[string]string
	suffix                 string // of the files of this stage's commands
	code                   int
	log                    string // what the runner would show, commands included
	summary                string
}

func (j *githubJob) step(inputs map[string]string) *githubStep {
	return &githubStep{githubJob: j, inputs: inputs, outputs: map[string]string{}, state: map[string]string{}}
}

// main runs the action's entrypoint.
func (s *githubStep) main(t *testing.T) {
	t.Helper()
	s.finish(t, s.command(t, s.action.Runs.Entrypoint))
}

// post runs its post-entrypoint, with inputs and env as they are by then.
func (s *githubStep) post(t *testing.T) {
	t.Helper()
	s.finish(t, s.command(t, s.action.Runs.Post))
}

// run is a Docker action by other means: the programs that it names, in the same image.
func (s *githubStep) run(t *testing.T, entrypoint string, args ...string) {
	t.Helper()
	s.finish(t, s.command(t, entrypoint, args...))
}

// variables are the container's: ActionRunner.RunAsync and ContainerActionHandler.RunAsync, a later one winning.
func (s *githubStep) variables(t *testing.T) map[string]string {
	t.Helper()
	env := maps.Clone(s.env)
	for name, value := range s.state {
		env["STATE_"+name] = value
	}
	for name, input := range s.action.Inputs {
		value, given := s.inputs[name]
		if !given {
			value = strings.NewReplacer("${{ github.workspace }}", s.workspace, "${{ runner.temp }}", s.temp).Replace(input.Default)
		}
		env["INPUT_"+strings.ToUpper(name)] = value
	}
	for name := range s.inputs {
		if _, known := s.action.Inputs[name]; !known {
			t.Fatalf("action.yml has no input %s", name)
		}
	}
	env["HOME"] = s.home()
	maps.Copy(env, map[string]string{
		"GITHUB_WORKSPACE": s.workspace, "GITHUB_REPOSITORY": "acme/shop", "GITHUB_WORKFLOW": "deploy", "GITHUB_JOB": "release",
		"GITHUB_SERVER_URL": "https://github.com", "GITHUB_RUN_ID": "4711", "GITHUB_SHA": "f00d", "GITHUB_ACTOR": "octocat",
		"GITHUB_EVENT_PATH": s.temp + "/_github_workflow/event.json",
		"RUNNER_TEMP":       s.temp, "RUNNER_WORKSPACE": s.work + "/shop", "RUNNER_TOOL_CACHE": "/opt/hostedtoolcache", "RUNNER_OS": "Linux",
	})
	for name, prefix := range commandFiles {
		env[name] = s.commands() + "/" + prefix + s.suffix
	}
	for name, value := range env {
		env[name] = s.translate(value)
	}
	return env
}

// commandFiles are the beginnings of the files' names (FileCommandManager.cs).
var commandFiles = map[string]string{
	"GITHUB_ENV": "set_env_", "GITHUB_OUTPUT": "set_output_", "GITHUB_STATE": "save_state_", "GITHUB_PATH": "add_path_",
	"GITHUB_STEP_SUMMARY": "step_summary_",
}

// command is the call of docker that DockerCommandManager.DockerRun makes.
func (s *githubStep) command(t *testing.T, entrypoint string, args ...string) *exec.Cmd {
	t.Helper()
	s.suffix = rand.Text()
	for _, prefix := range commandFiles {
		path := s.commands() + "/" + prefix + s.suffix
		writeAs(t, s.uid, path, nil)
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	flags := []string{"run", "--name", s.container(), "--label", "kubemint-test", "--workdir", "/github/workspace", "--rm"}
	env := os.Environ()
	for name, value := range s.variables(t) {
		flags = append(flags, "-e", name) // the value by docker's own environment, so that no list of processes shows it
		env = append(env, name+"="+value)
	}
	flags = append(flags, "-e", "GITHUB_ACTIONS=true", "-e", "CI=true", "--entrypoint", entrypoint, "--network", "host")
	socket := strings.TrimPrefix(cmp.Or(os.Getenv("DOCKER_HOST"), "unix:///var/run/docker.sock"), "unix://")
	flags = append(flags, "-v", socket+":/var/run/docker.sock")
	for _, mount := range s.mounts() {
		flags = append(flags, "-v", mount[0]+":"+mount[1])
	}
	command := exec.CommandContext(t.Context(), "docker", slices.Concat(flags, []string{image}, args)...)
	command.Env = env
	log := new(bytes.Buffer)
	command.Stdout, command.Stderr = log, log
	return command
}

func (s *githubStep) container() string { return "kubemint-test-" + s.suffix }

// finish runs the call and reads what the step wrote for later ones, which the runner does whatever its exit code.
func (s *githubStep) finish(t *testing.T, command *exec.Cmd) {
	t.Helper()
	_ = command.Run()
	s.collect(t, command)
}

func (s *githubStep) collect(t *testing.T, command *exec.Cmd) {
	t.Helper()
	s.code, s.log = command.ProcessState.ExitCode(), fmt.Sprint(command.Stdout)
	if s.code == 125 {
		t.Fatalf("the engine: %s", s.log)
	}
	maps.Copy(s.env, s.pairs(t, "GITHUB_ENV"))
	maps.Copy(s.outputs, s.pairs(t, "GITHUB_OUTPUT"))
	maps.Copy(s.state, s.pairs(t, "GITHUB_STATE"))
	summary, err := os.ReadFile(s.commands() + "/" + commandFiles["GITHUB_STEP_SUMMARY"] + s.suffix)
	if err != nil {
		t.Fatal(err)
	}
	s.summary = string(summary)
	for _, prefix := range commandFiles {
		_ = os.Remove(s.commands() + "/" + prefix + s.suffix)
	}
}

// pairs reads the file of a command: NAME<<DELIMITER, lines, DELIMITER. kubemint writes no other form.
func (s *githubStep) pairs(t *testing.T, command string) map[string]string {
	t.Helper()
	content, err := os.ReadFile(s.commands() + "/" + commandFiles[command] + s.suffix)
	if err != nil {
		t.Fatal(err)
	}
	pairs := map[string]string{}
	for text := string(content); text != ""; {
		line, rest, _ := strings.Cut(text, "\n")
		name, delimiter, heredoc := strings.Cut(line, "<<")
		value, after, ends := strings.Cut(rest, "\n"+delimiter+"\n")
		if !heredoc || !ends {
			t.Fatalf("%s: not a command: %q", command, line)
		}
		pairs[name], text = value, after
	}
	return pairs
}

// onRunner runs kubectl in a later step of the job that is no container: the runner's user, the host's paths, the env
// context.
func (j *githubJob) onRunner(t *testing.T, args ...string) (string, error) {
	t.Helper()
	env := []string{"HOME=" + j.work, "PATH=/usr/bin:/bin"}
	for name, value := range j.env {
		env = append(env, name+"="+value)
	}
	return onHost(t, j.uid, j.workspace, env, j.work+"/kubectl", args...)
}

// hidden is the log without the commands that mask a value.
func (s *githubStep) hidden() (log string, masks []string) {
	for line := range strings.Lines(s.log) {
		if mask, ok := strings.CutPrefix(line, "::add-mask::"); ok {
			masks = append(masks, strings.TrimSuffix(mask, "\n"))
		} else {
			log += line
		}
	}
	return log, masks
}
