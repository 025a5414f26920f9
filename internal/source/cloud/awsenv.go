package cloud

import (
	"slices"
	"strings"

	"github.com/kubemint/kubemint/internal/problem"
)

// The variables that decide whom AWS's programs log in as, in the order in which botocore and the SDKs
// look: keys go before everything else. AWS_PROFILE does not change that; the flag --profile would.
var (
	awsKeys  = []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"}
	awsRole  = []string{"AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME"}
	awsFiles = []string{
		"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE",
		"AWS_WEB_IDENTITY_TOKEN_FILE",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
		"AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
	}
)

// awsIdentity is which variables of a stanza say who logs in: those that it has from the kubeconfig, as
// the program would. It is an error, by the variable's name, where the program would log in as somebody
// whom kubemint cannot be or may not be. kubemint never logs in as somebody else than the program.
func awsIdentity(s Stanza, r Runner) (taken []string, err error) {
	differs := func(name string) bool {
		value, given := s.Env[name]
		return given && value != r.Getenv(name)
	}
	if i := slices.IndexFunc(awsKeys, differs); i >= 0 {
		return awsKeys, ownKeys(s, awsKeys[i])
	}
	if r.Getenv("AWS_ACCESS_KEY_ID") != "" && r.Getenv("AWS_SECRET_ACCESS_KEY") != "" {
		return nil, nil // they go before whatever else the stanza says
	}
	if i := slices.IndexFunc(awsFiles, differs); i >= 0 {
		return nil, refuseIdentity(awsFiles[i], "", s.Trusted)
	}
	if i := slices.IndexFunc(awsRole, differs); i >= 0 {
		if !s.Trusted {
			return nil, refuseIdentity(awsRole[i], ", in a kubeconfig which a pull request may have written", s.Trusted)
		}
		return awsRole, nil
	}
	return nil, nil
}

// ownKeys refuses keys of a stanza that are not whole. A session token of the runner's does not go with
// them: it would be sent to the cluster in the signed request, and STS would refuse it.
func ownKeys(s Stanza, differing string) error {
	switch {
	case !s.Trusted:
		return refuseIdentity(differing, ", in a kubeconfig which a pull request may have written", s.Trusted)
	case s.Env["AWS_ACCESS_KEY_ID"] == "" || s.Env["AWS_SECRET_ACCESS_KEY"] == "":
		return refuseIdentity(differing, ", and its AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not both given", s.Trusted)
	}
	return nil
}

func refuseIdentity(name, why string, trusted bool) *problem.Error {
	err := refuse("its variable %s would choose another identity than this step's environment does%s", name, why)
	if strings.Contains(name, "PROFILE") {
		err = err.Hint("profiles are not read, since their files can name programs to run: export the " +
			"profile's keys right before kubemint, in the same shell: " +
			"`eval \"$(aws configure export-credentials --profile NAME --format env)\"`")
	}
	if !trusted {
		return err.Hint("take %s out of the kubeconfig: what a pull request may have written does not say who the job is", name)
	}
	return err.Hint("set %s for this step, and take it out of the kubeconfig", name)
}

// awsGetenv is the environment of the program: the variables in taken are the stanza's alone.
func awsGetenv(s Stanza, r Runner, taken []string) func(string) string {
	return func(name string) string {
		value, given := s.Env[name]
		if slices.Contains(taken, name) && (given || slices.Contains(awsKeys, name)) {
			return value
		}
		return r.Getenv(name)
	}
}

// brokenKey refuses a key that something was pasted along with: it would be a wrong signature, or an
// invalid header.
func brokenKey(getenv func(string) string) error {
	for _, name := range awsKeys {
		if strings.ContainsFunc(getenv(name), func(r rune) bool { return r <= ' ' || r > '~' }) {
			return problem.Newf(problem.Source, noKeys, "%s has a line break, a blank or another character in "+
				"it that no key has", name).
				Hint("paste the secret again without it, or have the earlier step print it with `printf %%s`")
		}
	}
	return nil
}
