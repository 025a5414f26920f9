package usage_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/kubemint/kubemint/internal/command/usage"
	"github.com/kubemint/kubemint/internal/problem"
)

func TestParse_ValidLine(t *testing.T) {
	t.Parallel()
	const program = "/usr/local/bin/kubemint"
	on := []string{"true"}
	help := func(of ...string) usage.Invocation { return usage.Invocation{Command: "help", Arguments: of} }
	exec := func(line ...string) usage.Invocation { return usage.Invocation{Command: "exec", Arguments: line} }
	flags := func(command string, set map[string][]string) usage.Invocation {
		return usage.Invocation{Command: command, Flags: set}
	}
	for line, want := range map[string]usage.Invocation{
		"kubemint":                          {Command: "mint"},
		"kubemint mint":                     flags("mint", map[string][]string{}),
		"kubemint plan":                     flags("plan", map[string][]string{}),
		"kubemint version":                  flags("version", map[string][]string{}),
		"kubemint --version":                flags("version", map[string][]string{}),
		"kubemint revoke --wait":            flags("revoke", map[string][]string{"wait": on}),
		"kubemint revoke -permanent --wait": flags("revoke", map[string][]string{"wait": on, "permanent": on}),
		"kubemint prune --all=false":        flags("prune", map[string][]string{}),
		"kubemint prune --all --all=0":      flags("prune", map[string][]string{}),
		"kubemint sweep --dry-run=true":     flags("sweep", map[string][]string{"dry-run": on}),
		"kubemint bootstrap --subject user:a --steady --subject=group:b": flags("bootstrap", map[string][]string{
			"steady": on, "subject": {"user:a", "group:b"},
		}),

		"kubemint exec":                    exec(),
		"kubemint exec --":                 exec(),
		"kubemint exec -- helm --help":     exec("helm", "--help"),
		"kubemint exec helm --help":        exec("helm", "--help"),
		"kubemint exec -- --help":          exec("--help"),
		"kubemint exec -- -- x":            exec("--", "x"),
		"kubemint exec --frobnicate":       exec("--frobnicate"),
		"kubemint exec --help":             help("exec"),
		"kubemint exec -h -- true":         help("exec"),
		"kubemint help":                    {Command: "help"},
		"kubemint -h":                      {Command: "help"},
		"kubemint --help":                  {Command: "help"},
		"kubemint help exec":               help("exec"),
		"kubemint help --help":             help("help"),
		"kubemint version -h":              help("version"),
		"kubemint prune --all --help":      help("prune"),
		"kubemint-revoke":                  {Command: "revoke"},
		"kubemint-revoke.exe mint --x":     {Command: "revoke"},
		"/usr/local/bin/kubemint-revoke a": {Command: "revoke"},
	} {
		have, err := usage.Parse(strings.Fields(line))
		if err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if len(have.Arguments) == 0 {
			have.Arguments = nil
		}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("%s (-want +have):\n%s", line, diff)
		}
	}
	if have, err := usage.Parse([]string{program}); err != nil || have.Command != "mint" {
		t.Errorf("%s: %v, %v", program, have, err)
	}
}

func TestParse_FaultyLine(t *testing.T) {
	t.Parallel()
	const (
		all   = " | the commands are mint, plan, exec, revoke, sweep, prune, bootstrap, rules, learn, version, help"
		input = " | every input is an environment variable: see kubemint help"
	)
	for line, want := range map[string]string{
		"kubemint frobnicate":          "run frobnicate: unknown command" + all,
		"kubemint reovke --wait":       "run reovke: unknown command" + all + " | did you mean revoke?",
		"kubemint --namespace=shop":    "run --namespace=shop: unknown command" + all,
		"kubemint help frobnicate":     "run frobnicate: unknown command" + all,
		"kubemint mint shop":           `run mint: it takes no arguments, but got "shop"` + input,
		"kubemint version x":           `run version: it takes no arguments, but got "x"` + input,
		"kubemint help mint plan":      `run help mint: it takes no arguments, but got "plan"` + input,
		"kubemint revoke --now":        "run revoke: flag provided but not defined: -now | see kubemint revoke --help",
		"kubemint mint --dry-run":      "run mint: flag provided but not defined: -dry-run | see kubemint mint --help",
		"kubemint sweep --all":         "run sweep: flag provided but not defined: -all | see kubemint sweep --help",
		"kubemint bootstrap --subject": "run bootstrap: flag needs an argument: -subject | see kubemint bootstrap --help",
		"kubemint bootstrap --guard=other": `run bootstrap: invalid boolean value "other" for -guard: write --guard or --guard=anyway` +
			" | see kubemint bootstrap --help",
		"kubemint sweep --dry-run=client": `run sweep: invalid boolean value "client" for -dry-run: write true or false` +
			" | see kubemint sweep --help",
	} {
		_, err := usage.Parse(strings.Fields(line))
		fault, ok := errors.AsType[*problem.Error](err)
		if !ok || fault.Code != problem.Config {
			t.Errorf("%s: %v is not an error of the configuration", line, err)
			continue
		}
		if have := strings.Join(append([]string{fault.Error()}, fault.Hints...), " | "); have != want {
			t.Errorf("%s:\n%s\nwant\n%s", line, have, want)
		}
	}
}

// Each command's flag can be given, is shown in its synopsis and is explained.
func TestCommands_FlagsAndHelp(t *testing.T) {
	t.Parallel()
	overview := strings.Join(usage.Invocation{Command: "help"}.Help(), "\n")
	for _, command := range usage.Commands() {
		help := strings.Join(usage.Invocation{Command: "help", Arguments: []string{command.Name}}.Help(), "\n")
		if !strings.HasPrefix(help, "usage: "+command.Synopsis()+"\n") || !strings.Contains(overview, command.Synopsis()) {
			t.Errorf("%s: its help or the overview lacks how to call it:\n%s", command.Name, help)
		}
		if !strings.Contains(overview, command.Summary) || strings.HasSuffix(command.Summary, ".") {
			t.Errorf("%s: the overview lacks %q, or it has a full stop", command.Name, command.Summary)
		}
		for _, flag := range command.Flags {
			words := []string{"kubemint", command.Name, "--" + flag.Name}
			if flag.Value != "" {
				words = append(words, "value")
			}
			call, err := usage.Parse(words)
			if err != nil || !call.Has(flag.Name) {
				t.Errorf("%q: %v", words, err)
			}
			if !strings.Contains(help, flag.Help) || strings.Contains(command.Synopsis(), "[--"+flag.Name) != (flag.With == "") {
				t.Errorf("%s: the help does not explain --%s", command.Name, flag.Name)
			}
		}
	}
}

func TestHelp_LinesFitATerminal(t *testing.T) {
	t.Parallel()
	lines := usage.Invocation{Command: "help"}.Help()
	for _, command := range usage.Commands() {
		lines = slices.Concat(lines, usage.Invocation{Arguments: []string{command.Name}}.Help())
	}
	for _, line := range lines {
		if utf8.RuneCountInString(line) > 110 || strings.TrimRight(line, " ") != line {
			t.Errorf("%q is too long, or ends in a space", line)
		}
	}
}
