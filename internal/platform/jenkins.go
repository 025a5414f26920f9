package platform

import (
	"path"
	"path/filepath"

	"github.com/kubemint/kubemint/internal/access"
)

// jenkins is a Jenkins build. It masks only its own credentials, so no secret is printed.
type jenkins struct{ plain }

func (jenkins) Name() string { return "Jenkins" }

// Marks name the job. A multibranch job (BRANCH_NAME is set) has the branch as the last part of its name: the branches
// of one job are one owner. There is no public Jenkins: every job is one of its controller.
func (j jenkins) Marks() access.Marks {
	get := j.env.Getenv
	job := get("JOB_NAME")
	if get("BRANCH_NAME") != "" && path.Dir(job) != "." {
		job = path.Dir(job)
	}
	who := identity{system: "jenkins", name: job, instance: instance(get("JENKINS_URL"), ""), before: "jenkins"}
	return who.mark(access.Marks{Job: job, Run: get("BUILD_URL"), Commit: get("GIT_COMMIT")})
}

func (j jenkins) Workspace() []string { return j.dirs("WORKSPACE") }

func (j jenkins) Temp() string { return j.env.Getenv("WORKSPACE_TMP") }

// DefaultOutput is in the workspace's temporary directory, which Jenkins mounts into containers and keeps out of
// archives, else in the workspace.
func (j jenkins) DefaultOutput() string {
	if temp := j.env.Getenv("WORKSPACE_TMP"); temp != "" {
		return filepath.Join(temp, "kubemint", "kubeconfig")
	}
	return filepath.Join(j.env.Getenv("WORKSPACE"), ".kubemint", "kubeconfig")
}

func (jenkins) RevokeAdvice(string) string {
	return "revoke it in post { always { … } } with: kubemint revoke"
}
