package platforms

import (
	"bytes"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/kubemint/kubemint/internal/command"
	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// mountedAccount is where a pod's ServiceAccount is.
const mountedAccount = "/var/run/secrets/kubernetes.io/serviceaccount"

// splitStep holds what this test reads of a step.
type splitStep struct {
	Name, WorkingDir, OnError string
	Env                       []struct{ Name, Value string }
	Command, Args             []string
	VolumeMounts              []struct{ Name, MountPath string }
}

// mount returns what the step has at a path.
func (s splitStep) mount(path string) string {
	for _, mount := range s.VolumeMounts {
		if mount.MountPath == path {
			return mount.Name
		}
	}
	return ""
}

type splitTask struct {
	Spec struct {
		Params       []struct{ Name, Default string }
		StepTemplate splitStep
		Steps        []splitStep
	}
}

// splitPod runs the steps of the example as a TaskRun's pod would: volumes are directories.
type splitPod struct {
	task    splitTask
	cluster *kubetest.ControlPlane
	volumes map[string]string
	exits   map[string]int
	said    map[string]string
	given   map[string]string
}

func newSplitPod(t *testing.T, given map[string]string) *splitPod {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("examples", "tekton", "split.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p := &splitPod{given: given, exits: map[string]int{}, said: map[string]string{}}
	if err := yaml.Unmarshal(content, &p.task); err != nil {
		t.Fatal(err)
	}
	for _, parameter := range p.task.Spec.Params {
		if name := "params." + parameter.Name; given[name] == "" {
			given[name] = parameter.Default
		}
	}
	p.volumes = map[string]string{}
	for _, volume := range []string{"source", "none", "credential", "state"} {
		p.volumes[volume] = t.TempDir()
	}
	return p
}

// resolve replaces Tekton's variables, and the paths of the step's volumes by their directories.
func (p *splitPod) resolve(t *testing.T, step splitStep, text string) string {
	t.Helper()
	for name, value := range p.given {
		text = strings.ReplaceAll(text, "$("+name+")", value)
	}
	for _, mount := range step.VolumeMounts {
		text = strings.ReplaceAll(text, mount.MountPath, p.volumes[mount.Name])
	}
	if strings.Contains(strings.ReplaceAll(text, `$(cat "$0")`, ""), "$(") {
		t.Fatalf("not substituted: %s", text)
	}
	return text
}

func (p *splitPod) runStep(t *testing.T, step splitStep) {
	t.Helper()
	server, err := url.Parse(p.cluster.URL)
	if err != nil {
		t.Fatal(err)
	}
	environ := []string{
		"PATH=" + filepath.Dir(p.cluster.Kubectl()) + string(os.PathListSeparator) + os.Getenv("PATH"), "HOME=" + t.TempDir(),
		"KUBERNETES_SERVICE_HOST=" + server.Hostname(), "KUBERNETES_SERVICE_PORT=" + server.Port(),
	}
	for _, variable := range slices.Concat(p.task.Spec.StepTemplate.Env, step.Env) {
		environ = append(environ, variable.Name+"="+p.resolve(t, step, variable.Value))
	}
	args := slices.Clone(step.Command)
	for _, arg := range step.Args {
		args = append(args, p.resolve(t, step, arg))
	}
	dir := t.TempDir()
	if step.WorkingDir != "" {
		dir = p.resolve(t, step, step.WorkingDir)
	}
	var said bytes.Buffer
	if args[0] == "kubemint" {
		p.exits[step.Name] = command.Main(t.Context(), command.Process{
			Args: args, Environ: environ, Dir: dir, Streams: command.Streams{Stdin: strings.NewReader(""), Stdout: &said, Stderr: &said},
			ForTests: command.ForTests{AccountDir: p.resolve(t, step, mountedAccount)},
		})
	} else {
		program := args[0]
		if program == "kubectl" {
			program = p.cluster.Kubectl()
		}
		command := exec.CommandContext(t.Context(), program, args[1:]...)
		command.Env, command.Dir, command.Stdout, command.Stderr = environ, dir, &said, &said
		_ = command.Run()
		p.exits[step.Name] = command.ProcessState.ExitCode()
	}
	p.said[step.Name] = said.String()
}

// The step between mint and revoke has the credential and no other: neither the pod's token nor the
// receipt. It fails as kubectl does, and the credential is revoked all the same.
func TestTektonSplitRuns(t *testing.T) {
	t.Parallel()
	cluster, namespace := harness.NewNamespace(t)
	accounts, err := cluster.CreateNamespace(t.Context(), "split-")
	if err != nil {
		t.Fatal(err)
	}
	manifests, exitCode := t.TempDir(), filepath.Join(t.TempDir(), "exitCode")
	for name, content := range map[string]string{"config.yaml": configMap, "foreign.yaml": secretManifest} {
		if err := os.WriteFile(filepath.Join(manifests, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := newSplitPod(t, map[string]string{
		"params.image": "unused", "params.namespace": namespace, "params.service-account": accounts + "/deployer",
		"workspaces.manifests.path": manifests, "steps.step-apply.exitCode.path": exitCode,
	})
	p.cluster = cluster
	p.mountAccount(t, accounts)
	for _, step := range p.task.Spec.Steps {
		p.demandSplit(t, step)
		p.runStep(t, step)
		if code := p.exits[step.Name]; code != 0 && step.OnError != "continue" {
			break
		}
		if step.Name == "apply" {
			if err := os.WriteFile(exitCode, []byte(strconv.Itoa(p.exits[step.Name])), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if p.exits["mint"] != 0 || p.exits["apply"] != 1 || p.exits["revoke"] != 0 || p.exits["outcome"] != 1 {
		t.Errorf("exit codes %v\n%v", p.exits, p.said)
	}
	harness.AssertSays(t, p.said["apply"], `^configmap/shop created$`,
		`system:serviceaccount:`+accounts+`:deployer" cannot get resource "secrets"`)
	harness.AssertSays(t, p.said["revoke"], `^revoked: lease `+accounts+`/`)
	if left, err := os.ReadDir(p.volumes["credential"]); err != nil || len(left) > 0 {
		t.Errorf("left of the credential: %v (%v)", left, err)
	}
}

// demandSplit demands that the source's token and the receipt are mounted where kubemint runs, and nowhere
// else.
func (p *splitPod) demandSplit(t *testing.T, step splitStep) {
	t.Helper()
	mounted, kubemints := step.mount(mountedAccount), slices.Contains(step.Command, "kubemint")
	if mounted == "" || (mounted == "source") != kubemints {
		t.Errorf("step %s has %q at the place of the pod's ServiceAccount", step.Name, mounted)
	}
	if (step.mount("/state") != "") != kubemints {
		t.Errorf("step %s has the receipt in its reach, or should have it", step.Name)
	}
}

// mountAccount fills the volume source with a ServiceAccount that has the rights that `kubemint bootstrap`
// prints for the step.
func (p *splitPod) mountAccount(t *testing.T, accounts string) {
	t.Helper()
	mint := p.task.Spec.Steps[0]
	mint.Command = []string{"kubemint", "bootstrap", "--subject", "serviceaccount:" + accounts + "/runner"}
	mint.Name = "bootstrap"
	p.runStep(t, mint)
	_, rights, _ := strings.Cut(p.said["bootstrap"], "\n#")
	account := "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: runner, namespace: " + accounts + "}\n---\n#"
	if err := p.cluster.Apply(t.Context(), account+rights); err != nil {
		t.Fatalf("%v\n%s", err, p.said["bootstrap"])
	}
	p.volumes["source"] = harness.MountServiceAccount(t, p.cluster, accounts, "runner")
}
