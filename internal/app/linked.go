package app

import (
	"errors"
	"path/filepath"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/source/workspace"
)

// readRules reads the file that an input names with @.
func (r *run) readRules(path string) ([]byte, error) {
	data, err := workspace.Dirs(r.workspace()).ReadFile(r.platform.Absolute(r.platform.Inside(path)), fileLimit)
	if out, ok := errors.AsType[workspace.LeadsOutError](err); ok {
		return nil, problem.New(problem.Config, "read rules", out, "a pull request can make such a link: "+
			"put the file itself into the workspace, or name its own absolute path")
	}
	return data, err
}

// refuseLinkedParents refuses an output whose directory is reached by a link of the workspace, wherever that
// leads: a pull request could have the token written into a directory whose files become artifacts. It is
// asked when the output is chosen, and again before the token is written.
func (r *run) refuseLinkedParents(path string) error {
	trail, err := workspace.Dirs(r.workspace()).Follow(filepath.Dir(path))
	if err != nil {
		return unwritable(path, cause(err))
	}
	if len(trail.Links) == 0 {
		return nil
	}
	return problem.Newf(problem.Config, "write "+path,
		"the link %q of the workspace leads to its directory: a pull request can make such a link, "+
			"and decide where the token lies", trail.Links[0]).
		Hint("name a directory in `output` that no link of the workspace leads to, " +
			"best one outside of the workspace")
}
