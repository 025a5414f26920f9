package platform

import (
	"cmp"
	"path"
	"path/filepath"

	"github.com/kubemint/kubemint/internal/owner"
)

// newJenkins is a Jenkins build. Jenkins masks only its own credentials, so no secret is printed.
func newJenkins(env Environment) Platform {
	workspace := env.Getenv("WORKSPACE")
	temp := env.Getenv("WORKSPACE_TMP")
	// Jenkins mounts the workspace's temporary directory into containers and keeps it out of
	// archives.
	output := filepath.Join(temp, "kubemint", "kubeconfig")
	if temp == "" {
		output = filepath.Join(workspace, ".kubemint", "kubeconfig")
	}
	p := newPlain(env)
	p.Facts.Name = "Jenkins"
	p.Facts.Marks = env.jenkinsMarks()
	p.Results.Revocation = "revoke it in post { always { … } } with: kubemint revoke"
	p.Paths = Paths{
		DefaultOutput: output, Base: cmp.Or(workspace, env.WorkDir),
		Temp: temp, Workspace: env.dirs("WORKSPACE"),
	}
	return p
}

// jenkinsMarks name the job. A multibranch job (BRANCH_NAME is set) has the branch as the last part
// of its name: the branches of one job are one owner. There is no public Jenkins: every job belongs
// to its controller.
func (e Environment) jenkinsMarks() owner.Marks {
	get := e.Getenv
	job := get("JOB_NAME")
	if get("BRANCH_NAME") != "" && path.Dir(job) != "." {
		job = path.Dir(job)
	}
	who := identity{
		system: "jenkins", name: job, instance: normalizeInstance(get("JENKINS_URL"), ""), before: "jenkins",
	}
	return who.addOwner(owner.Marks{Job: job, Run: get("BUILD_URL"), Commit: get("GIT_COMMIT")})
}
