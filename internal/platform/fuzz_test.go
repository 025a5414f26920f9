package platform_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubemint/kubemint/internal/platform"
	"github.com/kubemint/kubemint/internal/problem"
)

type pair struct{ Name, Value string }

// asRunner reads a command file as actions/runner does on Linux (src/Runner.Worker/FileCommandManager.cs): NAME=VALUE, or
// NAME<<DELIMITER, lines, and a line that is the delimiter.
func asRunner(text string) (pairs []pair, err error) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		if lines[i] == "" {
			continue
		}
		equals, heredoc := strings.Index(lines[i], "="), strings.Index(lines[i], "<<")
		switch {
		case equals >= 0 && (heredoc < 0 || equals < heredoc):
			pairs = append(pairs, pair{lines[i][:equals], lines[i][equals+1:]})
		case heredoc > 0 && heredoc+2 < len(lines[i]):
			name, delimiter := lines[i][:heredoc], lines[i][heredoc+2:]
			var value []string
			for i++; i < len(lines) && lines[i] != delimiter; i++ {
				value = append(value, lines[i])
			}
			if i == len(lines) {
				return pairs, errors.New("matching delimiter not found")
			}
			pairs = append(pairs, pair{name, strings.Join(value, "\n")})
		default:
			return pairs, errors.New("invalid format")
		}
	}
	return pairs, nil
}

// FuzzOutputs: whatever a value holds, the runner reads exactly that value, and no command of the value's own making.
func FuzzOutputs(f *testing.F) {
	for _, seed := range []string{
		"", "\n", "plain", "two\nlines\n", "\r\n", "a=b", "token<<EOF\nforged\nEOF",
		"_GitHubActionsFileCommandDelimeter_\nPATH<<X\n/evil\nX\n", "kubemint_\nkubemint_AAAA", "::set-output name=a::b", "%0A",
	} {
		f.Add(seed)
	}
	file := write(f, f.TempDir()+"/commands", "")
	env := variables{"GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": file, "GITHUB_ENV": file, "GITHUB_STATE": file}
	p, stdout := detect(env)
	f.Fuzz(func(t *testing.T, value string) {
		if err := os.Truncate(file, 0); err != nil {
			t.Fatal(err)
		}
		err := p.Publish(platform.Result{
			Outputs: []platform.Output{{Name: "first", Value: value}, {Name: "second", Value: "2"}},
			Env:     []platform.Output{{Name: "KUBECONFIG", Value: value}},
		})
		if err := errors.Join(err, p.SaveState(value)); err != nil {
			t.Fatal(err)
		}
		have, err := asRunner(read(t, file))
		if err != nil {
			t.Fatal(err)
		}
		want := []pair{{"first", value}, {"second", "2"}, {"KUBECONFIG", value}, {"receipt", value}}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("(-want +have):\n%s", diff)
		}
		if stdout.Len() > 0 {
			t.Errorf("printed: %q", stdout)
		}
	})
}

// FuzzEnvFile: whatever a value holds, sh reads exactly that value, and no variable of the value's own making.
func FuzzEnvFile(f *testing.F) {
	for _, seed := range []string{
		"", "plain", "it's", "'", `\'`, `'\''`, "a b", "$(id)", "`id`", "a\nPATH=/evil", "#", "~", "*", "\\", "a=b", "'\nKUBECONFIG='",
	} {
		f.Add(seed)
	}
	p, _ := detect(variables{})
	f.Fuzz(func(t *testing.T, value string) {
		if strings.Contains(value, "\x00") {
			t.Skip("no variable can hold it")
		}
		have, err := asShell(string(p.EnvFile(platform.Result{
			Outputs: []platform.Output{{Name: "first", Value: value}, {Name: "second", Value: "2"}},
			Env:     []platform.Output{{Name: "KUBECONFIG", Value: value}},
		})))
		if err != nil {
			t.Fatal(err)
		}
		want := []pair{{"KUBECONFIG", value}, {"KUBEMINT_OUT_FIRST", value}, {"KUBEMINT_OUT_SECOND", "2"}}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("(-want +have):\n%s", diff)
		}
	})
}

