package platform

import (
	"context"
	"time"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/secret"
)

// Facts as methods, for consumers that declare an interface of their own.

// Name returns the platform's name, for people.
func (p Platform) Name() string { return p.Facts.Name }

// Marks returns on whose behalf this run acts.
func (p Platform) Marks() access.Marks { return p.Facts.Marks }

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

// SavedState returns the receipt that an earlier step of this job saved, "" for none.
func (p Platform) SavedState() string { return p.Facts.SavedState }

// IDToken returns what requests the job's own OIDC token, or nil and what the job's author can do
// instead.
func (p Platform) IDToken() (
	request func(ctx context.Context, audience string) (secret.Value, error), remedy string,
) {
	return p.RequestIDToken, p.NoIDToken
}
