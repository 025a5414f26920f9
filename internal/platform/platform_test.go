package platform_test

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubemint/kubemint/internal/owner"
	"github.com/kubemint/kubemint/internal/platform"
)

// variables is an environment of its own: no test reads that of the machine.
type variables map[string]string

// detect returns the platform that has these variables, and what it prints. Every path exists.
func detect(env variables) (platform.Platform, *bytes.Buffer) {
	stdout := new(bytes.Buffer)
	return platform.Detect(platform.Environment{
		Getenv: func(name string) string { return env[name] }, Names: slices.Sorted(maps.Keys(env)), Stdout: stdout, WorkDir: "/here",
		Exists: func(string) bool { return true },
	}), stdout
}

func TestDetect_OwnVariable(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env  variables
		want string
	}{
		"nothing is set":             {variables{"CI": "true"}, "plain"},
		"GitHub":                     {variables{"GITHUB_ACTIONS": "true"}, "GitHub"},
		"GitLab":                     {variables{"GITLAB_CI": "true"}, "GitLab"},
		"Jenkins":                    {variables{"JENKINS_URL": "https://ci.example.com/"}, "Jenkins"},
		"GitHub's is not true":       {variables{"GITHUB_ACTIONS": "1"}, "plain"},
		"GitHub runs on Jenkins' VM": {variables{"GITHUB_ACTIONS": "true", "JENKINS_URL": "x"}, "GitHub"},
		"GitLab's is empty":          {variables{"GITLAB_CI": "", "JENKINS_URL": "x"}, "Jenkins"},
		"Azure Pipelines":            {variables{"TF_BUILD": "True"}, "Azure Pipelines"},
		"Buildkite":                  {variables{"BUILDKITE": "true"}, "Buildkite"},
		"GitLab starts a Buildkite":  {variables{"GITLAB_CI": "true", "BUILDKITE": "true"}, "GitLab"},
	} {
		if p, _ := detect(c.env); p.Name() != c.want {
			t.Errorf("%s: taken for %s, not for %s", name, p.Name(), c.want)
		}
	}
}

