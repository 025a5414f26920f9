package platform

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/kubemint/kubemint/internal/problem"
)

// Result holds what a run hands over to later steps.
type Result struct {
	Outputs []Output
	Env     []Output // environment variables, by their own names
}

// Output is one named value.
type Output struct {
	Name, Value string
	Secret      bool // the caller publishes it only where the platform masks and the user wants it
}

// variables returns the environment and the outputs under the names that an env file gives them.
func (r Result) variables(secrets bool) []Output {
	all := slices.Clone(r.Env)
	for _, output := range r.Outputs {
		if secrets || !output.Secret {
			all = append(all, Output{Name: "KUBEMINT_OUT_" + strings.ToUpper(output.Name), Value: output.Value})
		}
	}
	return all
}

// Check refuses a value with a line break or another control character: some readers of an env file
// would take what follows for more variables.
func (r Result) Check() error {
	breaks := func(c rune) bool { return unicode.In(c, unicode.Cc, unicode.Zl, unicode.Zp) }
	for _, output := range slices.Concat(r.Outputs, r.Env) {
		if strings.ContainsFunc(output.Value, breaks) {
			return problem.Newf(problem.Publish, "publish "+output.Name,
				"its value holds a line break or another control character").
				Hint("see where the value comes from: an input, the source kubeconfig, or the " +
					"API server's token")
		}
	}
	return nil
}

// renderEnvFile returns KEY=value lines that a shell can source and dotenv readers accept. It
// leaves secrets out: the file ends up in artifacts.
func (r Result) renderEnvFile() []byte {
	content := []byte{}
	for _, variable := range r.variables(false) {
		content = fmt.Appendf(content, "%s=%s\n", variable.Name, quoteValue(variable.Value))
	}
	return content
}

// IsEnvFile reports whether a file has the form of an env file.
func IsEnvFile(content []byte) bool {
	return bytes.Contains(append([]byte("\n"), content...), []byte("\nKUBEMINT_OUT_KUBECONFIG_PATH="))
}

// bareCharacters mean themselves to every reader.
const bareCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:@%+=,-"

// quoteValue returns a value bare where a shell and a dotenv reader without quotes (GitLab's) agree
// on it. It puts any other value in single quotes, so that a shell never executes any of it.
func quoteValue(value string) string {
	if !strings.ContainsFunc(value, func(r rune) bool { return !strings.ContainsRune(bareCharacters, r) }) {
		return value
	}
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}

// jobEnvLimit is a little less than Windows accepts as one variable (32,767 characters; Linux
// accepts 128 KiB). With a longer variable no program could start, so a longer value is only in the
// file next to the kubeconfig.
const jobEnvLimit = 30 << 10
