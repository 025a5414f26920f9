package platform_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubemint/kubemint/internal/platform"
	"github.com/kubemint/kubemint/internal/problem"
)

// Values that a shell would act upon, were they not quoted.
var nasty = []string{
	"", "plain", "/a/b-c_d.e:f@g%h+i=j,k", "a b", " a ", "\t", "it's", `'`, `"`, `\`, `\n`, "$HOME", "$(touch pwned)", "`touch pwned`",
	"; touch pwned", "& touch pwned", "| touch pwned", "> pwned", "~", "*", "?", "[a]", "{a,b}", "#no comment", "!", "-n", "a\nb", "a\ntouch pwned\n",
	"ünï", `{"created":["Role shop/deployer"]}`,
}

// A real shell sources the file: `.`, and with `set -a` so that what it starts has the variables too.
func TestEnvFileSourcedByShell(t *testing.T) {
	t.Parallel()
	shells := map[string][]string{"sh": {"sh"}, "bash": {"bash", "--posix"}, "busybox": {"busybox", "sh"}}
	for name, shell := range shells {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program, err := exec.LookPath(shell[0])
			if err != nil && name != "sh" && os.Getenv("CI") == "" {
				t.Skip(name + " is not here")
			}
			dir := t.TempDir()
			for _, value := range nasty {
				p, _ := detect(variables{})
				write(t, filepath.Join(dir, "env"), string(p.EnvFile(platform.Result{
					Env:     []platform.Output{{Name: "KUBECONFIG", Value: value}},
					Outputs: []platform.Output{{Name: "context", Value: value}},
				})))
				const script = `set -aeu; . ./env; set +a; printf '%s|%s' "$KUBECONFIG" "$(printenv KUBEMINT_OUT_CONTEXT; echo x)"`
				command := exec.CommandContext(t.Context(), program, append(shell[1:], "-c", script)...)
				command.Dir = dir
				out, err := command.CombinedOutput()
				if want := value + "|" + value + "\nx"; err != nil || string(out) != want {
					t.Errorf("%q: sh has %q (%v)", value, out, err)
				}
				if _, err := os.Stat(filepath.Join(dir, "pwned")); !errors.Is(err, fs.ErrNotExist) {
					t.Fatalf("%q was executed", value)
				}
			}
		})
	}
}

// A dotenv reader that knows no quotes, like GitLab's, takes the line literally: a value that needs no quotes must have
// none.
func TestEnvFile_NoNeedlessQuotes(t *testing.T) {
	t.Parallel()
	p, _ := detect(variables{})
	have := string(p.EnvFile(platform.Result{
		Env: []platform.Output{{Name: "KUBECONFIG", Value: "/builds/shop.tmp/kubemint/kubeconfig"}},
		Outputs: []platform.Output{
			{Name: "server", Value: "https://10.0.0.1:6443"},
			{Name: "expires_at", Value: "2026-11-22T04:00:00Z"},
			{Name: "certificate_authority", Value: ""},
			{Name: "context", Value: "kubemint@gke_p_europe-west1_c"},
			{Name: "certificate", Value: "LS0tLS1CRUdJ+/TiBDRQ=="},
		},
	}))
	want := `KUBECONFIG=/builds/shop.tmp/kubemint/kubeconfig
KUBEMINT_OUT_SERVER=https://10.0.0.1:6443
KUBEMINT_OUT_EXPIRES_AT=2026-11-22T04:00:00Z
KUBEMINT_OUT_CERTIFICATE_AUTHORITY=
KUBEMINT_OUT_CONTEXT=kubemint@gke_p_europe-west1_c
KUBEMINT_OUT_CERTIFICATE=LS0tLS1CRUdJ+/TiBDRQ==
`
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("(-want +have):\n%s", diff)
	}
}

// The advice is pasted into a shell.
func TestRevokeAdvice_Quoted(t *testing.T) {
	t.Parallel()
	p, _ := detect(variables{})
	if have, want := p.RevokeAdvice("/a b/it's"), `revoke it with: KUBEMINT_OUTPUT='/a b/it'\''s' kubemint revoke`; have != want {
		t.Errorf("%s, not %s", have, want)
	}
}

