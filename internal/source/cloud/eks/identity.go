package eks

import (
	"slices"
	"strings"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/source/cloud/plugin"
)

// The variables that decide whom AWS's programs log in as, in the order in which botocore and the
// SDKs read them: keys take precedence over everything else. AWS_PROFILE does not change that; the
// flag --profile would.
var (
	keyVariables = []string{
		"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN",
	}
	roleVariables = []string{"AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME"}
	fileVariables = []string{
		"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE",
		"AWS_WEB_IDENTITY_TOKEN_FILE",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
		"AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
	}
)

const planted = ", in a kubeconfig which a pull request may have written"

// chooseIdentity returns the stanza's variables that say who logs in, as they would for the
// program. Where the program would log in as somebody whom kubemint cannot or may not be, it
// returns an error that names the variable. kubemint never logs in as somebody else than the
// program.
func chooseIdentity(s plugin.Stanza, r plugin.Runner) (taken []string, err error) {
	differs := func(name string) bool {
		value, given := s.Env[name]
		return given && value != r.Getenv(name)
	}
	if i := slices.IndexFunc(keyVariables, differs); i >= 0 {
		return keyVariables, checkStanzaKeys(s, keyVariables[i])
	}
	if r.Getenv("AWS_ACCESS_KEY_ID") != "" && r.Getenv("AWS_SECRET_ACCESS_KEY") != "" {
		return nil, nil // they take precedence over the rest of the stanza
	}
	if i := slices.IndexFunc(fileVariables, differs); i >= 0 {
		return nil, refuseIdentity(fileVariables[i], "", s.Trusted)
	}
	if i := slices.IndexFunc(roleVariables, differs); i >= 0 {
		if !s.Trusted {
			return nil, refuseIdentity(roleVariables[i], planted, s.Trusted)
		}
		return roleVariables, nil
	}
	return nil, nil
}

// checkStanzaKeys refuses incomplete keys of a stanza. A session token of the runner's does not
// belong to them: the signed request would send it to the cluster, and STS would refuse it.
func checkStanzaKeys(s plugin.Stanza, differing string) error {
	switch {
	case !s.Trusted:
		return refuseIdentity(differing, planted, s.Trusted)
	case s.Env["AWS_ACCESS_KEY_ID"] == "" || s.Env["AWS_SECRET_ACCESS_KEY"] == "":
		const incomplete = ", and its AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not both " +
			"given"
		return refuseIdentity(differing, incomplete, s.Trusted)
	}
	return nil
}

func refuseIdentity(name, why string, trusted bool) *problem.Error {
	err := plugin.Refuse("its variable %s would choose another identity than this step's "+
		"environment does%s",
		name, why)
	if strings.Contains(name, "PROFILE") {
		err = err.Hint("profiles are not read, since their files can name programs to run: " +
			"export the profile's keys right before kubemint, in the same shell: `eval \"$(aws " +
			"configure export-credentials --profile NAME --format env)\"`")
	}
	if !trusted {
		return err.Hint("take %s out of the kubeconfig: what a pull request may have written "+
			"does not say who "+
			"the job is", name)
	}
	return err.Hint("set %s for this step, and take it out of the kubeconfig", name)
}

// newGetenv returns the program's environment: the variables in taken are the stanza's alone.
func newGetenv(s plugin.Stanza, r plugin.Runner, taken []string) func(string) string {
	return func(name string) string {
		value, given := s.Env[name]
		if slices.Contains(taken, name) && (given || slices.Contains(keyVariables, name)) {
			return value
		}
		return r.Getenv(name)
	}
}
