package eks

import (
	"context"
	"encoding/base64"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
	"github.com/kubemint/kubemint/internal/source/cloud/plugin"
)

// tokenLife is a minute less than STS accepts a signed request for, whatever its X-Amz-Expires
// says.
const tokenLife = 14 * time.Minute

// signToken is [plugin.Login.Token]. The token is a signed request for the caller's identity, which
// the API server sends to STS. Nothing is sent to STS here, unless a role has to be assumed. The
// format is aws-iam-authenticator's (pkg/token). Old servers accept an X-Amz-Expires of at most 60.
func (l login) signToken(ctx context.Context) (secret.Value, time.Time, error) {
	keys, err := l.findKeys(ctx)
	if err == nil && l.role != "" {
		keys, err = l.assumeRole(ctx, keys)
	}
	if err == nil && !keys.HasKeys() {
		err = problem.Newf(problem.Source, findKeysOp, "the answer has none in it").Hint(plugin.CheckLogin)
	}
	if err != nil {
		return secret.Value{}, time.Time{}, err
	}
	issued := time.Now()
	presign := sts.NewPresignClient(l.newSTSClient(keys))
	signed, err := presign.PresignGetCallerIdentity(ctx, &sts.GetCallerIdentityInput{},
		sts.WithPresignClientFromClientOptions(sts.WithAPIOptions(
			smithyhttp.SetHeaderValue("x-k8s-aws-id", l.cluster),
			smithyhttp.SetHeaderValue("X-Amz-Expires", "60"),
		)))
	if err != nil {
		return secret.Value{}, time.Time{}, plugin.ExplainFailure("sign the request for EKS", err)
	}
	token := "k8s-aws-v1." + base64.RawURLEncoding.EncodeToString([]byte(signed.URL))
	return secret.New(token), issued.Add(tokenLife), nil
}

// newSTSClient avoids the SDK's config package, which would read profiles and AWS_ENDPOINT_URL.
func (l login) newSTSClient(keys aws.Credentials) *sts.Client {
	provide := func(context.Context) (aws.Credentials, error) { return keys, nil }
	return sts.New(sts.Options{
		Region: l.region, HTTPClient: l.HTTP, Credentials: aws.CredentialsProviderFunc(provide),
	})
}
