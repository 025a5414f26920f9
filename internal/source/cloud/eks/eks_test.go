package eks_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/source/cloud"
	"github.com/kubemint/kubemint/internal/source/cloud/plugin"
	"github.com/kubemint/kubemint/test/clouds"
)

const (
	awsUser     = "arn:aws:iam::123456789012:user/ci"
	awsDeployer = "arn:aws:iam::123456789012:role/deployer"
	awsWeb      = "arn:aws:iam::123456789012:role/web"
	awsServer   = "https://0123456789ABCDEF.gr7.eu-west-1.eks.amazonaws.com"
)

// awsSecrets must be in no error.
var awsSecrets = []string{"made-up-secret-key", "made-up-session-token", "made-up-web-identity", "made-up-authorization"}

// keys returns the environment that configure-aws-credentials exports.
func keys(more ...string) map[string]string {
	env := map[string]string{
		"AWS_ACCESS_KEY_ID": "ASIAMADEUP", "AWS_SECRET_ACCESS_KEY": "made-up-secret-key", "AWS_SESSION_TOKEN": "made-up-session-token",
	}
	for i := 0; i < len(more); i += 2 {
		env[more[i]] = more[i+1]
	}
	return env
}

// awsWorld is STS, reached by no other way than the runner's HTTP client.
type awsWorld struct {
	*clouds.AWS
	internet *clouds.Internet
	files    map[string]string
	read     []string
}

func newAWSWorld(t *testing.T, region string) *awsWorld {
	t.Helper()
	w := &awsWorld{AWS: clouds.NewAWS("shop", region), internet: clouds.NewInternet(t), files: map[string]string{}}
	w.Keys["ASIAMADEUP"] = clouds.AWSKey{Secret: "made-up-secret-key", Session: "made-up-session-token", ARN: awsUser}
	web := func(token string) error {
		switch token {
		case "made-up-web-identity":
			return nil
		case "made-up-web-identity, expired":
			return clouds.AWSFailure{Status: 400, Code: "ExpiredTokenException", Message: "Token expired: current date/time must be before the expiration date/time"}
		}
		return errors.New("Couldn't retrieve verification key from your identity provider")
	}
	w.Roles[awsDeployer], w.Roles[awsWeb] = clouds.AWSRole{Caller: awsUser}, clouds.AWSRole{WebIdentity: web}
	for _, host := range []string{"sts.eu-west-1.amazonaws.com", "sts.cn-north-1.amazonaws.com.cn", "sts.us-gov-west-1.amazonaws.com"} {
		w.internet.Serve(host, w.AWS)
	}
	return w
}

func (w *awsWorld) runner(t *testing.T, env map[string]string) plugin.Runner {
	t.Helper()
	return plugin.Runner{
		Getenv: func(name string) string { return env[name] },
		ReadFile: func(path string) ([]byte, error) {
			w.read = append(w.read, path)
			if content, ok := w.files[path]; ok {
				return []byte(content), nil
			}
			return nil, fs.ErrNotExist
		},
		HTTP: w.internet.Client(t),
	}
}

// awsStanza reads `aws eks get-token …`.
func awsStanza(t *testing.T, server, line string, env ...string) plugin.Stanza {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(line)
	s := plugin.Stanza{Program: words[0], Args: words[1:], Server: u, Env: map[string]string{}}
	for i := 0; i < len(env); i += 2 {
		s.Env[env[i]] = env[i+1]
	}
	return s
}

const notHere = "it is neither https nor on this machine\nleave the variable as the platform (ECS, CodeBuild, EKS Pod Identity) has set it"

// fixture reads the only user and cluster of a kubeconfig.
func awsFixture(t *testing.T, name string) plugin.Stanza {
	t.Helper()
	data, err := os.ReadFile("../../../../testdata/kubeconfigs/" + name + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Clusters []struct{ Cluster struct{ Server string } }
		Users    []struct {
			User struct {
				Exec struct {
					Command string
					Args    []string
					Env     []struct{ Name, Value string }
				}
			}
		}
	}
	if err := yaml.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	exec := file.Users[0].User.Exec
	s := awsStanza(t, file.Clusters[0].Cluster.Server, exec.Command)
	s.Args = exec.Args
	for _, v := range exec.Env {
		s.Env[v.Name] = v.Value
	}
	return s
}

