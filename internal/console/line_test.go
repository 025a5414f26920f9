package console

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubemint/kubemint/internal/problem"
)

// hostile are texts of others, as they stand in an object's name, an annotation, an answer or a file, and how they are shown.
var hostile = map[string]struct{ text, want string }{
	"a line break and a command":      {"z\n::stop-commands::r4nd0m", `z\n::stop-commands::r4nd0m`},
	"CR alone, at which .NET ends":    {"z\r::stop-commands::x", `z\r::stop-commands::x`},
	"both":                            {"z\r\n::stop-commands::x", `z\r\n::stop-commands::x`},
	"NEL, a C1 control":               {"z\u0085::stop-commands::x", `z\u0085::stop-commands::x`},
	"the line separator":              {"z\u2028::stop-commands::x", `z\u2028::stop-commands::x`},
	"the paragraph separator":         {"z\u2029::x::", `z\u2029::x::`},
	"VT and FF":                       {"z\v::x::\f::y::", `z\v::x::\f::y::`},
	"a command from the beginning":    {"::add-mask::e", `\x3a:add-mask::e`},
	"the same after blanks":           {"   ::add-mask::e", `   \x3a:add-mask::e`},
	"after a tab":                     {"\t::add-mask::e", `\t::add-mask::e`},
	"after a blank that is no ASCII":  {"\u00a0::add-mask::e", `\u00a0::add-mask::e`},
	"after an ideographic blank":      {"\u3000::add-mask::e", `\u3000::add-mask::e`},
	"after a byte-order mark":         {"\ufeff::add-mask::e", `\ufeff::add-mask::e`},
	"after a zero-width space":        {"\u200b::add-mask::e", `\u200b::add-mask::e`},
	"with one in its midst":           {":\u200b:add-mask::e", `:\u200b:add-mask::e`},
	"with a variation selector":       {":\ufe0f:add-mask::e", `:\ufe0f:add-mask::e`},
	"with a grapheme joiner":          {":\u034f:add-mask::e", `:\u034f:add-mask::e`},
	"with an enclosing mark":          {":\u0488:add-mask::e", `:\u0488:add-mask::e`},
	"with a soft hyphen":              {"#\u00ad#[add-mask]e", `#\u00ad#[add-mask]e`},
	"with a tag":                      {":\U000e0041:add-mask::e", `:\U000e0041:add-mask::e`},
	"with a NUL":                      {":\x00:add-mask::e", `:\x00:add-mask::e`},
	"with a byte that is no UTF-8":    {":\xff:add-mask::e", `:\xff:add-mask::e`},
	"three colons":                    {":::x::", `\x3a::x::`},
	"GitHub's old commands":           {"x ##[add-mask]e", `x #\x23[add-mask]e`},
	"Azure's":                         {"x ##vso[task.setvariable variable=PATH]/evil", `x #\x23vso[task.setvariable variable=PATH]/evil`},
	"with one more":                   {"###vso[task.complete]", `#\x23#vso[task.complete]`},
	"with two more":                   {"####[x]", `#\x23#\x23[x]`},
	"TeamCity's":                      {"##teamcity[buildStatus status='SUCCESS']", `#\x23teamcity[buildStatus status='SUCCESS']`},
	"a section of GitLab's":           {"section_start:0:a\r\x1b[0Kx", `section_start:0:a\r\x1b[0Kx`},
	"a group of Buildkite's":          {"--- x", `\x2d-- x`},
	"one that opens":                  {"+++ x", `\x2b++ x`},
	"one that is quiet":               {"~~~ x", `\x7e~~ x`},
	"one that opens the last":         {"^^^ +++", `\x5e^^ +++`},
	"ESC, to colour and to erase":     {"\x1b[31mx\x1b[2K\x1b]0;t\x07", `\x1b[31mx\x1b[2K\x1b]0;t\a`},
	"its C1 form":                     {"\u009b31m", `\u009b31m`},
	"backspaces":                      {"no\b\byes", `no\b\byes`},
	"DEL":                             {"\x7f", `\x7f`},
	"text that runs backwards":        {"a\u202eb\u202c\u2066c\u2069\u200e\u200f\u061c", `a\u202eb\u202c\u2066c\u2069\u200e\u200f\u061c`},
	"of private use, and not in use":  {"\ue000\U0003fffe", `\ue000\U0003fffe`},
	"a Hangul filler, which is empty": {"\u3164", `\u3164`},
	// What is harmless stays.
	"nothing":                {"", ""},
	"plain":                  {`apply Role shop/kubemint:shop:ci: "x" isn't there: C:\temp, a::b, # c, --x, 100 %`, `apply Role shop/kubemint:shop:ci: "x" isn't there: C:\temp, a::b, # c, --x, 100 %`},
	"other alphabets":        {"größer – 配置, ξ ✓ …", "größer – 配置, ξ ✓ …"},
	"a combining accent":     {"e\u0301", "e\u0301"},
	"the replacement itself": {"\ufffd", "\ufffd"},
	"already escaped":        {`\n \x1b #\x23 \x3a:x::`, `\n \x1b #\x23 \x3a:x::`},
}

func TestLine(t *testing.T) {
	t.Parallel()
	for name, tt := range hostile {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := CleanLine(tt.text)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if again := CleanLine(got); again != got {
				t.Errorf("a second time it is %q", again)
			}
		})
	}
}

// The models below find what they are to find: a fuzz target with a blind one would never fail.
func TestRunners_UnescapedCommands(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"::add-mask::x", "a\n \t::add-mask::x", "a\r::stop-commands::x", "\u200b::x::", ":\u200b:x::", "a\u2028::x::", "\u3000::x::", "x ##[add-mask]y", "#\u00ad#[x]",
		"x ##vso[task.x]", "##VSO[task.x]", "##teamcity[x]", "##[section]x", "section_start:0:a\r\x1b[0K", "section_end:0:a[collapsed=true]\r\x1b[0K", "--- x", "a\n+++ x", "\x1b[31m",
	} {
		if len(obeyed(text)) == 0 {
			t.Errorf("nobody obeys %q", text)
		}
		if got := obeyed(CleanLine(text)); got != nil {
			t.Errorf("of %q remains %q", text, got)
		}
	}
	if got := obeyed("x ::add-mask::y\n:: x\n#[a] ##\nsection_start:0:a\n"); got != nil {
		t.Errorf("what nobody obeys: %q", got)
	}
}

func TestWrite(t *testing.T) {
	t.Parallel()
	var written bytes.Buffer
	if err := WriteLines(&written, "a: b", "# x\n::stop-commands::y", ""); err != nil {
		t.Fatal(err)
	}
	if got, want := written.String(), "a: b\n# x\\n::stop-commands::y\n\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	full := errors.New("no space left")
	err := WriteLines(fullDisk{full}, "a")
	if problem.ExitCode(err) != int(problem.Publish) || !errors.Is(err, full) || !strings.HasPrefix(err.Error(), "write to stdout: ") {
		t.Error(err)
	}
}

type fullDisk struct{ err error }

func (w fullDisk) Write([]byte) (int, error) { return 0, w.err }
