package platform

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
)

// Platform is what the rest of the program asks of a CI system.
type Platform interface {
	// Name is for the log.
	Name() string
	// Marks say on whose behalf this run acts.
	Marks() access.Marks
	// Debug is the platform's own debug flag.
	Debug() bool
	// JobTimeout is how long the job may run; zero where the platform does not say.
	JobTimeout() time.Duration
	// DefaultOutput is where the kubeconfig goes unless the user says otherwise.
	DefaultOutput() string
	// Absolute completes a relative output path: under the workspace.
	Absolute(path string) string
	// Workspace is where this CI system says that it checks out what others wrote, as this process sees it:
	// none, one or several directories, some of which may not exist.
	Workspace() []string
	// Inside translates a path of the host to where this process sees it, Outside the other way round.
	Inside(path string) string
	Outside(path string) string
	// Temp is the job's directory for temporary files, as this process sees it; "" where there is none.
	Temp() string
	// IDToken asks for the job's own OIDC token with an audience. request is nil where the job has none to ask for; remedy is
	// then what its author can do.
	IDToken() (request func(ctx context.Context, audience string) (secret.Value, error), remedy string)
	// Visible is an error where a file at this path would vanish with the container.
	Visible(path string) error
	// Masks says whether a secret can be hidden from the log at run time. Without it no secret is ever printed.
	Masks() bool
	// Mask hides a secret from all that is logged after it.
	Mask(secret secret.Value) error
	// Ready is an error where results could not be handed over later: found out before anything is made.
	Ready() error
	// SaveState keeps the receipt for the post step; SavedState returns it there, "" where there is none.
	SaveState(receipt string) error
	SavedState() string
	// Publish hands the outputs and the environment to later steps.
	Publish(result Result) error
	// EnvFile is the content of the file beside the kubeconfig that carries the outputs; nil, whatever the result, where
	// the platform has a mechanism of its own.
	EnvFile(result Result) []byte
	// Summarize shows Markdown to whoever looks at the job, where the platform has a place for it.
	Summarize(markdown string) error
	// Annotate shows an error beside the job's log, where the platform has a place for it.
	Annotate(message string)
	// RevokeAdvice says how the credential of this run will be or should be revoked.
	RevokeAdvice(output string) string
}

// Result is what a run hands over.
type Result struct {
	Outputs []Output
	Env     []Output // variables for later steps, by their own names
}

// variables are the environment and the outputs, as an env file names them: which holds no secret.
func (r Result) variables(secrets bool) []Output {
	all := slices.Clone(r.Env)
	for _, output := range r.Outputs {
		if secrets || !output.Secret {
			all = append(all, Output{Name: "KUBEMINT_OUT_" + strings.ToUpper(output.Name), Value: output.Value})
		}
	}
	return all
}

// Check refuses a value that holds a line break or another control character: some readers of an env file would take
// what follows for further variables.
func (r Result) Check() error {
	breaks := func(c rune) bool { return unicode.In(c, unicode.Cc, unicode.Zl, unicode.Zp) }
	for _, output := range slices.Concat(r.Outputs, r.Env) {
		if strings.ContainsFunc(output.Value, breaks) {
			return problem.Newf(problem.Publish, "publish "+output.Name, "its value holds a line break or another control character").
				Hint("see where the value comes from: an input, the source kubeconfig, or the API server's token")
		}
	}
	return nil
}

// Output is one named value.
type Output struct {
	Name, Value string
	Secret      bool // published only where the platform masks and the user wants it; the caller decides
}

// addTo appends to a file of the runner's and closes it. On a full disk nothing is added: later steps would be told of a file
// that is gone, and a command that is cut off spoils those after it. takeBack is for what fails afterwards.
func addTo(file *os.File, name, text string) (takeBack func(), err error) {
	before, _ := file.Seek(0, io.SeekEnd) // of what is no regular file nothing can be taken back
	takeBack = func() { _ = os.Truncate(file.Name(), before) }
	_, err = file.WriteString(text)
	if err = errors.Join(err, file.Close()); err != nil {
		takeBack()
		err = problem.New(problem.Publish, "write "+name, err, "later steps read this file of the runner's: see whether its disk is full")
	}
	return takeBack, err
}

// open opens the file of the runner's that a variable names, to append to it.
func (e Environment) open(variable string, flags int, remedy string) (*os.File, error) {
	file, err := os.OpenFile(e.Getenv(variable), flags|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, problem.New(problem.Publish, "open $"+variable, err, remedy)
	}
	return file, nil
}

// Environment is what a platform is recognised and read by.
type Environment struct {
	Getenv        func(string) string
	Names         []string // of all variables that are set
	Stdout        io.Writer
	Exists        func(path string) bool
	WorkDir       string
	HostWorkspace string // inputs host_workspace and host_temp
	HostTemp      string
}

// Detect returns the platform that this process runs on.
func Detect(env Environment) Platform {
	switch {
	case env.Getenv("GITHUB_ACTIONS") == "true":
		return newGitHub(env)
	case env.Getenv("GITLAB_CI") != "":
		return gitLab{plain{env}}
	case env.Getenv("JENKINS_URL") != "":
		env.WorkDir = cmp.Or(env.Getenv("WORKSPACE"), env.WorkDir)
		return jenkins{plain{env}}
	case env.Getenv("TF_BUILD") != "":
		env.WorkDir = cmp.Or(env.Getenv("SYSTEM_DEFAULTWORKINGDIRECTORY"), env.WorkDir)
		return azure{plain{env}}
	case env.Getenv("BUILDKITE") == "true":
		return buildkite{plain{env}}
	}
	if hosted := detectHosted(env); hosted != nil {
		return hosted
	}
	return plain{env}
}

// random is a directory's suffix that no other step of the job has.
func random() string { return strings.ToLower(rand.Text()[:10]) }
