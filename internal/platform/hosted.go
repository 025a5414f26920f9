package platform

import (
	"cmp"
	"path"

	"github.com/kubemint/kubemint/internal/owner"
)

// system is a CI system that needs only the plain conventions: how it is recognised, and what it
// says about a job.
type system struct {
	name     string
	isHere   func(get func(string) string) bool
	identity func(get func(string) string) identity
	marks    func(get func(string) string) owner.Marks // without the owner
}

// newHosted is a job of such a system.
func newHosted(env Environment, system system) Platform {
	p := newPlain(env)
	p.Facts.Name = system.name
	p.Facts.Marks = system.identity(env.Getenv).addOwner(system.marks(env.Getenv))
	return p
}

// systems are recognised by variables that their documentation names. TeamCity and Drone have no id
// in the environment: a renamed project is another owner there, unless the input `owner` says
// otherwise.
var systems = []system{
	{
		// https://circleci.com/docs/reference/variables
		name:   "CircleCI",
		isHere: func(get func(string) string) bool { return get("CIRCLECI") == "true" },
		identity: func(get func(string) string) identity {
			name := path.Join(get("CIRCLE_PROJECT_USERNAME"), get("CIRCLE_PROJECT_REPONAME"))
			return identity{system: "circleci", id: joinIDs(get("CIRCLE_PROJECT_ID")), name: name}
		},
		marks: func(get func(string) string) owner.Marks {
			return owner.Marks{
				Job: get("CIRCLE_JOB"), Run: get("CIRCLE_BUILD_URL"), Commit: get("CIRCLE_SHA1"),
			}
		},
	},
	{
		// https://support.atlassian.com/bitbucket-cloud/docs/variables-and-secrets
		name:   "Bitbucket",
		isHere: func(get func(string) string) bool { return get("BITBUCKET_BUILD_NUMBER") != "" },
		identity: func(get func(string) string) identity {
			return identity{
				system: "bitbucket", id: joinIDs(get("BITBUCKET_REPO_UUID")),
				name: get("BITBUCKET_REPO_FULL_NAME"),
			}
		},
		marks: func(get func(string) string) owner.Marks {
			repository := "https://bitbucket.org/" + get("BITBUCKET_REPO_FULL_NAME")
			return owner.Marks{
				Job: get("BITBUCKET_DEPLOYMENT_ENVIRONMENT"), Commit: get("BITBUCKET_COMMIT"),
				Run: repository + "/pipelines/results/" + get("BITBUCKET_BUILD_NUMBER"),
			}
		},
	},
	{
		// https://woodpecker-ci.org/docs/usage/environment; the id is the forge's
		name:   "Woodpecker",
		isHere: func(get func(string) string) bool { return get("CI") == "woodpecker" },
		identity: func(get func(string) string) identity {
			server := cmp.Or(get("CI_FORGE_URL"), get("CI_SYSTEM_URL"), get("CI_SYSTEM_HOST"))
			return identity{
				system: "woodpecker", id: joinIDs(get("CI_REPO_REMOTE_ID")),
				name: get("CI_REPO"), instance: normalizeInstance(server, ""),
			}
		},
		marks: func(get func(string) string) owner.Marks {
			return owner.Marks{
				Job: get("CI_WORKFLOW_NAME"), Run: get("CI_PIPELINE_URL"), Commit: get("CI_COMMIT_SHA"),
			}
		},
	},
	{
		// https://www.jetbrains.com/help/teamcity/predefined-build-parameters.html; the id of a
		// build configuration is a system property (teamcity.buildType.id), not a variable
		name:   "TeamCity",
		isHere: func(get func(string) string) bool { return get("TEAMCITY_VERSION") != "" },
		identity: func(get func(string) string) identity {
			name := path.Join(get("TEAMCITY_PROJECT_NAME"), get("TEAMCITY_BUILDCONF_NAME"))
			return identity{system: "teamcity", name: name, instance: instanceOf(get("BUILD_URL"))}
		},
		marks: func(get func(string) string) owner.Marks {
			return owner.Marks{
				Job: get("TEAMCITY_BUILDCONF_NAME"), Run: get("BUILD_URL"), Commit: get("BUILD_VCS_NUMBER"),
			}
		},
	},
	{
		// https://docs.drone.io/pipeline/environment/reference
		name:   "Drone",
		isHere: func(get func(string) string) bool { return get("DRONE") == "true" },
		identity: func(get func(string) string) identity {
			return identity{
				system: "drone", name: get("DRONE_REPO"),
				instance: normalizeInstance(get("DRONE_SYSTEM_HOST"), ""),
			}
		},
		marks: func(get func(string) string) owner.Marks {
			return owner.Marks{
				Job: get("DRONE_STAGE_NAME"), Run: get("DRONE_BUILD_LINK"), Commit: get("DRONE_COMMIT_SHA"),
			}
		},
	},
}
