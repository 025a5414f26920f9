package output

import (
	"path/filepath"
	"time"

	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/workspace"
)

// Log tells the user what this room does.
type Log interface {
	Printf(format string, args ...any)
	Warnf(format string, args ...any)
}

// Job holds what this room has to know of the job that the run is part of.
type Job struct {
	Workspace workspace.Dirs // what a pull request can have written
	Receipts  receipt.Store
	EnvFile   bool // the platform reads the outputs from a file next to the kubeconfig
	Now       func() time.Time
	Log       Log
}

// choosePlace returns where the receipt of an output is or goes: the earlier run's place if there
// was an earlier run.
func (j Job) choosePlace(output string) (string, error) {
	if _, place, _ := j.Receipts.Read(output); place != "" {
		return place, nil
	}
	place, err := j.Receipts.Choose(output)
	if err != nil {
		return "", problem.New(problem.Config, "write receipt of "+output, err,
			"name an `output` outside the workspace, or set XDG_STATE_HOME to a directory outside it")
	}
	return place, nil
}

// RefuseLinks refuses an output whose directory is reached through a link in the workspace,
// wherever that leads: a pull request could have the token written into a directory whose files
// become artifacts. It is asked when the output is chosen, and again before the token is written.
func (j Job) RefuseLinks(path string) error {
	trail, err := j.Workspace.Follow(filepath.Dir(path))
	if err != nil {
		return unwritable(path, Cause(err))
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
