package eks

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/source/cloud/plugin"
)

const (
	keySeconds = 900 // the shortest life that STS gives keys: as long as that of a token they sign
)

// findKeys returns the runner's own keys, from its environment alone and in the order of the SDKs.
// Each token gets them again, since files and endpoints rotate them. It does not read shared files
// (credential_process runs programs), and does not ask the machine's metadata service, whose role
// is usually not meant for jobs.
func (l login) findKeys(ctx context.Context) (aws.Credentials, error) {
	id := l.Getenv("AWS_ACCESS_KEY_ID")
	key := l.Getenv("AWS_SECRET_ACCESS_KEY")
	role := l.Getenv("AWS_ROLE_ARN")
	file := l.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE")
	if err := checkKeyCharacters(l.Getenv); err != nil {
		return aws.Credentials{}, err
	}
	switch {
	case id != "" && key != "":
		session := cmp.Or(l.Getenv("AWS_SESSION_TOKEN"), l.Getenv("AWS_SECURITY_TOKEN"))
		return aws.Credentials{AccessKeyID: id, SecretAccessKey: key, SessionToken: session}, nil
	case id != "":
		return aws.Credentials{}, problem.Newf(problem.Source, findKeysOp,
			"AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not").
			Hint("export both, and AWS_SESSION_TOKEN where the keys are temporary")
	case file != "" && role != "":
		return l.assumeWithIdentity(ctx, role, file)
	case file != "":
		return aws.Credentials{}, problem.Newf(problem.Source, findKeysOp,
			"AWS_WEB_IDENTITY_TOKEN_FILE is set, and AWS_ROLE_ARN is not").
			Hint("set AWS_ROLE_ARN to the role that the token's owner may assume")
	case l.Getenv(relativeURI) != "" || l.Getenv(fullURI) != "":
		return l.askContainer(ctx)
	}
	return aws.Credentials{}, l.explainNoKeys()
}

func (l login) explainNoKeys() error {
	err := problem.Newf(problem.Source, findKeysOp, "the environment has neither "+
		"AWS_ACCESS_KEY_ID and "+
		"AWS_SECRET_ACCESS_KEY, nor AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, nor "+
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or AWS_CONTAINER_CREDENTIALS_FULL_URI")
	if l.hasProfile {
		err = err.Hint("AWS_PROFILE is set, but profiles are not read, since their files can " +
			"name programs to run")
	}
	return err.
		Hint("GitHub: run aws-actions/configure-aws-credentials in an earlier step, and give " +
			"the job `permissions: id-token: write`").
		Hint("a profile, or the role of an EC2 instance, which is not asked for here: " +
			"`aws configure export-credentials --format env` prints its keys").
		Hint("or give the kubeconfig a token: " +
			"`aws eks get-token --cluster-name NAME --query status.token --output text`")
}

// assumeWithIdentity exchanges a token of an OIDC issuer for keys, as in a pod of EKS with IAM
// roles for service accounts.
func (l login) assumeWithIdentity(ctx context.Context, role, file string) (aws.Credentials, error) {
	identity, err := l.ReadFile(file)
	if err != nil {
		return aws.Credentials{}, plugin.ExplainFailure("read the file of "+
			"AWS_WEB_IDENTITY_TOKEN_FILE", err)
	}
	session := cmp.Or(l.Getenv("AWS_ROLE_SESSION_NAME"), "kubemint")
	out, err := l.newSTSClient(aws.Credentials{}).AssumeRoleWithWebIdentity(ctx,
		&sts.AssumeRoleWithWebIdentityInput{
			RoleArn: &role, RoleSessionName: &session, DurationSeconds: aws.Int32(keySeconds),
			WebIdentityToken: aws.String(strings.TrimSpace(string(identity))),
		})
	if err != nil {
		return aws.Credentials{}, explainSTS("assume the role of AWS_ROLE_ARN", err)
	}
	return convertKeys(out.Credentials), nil
}

// assumeRole exchanges the keys for those of the kubeconfig's role.
func (l login) assumeRole(ctx context.Context, keys aws.Credentials) (aws.Credentials, error) {
	in := &sts.AssumeRoleInput{
		RoleArn: &l.role, RoleSessionName: &l.session, DurationSeconds: aws.Int32(keySeconds),
	}
	if l.externalID != "" {
		in.ExternalId = &l.externalID
	}
	out, err := l.newSTSClient(keys).AssumeRole(ctx, in)
	if err != nil {
		return keys, explainSTS("assume the role that the kubeconfig names", err)
	}
	return convertKeys(out.Credentials), nil
}

func convertKeys(keys *types.Credentials) aws.Credentials {
	if keys == nil {
		return aws.Credentials{}
	}
	return aws.Credentials{
		AccessKeyID: aws.ToString(keys.AccessKeyId), SecretAccessKey: aws.ToString(keys.SecretAccessKey),
		SessionToken: aws.ToString(keys.SessionToken),
	}
}

// stsRemedies are the remedies for the most common refusals of STS.
var stsRemedies = map[string][]string{
	"AccessDenied":          {"the trust policy of the role has to let this identity assume it"},
	"ExpiredToken":          {"log in to AWS again in a step right before this one"},
	"ExpiredTokenException": {"log in to AWS again in a step right before this one"},
	"InvalidIdentityToken": {
		"AWS has to know the issuer of the token as an OIDC provider, with the token's audience",
	},
}

// explainSTS is [plugin.ExplainFailure] with the remedy for a refusal of STS.
func explainSTS(op string, err error) error {
	if refused, ok := errors.AsType[smithy.APIError](err); ok {
		return plugin.ExplainFailure(op, err, stsRemedies[refused.ErrorCode()]...)
	}
	return plugin.ExplainFailure(op, err)
}

// checkKeyCharacters refuses a key that was pasted together with something else: it would give a
// wrong signature, or an invalid header.
func checkKeyCharacters(getenv func(string) string) error {
	for _, name := range keyVariables {
		if strings.ContainsFunc(getenv(name), func(r rune) bool { return r <= ' ' || r > '~' }) {
			return problem.Newf(problem.Source, findKeysOp, "%s has a line break, a blank or "+
				"another character "+
				"in it that no key has", name).
				Hint("paste the secret again without it, or have the earlier step print it " +
					"with `printf %%s`")
		}
	}
	return nil
}
