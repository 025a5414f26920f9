package platform

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kubemint/kubemint/internal/problem"
)

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

// Environment holds what identifies a platform.
type Environment struct {
	Getenv        func(string) string
	Names         []string // of all variables that are set
	Stdout        io.Writer
	Exists        func(path string) bool
	WorkDir       string
	HostWorkspace string // the input host_workspace
	HostTemp      string // the input host_temp
}

// appendFile appends to a file of the runner's and closes it. On a full disk it adds nothing: later
// steps would get the path of a file that is gone, and a truncated command spoils those after it.
// undo takes the text back if a later step fails.
func appendFile(file *os.File, name, text string) (undo func(), err error) {
	before, _ := file.Seek(0, io.SeekEnd) // nothing can be taken back from a file that is not regular
	undo = func() { _ = os.Truncate(file.Name(), before) }
	_, err = file.WriteString(text)
	if err = errors.Join(err, file.Close()); err != nil {
		undo()
		err = problem.New(problem.Publish, "write "+name, err,
			"later steps read this file of the runner's: see whether its disk is full")
	}
	return undo, err
}

// openFile opens the runner's file that a variable names, to append to it.
func (e Environment) openFile(variable string, flags int, remedy string) (*os.File, error) {
	file, err := os.OpenFile(e.Getenv(variable), flags|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, problem.New(problem.Publish, "open $"+variable, err, remedy)
	}
	return file, nil
}