func gitLabJob(t *testing.T) (platform.Platform, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "gitlab_runner_env")
	p, _ := detect(variables{"GITLAB_CI": "true", "GITLAB_ENV": file})
	return p, file
}

// What gitlab-runner does with the file (shells/bash.go, SourceEnv), done by a real shell.
func TestJobEnvReadByTheRunnersLoop(t *testing.T) {
	t.Parallel()
	p, file := gitLabJob(t)
	write(t, file, "THEIRS=untouched\n")
	if err := errors.Join(p.Ready(), p.Publish(secretResult())); err != nil {
		t.Fatal(err)
	}
	for _, value := range nasty {
		if value != strings.Trim(value, " \t\n") || strings.Contains(value, "\n") {
			continue // not on one line, or with white space at its ends, which `read` takes off
		}
		if err := p.Publish(platform.Result{Outputs: []platform.Output{{Name: "context", Value: value}}}); err != nil {
			t.Fatal(err)
		}
		const script = `while read -r line; do export "$line"; done < "$1"; printf '%s|%s|%s|%s' "$THEIRS" "$KUBECONFIG" "$KUBEMINT_OUT_SERVER" "$KUBEMINT_OUT_CONTEXT"`
		command := exec.CommandContext(t.Context(), "sh", "-c", script, "sh", file)
		command.Dir = t.TempDir()
		out, err := command.CombinedOutput()
		if want := "untouched|/work/kubeconfig|https://cluster:6443|" + value; err != nil || string(out) != want {
			t.Errorf("%q: the runner has %q (%v)", value, out, err)
		}
		if entries, _ := os.ReadDir(command.Dir); len(entries) > 0 {
			t.Fatalf("%q was executed", value)
		}
	}
	if strings.Contains(read(t, file), canary.Reveal()) {
		t.Error("the secret is in the file")
	}
}

func TestJobEnvRefusesWhatItCannotHold(t *testing.T) {
	t.Parallel()
	p, file := gitLabJob(t)
	for _, value := range []string{"a\nPATH=/evil", "a\rb", "a\x00b"} {
		err := p.Publish(platform.Result{Outputs: []platform.Output{{Name: "server", Value: "https://x"}, {Name: "context", Value: value}}})
		if problem.ExitCode(err) != int(problem.Publish) || !strings.Contains(err.Error(), "KUBEMINT_OUT_CONTEXT is more than a line") {
			t.Errorf("%q: %v", value, err)
		}
		if content := read(t, file); content != "" {
			t.Errorf("%q: something was written all the same: %q", value, content)
		}
	}
	long := strings.Repeat("x", 130<<10) // no program could be started with it
	if err := p.Publish(platform.Result{Outputs: []platform.Output{{Name: "changes", Value: long}, {Name: "server", Value: "s"}}}); err != nil {
		t.Fatal(err)
	}
	if have, want := read(t, file), "KUBEMINT_OUT_SERVER=s\n"; have != want {
		t.Errorf("%d bytes, not %q", len(have), want)
	}
}

func TestReady_UnwritableJobEnv(t *testing.T) {
	t.Parallel()
	for what, path := range map[string]string{"a directory": t.TempDir(), "in no directory": "/nonexistent/file"} {
		p, _ := detect(variables{"GITLAB_CI": "true", "GITLAB_ENV": path})
		for _, err := range []error{p.Ready(), p.Publish(secretResult())} {
			if problem.ExitCode(err) != int(problem.Publish) || !strings.Contains(err.Error(), "open $GITLAB_ENV") {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	p, _ := detect(variables{"GITLAB_CI": "true"})
	if err := errors.Join(p.Ready(), p.Publish(secretResult())); err != nil {
		t.Errorf("a runner without it: %v", err)
	}
}