func TestMarksNameTheJob(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env  variables
		want owner.Marks
	}{
		"plain": {variables{}, owner.Marks{}},
		"GitHub": {
			variables{
				"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "acme/shop", "GITHUB_WORKFLOW": "deploy", "GITHUB_JOB": "release",
				"GITHUB_SERVER_URL": "https://github.com", "GITHUB_RUN_ID": "4711", "GITHUB_SHA": "f00d",
			},
			owner.Marks{Owner: "github:acme/shop", OwnerName: "acme/shop", Job: "deploy/release", Run: "https://github.com/acme/shop/actions/runs/4711", Commit: "f00d"},
		},
		"GitLab": {
			variables{
				"GITLAB_CI": "true", "CI_PROJECT_PATH": "group/sub/shop", "CI_JOB_NAME": "deploy",
				"CI_JOB_URL": "https://gitlab.example.com/group/sub/shop/-/jobs/1", "CI_COMMIT_SHA": "f00d",
			},
			owner.Marks{Owner: "gitlab:group/sub/shop", OwnerName: "group/sub/shop", Job: "deploy", Run: "https://gitlab.example.com/group/sub/shop/-/jobs/1", Commit: "f00d"},
		},
		"Jenkins, a plain job in a folder": {
			variables{"JENKINS_URL": "x", "JOB_NAME": "team/shop", "BUILD_URL": "https://ci/7/", "GIT_COMMIT": "f00d"},
			owner.Marks{
				Owner: "jenkins:team/shop@x", OwnerName: "team/shop", Formerly: []string{"jenkins:team/shop"},
				Job: "team/shop", Run: "https://ci/7/", Commit: "f00d",
			},
		},
		"Jenkins, a branch of a multibranch job": {
			variables{"JENKINS_URL": "x", "JOB_NAME": "team/shop/feature%2Fone", "BRANCH_NAME": "feature/one"},
			owner.Marks{
				Owner: "jenkins:team/shop@x", OwnerName: "team/shop", Formerly: []string{"jenkins:team/shop"}, Job: "team/shop",
			},
		},
		"Azure Pipelines": {
			variables{
				"TF_BUILD": "True", "SYSTEM_COLLECTIONURI": "https://dev.azure.com/acme/", "SYSTEM_TEAMPROJECT": "Web Shop",
				"BUILD_DEFINITIONNAME": "deploy", "BUILD_REPOSITORY_NAME": "whichever triggered", "SYSTEM_STAGENAME": "prod",
				"SYSTEM_PHASENAME": "release", "SYSTEM_JOBNAME": "__default", "BUILD_BUILDID": "7", "BUILD_SOURCEVERSION": "f00d",
			},
			owner.Marks{
				Owner: "azure:acme/Web Shop/deploy", OwnerName: "acme/Web Shop/deploy", Job: "prod/release/__default", Commit: "f00d",
				Run: "https://dev.azure.com/acme/Web%20Shop/_build/results?buildId=7",
			},
		},
		"Buildkite": {
			variables{
				"BUILDKITE": "true", "BUILDKITE_ORGANIZATION_SLUG": "acme", "BUILDKITE_PIPELINE_SLUG": "shop", "BUILDKITE_STEP_KEY": "deploy",
				"BUILDKITE_LABEL": ":rocket: deploy", "BUILDKITE_BUILD_URL": "https://buildkite.com/acme/shop/builds/7",
				"BUILDKITE_JOB_ID": "0190", "BUILDKITE_COMMIT": "f00d",
			},
			owner.Marks{Owner: "buildkite:acme/shop", OwnerName: "acme/shop", Job: "deploy", Run: "https://buildkite.com/acme/shop/builds/7#0190", Commit: "f00d"},
		},
		"Buildkite, a step without a key": {
			variables{
				"BUILDKITE": "true", "BUILDKITE_ORGANIZATION_SLUG": "acme", "BUILDKITE_PIPELINE_SLUG": "shop", "BUILDKITE_LABEL": ":rocket:",
				"BUILDKITE_BUILD_URL": "u", "BUILDKITE_JOB_ID": "1",
			},
			owner.Marks{Owner: "buildkite:acme/shop", OwnerName: "acme/shop", Job: ":rocket:", Run: "u#1"},
		},
		"Jenkins, BRANCH_NAME set by hand in a job without a folder": {
			variables{"JENKINS_URL": "x", "JOB_NAME": "shop", "BRANCH_NAME": "main"},
			owner.Marks{Owner: "jenkins:shop@x", OwnerName: "shop", Formerly: []string{"jenkins:shop"}, Job: "shop"},
		},
	} {
		p, _ := detect(c.env)
		if diff := cmp.Diff(c.want, p.Marks()); diff != "" {
			t.Errorf("%s (-want +have):\n%s", name, diff)
		}
	}
}

func TestDefaultOutputSurvivesTheStepAndStaysOutOfTheCheckout(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env  variables
		want string // * stands for a name that no other step has
	}{
		"plain":                           {variables{}, "kubemint.kubeconfig"},
		"GitHub, on the host":             {variables{"GITHUB_ACTIONS": "true", "RUNNER_TEMP": "/work/_temp", "HOME": "/home/runner"}, "/work/_temp/kubemint-*/kubeconfig"},
		"GitHub, in a container":          {variables{"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": "/github/workspace", "HOME": "/github/home", "RUNNER_TEMP": "/x"}, "/github/home/kubemint-*/kubeconfig"},
		"GitLab":                          {variables{"GITLAB_CI": "true", "CI_PROJECT_DIR": "/builds/group/shop"}, "/builds/group/shop.tmp/kubemint/kubeconfig"},
		"Jenkins":                         {variables{"JENKINS_URL": "x", "WORKSPACE": "/ws/shop", "WORKSPACE_TMP": "/ws/shop@tmp"}, "/ws/shop@tmp/kubemint/kubeconfig"},
		"Azure Pipelines":                 {variables{"TF_BUILD": "True", "AGENT_TEMPDIRECTORY": "/work/_temp"}, "/work/_temp/kubemint/kubeconfig"},
		"Buildkite":                       {variables{"BUILDKITE": "true"}, "kubemint.kubeconfig"},
		"Jenkins without a WORKSPACE_TMP": {variables{"JENKINS_URL": "x", "WORKSPACE": "/ws/shop"}, "/ws/shop/.kubemint/kubeconfig"},
	} {
		step, _ := detect(c.env)
		next, _ := detect(c.env)
		first, second := step.DefaultOutput(), next.DefaultOutput()
		if ok, err := filepath.Match(c.want, first); !ok || err != nil {
			t.Errorf("%s: %s, not %s", name, first, c.want)
		}
		if random := strings.Contains(c.want, "*"); random == (first == second) {
			t.Errorf("%s: two steps get %s and %s", name, first, second)
		}
	}
}

