package config

// Output declares one output. Pipelines read it by its name.
type Output struct {
	Name, Help string
	Secret     bool
}

// Outputs lists every output in the order of the contract.
func Outputs() []Output {
	return []Output{
		{Name: "kubeconfig_path", Help: "Path of the written kubeconfig, on the host."},
		{Name: "kubeconfig", Help: "The written kubeconfig, base64.", Secret: true},
		{Name: "token", Help: "The minted token.", Secret: true},
		{
			Name: "certificate_authority",
			Help: "CA bundle of the API server, base64 of PEM; empty if the system's roots apply.",
		},
		{Name: "server", Help: "URL of the API server."},
		{Name: "expires_at", Help: "When the token expires, RFC 3339 in UTC; empty if it never does."},
		{Name: "service_account", Help: "The identity, namespace/name."},
		{Name: "namespace", Help: "Default namespace of the written context."},
		{Name: "context", Help: "Name of the written context."},
		{
			Name: "token_id",
			Help: "The token's jti, as the API server's audit log has it; " +
				"`sha256:` and 16 hex digits of the token's SHA-256 where it has none.",
		},
		{
			Name: "changes",
			Help: "JSON: created, configured, unchanged, deleted, each a list of \"Kind namespace/name\".",
		},
	}
}
