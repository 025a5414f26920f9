package sources

import (
	"crypto/rand"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubemint/kubemint/test/clouds"
	"github.com/kubemint/kubemint/test/harness"
)

// eksJob is a job with a kubeconfig of EKS, in an AWS that knows nobody but who is in the environment.
type eksJob struct {
	*cloudJob
	aws    *clouds.AWS
	sts    string // host of the cluster's region
	key    string // access key id of the user ci
	secret string
	role   string // that the kubeconfig names
}

const (
	deployer = "role/deployer"
	pipeline = "role/pipeline" // that a job's own token may assume
)

// eksFixtures are the kubeconfigs that the tools write.
var eksFixtures = map[string]struct {
	region, partition, suffix string
	cluster                   string // "shop" unless it says another
	role                      string // that is assumed, "" if none
	warns                     string
}{
	"aws.yaml":            {region: "eu-west-1", partition: "aws", suffix: "amazonaws.com"},
	"aws-ipv6.yaml":       {region: "eu-west-1", partition: "aws", suffix: "amazonaws.com"},
	"aws-outposts.yaml":   {region: "eu-west-1", partition: "aws", suffix: "amazonaws.com", cluster: "01234567-89ab-cdef-0123-456789abcdef"},
	"aws-china.yaml":      {region: "cn-north-1", partition: "aws-cn", suffix: "amazonaws.com.cn"},
	"aws-govcloud.yaml":   {region: "us-gov-west-1", partition: "aws-us-gov", suffix: "amazonaws.com", role: deployer},
	"aws-role.yaml":       {region: "eu-west-1", partition: "aws", suffix: "amazonaws.com", role: deployer},
	"eksctl.yaml":         {region: "eu-west-1", partition: "aws", suffix: "amazonaws.com"},
	"eksctl-role.yaml":    {region: "eu-west-1", partition: "aws", suffix: "amazonaws.com", role: deployer},
	"eksctl-aws-cli.yaml": {region: "eu-west-1", partition: "aws", suffix: "amazonaws.com", role: deployer},
}

// arn is a name of IAM in the account of the cluster.
func (j *eksJob) arn(fixture, name string) string {
	return "arn:" + eksFixtures[fixture].partition + ":iam::123456789012:" + name
}

// eks makes the job, the user ci with a key of the session, if any, and the role that ci may assume.
func (c *cloud) eks(t *testing.T, fixture, session string) *eksJob {
	t.Helper()
	f := eksFixtures[fixture]
	cluster := f.cluster
	if cluster == "" {
		cluster = "shop"
	}
	j := &eksJob{
		cloudJob: c.job(t, fixture, nil), aws: clouds.NewAWS(cluster, f.region), sts: "sts." + f.region + "." + f.suffix,
		key: "AKIA" + rand.Text()[:16], secret: rand.Text() + "/+" + rand.Text()[:12],
	}
	ci := j.arn(fixture, "user/ci")
	j.aws.Keys[j.key] = clouds.AWSKey{Secret: j.secret, Session: session, ARN: ci}
	if f.role != "" {
		j.role = j.arn(fixture, f.role)
		j.aws.Roles[j.role] = clouds.AWSRole{Caller: ci}
	}
	j.internet.Serve(j.sts, j.aws)
	c.takes(j.aws.Verify)
	return j
}

// keys sets the environment that aws-actions/configure-aws-credentials exports.
func (j *eksJob) keys(session string) {
	j.env = append(j.env, "AWS_ACCESS_KEY_ID="+j.key, "AWS_SECRET_ACCESS_KEY="+j.secret, "AWS_SESSION_TOKEN="+session)
}

// stsWas demands what STS was asked for in one process.
func (j *eksJob) stsWas(t *testing.T, processes int, each ...string) {
	t.Helper()
	if have, want := j.aws.Asked(), slices.Repeat(each, processes); !slices.Equal(have, want) {
		t.Errorf("STS was asked for %q, not %q", have, want)
	}
	if len(each) == 0 {
		j.asked(t)
	} else {
		j.asked(t, "POST https://"+j.sts+"/")
	}
}

const asDeployer = " EKSGetTokenAuth 900" // how the CLI calls the session, and for as short as STS allows

func loginToEKS(t *testing.T, c *cloud) (*cloudJob, string) {
	t.Helper()
	j := c.eks(t, "aws-role.yaml", "made-up-session-token/+==")
	j.keys("made-up-session-token/+==")
	return j.cloudJob, j.role
}

