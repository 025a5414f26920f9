package platform

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
)

// gitLab is a GitLab CI/CD job. The runner masks only what is a masked variable beforehand, so no secret is printed; the
// file goes where GitLab keeps file variables, beside the checkout and gone with the job.
type gitLab struct{ plain }

func (gitLab) Name() string { return "GitLab" }

func (g gitLab) Marks() access.Marks {
	get := g.env.Getenv
	who := identity{
		system: "gitlab", id: ids(get("CI_PROJECT_ID")), name: get("CI_PROJECT_PATH"), before: "gitlab",
		instance: instance(cmp.Or(get("CI_SERVER_URL"), get("CI_SERVER_HOST")), "gitlab.com"),
	}
	return who.mark(access.Marks{Job: get("CI_JOB_NAME"), Run: get("CI_JOB_URL"), Commit: get("CI_COMMIT_SHA")})
}

func (g gitLab) Debug() bool { return g.env.Getenv("CI_DEBUG_TRACE") == "true" }

func (g gitLab) JobTimeout() time.Duration { return g.timeout("CI_JOB_TIMEOUT", time.Second) }

func (g gitLab) DefaultOutput() string {
	return g.env.Getenv("CI_PROJECT_DIR") + ".tmp/kubemint/kubeconfig"
}

func (g gitLab) Absolute(path string) string { return under(g.env.Getenv("CI_PROJECT_DIR"), path) }

// Workspace leaves out CI_BUILDS_DIR, which also holds the file variables of [gitLab.Temp].
func (g gitLab) Workspace() []string { return g.dirs("CI_PROJECT_DIR") }

// Temp is where the runner puts file variables.
func (g gitLab) Temp() string { return g.env.Getenv("CI_PROJECT_DIR") + ".tmp" }

func (gitLab) IDToken() (func(context.Context, string) (secret.Value, error), string) {
	return nil, "declare an ID token in the job that is the input itself: `id_tokens: {KUBEMINT_BEARER_TOKEN: {aud: …}}`"
}

func (gitLab) RevokeAdvice(string) string { return "revoke it in after_script with: kubemint revoke" }

// jobEnv names the file whose lines the runner exports to the stages of this job that are still to come, after_script
// among them. It does so since runner 16.4 by `while read -r line; do export "$line"; done` (gitlab-runner
// shells/bash.go, SourceEnv): a value stands there as it is, without quotes and on one line, of whose end read takes blanks away.
const jobEnv = "GITLAB_ENV"

// jobEnvLimit is somewhat less than what Windows takes as one variable (32,767 characters; Linux takes 128 KiB). After a
// longer one no program could be started any more, so that one is left to the file beside the kubeconfig.
const jobEnvLimit = 30 << 10

func (g gitLab) Ready() error {
	file, err := g.jobEnv()
	if file == nil {
		return err
	}
	return file.Close()
}

func (g gitLab) Publish(result Result) error {
	file, err := g.jobEnv()
	if file == nil {
		return err
	}
	var lines strings.Builder
	for _, variable := range result.variables(false) {
		switch {
		case strings.ContainsAny(variable.Value, "\r\n\x00"), strings.TrimRight(variable.Value, " \t") != variable.Value:
			_ = file.Close()
			return problem.Newf(problem.Publish, "write $"+jobEnv, "the value of %s is more than a line, or ends in a blank", variable.Name)
		case len(variable.Value) <= jobEnvLimit:
			fmt.Fprintf(&lines, "%s=%s\n", variable.Name, variable.Value)
		}
	}
	_, err = addTo(file, "$"+jobEnv, lines.String())
	return err
}

// jobEnv opens the file, which is none where the runner offers none.
func (g gitLab) jobEnv() (*os.File, error) {
	if g.env.Getenv(jobEnv) == "" {
		return nil, nil //nolint:nilnil // none is a good answer
	}
	return g.env.open(jobEnv, os.O_CREATE, "the runner gives this variable: leave it alone, or unset it")
}
