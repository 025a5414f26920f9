package platform

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
)

// azure is a job of Azure Pipelines, whose agent takes commands from a step's output (azure-pipelines-agent,
// TaskCommandExtension.cs): it masks a secret that it is told, and keeps variables for later steps.
type azure struct{ plain }

func (azure) Name() string  { return "Azure Pipelines" }
func (azure) Masks() bool   { return true }
func (a azure) Debug() bool { return strings.EqualFold(a.env.Getenv("SYSTEM_DEBUG"), "true") }

func (a azure) JobTimeout() time.Duration { return a.timeout("SYSTEM_JOBTIMEOUT", time.Minute) }

// Marks name the pipeline as the owner, and not the repository: of a pipeline with several, BUILD_REPOSITORY_NAME is the one
// that triggered the run. Its ids are those of the collection, the project and the definition
// (https://learn.microsoft.com/azure/devops/pipelines/build/variables). The phase is what YAML calls a job, and the job
// one of its matrix.
func (a azure) Marks() access.Marks {
	get := a.env.Getenv
	collection, project := strings.TrimSuffix(get("SYSTEM_COLLECTIONURI"), "/"), get("SYSTEM_TEAMPROJECT")
	who := identity{
		system: "azure", before: "azure", name: path.Join(path.Base(collection), project, get("BUILD_DEFINITIONNAME")),
		id: ids(get("SYSTEM_COLLECTIONID"), get("SYSTEM_TEAMPROJECTID"), get("SYSTEM_DEFINITIONID")),
	}
	return who.mark(access.Marks{
		Job:    path.Join(get("SYSTEM_STAGENAME"), get("SYSTEM_PHASENAME"), get("SYSTEM_JOBNAME")),
		Run:    collection + "/" + url.PathEscape(project) + "/_build/results?buildId=" + get("BUILD_BUILDID"),
		Commit: get("BUILD_SOURCEVERSION"),
	})
}

// Workspace reaches up to the directory of the run: a checkout's `path` is relative to it, and artifacts are
// downloaded into it. SYSTEM_DEFAULTWORKINGDIRECTORY differs from the sources in a release.
func (a azure) Workspace() []string {
	return a.dirs("PIPELINE_WORKSPACE", "AGENT_BUILDDIRECTORY",
		"BUILD_SOURCESDIRECTORY", "BUILD_REPOSITORY_LOCALPATH", "SYSTEM_DEFAULTWORKINGDIRECTORY")
}

func (a azure) Temp() string { return a.env.Getenv("AGENT_TEMPDIRECTORY") }

// DefaultOutput is where the agent deletes everything before and after each job. Its name is the same in every step, so that
// revoke finds the receipt of a mint that never came to set KUBECONFIG.
func (a azure) DefaultOutput() string {
	return filepath.Join(a.env.Getenv("AGENT_TEMPDIRECTORY"), "kubemint", "kubeconfig")
}

func (a azure) Mask(secret secret.Value) error { return a.command("setsecret", secret.Reveal()) }

// Publish sets variables of the job, and each output as one of the step, which later jobs can refer to.
func (a azure) Publish(result Result) error {
	var errs []error
	for _, variable := range result.Env {
		errs = append(errs, a.command("setvariable variable="+variable.Name, variable.Value))
	}
	for _, output := range result.Outputs {
		if len(output.Value) <= jobEnvLimit {
			properties := fmt.Sprintf("variable=%s;isoutput=true;issecret=%t", output.Name, output.Secret)
			errs = append(errs, a.command("setvariable "+properties, output.Value))
		}
	}
	return errors.Join(errs...)
}

func (a azure) Annotate(message string) { _ = a.command("logissue type=error", message) }

func (azure) RevokeAdvice(string) string {
	return "revoke it in a last step with `condition: always()`: kubemint revoke"
}

// command prints a command to the agent. The value is escaped as the agent reads it (CommandStringConvertor.cs).
func (a azure) command(command, value string) error {
	escape := strings.NewReplacer("%", "%AZP25", "\r", "%0D", "\n", "%0A", ";", "%3B", "]", "%5D")
	if _, err := fmt.Fprintf(a.env.Stdout, "##vso[task.%s]%s\n", command, escape.Replace(value)); err != nil {
		return problem.New(problem.Publish, "print command to the agent", err)
	}
	return nil
}
