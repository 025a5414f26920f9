package platform

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/token"
)

// plain is any place without conventions of its own: a shell, a container step, Tekton. Results go to an env file.
type plain struct{ env Environment }

func (plain) Name() string          { return "plain" }
func (plain) Marks() access.Marks   { return access.Marks{} }
func (plain) Debug() bool           { return false }
func (plain) DefaultOutput() string { return "kubemint.kubeconfig" }

func (plain) JobTimeout() time.Duration { return 0 }

// timeout is a limit of the job that a variable holds in that unit; zero where it does not.
func (p plain) timeout(variable string, unit time.Duration) time.Duration {
	n, _ := strconv.ParseInt(p.env.Getenv(variable), 10, 32)
	return time.Duration(n) * unit
}

func (p plain) Absolute(path string) string { return under(p.env.WorkDir, path) }

func under(dir, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}

func (plain) Inside(path string) string  { return path }
func (plain) Outside(path string) string { return path }
func (plain) Visible(string) error       { return nil }
func (plain) Temp() string               { return "" }
func (plain) Masks() bool                { return false }

// IDToken requests nothing: such a CI system makes its ID token before the job starts, if any.
func (plain) IDToken() (func(context.Context, string) (token.Token, error), string) {
	return nil, "give `bearer_token`: the ID token that the CI system made for this job"
}

// Mask does nothing: printing a mask command where nobody understands it would print the secret.
func (plain) Mask(token.Token) error { return nil }

func (plain) Ready() error           { return nil }
func (plain) SaveState(string) error { return nil }
func (plain) SavedState() string     { return "" }
func (plain) Publish(Result) error   { return nil }

// EnvFile gives KEY=value lines that a shell can source and dotenv readers take. Secrets are never in it: the file ends
// up in artifacts.
func (plain) EnvFile(result Result) []byte {
	content := []byte{}
	for _, variable := range result.variables(false) {
		content = fmt.Appendf(content, "%s=%s\n", variable.Name, quote(variable.Value))
	}
	return content
}

// IsEnvFile says whether a file has the form of what EnvFile gives.
func IsEnvFile(content []byte) bool {
	return bytes.Contains(append([]byte("\n"), content...), []byte("\nKUBEMINT_OUT_KUBECONFIG_PATH="))
}

// bare are the characters that mean themselves everywhere.
const bare = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:@%+=,-"

// quote leaves a value bare where it means the same to a shell and to a dotenv reader that knows no quotes (GitLab's).
// Another one is put in single quotes, so that a shell never executes any of it.
func quote(value string) string {
	if !strings.ContainsFunc(value, func(r rune) bool { return !strings.ContainsRune(bare, r) }) {
		return value
	}
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}

func (plain) Summarize(string) error { return nil }
func (plain) Annotate(string)        {}

func (plain) RevokeAdvice(output string) string {
	return "revoke it with: KUBEMINT_OUTPUT=" + quote(output) + " kubemint revoke"
}
