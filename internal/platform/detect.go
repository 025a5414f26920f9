package platform

// Detect returns the platform that this process runs on.
func Detect(env Environment) Platform {
	switch {
	case env.Getenv("GITHUB_ACTIONS") == "true":
		return newGitHub(env)
	case env.Getenv("GITLAB_CI") != "":
		return newGitLab(env)
	case env.Getenv("JENKINS_URL") != "":
		return newJenkins(env)
	case env.Getenv("TF_BUILD") != "":
		return newAzure(env)
	case env.Getenv("BUILDKITE") == "true":
		return newBuildkite(env)
	}
	for _, system := range systems {
		if system.isHere(env.Getenv) {
			return newHosted(env, system)
		}
	}
	return newPlain(env)
}
