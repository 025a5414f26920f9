package eks_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/kubemint/kubemint/internal/source/cloud"
	"github.com/kubemint/kubemint/test/clouds"
)

const (
	awsStanzaUser = "arn:aws:iam::123456789012:user/stanza"
	getShop       = "aws eks get-token --cluster-name shop --region eu-west-1"
)

// A stanza's variables say who logs in, as for the program: kubemint is the same one, or refuses by the variable's name. It
// never is another one with a warning.
func TestEKSIdentity(t *testing.T) {
	t.Parallel()
	pod := map[string]string{"AWS_ROLE_ARN": awsWeb, "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/token"}
	own := []string{"AWS_ACCESS_KEY_ID", "AKIASTANZA", "AWS_SECRET_ACCESS_KEY", "made-up-secret-key"}
	const planted = ", in a kubeconfig which a pull request may have written"
	const whole = ", and its AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not both given"
	for name, c := range map[string]struct {
		stanza    []string
		env       map[string]string
		untrusted bool
		program   string
		user      string // who the token is of, or
		refused   string // which variable is named, and more
	}{
		"keys of its own":                        {stanza: own, env: keys(), user: awsStanzaUser},
		"keys of its own, none in the step":      {stanza: own, user: awsStanzaUser},
		"keys before the step's web identity":    {stanza: own, env: pod, user: awsStanzaUser},
		"keys of its own, aws-iam-authenticator": {stanza: own, env: keys(), program: "aws-iam-authenticator token -i shop --region eu-west-1", user: awsStanzaUser},
		"keys of its own, planted":               {stanza: own, env: keys(), untrusted: true, refused: "AWS_ACCESS_KEY_ID" + planted},
		"an id alone":                            {stanza: own[:2], env: keys(), refused: "AWS_ACCESS_KEY_ID" + whole},
		"a secret alone":                         {stanza: own[2:], env: map[string]string{"AWS_ACCESS_KEY_ID": "ASIAMADEUP"}, refused: "AWS_SECRET_ACCESS_KEY" + whole},
		"a session token alone":                  {stanza: []string{"AWS_SESSION_TOKEN", "made-up-session-token-2"}, env: keys(), refused: "AWS_SESSION_TOKEN" + whole},
		"a session token by its old name":        {stanza: []string{"AWS_SECURITY_TOKEN", "made-up-session-token-2"}, env: keys(), refused: "AWS_SECURITY_TOKEN" + whole},
		"keys emptied":                           {stanza: []string{"AWS_ACCESS_KEY_ID", "", "AWS_SECRET_ACCESS_KEY", ""}, env: keys(), refused: "AWS_ACCESS_KEY_ID" + whole},
		"the same keys as the step":              {stanza: []string{"AWS_ACCESS_KEY_ID", "ASIAMADEUP", "AWS_SECRET_ACCESS_KEY", "made-up-secret-key", "AWS_SESSION_TOKEN", "made-up-session-token"}, env: keys(), untrusted: true, user: awsUser},
		"a profile and keys, as the CLI":         {stanza: []string{"AWS_PROFILE", "ci"}, env: keys(), user: awsUser},
		"a profile and a web identity":           {stanza: []string{"AWS_PROFILE", "ci"}, env: pod, refused: "AWS_PROFILE"},
		"a profile and nothing else":             {stanza: []string{"AWS_PROFILE", "ci"}, refused: "AWS_PROFILE"},
		"a profile by its old name":              {stanza: []string{"AWS_DEFAULT_PROFILE", "ci"}, env: pod, refused: "AWS_DEFAULT_PROFILE"},
		"the step's own profile":                 {stanza: []string{"AWS_PROFILE", "ci"}, env: map[string]string{"AWS_PROFILE": "ci", "AWS_ROLE_ARN": awsWeb, "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/token"}, user: awsWeb},
		"files of profiles":                      {stanza: []string{"AWS_SHARED_CREDENTIALS_FILE", "/x"}, env: pod, refused: "AWS_SHARED_CREDENTIALS_FILE"},
		"a configuration":                        {stanza: []string{"AWS_CONFIG_FILE", "/x"}, env: pod, refused: "AWS_CONFIG_FILE"},
		"a role of a web identity":               {stanza: []string{"AWS_ROLE_ARN", awsDeployer}, env: pod, user: awsDeployer},
		"a role of a web identity, planted":      {stanza: []string{"AWS_ROLE_ARN", awsDeployer}, env: pod, untrusted: true, refused: "AWS_ROLE_ARN" + planted},
		"a role and keys, as the CLI":            {stanza: []string{"AWS_ROLE_ARN", awsDeployer}, env: keys(), user: awsUser},
		"another web identity":                   {stanza: []string{"AWS_WEB_IDENTITY_TOKEN_FILE", "/etc/shadow"}, env: pod, refused: "AWS_WEB_IDENTITY_TOKEN_FILE"},
		"container credentials":                  {stanza: []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "https://evil.example"}, refused: "AWS_CONTAINER_CREDENTIALS_FULL_URI"},
		"the value of a variable is never shown": {stanza: []string{"AWS_PROFILE", "made-up-secret-key"}, env: pod, refused: "AWS_PROFILE"},
		"a variable of nobody, and everything":   {stanza: []string{"AWS_PAGER", "x"}, env: keys(), user: awsUser},
	} {
		w := newAWSWorld(t, "eu-west-1")
		w.files["/var/run/token"] = "made-up-web-identity"
		w.Keys["AKIASTANZA"] = clouds.AWSKey{Secret: "made-up-secret-key", ARN: awsStanzaUser}
		w.Roles[awsDeployer] = clouds.AWSRole{Caller: awsUser, WebIdentity: w.Roles[awsWeb].WebIdentity}
		if c.program == "" {
			c.program = getShop
		}
		s := awsStanza(t, awsServer, c.program, c.stanza...)
		s.Trusted = !c.untrusted
		l, err := cloud.For(s, w.runner(t, c.env))
		if c.refused != "" {
			variable, more, _ := strings.Cut(c.refused, ",")
			if more != "" {
				more = "," + more
			}
			start := "serve it in-process: its variable " + variable + " would choose another identity than this step's environment does" + more + "\n"
			remedy := "set " + variable + " for this step, and take it out of the kubeconfig"
			if c.untrusted { // what a pull request may have written is nothing to copy
				remedy = "take " + variable + " out of the kubeconfig"
			}
			if got := awsReason(t, err); !strings.HasPrefix(got, start) || !strings.Contains(got, remedy) || c.untrusted == strings.Contains(got, "set "+variable) {
				t.Errorf("%s: %s", name, got)
			} else if strings.Contains(variable, "PROFILE") != strings.Contains(got, "aws configure export-credentials --profile NAME") {
				t.Errorf("%s: remedy of a profile: %s", name, got)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		bearer, _, err := l.Token(t.Context())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		user, _, err := w.Verify(bearer.Reveal())
		if err != nil || user != c.user {
			t.Errorf("%s: the token is %s's, not %s's (%v)", name, user, c.user, err)
		}
		signed, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(bearer.Reveal(), "k8s-aws-v1."))
		if err != nil || (c.user == awsStanzaUser && strings.Contains(string(signed), "made-up-session-token")) {
			t.Errorf("%s: the step's session token is in the token of other keys (%v)", name, err)
		}
	}
}

// A secret that was pasted with a line break is a wrong signature, or an invalid header: the cause is said instead.
func TestEKSKeysWithALineBreak(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "ASIAMADEUP\n", "AWS_SECRET_ACCESS_KEY": "made-up-secret-key\r\n", "AWS_SESSION_TOKEN": "made-up-session-token ",
		"AWS_SECURITY_TOKEN": "made-up\u00a0session-token",
	} {
		w := newAWSWorld(t, "eu-west-1")
		_, _, err := awsMust(t, awsStanza(t, awsServer, getShop), w.runner(t, keys(name, value))).Token(t.Context())
		want := "find AWS credentials: " + name + " has a line break, a blank or another character in it that no key has\n" +
			"paste the secret again without it, or have the earlier step print it with `printf %s`"
		if got := awsReason(t, err); got != want {
			t.Errorf("%s: %s", name, got)
		}
		if asked := w.internet.Asked(); len(asked) > 0 {
			t.Errorf("%s: asked %v", name, asked)
		}
	}
}
