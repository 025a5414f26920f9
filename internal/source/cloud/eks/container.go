package eks

import (
	"context"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/source/cloud/plugin"
)

// askContainer asks the endpoint that ECS, CodeBuild and EKS Pod Identity name. Plain http has to
// stay on the machine: the allowed hosts are those of the SDK's config package.
func (l login) askContainer(ctx context.Context) (aws.Credentials, error) {
	const op = "ask the endpoint of AWS_CONTAINER_CREDENTIALS_*_URI for credentials"
	address := l.Getenv(fullURI)
	if relative := l.Getenv(relativeURI); relative != "" {
		address = "http://169.254.170.2" + relative
	}
	at, err := url.Parse(address)
	if err != nil || !isSafe(at) {
		return aws.Credentials{}, problem.Newf(problem.Source, op, "it is neither https nor on "+
			"this machine").
			Hint("leave the variable as the platform (ECS, CodeBuild, EKS Pod Identity) has set it")
	}
	authorization, err := l.readAuthorization()
	if err != nil {
		return aws.Credentials{}, err
	}
	client := l.HTTP
	if at.Scheme == "http" {
		client = l.DirectClient()
	}
	keys, err := endpointcreds.New(address, func(o *endpointcreds.Options) {
		o.HTTPClient = client
		o.AuthorizationToken = authorization
	}).Retrieve(ctx)
	// On ECS, whoever knows the URL gets the keys.
	return keys, plugin.ExplainFailure(op, plugin.DropURL(err))
}

// readAuthorization returns the token for the endpoint. A file takes precedence.
func (l login) readAuthorization() (string, error) {
	file := l.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
	if file == "" {
		return l.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN"), nil
	}
	content, err := l.ReadFile(file)
	if err != nil {
		return "", plugin.ExplainFailure("read the file of AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", err)
	}
	return strings.TrimSpace(string(content)), nil
}

// isSafe reports whether a secret may be sent to this address.
func isSafe(at *url.URL) bool {
	switch at.Scheme {
	case "https":
		return at.Host != ""
	case "http":
		return at.Host != "" && isLocalHost(at.Hostname())
	}
	return false
}

// isLocalHost reports whether a host is this machine, or a link-local endpoint of AWS on it.
func isLocalHost(host string) bool {
	local := []string{"localhost", "169.254.170.2", "169.254.170.23", "fd00:ec2::23"}
	return net.ParseIP(host).IsLoopback() || slices.Contains(local, host)
}
