package platform_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubemint/kubemint/internal/platform"
	"github.com/kubemint/kubemint/internal/problem"
)

// command is a line as Azure's agent reads it.
type command struct {
	name, data string
	properties map[string]string
}

// asAgent reads a step's output as Azure's agent does: azure-pipelines-agent, Command.TryParse and
// CommandStringConvertor.Unescape. Unlike the agent it takes a line that is no command for a fault.
func asAgent(t testing.TB, output string) (commands []command) {
	t.Helper()
	unescape := func(s string) string {
		for _, pair := range [][2]string{{"%3B", ";"}, {"%0D", "\r"}, {"%0A", "\n"}, {"%5D", "]"}, {"%AZP25", "%"}} {
			s = strings.ReplaceAll(s, pair[0], pair[1])
		}
		return s
	}
	for line := range strings.Lines(output) {
		_, rest, found := strings.Cut(strings.TrimRight(line, "\r\n"), "##vso[")
		info, data, ended := strings.Cut(rest, "]")
		name, properties, _ := strings.Cut(info, " ")
		if !found || !ended || strings.Count(name, ".") != 1 {
			t.Fatalf("no command: %q", line)
		}
		c := command{name: name, data: unescape(data), properties: map[string]string{}}
		for property := range strings.SplitSeq(properties, ";") {
			if key, value, ok := strings.Cut(property, "="); ok && value != "" {
				c.properties[strings.ToLower(key)] = unescape(value)
			}
		}
		commands = append(commands, c)
	}
	return commands
}

func TestAzure_SecretFirst(t *testing.T) {
	t.Parallel()
	p, stdout := detect(variables{"TF_BUILD": "True"})
	if !p.Masks() {
		t.Error("it does not claim to mask")
	}
	if err := errors.Join(p.Ready(), p.Mask(canary), p.Publish(secretResult())); err != nil {
		t.Fatal(err)
	}
	want := []command{
		{"task.setsecret", canary.Reveal(), map[string]string{}},
		{"task.setvariable", "/work/kubeconfig", map[string]string{"variable": "KUBECONFIG"}},
		{"task.setvariable", "https://cluster:6443", map[string]string{"variable": "server", "isoutput": "true", "issecret": "false"}},
		{"task.setvariable", canary.Reveal(), map[string]string{"variable": "token", "isoutput": "true", "issecret": "true"}},
	}
	if diff := cmp.Diff(want, asAgent(t, stdout.String()), cmp.AllowUnexported(command{})); diff != "" {
		t.Errorf("(-want +have):\n%s", diff)
	}
	if content := string(p.EnvFile(secretResult())); strings.Contains(content, canary.Reveal()) {
		t.Errorf("the secret is in the env file:\n%s", content)
	}
}

// Whatever a value holds, the agent reads exactly that value, and no command of the value's own making.
func FuzzAzure(f *testing.F) {
	for _, seed := range append(slices.Clone(nasty), "%", "%25", "%AZP25", "%3B", "%%AZP25%0A", "]", ";issecret=true", "\r\n##vso[task.setvariable variable=PATH]/evil") {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		p, stdout := detect(variables{"TF_BUILD": "True"})
		if err := p.Publish(platform.Result{Env: []platform.Output{{Name: "KUBECONFIG", Value: value}}}); err != nil {
			t.Fatal(err)
		}
		p.Annotate(value)
		want := []command{
			{"task.setvariable", value, map[string]string{"variable": "KUBECONFIG"}},
			{"task.logissue", value, map[string]string{"type": "error"}},
		}
		if diff := cmp.Diff(want, asAgent(t, stdout.String()), cmp.AllowUnexported(command{})); diff != "" {
			t.Errorf("(-want +have):\n%s", diff)
		}
	})
}

func TestAzure_TooLongForAVariable(t *testing.T) {
	t.Parallel()
	p, stdout := detect(variables{"TF_BUILD": "True"})
	result := platform.Result{Outputs: []platform.Output{{Name: "changes", Value: strings.Repeat("x", 33<<10)}}}
	if err := p.Publish(result); err != nil || stdout.Len() > 0 {
		t.Errorf("%d bytes (%v)", stdout.Len(), err)
	}
	if !bytes.Contains(p.EnvFile(result), []byte("KUBEMINT_OUT_CHANGES=xxx")) {
		t.Error("it is not in the file next to the kubeconfig either")
	}
}

type full struct{ io.Writer }

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestAzure_OutputFails(t *testing.T) {
	t.Parallel()
	p := platform.Detect(platform.Environment{Getenv: func(name string) string { return variables{"TF_BUILD": "True"}[name] }, Stdout: full{}})
	for name, err := range map[string]error{"mask": p.Mask(canary), "publish": p.Publish(secretResult())} {
		if err == nil || problem.ExitCode(problem.ListErrors(err)[0]) != int(problem.Publish) || strings.Contains(err.Error(), canary.Reveal()) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