func ofEKS(t *testing.T, c *cloud) {
	t.Helper()
	covers(t, eksFixtures, "aws*.yaml", "eksctl*.yaml")
	issuer := clouds.NewIssuer(t, clouds.NewInternet(t), "https://oidc.eks.example", nil)
	for fixture, f := range eksFixtures {
		for name, session := range map[string]string{"a user's key": "", "the keys of a session": "made-up-session-token/+=="} {
			if session == "" && fixture != "aws.yaml" {
				continue // the same everywhere
			}
			t.Run(fixture+" with "+name, func(t *testing.T) {
				t.Parallel()
				j := c.eks(t, fixture, session)
				j.keys(session)
				user, asks := j.arn(fixture, "user/ci"), []string(nil)
				if f.role != "" {
					user, asks = j.role, []string{j.sts + " AssumeRole " + j.role + asDeployer}
				}
				j.works(t, user, asks...)
			})
		}
		t.Run(fixture+" with a web identity", func(t *testing.T) {
			t.Parallel()
			j := c.eks(t, fixture, "")
			own := j.arn(fixture, pipeline)
			j.aws.Roles[own] = clouds.AWSRole{WebIdentity: func(token string) error {
				_, err := issuer.Verify(token, "sts.amazonaws.com")
				return err
			}}
			identity := issuer.Token(nil, "sts.amazonaws.com")
			if fixture == "aws-role.yaml" || fixture == "eksctl-role.yaml" { // whose stanza names this profile
				said := j.run(t, 3, []string{"AWS_ROLE_ARN=" + own, "AWS_WEB_IDENTITY_TOKEN_FILE=/nowhere"})
				harness.AssertSays(t, said, `its variable AWS_PROFILE would choose another identity than this step's environment does$`,
					`^hint: set AWS_PROFILE for this step, and take it out of the kubeconfig$`)
				j.env = append(j.env, "AWS_PROFILE=ci")
			}
			j.env = append(j.env, "AWS_ROLE_ARN="+own, "AWS_WEB_IDENTITY_TOKEN_FILE="+j.file(t, "identity", []byte(identity+"\n")))
			user, asks := own, []string{j.sts + " AssumeRoleWithWebIdentity " + own + " kubemint 900"}
			if f.role != "" {
				j.aws.Roles[j.role] = clouds.AWSRole{Caller: own}
				user, asks = j.role, append(asks, j.sts+" AssumeRole "+j.role+asDeployer)
			}
			j.hides(t, j.works(t, user, asks...), identity)
		})
	}
	t.Run("exec keeps the cloud's keys from the command", func(t *testing.T) {
		t.Parallel()
		j := c.eks(t, "aws.yaml", "made-up-session")
		j.keys("made-up-session")
		j.grants(t, j.arn("aws.yaml", "user/ci"))
		said := j.run(t, 0, []string{"AWS_REGION=eu-west-1", "PATH=" + os.Getenv("PATH")}, "exec", "--", "sh", "-c", `env | sed 's/^/has /' >&2`)
		harness.AssertSays(t, said, `^has KUBECONFIG=/`, `^has AWS_REGION=eu-west-1$`,
			`^note: removed AWS_SECRET_ACCESS_KEY from the command's environment: it belongs to the source credential$`)
		for _, variable := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} {
			if strings.Contains(said, "has "+variable+"=") {
				t.Errorf("the command has %s", variable)
			}
		}
	})
	eksRefusals(t, c)
}

// works mints and revokes as that user of the cluster.
func (j *eksJob) works(t *testing.T, user string, asks ...string) (said string) {
	t.Helper()
	j.grants(t, user)
	said = j.mints(t)
	said += j.run(t, 0, nil, "revoke")
	harness.AssertSays(t, said, `^revoked: lease `+j.namespace+`/`)
	j.stsWas(t, 2, asks...)
	j.hides(t, said, j.secret)
	j.hides(t, said, "made-up-session-token")
	j.hides(t, said, "k8s-aws-v1.")
	return said
}

