package eks

import (
	"cmp"
	"slices"
	"strings"

	"github.com/kubemint/kubemint/internal/source/cloud/plugin"
)

// cliFlags are the flags of `aws eks get-token`. The CLI accepts the beginning of a flag, and
// update-kubeconfig relies on that: it writes --role. Flags that only change how the CLI prints
// have no effect.
var cliFlags = map[string]string{
	"--cluster-name": "name", "--cluster-id": "id", "--region": "region", "--profile": "profile",
	"--output": "output", "--role-arn": "role", "--role": "role", "-r": "role", "--no-cli-pager": "quiet!",
}

// authenticatorFlags are the flags of `aws-iam-authenticator token` that neither read a file nor
// change what it prints.
var authenticatorFlags = map[string]string{
	"--cluster-id": "id", "-i": "id", "--region": "region", "--role": "role", "-r": "role",
	"--external-id": "external", "-e": "external", "--session-name": "session", "-s": "session",
	"--cache": "cache!", "--log-format": "log", "-l": "log", "--log-verbosity": "log", "-v": "log",
}

// clusterName matches what can be signed as a header. EKS names are stricter, but kops and others
// use a host name.
const clusterName = plugin.Pattern(`^[0-9A-Za-z][0-9A-Za-z._:/@-]{0,255}$`)

// ReadStanza serves `aws eks get-token` and `aws-iam-authenticator token`. The apiVersion of the
// stanza only decides how these print the token.
func ReadStanza(s plugin.Stanza, r plugin.Runner) (*plugin.Login, error) {
	flags := cliFlags
	command := []string{"eks", "get-token"}
	if s.Program == "aws-iam-authenticator" {
		flags = authenticatorFlags
		command = []string{"token"}
	}
	args, err := plugin.ParseArguments(s.Program, s.Args, flags)
	if err != nil {
		return nil, err
	}
	taken, err := chooseIdentity(s, r)
	if err != nil {
		return nil, err
	}
	if !slices.Equal(args.Words, command) {
		return nil, plugin.Refuse("only `%s %s` is known of it", s.Program, strings.Join(command, " "))
	}
	r.Getenv = newGetenv(s, r, taken)
	l := newLogin(s, r, args)
	if err := l.checkArguments(args); err != nil {
		return nil, err
	}
	servers, _ := partitionOf(l.region).findServers(s.Server.Hostname())
	return &plugin.Login{
		Cloud: "EKS", Servers: servers, Notes: unusedVariables(s, r, taken), Secrets: secretVariables,
		Token: l.signToken,
	}, nil
}

// unusedVariables returns notes about the stanza's variables that have no effect.
// AWS_STS_REGIONAL_ENDPOINTS gets no note, although nothing reads it: STS is always asked in the
// region. EKS accepts every STS host of its partition, and the global host, the other choice,
// exists in one partition only and is deprecated.
func unusedVariables(s plugin.Stanza, r plugin.Runner, taken []string) []string {
	_, notes := plugin.LookupVariables(s, r, append(slices.Clone(taken),
		"AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_STS_REGIONAL_ENDPOINTS")...)
	return notes
}

func newLogin(s plugin.Stanza, r plugin.Runner, args plugin.Arguments) login {
	return login{
		Runner: r, hasProfile: r.Getenv("AWS_PROFILE") != "",
		cluster: cmp.Or(args.Values["name"], args.Values["id"]),
		role:    args.Values["role"], externalID: args.Values["external"],
		// The CLI always uses this name, and trust policies may require it.
		session: cmp.Or(args.Values["session"], "EKSGetTokenAuth"),
		region: cmp.Or(args.Values["region"], s.Env["AWS_REGION"], s.Env["AWS_DEFAULT_REGION"],
			r.Getenv("AWS_REGION"), r.Getenv("AWS_DEFAULT_REGION"), regionOf(s.Server.Hostname())),
	}
}

// checkArguments refuses arguments that cannot make a token.
func (l login) checkArguments(args plugin.Arguments) error {
	switch {
	case args.Has("profile"):
		return plugin.Refuse("a profile (--profile) is not read, since the files of profiles " +
			"can name programs to run").
			Hint("take --profile out of the kubeconfig, and export AWS_ACCESS_KEY_ID, " +
				"AWS_SECRET_ACCESS_KEY and " +
				"AWS_SESSION_TOKEN, as aws-actions/configure-aws-credentials does")
	case args.Has("output") && args.Values["output"] != "json":
		return plugin.Refuse("its --output is not json, which no client of Kubernetes could read")
	case args.Values["name"] != "" && args.Values["id"] != "":
		return plugin.Refuse("both --cluster-name and --cluster-id are given")
	case l.cluster == "":
		return plugin.Refuse("no cluster is named: --cluster-name or --cluster-id is missing")
	case !clusterName.Matches(l.cluster):
		return plugin.Refuse("its cluster does not have a valid name")
	case l.region == "":
		return plugin.Refuse("the region is not known: there is no --region, AWS_REGION or " +
			"AWS_DEFAULT_REGION, nor does the server's name tell").
			Hint("set AWS_REGION to the cluster's region")
	case !regionName.Matches(l.region):
		return plugin.Refuse("its region (--region, AWS_REGION or AWS_DEFAULT_REGION) does not " +
			"have a valid name")
	}
	return nil
}
