package clouds

import (
	"fmt"
	"maps"
	"strings"
)

// GitHubClaims are those of a push's job: https://docs.github.com/actions/reference/security/oidc. ref is a full one,
// refs/heads/main. The claim sub has names alone: see WithIDs.
func GitHubClaims(repository, ref string) map[string]any {
	owner, _, _ := strings.Cut(repository, "/")
	return map[string]any{
		"sub":        "repo:" + repository + ":ref:" + ref,
		"repository": repository, "repository_id": "74", "repository_owner": owner, "repository_owner_id": "65",
		"repository_visibility": "private", "ref": ref, "ref_type": "branch", "ref_protected": "true",
		"sha": strings.Repeat("0123456789", 4), "event_name": "push", "actor": "octocat", "actor_id": "12",
		"workflow": "deploy", "workflow_ref": repository + "/.github/workflows/deploy.yml@" + ref,
		"job_workflow_ref": repository + "/.github/workflows/deploy.yml@" + ref,
		"run_id":           "4711", "run_number": "10", "run_attempt": "1", "runner_environment": "github-hosted",
		"base_ref": "", "head_ref": "",
	}
}

// WithIDs gives the claim sub of GitHub's tokens the form with ids: repositories that were made, renamed or transferred since
// 2026-07-15 have it (https://github.blog/changelog/2026-04-23-immutable-subject-claims-for-github-actions-oidc-tokens/).
func WithIDs(claims map[string]any) map[string]any {
	claims = maps.Clone(claims)
	repository, _ := claims["repository"].(string)
	owner, name, _ := strings.Cut(repository, "/")
	rest := strings.TrimPrefix(fmt.Sprint(claims["sub"]), "repo:"+repository)
	claims["sub"] = fmt.Sprintf("repo:%s@%v/%s@%v%s", owner, claims["repository_owner_id"], name, claims["repository_id"], rest)
	return claims
}

// InEnvironment are GitHub's claims of a job that names an environment, which takes the ref's place in the claim sub.
func InEnvironment(claims map[string]any, environment string) map[string]any {
	claims = maps.Clone(claims)
	claims["sub"] = fmt.Sprintf("repo:%v:environment:%s", claims["repository"], environment)
	claims["environment"] = environment
	return claims
}

// GitLabClaims are those of a branch's job: https://docs.gitlab.com/ci/secrets/id_token_authentication/.
func GitLabClaims(projectPath, branch string) map[string]any {
	namespace, _, _ := strings.Cut(projectPath, "/")
	return map[string]any{
		"sub":          "project_path:" + projectPath + ":ref_type:branch:ref:" + branch,
		"project_path": projectPath, "project_id": "22", "namespace_path": namespace, "namespace_id": "72",
		"user_login": "sidney", "user_id": "1", "user_email": "sidney@example.com", "pipeline_id": "574", "pipeline_source": "push",
		"job_id": "302", "ref": branch, "ref_type": "branch", "ref_path": "refs/heads/" + branch, "ref_protected": "true",
		"sha": strings.Repeat("0123456789", 4), "runner_id": 1, "runner_environment": "gitlab-hosted",
	}
}
