package platform_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// with completes an environment.
func with(env variables, pairs ...string) variables {
	all := maps.Clone(env)
	for i := 0; i < len(pairs); i += 2 {
		all[pairs[i]] = pairs[i+1]
	}
	return all
}

var (
	onGitHub = variables{
		"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "acme/shop", "GITHUB_REPOSITORY_ID": "1234",
		"GITHUB_SERVER_URL": "https://github.com",
	}
	onGitLab = variables{
		"GITLAB_CI": "true", "CI_PROJECT_PATH": "group/shop", "CI_PROJECT_ID": "7", "CI_SERVER_URL": "https://gitlab.com",
	}
	onCircle = variables{
		"CIRCLECI": "true", "CIRCLE_PROJECT_ID": "0f5c-11", "CIRCLE_PROJECT_USERNAME": "acme", "CIRCLE_PROJECT_REPONAME": "shop",
	}
	onBitbucket = variables{
		"BITBUCKET_BUILD_NUMBER": "4", "BITBUCKET_REPO_UUID": "{c0de-01}", "BITBUCKET_REPO_FULL_NAME": "acme/shop",
	}
	onWoodpecker = variables{
		"CI": "woodpecker", "CI_REPO": "acme/shop", "CI_REPO_REMOTE_ID": "82", "CI_FORGE_URL": "https://git.example.com",
		"CI_SYSTEM_URL": "https://ci.example.com",
	}
	onTeamCity = variables{
		"TEAMCITY_VERSION": "2025.03", "TEAMCITY_PROJECT_NAME": "Shop", "TEAMCITY_BUILDCONF_NAME": "Deploy",
		"BUILD_URL": "https://tc.example.com/buildConfiguration/Shop_Deploy/17",
	}
	onDrone = variables{"DRONE": "true", "DRONE_REPO": "acme/shop", "DRONE_SYSTEM_HOST": "drone.example.com"}
	onAzure = variables{
		"TF_BUILD": "True", "SYSTEM_COLLECTIONURI": "https://dev.azure.com/acme/", "SYSTEM_TEAMPROJECT": "Web",
		"BUILD_DEFINITIONNAME": "deploy", "SYSTEM_COLLECTIONID": "c0-1", "SYSTEM_TEAMPROJECTID": "p0-2", "SYSTEM_DEFINITIONID": "55",
	}
	onBuildkite = variables{
		"BUILDKITE": "true", "BUILDKITE_ORGANIZATION_SLUG": "acme", "BUILDKITE_PIPELINE_SLUG": "shop",
		"BUILDKITE_ORGANIZATION_ID": "0a-1", "BUILDKITE_PIPELINE_ID": "0b-2",
	}
	onJenkins = variables{"JENKINS_URL": "https://ci.example.com/jenkins/", "JOB_NAME": "team/shop"}
)

