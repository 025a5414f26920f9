package cloud

import (
	"cmp"
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
)

// awsFlags are those of `aws eks get-token`. The CLI takes a flag's beginning for the flag, and update-kubeconfig relies on
// that: it writes --role. What only changes how the CLI prints is accepted and has no effect.
var awsFlags = map[string]string{
	"--cluster-name": "name", "--cluster-id": "id", "--region": "region", "--profile": "profile", "--output": "output",
	"--role-arn": "role", "--role": "role", "-r": "role", "--no-cli-pager": "quiet!",
}

// authenticatorFlags are those of `aws-iam-authenticator token` that neither read a file nor change what is printed.
var authenticatorFlags = map[string]string{
	"--cluster-id": "id", "-i": "id", "--region": "region", "--role": "role", "-r": "role", "--external-id": "external", "-e": "external",
	"--session-name": "session", "-s": "session", "--cache": "cache!",
	"--log-format": "log", "-l": "log", "--log-verbosity": "log", "-v": "log",
}

const (
	// awsRegion keeps a region one label of a host name: the SDK puts it into the one that secrets are sent to.
	awsRegion = pattern(`^[a-z]{2,4}(-[a-z]{2,12}){1,2}-[0-9]{1,2}$`)
	// eksCluster is what can be signed as a header. An EKS name is stricter, but kops and others take a host name.
	eksCluster = pattern(`^[0-9A-Za-z][0-9A-Za-z._:/@-]{0,255}$`)
)

// awsPartition is one of AWS's separate worlds. Its regions, host names and identities are unknown to the others.
type awsPartition struct{ regions, suffix, dualStack string }

// awsPartitions are those of the SDK (internal/endpoints/awsrulesfn); what no other prefix matches is of the last.
var awsPartitions = []awsPartition{
	{"cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"},
	{"eusc-", "amazonaws.eu", "api.amazonwebservices.eu"},
	{"us-iso-", "c2s.ic.gov", "api.aws.ic.gov"},
	{"us-isob-", "sc2s.sgov.gov", "api.aws.scloud"},
	{"us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"},
	{"eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"},
	{"", "amazonaws.com", "api.aws"}, // GovCloud's us-gov- too
}

// servers are the names below which there is nothing but EKS's API endpoints, and the region of host, where it is one.
// Endpoints are ID.HASH.REGION.eks.SUFFIX, or ID.HASH.eks-cluster.REGION.DUALSTACK for IPv6 clusters since October 2024
// (https://docs.aws.amazon.com/eks/latest/userguide/cluster-endpoint.html). The suffixes alone are no such names: under
// amazonaws.com customers have load balancers and buckets.
func (p awsPartition) servers(host string) (names []string, region string) {
	names = []string{".eks." + p.suffix}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if rest, ok := strings.CutSuffix(host, names[0]); ok {
		region = rest[strings.LastIndexByte(rest, '.')+1:]
	} else if rest, ok := strings.CutSuffix(host, "."+p.dualStack); ok {
		if _, region, _ = strings.Cut(rest, ".eks-cluster."); region != "" {
			names = append(names, ".eks-cluster."+region+"."+p.dualStack)
		}
	}
	if !awsRegion.matches(region) {
		return names[:1], ""
	}
	return names, region
}

// awsLogin is one stanza of EKS.
type awsLogin struct {
	Runner
	region, cluster, role, externalID, session string
	profile                                    bool // AWS_PROFILE is set
}

