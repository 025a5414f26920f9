package config

func (d *draft) kubeconfigInputs() []Input {
	source := &d.Source
	return []Input{
		{
			Name: "kubeconfig", read: readInto(&source.Kubeconfig, keepText),
			Pages: Pages{README: true, GitLab: true},
			Help: "The runner's own credential: a path, or the content itself (YAML or JSON), " +
				"or its base64.",
			Unset: "$KUBECONFIG (a list is merged as kubectl does), else ~/.kube/config, else in-cluster",
		},
		{
			Name: "context", read: readInto(&source.Context, trimText),
			Pages: Pages{README: true, GitLab: true},
			Help:  "Which context of the kubeconfig.",
			Unset: "its current-context",
		},
	}
}

func (d *draft) serverInputs() []Input {
	source := &d.Source
	return []Input{
		{
			Name: "server", read: readInto(&source.Server, parseServer),
			Pages: Pages{README: true, GitLab: true},
			Help: "Without a kubeconfig: URL of the API server, which must trust the CI system's ID tokens. " +
				"With one: the address in the written kubeconfig.",
		},
		{
			Name: "certificate_authority", read: readInto(&source.CertificateAuthority, trimText),
			Pages: Pages{README: true, GitLab: true},
			Help: "CA bundle of the API server, for the written kubeconfig and for verifying the new credential: " +
				"PEM, base64 of PEM, or a path.",
			Unset: "the kubeconfig's; with server and no kubeconfig the system's",
		},
		{
			Name: "bearer_token", read: readInto(&source.BearerToken, parseBearerToken),
			Help: "With server: the credential, such as a GitLab id_tokens variable.",
		},
		{
			Name: "oidc_audience", read: readInto(&source.OIDCAudience, parseLine),
			Help:  "With server under GitHub Actions: the audience to request the job's own OIDC token with.",
			Unset: "the server URL",
		},
		{
			Name: "allow_insecure", Default: "false", Choices: boolean,
			read: readInto(&source.AllowInsecure, parseBoolean),
			Help: "Accept a source with insecure-skip-tls-verify, and write the same; otherwise it is refused.",
		},
		{
			Name: "expect_cluster", read: readInto(&source.Expect, parseExpected),
			Pages: Pages{README: true, GitLab: true},
			Help: "Guard: stop before any write unless this equals the server URL, " +
				"the CA's SHA-256 fingerprint, or the UID of the kube-system namespace.",
		},
	}
}
