package platform

import (
	"context"
	"crypto/rand"
	"strings"
	"time"

	"github.com/kubemint/kubemint/internal/owner"
	"github.com/kubemint/kubemint/internal/secret"
)

// Platform is the CI system that runs this process: facts about it and its job, and what it can do.
type Platform struct {
	Facts
	Effects

	// RequestIDToken requests the job's own OIDC token with an audience. It is nil where the job
	// has none to request; NoIDToken then says what the job's author can do.
	RequestIDToken func(ctx context.Context, audience string) (secret.Value, error)
}

// Facts holds what is known about a platform and its job.
type Facts struct {
	Name       string        // for people
	Marks      owner.Marks   // on whose behalf this run acts
	Debug      bool          // the platform's own debug flag is set
	JobTimeout time.Duration // how long the job may run; zero where the platform does not say
	NoIDToken  string        // see [Platform.RequestIDToken]
	SavedState string        // the receipt that an earlier step of this job saved; "" for none
	Paths
	Results
}

// Results says how results reach later steps.
type Results struct {
	Masks         bool   // a secret can be hidden from the log at run time; otherwise none is printed
	SecretOutputs bool   // secret outputs are published unless the user declines
	WritesEnvFile bool   // the outputs are in a file next to the kubeconfig, too
	Revocation    string // how this run's credential is or should be revoked; "" for the command alone
}

// Effects does what a platform offers a job.
type Effects interface {
	// Ready returns an error where results could not be handed over, before anything is made.
	Ready() error
	// Mask hides a secret from everything that is logged later.
	Mask(value secret.Value) error
	// SaveState keeps the receipt for the post step.
	SaveState(receipt string) error
	// Publish hands the outputs and the environment to later steps.
	Publish(result Result) error
	// Summarize shows Markdown on the page of the job, if the platform has a place for it.
	Summarize(markdown string) error
	// Annotate shows an error on the page of the job, if the platform has a place for it.
	Annotate(message string)
}

// EnvFile returns the content of the file of outputs next to the kubeconfig, or nil if the platform
// has a mechanism of its own.
func (p Platform) EnvFile(result Result) []byte {
	if !p.WritesEnvFile {
		return nil
	}
	return result.renderEnvFile()
}

// RevokeAdvice says how the credential of this run is or should be revoked.
func (p Platform) RevokeAdvice(output string) string {
	if p.Revocation != "" {
		return p.Revocation
	}
	return "revoke it with: KUBEMINT_OUTPUT=" + quoteValue(output) + " kubemint revoke"
}

// randomSuffix makes a directory's name that no other step of the job has.
func randomSuffix() string { return strings.ToLower(rand.Text()[:10]) }

// Facts as methods, for consumers that declare an interface of their own.

// Name returns the platform's name, for people.
func (p Platform) Name() string { return p.Facts.Name }

// Marks returns on whose behalf this run acts.
func (p Platform) Marks() owner.Marks { return p.Facts.Marks }

// Debug reports whether the platform's own debug flag is set.
func (p Platform) Debug() bool { return p.Facts.Debug }

// JobTimeout returns how long the job may run, zero where the platform does not say.
func (p Platform) JobTimeout() time.Duration { return p.Facts.JobTimeout }

// DefaultOutput returns where the kubeconfig goes unless the user says otherwise.
func (p Platform) DefaultOutput() string { return p.Paths.DefaultOutput }

// Workspace returns the directories in which others' code is checked out.
func (p Platform) Workspace() []string { return p.Paths.Workspace }

// Temp returns the job's directory for temporary files, "" for none.
func (p Platform) Temp() string { return p.Paths.Temp }

// Masks reports whether a secret can be hidden from the log at run time.
func (p Platform) Masks() bool { return p.Results.Masks }

// PublishesSecrets reports whether secret outputs are published unless the user declines.
func (p Platform) PublishesSecrets() bool { return p.SecretOutputs }

// SavedState returns the receipt that an earlier step of this job saved, "" for none.
func (p Platform) SavedState() string { return p.Facts.SavedState }

// IDToken returns what requests the job's own OIDC token, or nil and what the job's author can do
// instead.
func (p Platform) IDToken() (
	request func(ctx context.Context, audience string) (secret.Value, error), remedy string,
) {
	return p.RequestIDToken, p.NoIDToken
}
