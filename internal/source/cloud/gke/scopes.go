package gke

// scopes are the plugin's (default_credentials_token_provider.go). With the second one the cluster
// sees the account's address as the user's name, not its number.
var scopes = []string{
	"https://www.googleapis.com/auth/cloud-platform",
	"https://www.googleapis.com/auth/userinfo.email",
}