func eksRefusals(t *testing.T, c *cloud) {
	t.Helper()
	const session = "made-up-session-token/+=="
	for name, tc := range map[string]struct {
		fixture string
		change  func(*eksJob)
		asks    string
		wanted  []string
	}{
		"a wrong secret key": {
			fixture: "aws.yaml", change: func(j *eksJob) { j.env = append(j.env, "AWS_SECRET_ACCESS_KEY=another-"+j.secret) }, wanted: notAccepted,
		},
		"a wrong session token": {
			fixture: "aws.yaml", change: func(j *eksJob) { j.env = append(j.env, "AWS_SESSION_TOKEN=") }, wanted: notAccepted,
		},
		"another cluster": {
			fixture: "aws.yaml", change: func(j *eksJob) { j.aws.Cluster = "till" }, wanted: notAccepted,
		},
		"an expired session": {
			fixture: "aws.yaml", change: (*eksJob).expire, wanted: notAccepted,
		},
		"an expired session, and a role": {
			fixture: "aws-role.yaml", change: (*eksJob).expire, asks: "AssumeRole",
			wanted: []string{
				`^error: assume the role that the kubeconfig names: .* ExpiredToken: The security token included in the request is expired$`,
				`^hint: log in to AWS again in a step right before this one$`,
			},
		},
		"a role that may not be assumed": {
			fixture: "aws-role.yaml", change: func(j *eksJob) { j.aws.Roles[j.role] = clouds.AWSRole{} }, asks: "AssumeRole",
			wanted: []string{
				`^error: assume the role that the kubeconfig names: .* AccessDenied: User: \S+:user/ci is not authorized to perform: sts:AssumeRole on resource: \S+:role/deployer$`,
				`^hint: the trust policy of the role has to let this identity assume it$`,
			},
		},
		"no credentials": {
			fixture: "aws.yaml", change: func(j *eksJob) { j.env = append(j.env, "AWS_ACCESS_KEY_ID=") },
			wanted: []string{
				`^error: find AWS credentials: the environment has neither AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, nor AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, `,
				"^hint: GitHub: run aws-actions/configure-aws-credentials in an earlier step, and give the job `permissions: id-token: write`$",
				"^hint: or give the kubeconfig a token: `aws eks get-token ",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := c.eks(t, tc.fixture, session)
			j.keys(session)
			tc.change(j)
			said := j.refused(t, tc.wanted...)
			j.hides(t, said, j.secret)
			j.hides(t, said, session)
			switch asked := j.internet.Asked(); {
			case slices.Equal(tc.wanted, notAccepted):
				j.stsWas(t, 1)
			case tc.asks == "" && len(asked) > 0:
				t.Errorf("asked was %q", asked)
			case tc.asks != "" && !slices.Equal(asked, []string{"POST https://" + j.sts + "/"}):
				t.Errorf("asked was %q, and not %s once", asked, tc.asks)
			}
		})
	}
	t.Run("a web identity that is refused", func(t *testing.T) {
		t.Parallel()
		j := c.eks(t, "aws.yaml", "")
		own := j.arn("aws.yaml", pipeline)
		j.aws.Roles[own] = clouds.AWSRole{WebIdentity: func(string) error { return errors.New("incorrect token audience") }}
		j.env = append(j.env, "AWS_ROLE_ARN="+own, "AWS_WEB_IDENTITY_TOKEN_FILE="+j.file(t, "identity", []byte("made.up.token")))
		said := j.refused(
			t, `^error: assume the role of AWS_ROLE_ARN: .* InvalidIdentityToken: incorrect token audience$`,
			`^hint: AWS has to know the issuer of the token as an OIDC provider, with the token's audience$`,
		)
		j.hides(t, said, "made.up.token")
	})
	t.Run("an endpoint of the kubeconfig's", func(t *testing.T) {
		t.Parallel()
		j := &eksJob{cloudJob: c.job(t, "aws.yaml", func(config *api.Config) {
			for _, user := range config.AuthInfos {
				user.Exec.Args = append(user.Exec.Args, "--endpoint-url", "https://sts.example.com")
			}
		}), key: "AKIAMADEUP", secret: "made-up-secret"}
		j.keys("")
		j.refused(t, `^error: .*aws's argument --endpoint-url has no counterpart here$`)
		if asked := j.internet.Asked(); len(asked) > 0 {
			t.Errorf("asked was %q", asked)
		}
	})
}

func (j *eksJob) expire() {
	key := j.aws.Keys[j.key]
	key.Expires = time.Now().Add(-time.Minute)
	j.aws.Keys[j.key] = key
}
