package platform

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kubemint/kubemint/internal/secret"
)

// newPlain is any place without conventions of its own: a shell, a container step, Tekton. Results
// go to an env file.
func newPlain(env Environment) Platform {
	return Platform{
		Effects: nothing{},
		Facts: Facts{
			Name:      "plain",
			NoIDToken: "give `bearer_token`: the ID token that the CI system made for this job",
			Results:   Results{WritesEnvFile: true},
			Paths: Paths{
				DefaultOutput: "kubemint.kubeconfig", Base: env.WorkDir, Workspace: env.checkouts(),
			},
		},
	}
}

// nothing is the Effects of a platform without mechanisms of its own. Mask does nothing either:
// where nobody understands a mask command, printing one would print the secret.
type nothing struct{}

func (nothing) Ready() error            { return nil }
func (nothing) Mask(secret.Value) error { return nil }
func (nothing) SaveState(string) error  { return nil }
func (nothing) Publish(Result) error    { return nil }
func (nothing) Summarize(string) error  { return nil }
func (nothing) Annotate(string)         {}

// checkoutVariables name the checkout on CI systems that have no file of their own here. Most are
// from semantic-release/env-ci. CIRCLE_WORKING_DIRECTORY can begin with ~, and SEMAPHORE_GIT_DIR is
// relative to the home directory.
var checkoutVariables = []string{
	"APPVEYOR_BUILD_FOLDER", "BITBUCKET_CLONE_DIR", "BITRISE_SOURCE_DIR", "CIRCLE_WORKING_DIRECTORY",
	"CIRRUS_WORKING_DIR", "CODEBUILD_SRC_DIR", "DRONE_WORKSPACE", "SD_CHECKOUT_DIR", "SD_SOURCE_DIR",
	"SEMAPHORE_GIT_DIR", "SEMAPHORE_PROJECT_DIR", "TRAVIS_BUILD_DIR", "VELA_BUILD_WORKSPACE",
	"CI_WORKSPACE", // Woodpecker
	"bamboo_build_working_directory",
}

// checkouts returns the directories of [checkoutVariables] and, for CodeBuild, those of further
// sources: CODEBUILD_SRC_DIR_<identifier>.
func (e Environment) checkouts() []string {
	names := slices.Clone(checkoutVariables)
	for _, name := range e.Names {
		if strings.HasPrefix(name, "CODEBUILD_SRC_DIR_") {
			names = append(names, name)
		}
	}
	dirs := e.dirs(names...)
	for i, dir := range dirs {
		if rest, ok := strings.CutPrefix(dir, "~"); ok || !filepath.IsAbs(dir) {
			dirs[i] = filepath.Join(e.Getenv("HOME"), rest)
		}
	}
	return dirs
}

// dirs returns the values of the variables that are set.
func (e Environment) dirs(variables ...string) (dirs []string) {
	for _, name := range variables {
		if dir := e.Getenv(name); dir != "" {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// timeout returns the job's limit that a variable holds in a unit, zero where it holds none.
func (e Environment) timeout(variable string, unit time.Duration) time.Duration {
	n, _ := strconv.ParseInt(e.Getenv(variable), 10, 32)
	return time.Duration(n) * unit
}
