package platform

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/secret"
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

// checkoutVariables name the checkout on CI systems that have no file of their own here. Most were looked up
// in semantic-release/env-ci. CIRCLE_WORKING_DIRECTORY can begin with ~, and SEMAPHORE_GIT_DIR is relative to
// the home directory.
var checkoutVariables = []string{
	"APPVEYOR_BUILD_FOLDER", "BITBUCKET_CLONE_DIR", "BITRISE_SOURCE_DIR", "CIRCLE_WORKING_DIRECTORY",
	"CIRRUS_WORKING_DIR", "CODEBUILD_SRC_DIR", "DRONE_WORKSPACE", "SD_CHECKOUT_DIR", "SD_SOURCE_DIR",
	"SEMAPHORE_GIT_DIR", "SEMAPHORE_PROJECT_DIR", "TRAVIS_BUILD_DIR", "VELA_BUILD_WORKSPACE",
	"CI_WORKSPACE", // Woodpecker
	"bamboo_build_working_directory",
}

// Workspace has the further sources of a CodeBuild project as well: CODEBUILD_SRC_DIR_<identifier>.
func (p plain) Workspace() []string {
	names := slices.Clone(checkoutVariables)
	for _, name := range p.env.Names {
		if strings.HasPrefix(name, "CODEBUILD_SRC_DIR_") {
			names = append(names, name)
		}
	}
	dirs := p.dirs(names...)
	for i, dir := range dirs {
		if rest, ok := strings.CutPrefix(dir, "~"); ok || !filepath.IsAbs(dir) {
			dirs[i] = filepath.Join(p.env.Getenv("HOME"), rest)
		}
	}
	return dirs
}

// dirs are the values of those variables that are set.
func (p plain) dirs(variables ...string) (dirs []string) {
	for _, name := range variables {
		if dir := p.env.Getenv(name); dir != "" {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

func (plain) Inside(path string) string  { return path }
func (plain) Outside(path string) string { return path }
func (plain) Visible(string) error       { return nil }
func (plain) Temp() string               { return "" }
func (plain) Masks() bool                { return false }

// IDToken requests nothing: such a CI system makes its ID token before the job starts, if any.
func (plain) IDToken() (func(context.Context, string) (secret.Value, error), string) {
	return nil, "give `bearer_token`: the ID token that the CI system made for this job"
}

// Mask does nothing: printing a mask command where nobody understands it would print the secret.
func (plain) Mask(secret.Value) error { return nil }

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