// FuzzGitLab: whatever a value holds, the later stages of a job have exactly that value, or the run fails and they get none
// of it. A report of dotenv variables (artifacts:reports:dotenv) made of the file next to the kubeconfig has the same value
// if it needs no quotes, else the quoted one, and the value cannot add variables of its own.
func FuzzGitLab(f *testing.F) {
	for _, seed := range append(slices.Clone(nasty), "/builds/acme/shop.tmp/kubemint/kubeconfig", " a", "a ", "a\t", "a\r", "a\x00b", "A=b", strings.Repeat("x", 31<<10)) {
		f.Add(seed)
	}
	file := write(f, f.TempDir()+"/gitlab_env", "")
	p, stdout := detect(variables{"GITLAB_CI": "true", "CI_PROJECT_DIR": "/builds/acme/shop", "GITLAB_ENV": file})
	f.Fuzz(func(t *testing.T, value string) {
		if err := os.Truncate(file, 0); err != nil {
			t.Fatal(err)
		}
		result := platform.Result{
			Outputs: []platform.Output{{Name: "first", Value: value}, {Name: "second", Value: "2"}, {Name: "token", Value: "sesame-of-nobody", Secret: true}},
			Env:     []platform.Output{{Name: "KUBECONFIG", Value: value}},
		}
		err := p.Publish(result)
		want := []pair{{"KUBECONFIG", value}, {"KUBEMINT_OUT_FIRST", value}, {"KUBEMINT_OUT_SECOND", "2"}}
		switch {
		case err != nil && (problem.ExitCode(err) != int(problem.Publish) || value != "" && len(value) > 20 && strings.Contains(err.Error(), value)):
			t.Errorf("another error: %v", err)
		case err != nil:
			want = nil
		case len(value) > 30<<10: // no program could be started with it
			want = want[2:]
		}
		have, readErr := asGitLabRunner(read(t, file))
		if diff := cmp.Diff(want, have); diff != "" || readErr != nil {
			t.Errorf("(%v; %v) (-want +have):\n%s", err, readErr, diff)
		}
		if plain := !strings.ContainsFunc(value, func(r rune) bool { return r < '!' || r > '~' }); plain && err != nil {
			t.Errorf("refused: %v", err)
		}
		if content := string(p.EnvFile(result)); !strings.ContainsAny(value, "\r\n\x00") {
			for i, line := range strings.Split(strings.TrimSuffix(content, "\n"), "\n") { // Gitlab: Ci::ParseDotenvArtifactService
				name, have, ok := strings.Cut(line, "=")
				wanted := []pair{{"KUBECONFIG", value}, {"KUBEMINT_OUT_FIRST", value}, {"KUBEMINT_OUT_SECOND", "2"}}[i]
				if quoted := "'" + strings.ReplaceAll(wanted.Value, "'", `'\''`) + "'"; !ok || name != wanted.Name || have != wanted.Value && have != quoted {
					t.Errorf("a dotenv report has %q=%q, not %q", name, have, wanted)
				}
			}
		}
		if stdout.Len() > 0 || strings.Contains(read(t, file)+string(p.EnvFile(result)), "sesame") {
			t.Errorf("printed %q, or wrote the secret", stdout)
		}
	})
}

// asGitLabRunner reads the file of GITLAB_ENV as bash does for the runner: `while read -r line; do export "$line"; done`. read takes
// blanks away at both ends of a line, drops NUL, and gives what follows the last newline to nobody; export wants a name.
func asGitLabRunner(text string) (pairs []pair, err error) {
	for line := range strings.Lines(text) {
		line, ended := strings.CutSuffix(strings.ReplaceAll(line, "\x00", ""), "\n")
		name, value, ok := strings.Cut(strings.Trim(line, " \t"), "=")
		if !ok || !ended || name == "" || strings.ContainsFunc(name, func(r rune) bool { return r != '_' && (r < 'A' || r > 'Z') }) {
			return pairs, errors.New("export takes no such line: " + line)
		}
		pairs = append(pairs, pair{name, value})
	}
	return pairs, nil
}

// asShell reads assignments as a POSIX shell does (Shell Command Language, 2.2 Quoting), as far as it is safe: a character that
// the shell would act upon is an error.
func asShell(text string) (pairs []pair, err error) {
	var word strings.Builder
	for quoted := false; text != ""; {
		c := text[0]
		text = text[1:]
		switch {
		case c == '\'':
			quoted = !quoted
		case quoted:
			word.WriteByte(c)
		case c == '\\' && text != "" && text[0] != '\n':
			word.WriteByte(text[0])
			text = text[1:]
		case c == '\n':
			name, value, ok := strings.Cut(word.String(), "=")
			if !ok {
				return pairs, errors.New("a line assigns nothing: " + word.String())
			}
			pairs = append(pairs, pair{name, value})
			word.Reset()
		case c <= ' ' || c > '~' || strings.IndexByte("|&;<>()$`\\\"*?[]#~{}!^", c) >= 0:
			return pairs, errors.New("the shell acts upon " + string(rune(c)))
		default:
			word.WriteByte(c)
		}
		if text == "" && (quoted || word.Len() > 0) {
			return pairs, errors.New("unfinished: " + word.String())
		}
	}
	return pairs, nil
}