func TestOwner_IDOnTheInstance(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env  variables
		want string // the owner, its name, and what it was called before
	}{
		"GitHub":                              {onGitHub, "github:1234 acme/shop github:acme/shop"},
		"GitHub, renamed":                     {with(onGitHub, "GITHUB_REPOSITORY", "emca/store"), "github:1234 emca/store github:emca/store"},
		"GitHub, without an id (act)":         {with(onGitHub, "GITHUB_REPOSITORY_ID", ""), "github:acme/shop acme/shop"},
		"GitHub, not an id":                   {with(onGitHub, "GITHUB_REPOSITORY_ID", "1/2"), "github:acme/shop acme/shop"},
		"GitHub, without a server":            {with(onGitHub, "GITHUB_SERVER_URL", ""), "github:1234 acme/shop github:acme/shop"},
		"GitHub, the server in another form":  {with(onGitHub, "GITHUB_SERVER_URL", "https://GitHub.com:443/"), "github:1234 acme/shop github:acme/shop"},
		"GitHub Enterprise Server":            {with(onGitHub, "GITHUB_SERVER_URL", "https://ghe.corp.example"), "github:1234@ghe.corp.example acme/shop github:acme/shop@ghe.corp.example github:acme/shop"},
		"GitHub with data residence":          {with(onGitHub, "GITHUB_SERVER_URL", "https://acme.ghe.com"), "github:1234@acme.ghe.com acme/shop github:acme/shop@acme.ghe.com github:acme/shop"},
		"Gitea":                               {with(onGitHub, "GITEA_ACTIONS", "true", "GITHUB_REPOSITORY_ID", "", "GITHUB_SERVER_URL", "https://git.example.com"), "gitea:acme/shop@git.example.com acme/shop github:acme/shop"},
		"Forgejo, which is one with Gitea":    {with(onGitHub, "FORGEJO_ACTIONS", "true", "GITEA_ACTIONS", "true", "GITHUB_REPOSITORY_ID", "", "GITHUB_SERVER_URL", "https://codeberg.org"), "gitea:acme/shop@codeberg.org acme/shop github:acme/shop"},
		"Forgejo with an id":                  {with(onGitHub, "FORGEJO_ACTIONS", "true", "GITHUB_SERVER_URL", "https://codeberg.org"), "gitea:1234@codeberg.org acme/shop gitea:acme/shop@codeberg.org github:acme/shop"},
		"GitLab":                              {onGitLab, "gitlab:7 group/shop gitlab:group/shop"},
		"GitLab, self-managed below a path":   {with(onGitLab, "CI_SERVER_URL", "https://dev.example.com:8443/gitlab/"), "gitlab:7@dev.example.com:8443/gitlab group/shop gitlab:group/shop@dev.example.com:8443/gitlab gitlab:group/shop"},
		"GitLab, the host alone":              {with(onGitLab, "CI_SERVER_URL", "", "CI_SERVER_HOST", "Dev.Example.com"), "gitlab:7@dev.example.com group/shop gitlab:group/shop@dev.example.com gitlab:group/shop"},
		"Jenkins":                             {onJenkins, "jenkins:team/shop@ci.example.com/jenkins team/shop jenkins:team/shop"},
		"Azure Pipelines":                     {onAzure, "azure:c0-1/p0-2/55 acme/Web/deploy azure:acme/Web/deploy"},
		"Azure Pipelines, an id is missing":   {with(onAzure, "SYSTEM_DEFINITIONID", ""), "azure:acme/Web/deploy acme/Web/deploy"},
		"Buildkite":                           {onBuildkite, "buildkite:0a-1/0b-2 acme/shop buildkite:acme/shop"},
		"Buildkite, an id is missing":         {with(onBuildkite, "BUILDKITE_PIPELINE_ID", ""), "buildkite:acme/shop acme/shop"},
		"CircleCI":                            {onCircle, "circleci:0f5c-11 acme/shop circleci:acme/shop"},
		"CircleCI, the repository's name":     {variables{"CIRCLECI": "true", "CIRCLE_PROJECT_REPONAME": "shop"}, "circleci:shop shop"},
		"CircleCI, nothing":                   {variables{"CIRCLECI": "true"}, ""},
		"Bitbucket":                           {onBitbucket, "bitbucket:c0de-01 acme/shop bitbucket:acme/shop"},
		"Woodpecker, by the forge's id":       {onWoodpecker, "woodpecker:82@git.example.com acme/shop woodpecker:acme/shop@git.example.com"},
		"Woodpecker that names no forge":      {with(onWoodpecker, "CI_FORGE_URL", ""), "woodpecker:82@ci.example.com acme/shop woodpecker:acme/shop@ci.example.com"},
		"TeamCity":                            {onTeamCity, "teamcity:Shop/Deploy@tc.example.com Shop/Deploy"},
		"TeamCity that names no page":         {with(onTeamCity, "BUILD_URL", ""), "teamcity:Shop/Deploy Shop/Deploy"},
		"Drone":                               {onDrone, "drone:acme/shop@drone.example.com acme/shop"},
		"nothing that is known":               {variables{"CI": "true", "SEMAPHORE": "true"}, ""},
		"CI of another kind":                  {variables{"CI": "drone", "CI_REPO": "acme/shop"}, ""},
		"GitHub, and a variable of Bitbucket": {with(onGitHub, "BITBUCKET_BUILD_NUMBER", "1"), "github:1234 acme/shop github:acme/shop"},
	} {
		p, _ := detect(c.env)
		marks := p.Marks()
		said := append([]string{marks.Owner, marks.OwnerName}, marks.Formerly...)
		have := strings.Join(slices.DeleteFunc(said, func(s string) bool { return s == "" }), " ")
		if diff := cmp.Diff(c.want, have); diff != "" {
			t.Errorf("%s (-want +have):\n%s", name, diff)
		}
	}
}

// What stands in a variable is data: an owner is one line and bounded, and two that differ stay two.
func TestOwnerIsOneLineAndBounded(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, job := range []string{
		"a\nb", "a\n::stop-commands::x", "a\x1b[2J", strings.Repeat("a", 300), strings.Repeat("a", 301), "a\rb", "a\x00b", "plain",
	} {
		p, _ := detect(with(onJenkins, "JOB_NAME", job))
		marks := p.Marks()
		for _, value := range append([]string{marks.Owner, marks.OwnerName}, marks.Formerly...) {
			if len(value) > 253 || strings.ContainsAny(value, "\n\r\x00\x1b") {
				t.Errorf("%q: %q", job, value)
			}
		}
		if other, twice := seen[marks.Owner]; twice {
			t.Errorf("%q and %q are one owner, %s", job, other, marks.Owner)
		}
		seen[marks.Owner] = job
	}
}

func TestHostedSystem_PlainOtherwise(t *testing.T) {
	t.Parallel()
	for want, env := range map[string]variables{
		"CircleCI": onCircle, "Bitbucket": onBitbucket, "Woodpecker": onWoodpecker, "TeamCity": onTeamCity, "Drone": onDrone,
	} {
		p, stdout := detect(env)
		if p.Name() != want || p.Masks() || p.DefaultOutput() != "kubemint.kubeconfig" || stdout.Len() > 0 {
			t.Errorf("%s is taken for %s, masks: %t, output %s", want, p.Name(), p.Masks(), p.DefaultOutput())
		}
		if marks := p.Marks(); want != "TeamCity" && want != "Bitbucket" && (marks.Run != "" || marks.Job != "") {
			t.Errorf("%s: invented %+v", want, marks)
		}
	}
	p, _ := detect(with(onCircle, "CIRCLE_JOB", "deploy", "CIRCLE_BUILD_URL", "https://circleci.com/gh/acme/shop/7", "CIRCLE_SHA1", "f00d"))
	if marks := p.Marks(); marks.Job != "deploy" || marks.Run != "https://circleci.com/gh/acme/shop/7" || marks.Commit != "f00d" {
		t.Errorf("CircleCI: %+v", marks)
	}
}
