package console

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/kube"
)

func TestCode(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Markdown{
		"shop/ci":            "`shop/ci`",
		"a`b":                "`a\\x60b`",
		"``":                 "`\\x60\\x60`",
		"a|b":                "`a\\x7cb`",
		`a\|b`:               "`a\\\\x7cb`",
		`a\`:                 "`a\\`",
		"a\n\n# b":           "`a\\n\\n# b`",
		"":                   "(empty)",
		"  ":                 "(empty)",
		"https://x/<b>&amp;": "`https://x/<b>&amp;`",
	} {
		if diff := cmp.Diff(want, CodeSpan(text)); diff != "" {
			t.Error(diff)
		}
	}
	if got := CodeSpans([]string{"a", "b`"}); got != "`a`, `b\\x60`" {
		t.Error(got)
	}
}

func TestProse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Markdown{
		"the post step revokes it when the job ends": "the post step revokes it when the job ends",
		" and 3 more namespaces":                     " and 3 more namespaces",
		"run: a":                                     "`run: a`",
		"www.evil.example":                           "`www.evil.example`",
		"mail@evil.example":                          "`mail@evil.example`",
		"[x](https://y) | *z*":                       "`[x](https://y) \\x7c *z*`",
		"<img>\n# `":                                 "`<img>\\n# \\x60`",
		"größer":                                     "`größer`",
	} {
		if diff := cmp.Diff(want, ProseOrCode(text)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestFence(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		lines []string
		want  Markdown
	}{
		"nothing":        {nil, "```diff\n```\n"},
		"plain":          {[]string{"a", "b"}, "```diff\na\nb\n```\n"},
		"a fence":        {[]string{"```", "<b>"}, "````diff\n```\n<b>\n````\n"},
		"a longer one":   {[]string{"x `````` y", "```"}, "```````diff\nx `````` y\n```\n```````\n"},
		"a line break":   {[]string{"a\n```\n# b"}, "````diff\na\\n```\\n# b\n````\n"},
		"of the runners": {[]string{"::add-mask::x"}, "```diff\n\\x3a:add-mask::x\n```\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, CodeBlock("diff", tt.lines)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// summaryWith is a summary that has the same text of others in every place.
func summaryWith(data string) Summary {
	rules := []rbacv1.PolicyRule{
		{Verbs: []string{data}, APIGroups: []string{data}, Resources: []string{data}, ResourceNames: []string{data}},
		{Verbs: []string{data}, NonResourceURLs: []string{data}},
	}
	return Summary{
		Account: data, Access: []Access{
			{Where: CodeSpan(data), Roles: []Bound{{Kind: data, Name: data}, {Kind: "Role", Name: data, Read: true}}, Rules: rules},
			{Where: "the whole cluster", Rules: rules},
		},
		Facts: []Fact{{"Cluster", CodeSpan(data)}, {"Access in", CodeSpans([]string{data, data})}, {"Lease", CodeSpan(data) + ": " + ProseOrCode(data)}},
		Plan: access.Plan{Changes: []access.Change{{
			Verb: access.Configured, Ref: kube.Ref{Kind: "Role", Namespace: data, Name: data}, Added: rules, Removed: rules,
			Remarks: access.Remarks{Details: []string{"- subject User " + data}, TakenFrom: []string{data}},
		}}},
	}
}

// outline is the structure of a page as CommonMark with GitHub's tables has it: kinds of blocks and spans, without the texts.
func outline(markdown string) (kinds []string) {
	source := []byte(markdown)
	page := goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader(source))
	_ = ast.Walk(page, func(node ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering && node.Kind() != ast.KindText && node.Kind() != ast.KindString {
			kinds = append(kinds, fmt.Sprint(strings.Repeat(" ", depth(node)), node.Kind()))
		}
		return ast.WalkContinue, nil
	})
	return kinds
}

func depth(node ast.Node) (n int) {
	for node = node.Parent(); node != nil; node = node.Parent() {
		n++
	}
	return n
}

// Whatever others have called their objects, the page is built as if it were a plain name: no span, cell or fence is ended, and
// no link, picture or HTML comes in.
func TestSummaryIsBuiltAlikeWhateverStandsInIt(t *testing.T) {
	t.Parallel()
	want := outline(summaryWith("X.").Render())
	for _, kind := range want {
		if strings.Contains(kind, "HTML") || strings.Contains(kind, "Link") || strings.Contains(kind, "Image") {
			t.Fatalf("of a plain name too: %s", kind)
		}
	}
	for _, data := range []string{
		"z\n```\n# forged", "z\n````\n<script>", "```", "`", "``", "a`b`c", "|", "a | b", `\|`, `\\|`, `\`, "a\\`", "<img src=x>", "<!--", "</code>", "[x](https://y)",
		"![x](https://y)", "https://evil.example", "www.evil.example", "mail@evil.example", "**x**", "~~x~~", "# x", "- x.", "> x", "| - |", "---.", "z\u2028# x", "\x1b[31m", "&#96;",
		"a\r\n\r\n| b |", " ", "", "[^1]", "[x]: https://y", "    x.", "\t```",
	} {
		if diff := cmp.Diff(want, outline(summaryWith(data).Render())); diff != "" && strings.TrimSpace(data) != "" {
			t.Errorf("%q:\n%s", data, diff)
		}
	}
}
