package platform

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/kubemint/kubemint/internal/owner"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
)

// newAzure is a job of Azure Pipelines.
func newAzure(env Environment) Platform {
	temp := env.Getenv("AGENT_TEMPDIRECTORY")
	p := newPlain(env)
	p.Effects = azure{out: env.Stdout}
	p.Facts.Name = "Azure Pipelines"
	p.Results.Masks = true
	p.Facts.Debug = strings.EqualFold(env.Getenv("SYSTEM_DEBUG"), "true")
	p.Facts.JobTimeout = env.timeout("SYSTEM_JOBTIMEOUT", time.Minute)
	p.Facts.Marks = env.azureMarks()
	p.Results.Revocation = "revoke it in a last step with `condition: always()`: kubemint revoke"
	p.Paths = Paths{
		// The agent empties this directory before and after each job. The path is the same in every
		// step, so that revoke finds the receipt of a mint that failed before it set KUBECONFIG.
		DefaultOutput: filepath.Join(temp, "kubemint", "kubeconfig"),
		Base:          cmp.Or(env.Getenv("SYSTEM_DEFAULTWORKINGDIRECTORY"), env.WorkDir),
		Temp:          temp,
		// It reaches up to the directory of the run: a checkout's `path` is relative to it, and
		// artifacts are downloaded into it. In a release SYSTEM_DEFAULTWORKINGDIRECTORY differs
		// from the sources.
		Workspace: env.dirs("PIPELINE_WORKSPACE", "AGENT_BUILDDIRECTORY",
			"BUILD_SOURCESDIRECTORY", "BUILD_REPOSITORY_LOCALPATH", "SYSTEM_DEFAULTWORKINGDIRECTORY"),
	}
	return p
}

// azureMarks name the pipeline as the owner, not the repository: in a pipeline with several,
// BUILD_REPOSITORY_NAME is the one that triggered the run. Its ids are those of the collection, the
// project and the definition (https://learn.microsoft.com/azure/devops/pipelines/build/variables).
// YAML calls the phase a job; the job is one of its matrix.
func (e Environment) azureMarks() owner.Marks {
	get := e.Getenv
	collection := strings.TrimSuffix(get("SYSTEM_COLLECTIONURI"), "/")
	project := get("SYSTEM_TEAMPROJECT")
	who := identity{
		system: "azure", before: "azure",
		name: path.Join(path.Base(collection), project, get("BUILD_DEFINITIONNAME")),
		id:   joinIDs(get("SYSTEM_COLLECTIONID"), get("SYSTEM_TEAMPROJECTID"), get("SYSTEM_DEFINITIONID")),
	}
	run := collection + "/" + url.PathEscape(project) + "/_build/results?buildId=" + get("BUILD_BUILDID")
	return who.addOwner(owner.Marks{
		Job: path.Join(get("SYSTEM_STAGENAME"), get("SYSTEM_PHASENAME"), get("SYSTEM_JOBNAME")),
		Run: run, Commit: get("BUILD_SOURCEVERSION"),
	})
}

// azure is the Effects of a job of Azure Pipelines. Its agent reads commands from a step's output
// (azure-pipelines-agent, TaskCommandExtension.cs): it masks secrets and keeps variables for later
// steps.
type azure struct {
	nothing
	out io.Writer
}

// Mask prints the command that masks a secret.
func (a azure) Mask(value secret.Value) error { return a.printCommand("setsecret", value.Reveal()) }

// Publish sets variables of the job, and each output as a variable of the step, which later jobs
// can read.
func (a azure) Publish(result Result) error {
	var errs []error
	for _, variable := range result.Env {
		errs = append(errs, a.printCommand("setvariable variable="+variable.Name, variable.Value))
	}
	for _, output := range result.Outputs {
		if len(output.Value) <= jobEnvLimit {
			properties := fmt.Sprintf("variable=%s;isoutput=true;issecret=%t", output.Name, output.Secret)
			errs = append(errs, a.printCommand("setvariable "+properties, output.Value))
		}
	}
	return errors.Join(errs...)
}

// Annotate logs an issue of the job.
func (a azure) Annotate(message string) { _ = a.printCommand("logissue type=error", message) }

// printCommand prints a command to the agent, with the value escaped as the agent reads it
// (CommandStringConvertor.cs).
func (a azure) printCommand(command, value string) error {
	escape := strings.NewReplacer("%", "%AZP25", "\r", "%0D", "\n", "%0A", ";", "%3B", "]", "%5D")
	if _, err := fmt.Fprintf(a.out, "##vso[task.%s]%s\n", command, escape.Replace(value)); err != nil {
		return problem.New(problem.Publish, "print command to the agent", err)
	}
	return nil
}
