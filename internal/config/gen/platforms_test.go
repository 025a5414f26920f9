package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What the page says of a platform is asked of the platform itself.
func TestPlaces_DefaultsArePlatforms(t *testing.T) {
	t.Parallel()
	want := map[string][]string{
		"GitHub, Docker action": {
			"`$HOME/kubemint-<random>/kubeconfig` in the container, which the runner keeps for the job; " +
				"published as its path on the host",
			"yes", "`true`", "`RUNNER_DEBUG=1`", "`$GITHUB_OUTPUT`, `$GITHUB_ENV`",
		},
		"GitHub, on the host": {
			"`$RUNNER_TEMP/kubemint-<random>/kubeconfig`", "yes", "`true`", "`RUNNER_DEBUG=1`",
			"`$GITHUB_OUTPUT`, `$GITHUB_ENV`",
		},
		"GitLab": {
			"`$CI_PROJECT_DIR.tmp/kubemint/kubeconfig`", "no", "`false`", "`CI_DEBUG_TRACE=true`",
			"the env file; `$GITLAB_ENV`, where the runner offers one",
		},
		"Jenkins": {
			"`$WORKSPACE_TMP/kubemint/kubeconfig`, else `$WORKSPACE/.kubemint/kubeconfig`", "no", "`false`", "",
			"the env file",
		},
		"Azure Pipelines": {
			"`$AGENT_TEMPDIRECTORY/kubemint/kubeconfig`", "yes", "`false`", "`SYSTEM_DEBUG=true`",
			"the env file; variables of the job, and output variables of the step",
		},
		"Buildkite": {
			"`kubemint.kubeconfig`", "where `$BUILDKITE_AGENT_JOB_API_SOCKET` is set", "`false`",
			"`BUILDKITE_AGENT_DEBUG=true`",
			"the env file; the job's environment, through the agent's job API where the step reaches it",
		},
		"elsewhere": {"`kubemint.kubeconfig`", "no", "`false`", "", "the env file"},
	}
	have := map[string][]string{}
	for _, p := range listPlaces() {
		have[p.title] = []string{p.output(), p.masks(), p.secretOutputs(), p.debug(), p.resultsTo()}
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("(-want +have):\n%s", diff)
	}
}
