package cloud

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/kubemint/kubemint/internal/client/wire"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
	"github.com/kubemint/kubemint/internal/source/program"
)

// Stanza is what a user entry of a kubeconfig says of where its credential comes from.
type Stanza struct {
	Program string            // the base name of the command of `exec`, without .exe; or the name of the auth-provider
	Args    []string          // of `exec`
	Env     map[string]string // of `exec`
	Config  map[string]string // of an auth-provider; nil for `exec`
	Server  *url.URL          // of the cluster
	Trusted bool              // no pull request can have written it

	ReadFile func(field, path string) ([]byte, error) // a file that the kubeconfig names, if it may name that one
}

// Runner is what this process was given by whoever runs it.
type Runner struct {
	Getenv   func(string) string
	ReadFile func(path string) ([]byte, error)                                // a file that the environment names
	IDToken  func(ctx context.Context, audience string) (secret.Value, error) // the job's own OIDC token; nil where the platform has none
	HTTP     *http.Client
}

// direct is HTTP without a proxy, for what this machine is asked itself: a proxy would ask its own machine, and read what goes
// over plain http.
func (r Runner) direct() *http.Client { return wire.Direct(r.HTTP) }

// Login is how a token for a cluster is got.
type Login struct {
	Cloud   string   // EKS, GKE or AKS
	Servers []string // whose servers may have the token: host names, those with a leading dot as an ending
	BareIP  bool     // this cloud's servers mostly have no name
	Unusual string   // what a kubeconfig that may come from a pull request must not ask for; empty where it asks for nothing of the kind
	Notes   []string // for the log: what of the stanza has no effect here
	Secrets []string // variables of the environment that are the credential, or lead to it

	// Token asks for a token, and says when it expires. Errors are of code [problem.Source].
	Token func(ctx context.Context) (secret.Value, time.Time, error)
}

// JobToken are the variables by which GitHub's runner gives out the job's own OIDC token.
var JobToken = []string{"ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"}

// For returns the login that a stanza describes: nil where its program is none that is served here.
func For(s Stanza, r Runner) (l *Login, err error) {
	if r.HTTP != nil { // whoever made it
		r.HTTP = wire.Client(r.HTTP.Transport, wire.MostOfToken)
	}
	switch s.Program {
	case "aws", "aws-iam-authenticator":
		l, err = eks(s, r)
	case "gke-gcloud-auth-plugin", "gcp":
		l, err = gke(s, r)
	case "kubelogin", "azure":
		if !program.IsOIDC(s.Program, s.Args) {
			l, err = aks(s, r)
		}
	}
	if l != nil {
		l.Secrets = slices.Concat(JobToken, l.Secrets) // with it the login can be done once more
	}
	return l, err
}

// Serves says whether the token may go to this host by its name alone.
func (l *Login) Serves(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return slices.ContainsFunc(l.Servers, func(name string) bool {
		return host == name || strings.HasPrefix(name, ".") && strings.HasSuffix(host, name)
	})
}

// arguments are the command line of a program, taken apart.
type arguments struct {
	values map[string]string // by the flag's long name; "" of a switch
	words  []string          // what is no flag: sub-commands
}

// pattern is a regular expression that is compiled where it is used: a run with another source pays nothing for it.
type pattern string

func (p pattern) matches(text string) bool { return regexp.MustCompile(string(p)).MatchString(text) }

// programLike is what may be shown of a name: a command line in its place can hold a secret.
const programLike = pattern(`^[A-Za-z0-9._-]{1,64}$`)

// ProgramLike says whether the name of a program may be shown.
func ProgramLike(name string) bool { return programLike.matches(name) }

// flagName is what of an unknown flag may be shown: its value could be a secret.
const flagName = pattern(`^--?[A-Za-z0-9][A-Za-z0-9_-]{0,60}$`)

// parse takes a command line apart. flags has every flag that is known, with the long name of what it means; one that
// ends in "!" is a switch, which takes no value. An unknown flag is an error that names it: what it would have changed is
// not known.
func parse(program string, args []string, flags map[string]string) (arguments, error) {
	a := arguments{values: map[string]string{}}
	for i := 0; i < len(args); i++ {
		name, value, given := strings.Cut(args[i], "=")
		if !strings.HasPrefix(name, "-") {
			a.words = append(a.words, args[i])
			continue
		}
		meaning, known := flags[name]
		long, isSwitch := strings.CutSuffix(meaning, "!")
		switch {
		case !known && !flagName.matches(name):
			return a, refuse("an argument of %s cannot be read", program)
		case !known:
			return a, refuse("%s's argument %s has no counterpart here", program, name).
				Hint("take %s out of the kubeconfig, or put a token into it in an earlier step", name)
		case isSwitch && given && value != "true":
			if value != "false" {
				return a, refuse("%s's argument %s is neither true nor false", program, name)
			}
			continue
		case !isSwitch && !given:
			if i++; i == len(args) {
				return a, refuse("%s's argument %s has no value", program, name)
			}
			value = args[i]
		}
		a.values[long] = value
	}
	return a, nil
}

// has says whether a switch or a value was given.
func (a arguments) has(name string) bool { _, ok := a.values[name]; return ok }

// refuse is why a stanza is not served. The caller says whose it is.
func refuse(format string, args ...any) *problem.Error {
	return problem.Newf(problem.Source, "serve it in-process", format, args...)
}

// lookup is the environment that the program would have had: of the stanza's variables those that are named here, and else
// the runner's. Any other of the stanza's has no effect, since it could name a program to run or a file to read; notes say so.
func lookup(s Stanza, r Runner, taken ...string) (get func(name string) string, notes []string) {
	for _, name := range slices.Sorted(maps.Keys(s.Env)) {
		if slices.Contains(taken, name) || (s.Env[name] != "" && s.Env[name] == r.Getenv(name)) {
			continue
		}
		if !variableName.matches(name) {
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

const variableName = pattern(`^[A-Za-z_][A-Za-z0-9_]{0,60}$`)

// checkLogin is the remedy where none is known that is nearer to the cause.
const checkLogin = "see whether the step that logs in to the cloud has run in this job and succeeded, " +
	"and whether this runner reaches the cloud's endpoint"

// failed is the error of a request for a token, and nil for nil. What says already what to do is left as it is; what an
// endpoint says is shown on one line and bounded.
func failed(op string, err error, hints ...string) error {
	if err == nil {
		return nil
	}
	if told, ok := errors.AsType[*problem.Error](err); ok {
		return told
	}
	if len(hints) == 0 {
		hints = []string{checkLogin}
	}
	text := problem.Shorten(strings.Join(strings.Fields(err.Error()), " "), 400)
	return problem.New(problem.Source, op, errors.New(text), hints...)
}
