package console

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"

	"sigs.k8s.io/yaml"

	"github.com/kubemint/kubemint/internal/problem"
)

// RenderManifest is an object as lines of YAML. Where a value would put a command at the start of a
// line, as a block of text does, or holds characters that YAML does not keep, the object is one
// line with all of these escaped.
func RenderManifest(object any) ([]string, error) {
	text, err := json.Marshal(object)
	if err != nil {
		return nil, problem.New(problem.Publish, "encode manifests", err)
	}
	// YAML has no surrogates (YAML 1.2, 5.7), and has escapes of eight digits instead.
	flow := escapeJSON(text, func(r rune) string { return fmt.Sprintf(`\U%08x`, r) })
	if strings.ContainsFunc(string(text), func(r rune) bool { return !isVisible(r) }) {
		return []string{flow}, nil
	}
	block, err := yaml.JSONToYAML(text)
	if err != nil {
		return nil, problem.New(problem.Publish, "encode manifests", err)
	}
	lines := strings.Split(strings.TrimSuffix(string(block), "\n"), "\n")
	if slices.ContainsFunc(lines, func(line string) bool { return CleanLine(line) != line }) {
		return []string{flow}, nil
	}
	return lines, nil
}

// EncodeJSON is a value on one line of JSON, in which every character is visible.
func EncodeJSON(value any) (string, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return "", problem.New(problem.Publish, "encode JSON", err)
	}
	return escapeJSON(text, func(r rune) string {
		high, low := utf16.EncodeRune(r)
		return fmt.Sprintf(`\u%04x\u%04x`, high, low)
	}), nil
}

// escapeJSON escapes invisible characters in the strings of a JSON text, and what begins a command.
func escapeJSON(text []byte, astral func(rune) string) string {
	var line strings.Builder
	for _, r := range string(text) {
		switch {
		case isVisible(r):
			line.WriteRune(r)
		case r > 0xffff:
			line.WriteString(astral(r))
		default:
			fmt.Fprintf(&line, `\u%04x`, r)
		}
	}
	return strings.ReplaceAll(line.String(), "##", `#\u0023`)
}