func TestOutput_Relative(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env         variables
		given, want string
	}{
		"plain":                       {variables{}, "a/kubeconfig", "/here/a/kubeconfig"},
		"an absolute one stays":       {variables{}, "/a/./b/../kubeconfig", "/a/kubeconfig"},
		"GitHub":                      {variables{"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": "/work/shop"}, "kubeconfig", "/work/shop/kubeconfig"},
		"GitLab":                      {variables{"GITLAB_CI": "true", "CI_PROJECT_DIR": "/builds/shop"}, "kubeconfig", "/builds/shop/kubeconfig"},
		"Jenkins":                     {variables{"JENKINS_URL": "x", "WORKSPACE": "/ws/shop"}, "kubeconfig", "/ws/shop/kubeconfig"},
		"Azure Pipelines":             {variables{"TF_BUILD": "True", "SYSTEM_DEFAULTWORKINGDIRECTORY": "/work/1/s"}, "kubeconfig", "/work/1/s/kubeconfig"},
		"Buildkite":                   {variables{"BUILDKITE": "true"}, "kubeconfig", "/here/kubeconfig"},
		"Jenkins without a workspace": {variables{"JENKINS_URL": "x"}, "kubeconfig", "/here/kubeconfig"},
	} {
		if p, _ := detect(c.env); p.Absolute(c.given) != c.want {
			t.Errorf("%s: %s is taken for %s, not for %s", name, c.given, p.Absolute(c.given), c.want)
		}
	}
}

func TestDebugFollowsThePlatformsOwnFlag(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env  variables
		want bool
	}{
		"plain":           {variables{"RUNNER_DEBUG": "1", "CI_DEBUG_TRACE": "true"}, false},
		"GitHub, quiet":   {variables{"GITHUB_ACTIONS": "true"}, false},
		"GitHub, debug":   {variables{"GITHUB_ACTIONS": "true", "RUNNER_DEBUG": "1"}, true},
		"GitLab, quiet":   {variables{"GITLAB_CI": "true", "CI_DEBUG_TRACE": "false"}, false},
		"GitLab, tracing": {variables{"GITLAB_CI": "true", "CI_DEBUG_TRACE": "true"}, true},
		"Jenkins":         {variables{"JENKINS_URL": "x"}, false},
		"Azure, quiet":    {variables{"TF_BUILD": "True"}, false},
		"Azure, debug":    {variables{"TF_BUILD": "True", "SYSTEM_DEBUG": "True"}, true},
		"Buildkite":       {variables{"BUILDKITE": "true", "BUILDKITE_AGENT_DEBUG": "false"}, false},
		"Buildkite debug": {variables{"BUILDKITE": "true", "BUILDKITE_AGENT_DEBUG": "true"}, true},
	} {
		if p, _ := detect(c.env); p.Debug() != c.want {
			t.Errorf("%s: debug is %v", name, p.Debug())
		}
	}
}

func TestJobTimeout_Units(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env  variables
		want time.Duration
	}{
		"plain":              {variables{}, 0},
		"GitLab, seconds":    {variables{"GITLAB_CI": "true", "CI_JOB_TIMEOUT": "3600"}, time.Hour},
		"GitLab, nonsense":   {variables{"GITLAB_CI": "true", "CI_JOB_TIMEOUT": "1h"}, 0},
		"Azure, minutes":     {variables{"TF_BUILD": "True", "SYSTEM_JOBTIMEOUT": "60"}, time.Hour},
		"Buildkite, minutes": {variables{"BUILDKITE": "true", "BUILDKITE_TIMEOUT": "60"}, time.Hour},
		"Buildkite, none":    {variables{"BUILDKITE": "true", "BUILDKITE_TIMEOUT": "false"}, 0},
	} {
		if p, _ := detect(c.env); p.JobTimeout() != c.want {
			t.Errorf("%s: %s, not %s", name, p.JobTimeout(), c.want)
		}
	}
}