// login is a login whose server is one of the cloud's.
func awsMust(t *testing.T, s plugin.Stanza, r plugin.Runner) *plugin.Login {
	t.Helper()
	l, err := cloud.For(s, r)
	if err != nil {
		t.Fatal(err)
	}
	if l.Cloud != "EKS" || l.BareIP || l.Unusual != "" || !l.Serves(s.Server.Hostname()) {
		t.Errorf("%+v does not serve %s", l, s.Server.Host)
	}
	return l
}

// reason is an error as a person sees it, with its hints.
func awsReason(t *testing.T, err error) string {
	t.Helper()
	p, ok := errors.AsType[*problem.Error](err)
	if !ok || p.Code != problem.Source {
		t.Fatalf("not a problem of the source: %v", err)
	}
	text := clouds.ShowError(t, p.Error(), p.Hints, plugin.CheckLogin)
	for _, secret := range awsSecrets {
		if strings.Contains(text+fmt.Sprintf("%+v", err), secret) {
			t.Errorf("%s is in the error %s", secret, text)
		}
	}
	return text
}

// Every variant that the tools write gives a token that the cluster's authenticator takes, as whom it should.
func TestEKSTokens(t *testing.T) {
	t.Parallel()
	const (
		get   = "aws eks get-token --cluster-name shop --region eu-west-1"
		iam   = "aws-iam-authenticator token -i shop --region eu-west-1"
		china = "arn:aws-cn:iam::123456789012:role/deployer"
		asked = "sts.eu-west-1.amazonaws.com AssumeRole " + awsDeployer + " EKSGetTokenAuth 900"
		web   = "sts.eu-west-1.amazonaws.com AssumeRoleWithWebIdentity " + awsWeb + " kubemint 900"
	)
	pod := map[string]string{"AWS_ROLE_ARN": awsWeb, "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/token"}
	for name, c := range map[string]struct {
		stanza  plugin.Stanza
		env     map[string]string
		cluster string
		region  string
		role    clouds.AWSRole // of awsDeployer, where it is not that the user may assume it
		user    string
		sts     string // the region of STS, eu-west-1 where it is empty
		asked   []string
		notes   []string
	}{
		"aws":            {stanza: awsFixture(t, "aws")},
		"aws-role":       {stanza: awsFixture(t, "aws-role"), user: awsDeployer, asked: []string{asked}},
		"aws-outposts":   {stanza: awsFixture(t, "aws-outposts"), cluster: "01234567-89ab-cdef-0123-456789abcdef"},
		"aws-ipv6":       {stanza: awsFixture(t, "aws-ipv6")},
		"aws-china":      {stanza: awsFixture(t, "aws-china"), region: "cn-northwest-1", sts: "cn-north-1"},
		"aws-govcloud":   {stanza: awsFixture(t, "aws-govcloud"), region: "us-gov-east-1", sts: "us-gov-west-1", user: "arn:aws-us-gov:iam::123456789012:role/deployer", asked: []string{"sts.us-gov-west-1.amazonaws.com AssumeRole arn:aws-us-gov:iam::123456789012:role/deployer EKSGetTokenAuth 900"}},
		"eksctl":         {stanza: awsFixture(t, "eksctl")},
		"eksctl-role":    {stanza: awsFixture(t, "eksctl-role"), user: awsDeployer, asked: []string{asked}},
		"eksctl-aws-cli": {stanza: awsFixture(t, "eksctl-aws-cli"), user: awsDeployer, asked: []string{asked}},

		"flags with =, in any order":       {stanza: awsStanza(t, awsServer, "aws --output=json eks --cluster-name=shop get-token --region=eu-west-1 --no-cli-pager --role-arn="+awsDeployer), user: awsDeployer, asked: []string{asked}},
		"the short flag of the vendor":     {stanza: awsStanza(t, awsServer, get+" -r "+awsDeployer), user: awsDeployer, asked: []string{asked}},
		"another session name":             {stanza: awsStanza(t, awsServer, iam+" --role "+awsDeployer+" --session-name ci-7"), user: awsDeployer, asked: []string{strings.Replace(asked, "EKSGetTokenAuth", "ci-7", 1)}},
		"an external ID":                   {stanza: awsStanza(t, awsServer, iam+" -r "+awsDeployer+" -e x-1 -s ci-7 --cache -l json"), role: clouds.AWSRole{Caller: awsUser, ExternalID: "x-1"}, user: awsDeployer, asked: []string{strings.Replace(asked, "EKSGetTokenAuth", "ci-7", 1)}},
		"another cluster's ID":             {stanza: awsStanza(t, awsServer, "aws-iam-authenticator --cluster-id=k8s.shop.example.com token"), cluster: "k8s.shop.example.com"},
		"the region of the runner":         {stanza: awsStanza(t, "https://10.0.0.1", "aws eks get-token --cluster-name shop"), env: keys("AWS_DEFAULT_REGION", "eu-west-1")},
		"the region of the server":         {stanza: awsStanza(t, awsServer, "aws eks get-token --cluster-name shop")},
		"the region of a dual-stack one":   {stanza: awsStanza(t, "https://01AB.sk1.eks-cluster.eu-west-1.api.aws.", "aws eks get-token --cluster-name shop")},
		"the flag before the stanza's env": {stanza: awsStanza(t, awsServer, get, "AWS_REGION", "eu-central-1")},
		"the stanza's env before the runner's": {
			stanza: awsStanza(t, awsServer, "aws eks get-token --cluster-name shop", "AWS_DEFAULT_REGION", "eu-west-1"), env: keys("AWS_REGION", "eu-central-1"),
		},
		"a user's own key": {stanza: awsStanza(t, awsServer, get), env: map[string]string{"AWS_ACCESS_KEY_ID": "AKIAMADEUP", "AWS_SECRET_ACCESS_KEY": "made-up-secret-key"}},
		"a web identity":   {stanza: awsStanza(t, awsServer, get), env: pod, user: awsWeb, asked: []string{web}},
		"a web identity that assumes a role": {
			stanza: awsStanza(t, awsServer, get+" --role "+awsDeployer), env: pod, role: clouds.AWSRole{Caller: awsWeb}, user: awsDeployer, asked: []string{web, asked},
		},
		"keys before a web identity": {stanza: awsStanza(t, awsServer, get), env: keys("AWS_ROLE_ARN", awsWeb, "AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere")},
		"settings of the stanza that have no effect with keys": {
			stanza: awsStanza(t, awsServer, get, "AWS_CONFIG_FILE", "/tmp/x", "AWS_ENDPOINT_URL_STS", "https://evil.example.com",
				"a b", "x", "AWS_PROFILE", "ci", "AWS_STS_REGIONAL_ENDPOINTS", "legacy", "AWS_ROLE_ARN", awsWeb),
			notes: []string{
				"AWS_CONFIG_FILE in the kubeconfig has no effect here", "AWS_ENDPOINT_URL_STS in the kubeconfig has no effect here",
				"AWS_ROLE_ARN in the kubeconfig has no effect here", "a variable without a valid name in the kubeconfig has no effect here",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newAWSWorld(t, "eu-central-1") // an STS host of any region of the partition is good
			w.Groups = []string{"deployers"}
			w.Keys["AKIAMADEUP"] = clouds.AWSKey{Secret: "made-up-secret-key", ARN: awsUser}
			w.Roles["arn:aws-us-gov:iam::123456789012:role/deployer"] = clouds.AWSRole{Caller: awsUser}
			w.files["/var/run/token"] = "made-up-web-identity\n"
			if c.role.Caller != "" {
				w.Roles[awsDeployer] = c.role
			}
			if c.cluster != "" {
				w.Cluster = c.cluster
			}
			if c.region != "" {
				w.Region = c.region
			}
			if c.env == nil {
				c.env = keys()
			}
			if c.user == "" {
				c.user = awsUser
			}
			if c.sts == "" {
				c.sts = "eu-west-1"
			}
			var l *plugin.Login
			if s := c.stanza; s.Server.Hostname() == "10.0.0.1" {
				var err error
				if l, err = cloud.For(s, w.runner(t, c.env)); err != nil || l.Serves("10.0.0.1") {
					t.Fatal(l, err)
				}
			} else {
				l = awsMust(t, s, w.runner(t, c.env))
			}
			if diff := cmp.Diff(c.notes, l.Notes); diff != "" {
				t.Error("notes", diff)
			}
			if asked := w.internet.Asked(); len(asked) > 0 || len(w.read) > 0 {
				t.Errorf("before a token is wanted: asked %v, read %v", asked, w.read)
			}
			before := time.Now()
			bearer, expires, err := l.Token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			user, groups, err := w.Verify(bearer.Reveal())
			if err != nil || user != c.user || !slices.Equal(groups, w.Groups) {
				t.Errorf("the token is %s's, in %v (%v)", user, groups, err)
			}
			text, _ := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(bearer.Reveal(), "k8s-aws-v1."))
			if host, _, _ := strings.Cut(string(text), ".amazonaws"); host != "https://sts."+c.sts {
				t.Error("the token is of", host)
			}
			if left := expires.Sub(before); left < 14*time.Minute || left > 14*time.Minute+5*time.Second {
				t.Errorf("it expires in %s", left)
			}
			if diff := cmp.Diff(c.asked, w.Asked()); diff != "" {
				t.Error("asked of STS", diff)
			}
			if refused := w.internet.Refused(); len(refused) > 0 {
				t.Error("asked of somebody else", refused)
			}
		})
	}
}

