package platform

import (
	"cmp"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/kubemint/kubemint/internal/owner"
	"github.com/kubemint/kubemint/internal/problem"
)

// newGitLab is a GitLab CI/CD job. The runner masks only variables that were masked beforehand, so
// no secret is printed. The kubeconfig goes where GitLab keeps file variables: next to the
// checkout, deleted with the job.
func newGitLab(env Environment) Platform {
	get := env.Getenv
	project := get("CI_PROJECT_DIR")
	p := newPlain(env)
	p.Effects = gitLab{env: env}
	p.Facts.Name = "GitLab"
	p.Facts.Debug = get("CI_DEBUG_TRACE") == "true"
	p.Facts.JobTimeout = env.timeout("CI_JOB_TIMEOUT", time.Second)
	p.Facts.NoIDToken = "declare an ID token in the job that is the input itself: " +
		"`id_tokens: {KUBEMINT_BEARER_TOKEN: {aud: …}}`"
	p.Results.Revocation = "revoke it in after_script with: kubemint revoke"
	p.Paths = Paths{
		DefaultOutput: project + ".tmp/kubemint/kubeconfig", Base: project, Temp: project + ".tmp",
		Workspace: env.dirs("CI_PROJECT_DIR"), // CI_BUILDS_DIR also holds the file variables of Temp
	}
	who := identity{
		system: "gitlab", id: joinIDs(get("CI_PROJECT_ID")), name: get("CI_PROJECT_PATH"), before: "gitlab",
		instance: normalizeInstance(cmp.Or(get("CI_SERVER_URL"), get("CI_SERVER_HOST")), "gitlab.com"),
	}
	p.Facts.Marks = who.addOwner(owner.Marks{
		Job: get("CI_JOB_NAME"), Run: get("CI_JOB_URL"), Commit: get("CI_COMMIT_SHA"),
	})
	return p
}

// gitLab is the Effects of a GitLab job.
type gitLab struct {
	nothing
	env Environment
}

// jobEnv names a file whose lines the runner exports to the later stages of this job, such as
// after_script. It does so since runner 16.4 with `while read -r line; do export "$line"; done`
// (gitlab-runner shells/bash.go, SourceEnv): a value stands there without quotes and on one line,
// and read strips blanks from its end.
const jobEnv = "GITLAB_ENV"

// Ready opens the file.
func (g gitLab) Ready() error {
	file, err := g.openJobEnv()
	if file == nil {
		return err
	}
	return file.Close()
}

// Publish writes the variables that a stage of this job can have.
func (g gitLab) Publish(result Result) error {
	file, err := g.openJobEnv()
	if file == nil {
		return err
	}
	var lines strings.Builder
	for _, variable := range result.variables(false) {
		switch {
		case !isLine(variable.Value):
			_ = file.Close()
			return problem.Newf(problem.Publish, "write $"+jobEnv,
				"the value of %s is more than a line, or ends in a blank", variable.Name)
		case len(variable.Value) <= jobEnvLimit:
			fmt.Fprintf(&lines, "%s=%s\n", variable.Name, variable.Value)
		}
	}
	_, err = appendFile(file, "$"+jobEnv, lines.String())
	return err
}

// isLine reports whether the runner reads a value back unchanged.
func isLine(value string) bool {
	return !strings.ContainsAny(value, "\r\n\x00") && strings.TrimRight(value, " \t") == value
}

// openJobEnv opens the file, nil where the runner offers none.
func (g gitLab) openJobEnv() (*os.File, error) {
	if g.env.Getenv(jobEnv) == "" {
		return nil, nil //nolint:nilnil // having no file is not an error
	}
	return g.env.openFile(jobEnv, os.O_CREATE, "the runner sets this variable: leave it alone, "+
		"or unset it")
}
