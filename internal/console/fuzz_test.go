package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/problem"
)

// said returns everything the sink prints of a text of others, in any position: in the log, and in annotations.
func said(data string) (log, beside string) {
	var written bytes.Buffer
	l := New(&written)
	l.SetDebug(true)
	l.Printf("%s", data)
	l.Printf("deleted    %s", data)
	l.Warnf("%s", data)
	l.Debugf("GET %s: 200", data)
	l.PrintList("", []string{data, data})
	release := l.Hold()
	l.Warnf("x: %s", errors.Join(errors.New(data), problem.New(problem.Mint, data, errors.New(data)).Detail(data)))
	release()
	l.ShowChanges(summaryWith(data).Plan)
	p := problem.New(problem.Mint, data, errors.New(data), data).Detail(data, "    "+data).Hint("%s", data)
	p.Paste = &problem.Paste{Intro: data, Lines: []string{data, "    - " + data}}
	l.ReportError(p, func(message string) { beside += message + "\n" })
	l.ReportError(errors.New(data), func(message string) { beside += message + "\n" })
	_ = WriteLines(&written, data, "# "+data)
	return written.String(), beside
}

// seeds are the hostile texts of the tests, and some that are hostile to more than one reader at once.
func seeds(f *testing.F) {
	f.Helper()
	for _, tt := range hostile {
		f.Add(tt.text)
	}
	for _, text := range []string{
		"z\n```\n# forged\n::stop-commands::x", "`|\\|``", "a: b\n- c # d", "--- x\n+++ y", "{\"a\":\"##vso[b]\"}", "%0A::error::x", "\U000e0041##[x]", "\\\n::x::", "|-\n  ::x::", "#", ":",
	} {
		f.Add(text)
	}
}

// FuzzConsole: whatever others wrote, and wherever it stands, no runner obeys a line of ours, no character is invisible but the
// program's own line breaks, and there are as many of these as for a plain word.
func FuzzConsole(f *testing.F) {
	seeds(f)
	plain, plainBeside := said("x")
	page := summaryWith("X.").Render()
	structure := outline(page)
	f.Fuzz(func(t *testing.T, data string) {
		log, beside := said(data)
		summary := summaryWith(data).Render()
		for where, texts := range map[string][2]string{"log": {plain, log}, "annotations": {plainBeside, beside}, "summary": {page, summary}} {
			for _, line := range obeyed(texts[1]) {
				t.Errorf("%s: a runner obeys %q", where, line)
			}
			if want, got := strings.Count(texts[0], "\n"), strings.Count(texts[1], "\n"); want != got {
				t.Errorf("%s: %d lines, not %d:\n%s", where, got, want, texts[1])
			}
			for _, r := range texts[1] {
				if r != '\n' && !isVisible(r) {
					t.Errorf("%s: %q is in it", where, r)
				}
			}
			if !utf8.ValidString(texts[1]) {
				t.Errorf("%s is not UTF-8", where)
			}
		}
		if plainWords(data) {
			return // which the summary shows as such
		}
		if diff := cmp.Diff(structure, outline(summary)); diff != "" {
			t.Errorf("the summary is built otherwise:\n%s\n%s", summary, diff)
		}
	})
}

// plainWords says whether a text may stand in the summary unquoted, or has nothing to see. The verb * may.
func plainWords(data string) bool {
	return data == "*" || !strings.HasPrefix(string(ProseOrCode(data)), "`") || !strings.HasPrefix(string(CodeSpan(data)), "`")
}

// FuzzConsoleEncodes: what a manifest or the output `changes` says can be read back, and no line of it is obeyed.
func FuzzConsoleEncodes(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data string) {
		if !utf8.ValidString(data) {
			return // no API server, and no YAML, has such a name
		}
		object := rbacv1.RoleBinding{
			TypeMeta: metav1.TypeMeta{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "RoleBinding"}, ObjectMeta: metav1.ObjectMeta{Name: data},
			Subjects: []rbacv1.Subject{{Kind: "User", Name: data}, {Kind: "Group", Name: "a" + data + "b"}},
		}
		lines, err := RenderManifest(object)
		if err != nil {
			t.Fatal(err)
		}
		var written bytes.Buffer
		_ = WriteLines(&written, lines...)
		var read rbacv1.RoleBinding
		if err := yaml.Unmarshal(written.Bytes(), &read); err != nil {
			t.Fatalf("%v:\n%s", err, &written)
		}
		if diff := cmp.Diff(object, read); diff != "" {
			t.Errorf("%s\n%s", diff, &written)
		}
		changes, err := EncodeJSON(map[access.Verb][]string{access.Deleted: {data, "Role shop/" + data}})
		if err != nil {
			t.Fatal(err)
		}
		var list map[access.Verb][]string
		if err := json.Unmarshal([]byte(changes), &list); err != nil || len(list[access.Deleted]) != 2 || list[access.Deleted][0] != data {
			t.Errorf("%v: %s", err, changes)
		}
		for _, text := range []string{written.String(), changes, fmt.Sprintf("x=%s", changes)} {
			if got := obeyed(text); got != nil {
				t.Errorf("a runner obeys %q", got)
			}
		}
		if strings.ContainsFunc(changes, func(r rune) bool { return !isVisible(r) }) {
			t.Errorf("%q holds what is not visible", changes)
		}
	})
}