// Only the runners of GitHub and Azure understand a mask command. Printed anywhere else, the command itself would leak the secret.
func TestNobodyElseIsToldASecret(t *testing.T) {
	t.Parallel()
	for name, env := range map[string]variables{
		"plain": {}, "GitLab": {"GITLAB_CI": "true"}, "Jenkins": {"JENKINS_URL": "x"}, "Buildkite without its API": {"BUILDKITE": "true"},
	} {
		p, stdout := detect(env)
		if p.Masks() {
			t.Errorf("%s claims to mask", name)
		}
		if err := p.Mask(canary); err != nil || stdout.Len() > 0 {
			t.Errorf("%s: asked to mask, it printed %q (%v)", name, stdout, err)
		}
		if content := string(p.EnvFile(secretResult())); !strings.Contains(content, "KUBEMINT_OUT_SERVER=") || strings.Contains(content, canary.Reveal()) {
			t.Errorf("%s: the env file lacks the server or has the secret:\n%s", name, content)
		}
	}
}

func write(t testing.TB, path, content string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestWorkspaceIsWhatTheCISystemNames(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env  variables
		want []string
	}{
		"GitHub":              {variables{"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": "/w/shop/shop", "RUNNER_WORKSPACE": "/w/shop"}, []string{"/w/shop/shop"}},
		"GitHub, a container": {variables{"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": "/github/workspace"}, []string{"/github/workspace"}},
		"GitLab":              {variables{"GITLAB_CI": "true", "CI_PROJECT_DIR": "/builds/a/shop", "CI_BUILDS_DIR": "/builds"}, []string{"/builds/a/shop"}},
		"Jenkins":             {variables{"JENKINS_URL": "x", "WORKSPACE": "/j/shop", "WORKSPACE_TMP": "/j/shop@tmp"}, []string{"/j/shop"}},
		"Azure Pipelines": {
			variables{
				"TF_BUILD": "True", "PIPELINE_WORKSPACE": "/w/1", "AGENT_BUILDDIRECTORY": "/w/1", "BUILD_SOURCESDIRECTORY": "/w/1/s",
				"BUILD_REPOSITORY_LOCALPATH": "/w/1/s/shop", "SYSTEM_DEFAULTWORKINGDIRECTORY": "/w/1/s", "AGENT_TEMPDIRECTORY": "/w/_temp",
			},
			[]string{"/w/1", "/w/1", "/w/1/s", "/w/1/s/shop", "/w/1/s"},
		},
		"Azure Pipelines, a release": {variables{"TF_BUILD": "True", "SYSTEM_DEFAULTWORKINGDIRECTORY": "/w/r1/a"}, []string{"/w/r1/a"}},
		"Buildkite":                  {variables{"BUILDKITE": "true", "BUILDKITE_BUILD_CHECKOUT_PATH": "/b/shop", "BUILDKITE_BUILD_PATH": "/b"}, []string{"/b/shop"}},
		"CircleCI":                   {variables{"CIRCLE_WORKING_DIRECTORY": "~/project", "HOME": "/home/circleci"}, []string{"/home/circleci/project"}},
		"CircleCI, all of HOME":      {variables{"CIRCLE_WORKING_DIRECTORY": "~", "HOME": "/home/circleci"}, []string{"/home/circleci"}},
		"CircleCI, absolute":         {variables{"CIRCLE_WORKING_DIRECTORY": "/go/src/shop", "HOME": "/root"}, []string{"/go/src/shop"}},
		"Semaphore":                  {variables{"SEMAPHORE_GIT_DIR": "shop", "HOME": "/home/semaphore"}, []string{"/home/semaphore/shop"}},
		"Bitbucket":                  {variables{"BITBUCKET_CLONE_DIR": "/opt/build"}, []string{"/opt/build"}},
		"Drone":                      {variables{"DRONE_WORKSPACE": "/drone/src"}, []string{"/drone/src"}},
		"Woodpecker":                 {variables{"CI_WORKSPACE": "/woodpecker/src/shop"}, []string{"/woodpecker/src/shop"}},
		"CodeBuild, two sources":     {variables{"CODEBUILD_SRC_DIR": "/c/1/src", "CODEBUILD_SRC_DIR_Lib": "/c/2/src"}, []string{"/c/1/src", "/c/2/src"}},
		"Bamboo":                     {variables{"bamboo_build_working_directory": "/bamboo/SHOP"}, []string{"/bamboo/SHOP"}},
		"nothing is known":           {variables{"CI": "true"}, nil},
	} {
		if p, _ := detect(c.env); !cmp.Equal(c.want, p.Workspace()) {
			t.Errorf("%s: %q", name, p.Workspace())
		}
	}
}