// The server allows these parameters and no other, none of them twice, and no more than 4096 bytes. X-Amz-Expires is at
// most 60 for the sake of aws-iam-authenticator 0.3 and older.
func TestEKSTokenIsWhatTheAuthenticatorAllows(t *testing.T) {
	t.Parallel()
	w := newAWSWorld(t, "eu-west-1")
	session := strings.Repeat("IQoJb3JpZ2luX2VjEDoaCWV1LXdlc3Qt/+Jd", 44) + "==" // AWS's usually have 400 to 1200 bytes
	w.Keys["ASIAMADEUP"] = clouds.AWSKey{Secret: "made-up-secret-key", Session: session, ARN: awsUser}
	l := awsMust(t, awsFixture(t, "aws"), w.runner(t, keys("AWS_SESSION_TOKEN", session)))
	bearer, _, err := l.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	code, ok := strings.CutPrefix(bearer.Reveal(), "k8s-aws-v1.")
	text, err := base64.RawURLEncoding.DecodeString(code)
	if err != nil || !ok || len(bearer.Reveal()) > 4096 {
		t.Fatal(err, ok, len(bearer.Reveal()))
	}
	u, err := url.Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	today := time.Now().UTC().Format("20060102")
	u.RawQuery = ""
	names := slices.Sorted(maps.Keys(query))
	wanted := []string{
		"Action", "Version", "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-Security-Token", "X-Amz-Signature", "X-Amz-SignedHeaders",
	}
	if diff := cmp.Diff(wanted, names); diff != "" {
		t.Error(diff)
	}
	got := []string{u.String(), query.Get("Action"), query.Get("Version"), query.Get("X-Amz-Expires"), query.Get("X-Amz-SignedHeaders"), query.Get("X-Amz-Credential")}
	want := []string{"https://sts.eu-west-1.amazonaws.com/", "GetCallerIdentity", "2011-06-15", "60", "host;x-k8s-aws-id", "ASIAMADEUP/" + today + "/eu-west-1/sts/aws4_request"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for name, values := range query {
		if len(values) != 1 {
			t.Errorf("%s is there %d times", name, len(values))
		}
	}
}

// The host of STS is the SDK's, and the names of servers are ours: they have to be of the same partition.
func TestEKSPartitions(t *testing.T) {
	t.Parallel()
	for region, c := range map[string]struct{ suffix, dualStack string }{
		"us-east-1": {"amazonaws.com", "api.aws"}, "ap-southeast-5": {"amazonaws.com", "api.aws"}, "mx-central-1": {"amazonaws.com", "api.aws"},
		"us-gov-east-1": {"amazonaws.com", "api.aws"}, "us-gov-west-1": {"amazonaws.com", "api.aws"},
		"cn-north-1":      {"amazonaws.com.cn", "api.amazonwebservices.com.cn"},
		"cn-northwest-1":  {"amazonaws.com.cn", "api.amazonwebservices.com.cn"},
		"eusc-de-east-1":  {"amazonaws.eu", "api.amazonwebservices.eu"},
		"us-iso-east-1":   {"c2s.ic.gov", "api.aws.ic.gov"},
		"us-isob-east-1":  {"sc2s.sgov.gov", "api.aws.scloud"},
		"us-isof-south-1": {"csp.hci.ic.gov", "api.aws.hci.ic.gov"},
		"eu-isoe-west-1":  {"cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"},
	} {
		t.Run(region, func(t *testing.T) {
			t.Parallel()
			w := newAWSWorld(t, region)
			classic, dual := "01AB.gr7."+region+".eks."+c.suffix, "01AB.sk1.eks-cluster."+region+"."+c.dualStack
			for _, host := range []string{classic, dual} {
				l := awsMust(t, awsStanza(t, "https://"+host, "aws eks get-token --cluster-name shop"), w.runner(t, keys()))
				bearer, _, err := l.Token(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				text, _ := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(bearer.Reveal(), "k8s-aws-v1."))
				if !strings.HasPrefix(string(text), "https://sts."+region+"."+c.suffix+"/?") {
					t.Errorf("%s: another host of STS: %.60s", host, text)
				}
				if _, _, err := w.Verify(bearer.Reveal()); err != nil {
					t.Error(err)
				}
			}
			for _, host := range []string{
				"shop." + c.suffix, "shop-1." + region + ".elb." + c.suffix, "s3." + region + "." + c.suffix, "eks." + region + "." + c.suffix,
				"xeks." + c.suffix, "eks." + c.suffix, "01AB.gr7." + region + ".eks." + c.suffix + ".example.com", "01AB.eks." + c.suffix + "x",
				"01AB.x-eks-cluster." + region + "." + c.dualStack, "eks-cluster." + region + "." + c.dualStack,
				"01AB.eks-cluster.a." + region + "." + c.dualStack, "01AB.eks-cluster.x." + c.dualStack, "x." + region + "." + c.dualStack, "10.0.0.1",
			} {
				l, err := cloud.For(awsStanza(t, "https://"+host, "aws eks get-token --cluster-name shop --region "+region), w.runner(t, keys()))
				if err != nil || l.Serves(host) {
					t.Errorf("%s would be sent a token (%v)", host, err)
				}
			}
		})
	}
	w := newAWSWorld(t, "cn-north-1")
	l, err := cloud.For(awsStanza(t, awsServer, "aws eks get-token --cluster-name shop --region cn-north-1"), w.runner(t, keys()))
	if err != nil || l.Serves("01AB.gr7.eu-west-1.eks.amazonaws.com") {
		t.Error("another partition's server would be sent a token", err)
	}
}

func TestEKSStanzasThatAreRefused(t *testing.T) {
	t.Parallel()
	const (
		aws       = "aws eks get-token --cluster-name shop --region eu-west-1 "
		iam       = "aws-iam-authenticator token -i shop --region eu-west-1 "
		noRegion  = "its region (--region, AWS_REGION or AWS_DEFAULT_REGION) does not have a valid name"
		noCluster = "its cluster does not have a valid name"
	)
	unknown := func(program, flag string) string {
		return program + "'s argument " + flag + " has no counterpart here\ntake " + flag + " out of the kubeconfig, or put a token into it in an earlier step"
	}
	for line, want := range map[string]string{
		aws + "--endpoint-url https://evil.example.com":               unknown("aws", "--endpoint-url"),
		aws + "--endpoint-url=https://made-up-secret-key.example.com": unknown("aws", "--endpoint-url"),
		aws + "--no-verify-ssl":                                       unknown("aws", "--no-verify-ssl"),
		aws + "--ca-bundle x":                                         unknown("aws", "--ca-bundle"),
		aws + "--query status":                                        unknown("aws", "--query"),
		iam + "--config x":                                            unknown("aws-iam-authenticator", "--config"),
		iam + "--forward-session-name":                                unknown("aws-iam-authenticator", "--forward-session-name"),
		iam + "--token-only":                                          unknown("aws-iam-authenticator", "--token-only"),
		iam + "--profile ci":                                          unknown("aws-iam-authenticator", "--profile"),
		aws + "--external-id x":                                       unknown("aws", "--external-id"),
		aws + "--output text":                                         "its --output is not json, which no client of Kubernetes could read",
		aws + "--cluster-id 1":                                        "both --cluster-name and --cluster-id are given",
		aws + "--region":                                              "aws's argument --region has no value",
		aws + "describe-cluster":                                      "only `aws eks get-token` is known of it",
		"aws sts get-caller-identity":                                 "only `aws eks get-token` is known of it",
		"aws":                                                         "only `aws eks get-token` is known of it",
		"aws-iam-authenticator server -i x":                           "only `aws-iam-authenticator token` is known of it",
		"aws eks get-token":                                           "no cluster is named: --cluster-name or --cluster-id is missing",
		"aws-iam-authenticator token":                                 "no cluster is named: --cluster-name or --cluster-id is missing",
		aws + "--cluster-name -shop":                                  noCluster,
		aws + "--cluster-name shop\u200bx":                            noCluster,
		aws + "--cluster-name " + strings.Repeat("x", 257):            noCluster,
		aws + "--region eu-west-1.evil.example.com":                   noRegion,
		aws + "--region evil.example.com#":                            noRegion,
		aws + "--region EU-WEST-1":                                    noRegion,
		aws + "--region eu-west-1-fips":                               noRegion,
		aws + "--region aws-global":                                   noRegion,
		aws + "--region made-up-secret-key":                           noRegion,
		aws + "--profile ci": "a profile (--profile) is not read, since the files of profiles can name programs to run\n" +
			"take --profile out of the kubeconfig, and export AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, as aws-actions/configure-aws-credentials does",
	} {
		w := newAWSWorld(t, "eu-west-1")
		l, err := cloud.For(awsStanza(t, awsServer, line), w.runner(t, keys()))
		if got := awsReason(t, err); got != "serve it in-process: "+want || l != nil {
			t.Errorf("%s\ngot  %s\nwant %s", line, got, want)
		}
	}
	for _, server := range []string{"https://10.0.0.1", "https://shop.example.com", "https://01AB.eks.amazonaws.com", "https://eu-west-1.eks.amazonaws.com.example.com"} {
		_, err := cloud.For(awsStanza(t, server, "aws eks get-token --cluster-name shop"), newAWSWorld(t, "eu-west-1").runner(t, keys()))
		want := "serve it in-process: the region is not known: there is no --region, AWS_REGION or AWS_DEFAULT_REGION, nor does the server's name tell\n" +
			"set AWS_REGION to the cluster's region"
		if diff := cmp.Diff(want, awsReason(t, err)); diff != "" {
			t.Error(server, diff)
		}
	}
	_, err := cloud.For(awsStanza(t, awsServer, "aws eks get-token --cluster-name shop", "AWS_REGION", "x.example.com"), newAWSWorld(t, "eu-west-1").runner(t, keys()))
	if got := awsReason(t, err); got != "serve it in-process: "+noRegion {
		t.Error(got)
	}
}

func TestEKSWithoutCredentials(t *testing.T) {
	t.Parallel()
	const (
		none = "find AWS credentials: the environment has neither AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, nor AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, " +
			"nor AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or AWS_CONTAINER_CREDENTIALS_FULL_URI"
		profile = "\nAWS_PROFILE is set, but profiles are not read, since their files can name programs to run"
		hints   = "\nGitHub: run aws-actions/configure-aws-credentials in an earlier step, and give the job `permissions: id-token: write`" +
			"\na profile, or the role of an EC2 instance, which is not asked for here: `aws configure export-credentials --format env` prints its keys" +
			"\nor give the kubeconfig a token: `aws eks get-token --cluster-name NAME --query status.token --output text`"
	)
	for want, env := range map[string][]string{
		none + hints:           {"AWS_ROLE_ARN", awsWeb, "AWS_CONFIG_FILE", "/home/ci/.aws/config"},
		none + profile + hints: {"AWS_PROFILE", "ci", "AWS_SECRET_ACCESS_KEY", "made-up-secret-key"},
		"find AWS credentials: AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not\nexport both, and AWS_SESSION_TOKEN where the keys are temporary": {"AWS_ACCESS_KEY_ID", "AKIAMADEUP"},
		"find AWS credentials: AWS_WEB_IDENTITY_TOKEN_FILE is set, and AWS_ROLE_ARN is not\nset AWS_ROLE_ARN to the role that the token's owner may assume": {"AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/token"},
		"read the file of AWS_WEB_IDENTITY_TOKEN_FILE: file does not exist":                                                                                 {"AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere", "AWS_ROLE_ARN", awsWeb},
		"ask the endpoint of AWS_CONTAINER_CREDENTIALS_*_URI for credentials: " + notHere:                                                                   {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://10.0.0.1/keys"},
	} {
		w := newAWSWorld(t, "eu-west-1")
		r := map[string]string{}
		for i := 0; i < len(env); i += 2 {
			r[env[i]] = env[i+1]
		}
		_, _, err := awsMust(t, awsFixture(t, "aws"), w.runner(t, r)).Token(t.Context())
		if diff := cmp.Diff(want, awsReason(t, err)); diff != "" {
			t.Error(diff)
		}
		if asked := w.internet.Asked(); len(asked) > 0 {
			t.Error("asked", asked)
		}
	}
}

// What STS answers is shown with what to do, on one line.
func TestEKSWhenSTSRefuses(t *testing.T) {
	t.Parallel()
	const (
		role = "aws eks get-token --cluster-name shop --region eu-west-1 --role " + awsDeployer
		web  = "aws eks get-token --cluster-name shop --region eu-west-1"
	)
	pod := map[string]string{"AWS_ROLE_ARN": awsWeb, "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/token"}
	for name, c := range map[string]struct {
		line    string
		env     map[string]string
		token   string
		prepare func(w *awsWorld)
		start   string
		end     string
	}{
		"another's role": {
			line: role + "-of-others", env: keys(), start: "assume the role that the kubeconfig names: operation error STS: AssumeRole, https response error StatusCode: 403, ",
			end: "api error AccessDenied: User: " + awsUser + " is not authorized to perform: sts:AssumeRole on resource: " + awsDeployer + "-of-others\n" +
				"the trust policy of the role has to let this identity assume it",
		},
		"a role of another partition": {
			line: strings.Replace(role, "arn:aws:", "arn:aws-cn:", 1), env: keys(), start: "assume the role that the kubeconfig names: ",
			end: "api error ValidationError: arn:aws-cn:iam::123456789012:role/deployer is invalid in the partition aws",
		},
		"expired keys": {
			line: role, env: keys(), start: "assume the role that the kubeconfig names: ",
			prepare: func(w *awsWorld) {
				w.Keys["ASIAMADEUP"] = clouds.AWSKey{Secret: "made-up-secret-key", Session: "made-up-session-token", ARN: awsUser, Expires: time.Now().Add(-time.Minute)}
			},
			end: "api error ExpiredToken: The security token included in the request is expired\nlog in to AWS again in a step right before this one",
		},
		"a wrong secret": {
			line: role, env: keys("AWS_SECRET_ACCESS_KEY", "made-up-secret-key-2"), start: "assume the role that the kubeconfig names: ",
			end: "api error SignatureDoesNotMatch: The request signature we calculated does not match the signature you provided.",
		},
		"an unknown web identity": {
			line: web, env: pod, token: "made-up-web-identity of others", start: "assume the role of AWS_ROLE_ARN: operation error STS: AssumeRoleWithWebIdentity, ",
			end: ", InvalidIdentityToken: Couldn't retrieve verification key from your identity provider\n" +
				"AWS has to know the issuer of the token as an OIDC provider, with the token's audience",
		},
		"an expired web identity": {
			line: web, env: pod, token: "made-up-web-identity, expired", start: "assume the role of AWS_ROLE_ARN: ",
			end: ", ExpiredTokenException: Token expired: current date/time must be before the expiration date/time\nlog in to AWS again in a step right before this one",
		},
		"a long answer of many lines": {
			line: web, env: pod, start: "assume the role of AWS_ROLE_ARN: ", end: "api error Malformed: ::error:: x",
			prepare: func(w *awsWorld) {
				w.FailNext(clouds.AWSFailure{Status: 400, Code: "Malformed", Message: "\n::error::\n x\n"})
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newAWSWorld(t, "eu-west-1")
			w.files["/var/run/token"] = c.token
			if c.token == "" {
				w.files["/var/run/token"] = "made-up-web-identity"
			}
			if c.prepare != nil {
				c.prepare(w)
			}
			bearer, _, err := awsMust(t, awsStanza(t, awsServer, c.line), w.runner(t, c.env)).Token(t.Context())
			got := awsReason(t, err)
			if !strings.HasPrefix(got, c.start) || !strings.HasSuffix(got, c.end) || !bearer.IsEmpty() {
				t.Errorf("got %q\nwant %q…%q", got, c.start, c.end)
			}
		})
	}
}

func TestEKSRetriesAndStopsInTime(t *testing.T) {
	t.Parallel()
	w := newAWSWorld(t, "eu-west-1")
	w.FailNext(clouds.AWSFailure{Status: 400, Code: "Throttling", Message: "Rate exceeded"})
	l := awsMust(t, awsFixture(t, "aws-role"), w.runner(t, keys()))
	if _, _, err := l.Token(t.Context()); err != nil || len(w.Asked()) != 2 {
		t.Error(err, w.Asked())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := l.Token(ctx); !strings.Contains(awsReason(t, err), "context canceled") {
		t.Error(err)
	}
}

// A pod's web identity and a user's temporary keys are rotated while kubemint renews.
func TestEKSWebIdentityIsReadForEachToken(t *testing.T) {
	t.Parallel()
	w := newAWSWorld(t, "eu-west-1")
	env := map[string]string{"AWS_ROLE_ARN": awsWeb, "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/token", "AWS_ROLE_SESSION_NAME": "ci-7"}
	l := awsMust(t, awsFixture(t, "aws"), w.runner(t, env))
	for _, content := range []string{"made-up-web-identity", "stale", "made-up-web-identity"} {
		w.files["/var/run/token"] = content
		if _, _, err := l.Token(t.Context()); (err == nil) != (content != "stale") {
			t.Error(content, err)
		}
	}
	if len(w.read) != 3 || len(w.Asked()) != 3 || !strings.HasSuffix(w.Asked()[0], " ci-7 900") {
		t.Error(w.read, w.Asked())
	}
}

// An endpoint of credentials, as ECS (relative) and EKS Pod Identity (a full URI and a file) have it.
func TestEKSContainerCredentials(t *testing.T) {
	t.Parallel()
	const at = "ask the endpoint of AWS_CONTAINER_CREDENTIALS_*_URI for credentials: "
	for name, c := range map[string]struct {
		env  map[string]string
		want string // empty: a token
	}{
		"ECS": {env: map[string]string{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/made-up-id"}},
		"relative before full": {env: map[string]string{
			"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/made-up-id", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://10.0.0.1/",
		}},
		"EKS Pod Identity": {env: map[string]string{
			"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/var/run/pod",
		}},
		"https anywhere": {env: map[string]string{
			"AWS_CONTAINER_CREDENTIALS_FULL_URI": "https://keys.example.com/v1/credentials", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "made-up-authorization",
		}},
		"no authorization": {
			env:  map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials"},
			want: at + "failed to load credentials, AccessDenied: no authorization",
		},
		"no file": {
			env:  map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "https://keys.example.com/x", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/nowhere"},
			want: "read the file of AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: file does not exist",
		},
		"no keys":         {env: map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "https://keys.example.com/empty"}, want: "find AWS credentials: the answer has none in it"},
		"a host in front": {env: map[string]string{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": ".example.com/x"}, want: at + notHere},
		"a host behind":   {env: map[string]string{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "@keys.example.com/x"}, want: at + notHere},
		"no host":         {env: map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "https:///x"}, want: at + notHere},
		"another scheme":  {env: map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "ftp://127.0.0.1/x"}, want: at + notHere},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newAWSWorld(t, "eu-west-1")
			w.files["/var/run/pod"] = "made-up-authorization\n"
			endpoint := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				rw.Header().Set("Content-Type", "application/json")
				switch got := r.Method + " " + r.Host + r.URL.Path + " " + r.Header.Get("Authorization"); got {
				case "GET 169.254.170.2/v2/credentials/made-up-id ", "GET 169.254.170.23/v1/credentials made-up-authorization",
					"GET keys.example.com/v1/credentials made-up-authorization":
					fmt.Fprintf(rw, `{"AccessKeyId":"ASIAMADEUP","SecretAccessKey":"made-up-secret-key","Token":"made-up-session-token","Expiration":%q}`,
						time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
				case "GET keys.example.com/empty ":
					fmt.Fprint(rw, `{}`)
				case "GET 169.254.170.23/v1/credentials ":
					rw.WriteHeader(http.StatusBadRequest)
					fmt.Fprint(rw, `{"code":"AccessDenied","message":"no authorization"}`)
				default:
					t.Error(got)
				}
			})
			w.internet.Serve("keys.example.com", endpoint)
			r := w.runner(t, c.env)
			machine := httptest.NewServer(endpoint)
			t.Cleanup(machine.Close)
			// The Internet is a proxy, which knows no endpoint of a machine: these are dialled.
			r.HTTP.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				if strings.HasPrefix(address, "169.254.170.") {
					address = machine.Listener.Addr().String()
				}
				return new(net.Dialer).DialContext(ctx, network, address)
			}
			bearer, _, err := awsMust(t, awsFixture(t, "aws"), r).Token(t.Context())
			if c.want != "" {
				if diff := cmp.Diff(c.want, awsReason(t, err)); diff != "" {
					t.Error(diff)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if user, _, err := w.Verify(bearer.Reveal()); err != nil || user != awsUser {
				t.Error(user, err)
			}
		})
	}
}

// On ECS anyone who knows the path gets the keys.
func TestEKSContainerEndpointIsNotShown(t *testing.T) {
	t.Parallel()
	w := newAWSWorld(t, "eu-west-1")
	r := w.runner(t, map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "https://keys.example.com/made-up-secret-key"})
	r.HTTP = &http.Client{Transport: noRoute{}}
	_, _, err := awsMust(t, awsFixture(t, "aws"), r).Token(t.Context())
	if got := awsReason(t, err); got != "ask the endpoint of AWS_CONTAINER_CREDENTIALS_*_URI for credentials: no route to host" {
		t.Error(got)
	}
}

type noRoute struct{}

func (noRoute) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("no route to host")
}
