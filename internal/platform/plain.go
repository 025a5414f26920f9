package platform

import (
	"github.com/kubemint/kubemint/internal/secret"
)

// newPlain is any place without conventions of its own: a shell, a container step, Tekton. Results
// go to an env file.
func newPlain(env Environment) Platform {
	return Platform{
		Effects: nothing{},
		Facts: Facts{
			Name:      "plain",
			NoIDToken: "give `bearer_token`: the ID token that the CI system made for this job",
			Results:   Results{WritesEnvFile: true},
			Paths: Paths{
				DefaultOutput: "kubemint.kubeconfig", Base: env.WorkDir, Workspace: env.checkouts(),
			},
		},
	}
}

// nothing is the Effects of a platform without mechanisms of its own. Mask does nothing either: if
// no runner understands a mask command, printing one would print the secret.
type nothing struct{}

func (nothing) Ready() error            { return nil }
func (nothing) Mask(secret.Value) error { return nil }
func (nothing) SaveState(string) error  { return nil }
func (nothing) Publish(Result) error    { return nil }
func (nothing) Summarize(string) error  { return nil }
func (nothing) Annotate(string)         {}
