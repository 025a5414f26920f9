package plugin

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/kubemint/kubemint/internal/client/wire"
	"github.com/kubemint/kubemint/internal/secret"
)

// Stanza is the `exec` stanza of a kubeconfig's user: how a program would get the credential.
type Stanza struct {
	Program string // base name of the command, without .exe
	Args    []string
	Env     map[string]string
	Server  *url.URL // of the cluster
	Trusted bool     // no pull request can have written the stanza

	// ReadFile reads a file that the kubeconfig names in a field, if it may name that file.
	ReadFile func(field, path string) ([]byte, error)
}

// Runner gives access to what this process has: its environment, the job's own OIDC token and HTTP.
type Runner struct {
	Getenv   func(string) string
	ReadFile func(path string) ([]byte, error) // reads a file that the environment names
	HTTP     *http.Client

	// IDToken requests the job's own OIDC token. It is nil where the platform has none.
	IDToken func(ctx context.Context, audience string) (secret.Value, error)
}

// DirectClient returns the HTTP client without a proxy, for endpoints on this machine. A proxy
// would ask its own machine instead, and could read plain http.
func (r Runner) DirectClient() *http.Client { return wire.Direct(r.HTTP) }

// Login is a way to get a token for a cluster.
type Login struct {
	Cloud   string   // EKS, GKE or AKS
	Servers []string // host names that may have the token; a leading dot makes one a suffix
	BareIP  bool     // this cloud's servers usually have no name
	Unusual string   // a request that a pull request must not be able to make; usually empty
	Notes   []string // for the log: parts of the stanza that have no effect here
	Secrets []string // environment variables that hold the credential, or lead to it

	// Token requests a token and returns when it expires. Errors have the code [problem.Source].
	Token func(ctx context.Context) (secret.Value, time.Time, error)
}

// Serves reports whether the token may go to this host, judged by its name alone.
func (l *Login) Serves(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return slices.ContainsFunc(l.Servers, func(name string) bool {
		return host == name || (strings.HasPrefix(name, ".") && strings.HasSuffix(host, name))
	})
}

// JobTokenVariables are the variables with which GitHub's runner offers the job's own OIDC token.
var JobTokenVariables = []string{"ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"}

// Pattern is a regular expression that is compiled on use, so that runs with another source do not
// pay for it.
type Pattern string

// Matches reports whether the pattern matches the text.
func (p Pattern) Matches(text string) bool { return regexp.MustCompile(string(p)).MatchString(text) }

// Names that an error may show. Anything else in their place could be a secret.
const (
	ProgramName  = Pattern(`^[A-Za-z0-9._-]{1,64}$`)
	VariableName = Pattern(`^[A-Za-z_][A-Za-z0-9_]{0,60}$`)
)

// LookupVariables returns the environment that the program would have had: the stanza's variables
// that are named in taken, then the runner's. The stanza's other variables have no effect, since
// they could name a program to run or a file to read; notes list them.
func LookupVariables(
	s Stanza, r Runner, taken ...string,
) (get func(name string) string, notes []string) {
	for _, name := range slices.Sorted(maps.Keys(s.Env)) {
		if slices.Contains(taken, name) || (s.Env[name] != "" && s.Env[name] == r.Getenv(name)) {
			continue
		}
		if !VariableName.Matches(name) {
			name = "a variable without a valid name"
		}
		notes = append(notes, name+" in the kubeconfig has no effect here")
	}
	return func(name string) string {
		if value := s.Env[name]; value != "" && slices.Contains(taken, name) {
			return value
		}
		return r.Getenv(name)
	}, notes
}
