package cloud

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"

	"github.com/kubemint/kubemint/internal/problem"
)

const (
	noKeys     = "find AWS credentials"
	stsSeconds = 900 // the shortest that STS gives keys for: as long as a token lives that is signed with them
)

// awsVariables are those that [awsLogin.credentials] reads.
var awsVariables = []string{
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN",
	"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
	"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN",
	"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
}

// credentials are the runner's own, from its environment alone and in the order of the SDKs. They are got anew for each
// token, since files and endpoints rotate them. Left out are shared files (credential_process runs programs) and the
// metadata service of the machine, whose role is mostly not meant for its jobs.
func (l awsLogin) credentials(ctx context.Context) (aws.Credentials, error) {
	id, secret := l.Getenv("AWS_ACCESS_KEY_ID"), l.Getenv("AWS_SECRET_ACCESS_KEY")
	role, file := l.Getenv("AWS_ROLE_ARN"), l.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE")
	relative, full := l.Getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"), l.Getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI")
	if err := brokenKey(l.Getenv); err != nil {
		return aws.Credentials{}, err
	}
	switch {
	case id != "" && secret != "":
		session := cmp.Or(l.Getenv("AWS_SESSION_TOKEN"), l.Getenv("AWS_SECURITY_TOKEN"))
		return aws.Credentials{AccessKeyID: id, SecretAccessKey: secret, SessionToken: session}, nil
	case id != "":
		return aws.Credentials{}, problem.Newf(problem.Source, noKeys,
			"AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not").
			Hint("export both, and AWS_SESSION_TOKEN where the keys are temporary")
	case file != "" && role != "":
		return l.webIdentity(ctx, role, file)
	case file != "":
		return aws.Credentials{}, problem.Newf(problem.Source, noKeys,
			"AWS_WEB_IDENTITY_TOKEN_FILE is set, and AWS_ROLE_ARN is not").
			Hint("set AWS_ROLE_ARN to the role that the token's owner may assume")
	case relative != "" || full != "":
		return l.container(ctx, relative, full)
	}
	err := problem.Newf(problem.Source, noKeys, "the environment has neither AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "+
		"nor AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, nor AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or AWS_CONTAINER_CREDENTIALS_FULL_URI")
	if l.profile {
		err.Hint("AWS_PROFILE is set, but profiles are not read, since their files can name programs to run")
	}
	return aws.Credentials{}, err.
		Hint("GitHub: run aws-actions/configure-aws-credentials in an earlier step, and give the job `permissions: id-token: write`").
		Hint("a profile, or the role of an EC2 instance, which is not asked for here: " +
			"`aws configure export-credentials --format env` prints its keys").
		Hint("or give the kubeconfig a token: `aws eks get-token --cluster-name NAME --query status.token --output text`")
}

// webIdentity exchanges a token of an OIDC issuer, as in a pod of EKS with IAM roles for service accounts.
func (l awsLogin) webIdentity(ctx context.Context, role, file string) (aws.Credentials, error) {
	identity, err := l.ReadFile(file)
	if err != nil {
		return aws.Credentials{}, failed("read the file of AWS_WEB_IDENTITY_TOKEN_FILE", err)
	}
	out, err := l.sts(aws.Credentials{}).AssumeRoleWithWebIdentity(ctx, &sts.AssumeRoleWithWebIdentityInput{
		RoleArn: &role, WebIdentityToken: aws.String(strings.TrimSpace(string(identity))), DurationSeconds: aws.Int32(stsSeconds),
		RoleSessionName: aws.String(cmp.Or(l.Getenv("AWS_ROLE_SESSION_NAME"), "kubemint")),
	})
	if err != nil {
		return aws.Credentials{}, stsFailed("assume the role of AWS_ROLE_ARN", err)
	}
	return stsKeys(out.Credentials), nil
}

// assume exchanges the keys for those of the role of the kubeconfig.
func (l awsLogin) assume(ctx context.Context, keys aws.Credentials) (aws.Credentials, error) {
	in := &sts.AssumeRoleInput{RoleArn: &l.role, RoleSessionName: &l.session, DurationSeconds: aws.Int32(stsSeconds)}
	if l.externalID != "" {
		in.ExternalId = &l.externalID
	}
	out, err := l.sts(keys).AssumeRole(ctx, in)
	if err != nil {
		return keys, stsFailed("assume the role that the kubeconfig names", err)
	}
	return stsKeys(out.Credentials), nil
}

func stsKeys(keys *types.Credentials) aws.Credentials {
	if keys == nil {
		return aws.Credentials{}
	}
	return aws.Credentials{
		AccessKeyID: aws.ToString(keys.AccessKeyId), SecretAccessKey: aws.ToString(keys.SecretAccessKey),
		SessionToken: aws.ToString(keys.SessionToken),
	}
}

// container asks the endpoint that ECS, CodeBuild and EKS Pod Identity name. What goes over plain http has to stay on the
// machine: the hosts are those that the SDK's config package allows.
func (l awsLogin) container(ctx context.Context, relative, full string) (aws.Credentials, error) {
	const op = "ask the endpoint of AWS_CONTAINER_CREDENTIALS_*_URI for credentials"
	if relative != "" {
		full = "http://169.254.170.2" + relative
	}
	at, err := url.Parse(full)
	if err != nil || at.Host == "" || at.Scheme != "https" && (at.Scheme != "http" || !awsLocal(at.Hostname())) {
		return aws.Credentials{}, problem.Newf(problem.Source, op, "it is neither https nor on this machine").
			Hint("leave the variable as the platform (ECS, CodeBuild, EKS Pod Identity) has set it")
	}
	authorization, file := l.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN"), l.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
	if file != "" {
		content, err := l.ReadFile(file)
		if err != nil {
			return aws.Credentials{}, failed("read the file of AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", err)
		}
		authorization = strings.TrimSpace(string(content))
	}
	client := l.HTTP
	if at.Scheme == "http" {
		client = l.direct()
	}
	keys, err := endpointcreds.New(full, func(o *endpointcreds.Options) {
		o.HTTPClient, o.AuthorizationToken = client, authorization
	}).Retrieve(ctx)
	return keys, failed(op, cause(err)) // without the URL: on ECS whoever knows it gets the keys
}

func awsLocal(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback() ||
		slices.Contains([]string{"169.254.170.2", "169.254.170.23", "fd00:ec2::23"}, host)
}

// stsRemedies are what helps against the commonest refusals.
var stsRemedies = map[string][]string{
	"AccessDenied":          {"the trust policy of the role has to let this identity assume it"},
	"ExpiredToken":          {"log in to AWS again in a step right before this one"},
	"ExpiredTokenException": {"log in to AWS again in a step right before this one"},
	"InvalidIdentityToken":  {"AWS has to know the issuer of the token as an OIDC provider, with the token's audience"},
}

// stsFailed is [failed] with a remedy where one is known.
func stsFailed(op string, err error) error {
	if refused, ok := errors.AsType[smithy.APIError](err); ok {
		return failed(op, err, stsRemedies[refused.ErrorCode()]...)
	}
	return failed(op, err)
}
