package eks

import (
	"github.com/kubemint/kubemint/internal/source/cloud/plugin"
)

const (
	relativeURI = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
	fullURI     = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
)

const findKeysOp = "find AWS credentials"

// secretVariables are the variables that [login.findKeys] reads.
var secretVariables = []string{
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN",
	"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
	"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN",
	"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
}

// login is the login of one stanza.
type login struct {
	plugin.Runner
	region, cluster, role, externalID, session string

	hasProfile bool // AWS_PROFILE is set
}
