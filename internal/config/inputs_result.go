package config

import "strings"

func (d *draft) tokenInputs() []Input {
	token := &d.Token
	return []Input{
		{
			Name: "duration", Default: "1h", Pages: Pages{README: true, GitLab: true},
			Help: "Lifetime of the token: 90m, 1h, 30d, 1000h, or 3600 (seconds), at least 10 minutes; " +
				"or permanent, for a token Secret that never expires.",
			read: func(c *checker, in Input, value string) {
				token.Lifetime = parseLifetime(c, in, value)
				token.Asked = strings.TrimSpace(value)
			},
		},
		{
			Name: "on_shortened", Default: "warn", Choices: []string{"warn", "fail"},
			read:  readInto(&token.Strict, parseSecond),
			Pages: Pages{GitLab: true},
			Help:  "What to do if the server grants a shorter lifetime than requested: warn, or fail, which revokes.",
		},
		{
			Name: "audiences", read: readInto(&token.Audiences, parseAudiences),
			Pages: Pages{GitLab: true},
			Help:  "Audiences of the token, one or more.",
			Unset: "the API server's own",
		},
		{
			Name: "revoke", Default: "true", Choices: boolean,
			read:  readInto(&token.Revoke, parseBoolean),
			Pages: Pages{GitLab: true},
			Help: "Bind the token to a lease of this run, and revoke it in the post step. " +
				"false: no lease, and the token lives until it expires.",
		},
	}
}

func (d *draft) outputInputs() []Input {
	result := &d.Result
	return []Input{
		{
			Name: "output", read: readInto(&result.Output, parseLine), Pages: Pages{README: true},
			Help:  "Path of the written kubeconfig; missing parents are created with mode 0700.",
			Unset: "by platform",
		},
		{
			Name: "context_name", read: readInto(&result.ContextName, parseLine),
			Help:  "Name of the context, the cluster and the user in the written kubeconfig.",
			Unset: "SERVICE_ACCOUNT@CLUSTER",
		},
		{
			Name: "export_env", Default: "true", Choices: boolean,
			read: readInto(&result.ExportEnv, parseBoolean),
			Help: "Make KUBECONFIG and KUBE_CONFIG_PATH point to the written kubeconfig for later steps.",
		},
		{
			Name: "secret_outputs", Choices: boolean,
			read:  readInto(&result.SecretOutputs, parseOptional),
			Help:  "Publish the secret outputs too. Refused where the platform cannot mask at run time.",
			Unset: "by platform",
		},
		{
			Name: "dry_run", Default: "false", Choices: boolean,
			read:  readInto(&result.DryRun, parseBoolean),
			Pages: Pages{README: true},
			Help:  "Print what would change; change nothing and mint nothing.",
		},
	}
}

func (d *draft) runInputs() []Input {
	result := &d.Result
	return []Input{
		{
			Name: "timeout", Default: "2m", read: readInto(&result.Timeout, parseTimeout),
			Pages: Pages{GitLab: true},
			Help:  "Limit for the whole run: 2m, 90s or 120 (seconds).",
		},
		{
			Name: "debug", Choices: boolean, read: readInto(&result.Debug, parseOptional),
			Help:  "Debug log.",
			Unset: "the platform's own debug flag",
		},
		{
			Name: "host_workspace", read: readInto(&result.Host.Workspace, parseHostPath),
			Pages: Pages{Docker: "host:${{ github.workspace }}"},
			Help:  "GitHub Docker action only: the workspace's path on the host. Leave it alone.",
		},
		{
			Name: "host_temp", read: readInto(&result.Host.Temp, parseHostPath),
			Pages: Pages{Docker: "host:${{ runner.temp }}"},
			Help:  "GitHub Docker action only: the temp directory's path on the host. Leave it alone.",
		},
	}
}