// eks serves `aws eks get-token` and `aws-iam-authenticator token`. The apiVersion of the stanza decides only how those
// print the token.
func eks(s Stanza, r Runner) (*Login, error) {
	flags, command := awsFlags, []string{"eks", "get-token"}
	if s.Program == "aws-iam-authenticator" {
		flags, command = authenticatorFlags, []string{"token"}
	}
	args, err := parse(s.Program, s.Args, flags)
	if err != nil {
		return nil, err
	}
	// AWS_STS_REGIONAL_ENDPOINTS is taken and not looked at: STS is always asked in the region. EKS accepts every STS host of
	// its partition, and the global one, the other choice, exists in one partition only and has been superseded.
	taken, err := awsIdentity(s, r)
	if err != nil {
		return nil, err
	}
	_, notes := lookup(s, r, append(slices.Clone(taken), "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION",
		"AWS_STS_REGIONAL_ENDPOINTS")...)
	r.Getenv = awsGetenv(s, r, taken)
	l := awsLogin{
		Runner: r, profile: r.Getenv("AWS_PROFILE") != "",
		cluster: cmp.Or(args.values["name"], args.values["id"]),
		role:    args.values["role"], externalID: args.values["external"],
		session: cmp.Or(args.values["session"], "EKSGetTokenAuth"), // which trust policies may ask for, as the CLI always calls it so
		region: cmp.Or(args.values["region"], s.Env["AWS_REGION"], s.Env["AWS_DEFAULT_REGION"],
			r.Getenv("AWS_REGION"), r.Getenv("AWS_DEFAULT_REGION"), eksRegion(s.Server.Hostname())),
	}
	if !slices.Equal(args.words, command) {
		return nil, refuse("only `%s %s` is known of it", s.Program, strings.Join(command, " "))
	}
	if err := l.check(args); err != nil {
		return nil, err
	}
	of := slices.IndexFunc(awsPartitions, func(p awsPartition) bool { return strings.HasPrefix(l.region, p.regions) })
	names, _ := awsPartitions[of].servers(s.Server.Hostname())
	return &Login{Cloud: "EKS", Servers: names, Notes: notes, Secrets: awsVariables, Token: l.token}, nil
}

// check refuses arguments that no token can be made by.
func (l awsLogin) check(args arguments) error {
	switch {
	case args.has("profile"):
		return refuse("a profile (--profile) is not read, since the files of profiles can name programs to run").
			Hint("take --profile out of the kubeconfig, and export AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, " +
				"as aws-actions/configure-aws-credentials does")
	case args.has("output") && args.values["output"] != "json":
		return refuse("its --output is not json, which no client of Kubernetes could read")
	case args.values["name"] != "" && args.values["id"] != "":
		return refuse("both --cluster-name and --cluster-id are given")
	case l.cluster == "":
		return refuse("no cluster is named: --cluster-name or --cluster-id is missing")
	case !eksCluster.matches(l.cluster):
		return refuse("its cluster does not have a valid name")
	case l.region == "":
		return refuse("the region is not known: there is no --region, AWS_REGION or AWS_DEFAULT_REGION, nor does the server's name tell").
			Hint("set AWS_REGION to the cluster's region")
	case !awsRegion.matches(l.region):
		return refuse("its region (--region, AWS_REGION or AWS_DEFAULT_REGION) does not have a valid name")
	}
	return nil
}

// eksRegion is the region of an EKS endpoint, and "" of any other host.
func eksRegion(host string) string {
	for _, p := range awsPartitions {
		if _, region := p.servers(host); region != "" {
			return region
		}
	}
	return ""
}

// token is a signed request for the name of the caller, which the API server sends to STS: nothing is asked of STS here,
// unless a role has to be assumed. The format is aws-iam-authenticator's (pkg/token). STS takes such a request for 15
// minutes, whatever its X-Amz-Expires says; old servers want that to be at most 60.
func (l awsLogin) token(ctx context.Context) (secret.Value, time.Time, error) {
	keys, err := l.credentials(ctx)
	if err == nil && l.role != "" {
		keys, err = l.assume(ctx, keys)
	}
	if err == nil && !keys.HasKeys() {
		err = problem.Newf(problem.Source, noKeys, "the answer has none in it").Hint(checkLogin)
	}
	if err != nil {
		return secret.Value{}, time.Time{}, err
	}
	issued := time.Now()
	signed, err := sts.NewPresignClient(l.sts(keys)).PresignGetCallerIdentity(ctx, &sts.GetCallerIdentityInput{},
		sts.WithPresignClientFromClientOptions(sts.WithAPIOptions(
			smithyhttp.SetHeaderValue("x-k8s-aws-id", l.cluster),
			smithyhttp.SetHeaderValue("X-Amz-Expires", "60"),
		)))
	if err != nil {
		return secret.Value{}, time.Time{}, failed("sign the request for EKS", err)
	}
	return secret.New("k8s-aws-v1." + base64.RawURLEncoding.EncodeToString([]byte(signed.URL))), issued.Add(14 * time.Minute), nil
}

// sts is made without the SDK's config package, which would read profiles and AWS_ENDPOINT_URL.
func (l awsLogin) sts(keys aws.Credentials) *sts.Client {
	return sts.New(sts.Options{
		Region: l.region, HTTPClient: l.HTTP,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return keys, nil }),
	})
}
