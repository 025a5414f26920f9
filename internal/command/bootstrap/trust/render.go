package trust

import (
	"fmt"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/source/issuer"
)

// Subject is the user that the API server takes the holder of a token for, nil where the
// repository's id is not known. It is the same for both forms of GitHub's `sub`.
func (t *Trust) Subject() *rbacv1.Subject {
	id := t.claims[0].value
	if id == "" {
		return nil
	}
	return &rbacv1.Subject{
		APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: t.userPrefix() + id,
	}
}

// mark begins the lines of the configuration. They are comments to kubectl, which applies the
// manifests around them: an AuthenticationConfiguration is a file, and no object of the API.
const mark = "#| "

// Render returns lines of YAML that are all comments: what a reviewer has to know, and after
// "#| " the configuration.
func (t *Trust) Render() ([]string, error) {
	config, err := t.configuration()
	if err != nil {
		return nil, err
	}
	lines := []string{"#"}
	say := func(format string, args ...any) {
		lines = append(lines, "# "+fmt.Sprintf(format, args...))
	}
	say("Trust in the ID tokens of %s:%s. %s", t.system.Name, t.path, destinations[t.form])
	say("To extract it:  sed -n 's/^#| //p'")
	for _, note := range notes[t.form] {
		say("%s", note)
	}
	environment := t.valueOf(issuer.Environment)
	switch {
	case t.valueOf(t.system.Claims.Ref) != "":
	case environment != "":
		say("Without --ref, the rules of environment %s decide which branches get in: "+
			"where it has none, all do.", environment)
	default:
		say("Without --ref and --environment, whoever can run a job on any branch gets in.")
	}
	if gaps := t.listGaps(); gaps != "" {
		say("NOT COMPLETE, so it lets nobody in. Missing: %s. Look it up, then run this again:", gaps)
		say("  %s", t.system.Lookup(t.path))
	}
	if user := t.Subject(); user != nil {
		say("The API server takes such a job for user %s, who is bound below.", user.Name)
	} else {
		say("There is no binding for such a job until its id is known.")
	}
	for _, line := range config {
		lines = append(lines, mark+line)
	}
	return lines, nil
}

// valueOf is the value that a claim must have, "" where it may have any.
func (t *Trust) valueOf(name string) string {
	for _, each := range t.claims {
		if each.name == name {
			return each.value
		}
	}
	return ""
}

// destinations say where each form goes.
var destinations = map[string]string{
	formConfig: "For the file of kube-apiserver's --authentication-config (1.30 and newer).",
	formEKS: "For EKS:  aws eks associate-identity-provider-config --cluster-name NAME " +
		"--oidc file://FILE",
	formAKS: "For AKS (preview):  az aks jwtauthenticator add -g GROUP --cluster-name NAME " +
		"--name NAME --config-file FILE",
}

// notes tell a reviewer about each form.
var notes = map[string][]string{
	formConfig: {
		"Before Kubernetes 1.34 the version is v1beta1.",
		oneEntry,
		"Add issuer.certificateAuthority if the issuer has a certificate of your own authority.",
	},
	formEKS: {
		"A cluster takes one provider with one audience, and compares each claim with one value.",
	},
	formAKS: {oneEntry},
}

const oneEntry = "An issuer has one entry. For a second repository make one rule of both: " +
	"(… && …) || (… && …)"

// listGaps returns the flags whose values are not known, "" for none.
func (t *Trust) listGaps() string {
	var gaps []string
	for i, flag := range []string{flagID, flagOwnerID} {
		if t.claims[i].value == "" {
			gaps = append(gaps, "--"+flag)
		}
	}
	return strings.Join(gaps, " and ")
}
