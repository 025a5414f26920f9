package config

func (d *draft) accountInputs() []Input {
	access := &d.Access
	return []Input{
		{
			Name: "namespace", read: readInto(&access.Namespaces, parseNamespaces),
			Pages: Pages{README: true, GitLab: true},
			Help: "One or more namespaces (comma, space or newline separated): where access is granted. " +
				"The first is the default namespace of the written context.",
			Unset: "the source context's, else default",
		},
		{
			Name: "service_account", Default: "kubemint",
			read:  readInto(&access.ServiceAccount, parseServiceAccount),
			Pages: Pages{README: true, GitLab: true},
			Help: "The identity: name, or namespace/name. Without a namespace it is in the first declared one. " +
				"A namespace of its own is safer: " +
				"anyone allowed to create pods in a ServiceAccount's namespace can act as it.",
		},
		{
			Name: "create_service_account", Default: "true", Choices: boolean,
			read:  readInto(&access.CreateServiceAccount, parseBoolean),
			Pages: Pages{GitLab: true},
			Help:  "Ensure that the ServiceAccount exists; false means that it must exist.",
		},
		{
			Name: "create_namespace", Default: "false", Choices: boolean,
			read:  readInto(&access.CreateNamespace, parseBoolean),
			Pages: Pages{GitLab: true},
			Help:  "Create missing namespaces; otherwise a missing one is an error.",
		},
		{
			Name: "ephemeral", Default: "false", Choices: boolean,
			read:  readInto(&access.Ephemeral, parseBoolean),
			Pages: Pages{README: true, GitLab: true},
			Help: "A ServiceAccount, Roles and bindings for this run alone, deleted at revoke. " +
				"service_account is then a prefix of its name.",
		},
	}
}

func (d *draft) grantInputs() []Input {
	access := &d.Access
	return []Input{
		{
			Name: "role", read: readInto(&d.roles, parseRoles),
			Pages: Pages{README: true, GitLab: true},
			Help: "Existing roles to bind, one or more: edit, clusterrole/karpor-admin, role/deployer. " +
				"A bare name is a ClusterRole; cluster:view binds it at cluster scope, whatever scope says.",
		},
		{
			Name: "rules", Pages: Pages{README: true, GitLab: true},
			Help: "Rules of your own: shorthand, or YAML (a list of PolicyRules, or Role/ClusterRole manifests), " +
				"or @path to a file with either. In the shorthand, the word cluster before a rule grants it " +
				"at cluster scope, whatever scope says.",
			read: func(c *checker, in Input, value string) {
				declared := c.readRules(in, value)
				access.Namespaced.Rules = declared.Rules
				access.Cluster.Rules = declared.Cluster
			},
		},
		{
			Name: "scope", Default: "namespace", Choices: []string{"namespace", "cluster"},
			read:  readInto(&d.clusterScope, parseSecond),
			Pages: Pages{README: true, GitLab: true},
			Help: "Where the declared access holds: namespace (Roles and RoleBindings in every declared " +
				"namespace), or cluster (ClusterRole and ClusterRoleBinding for all of it).",
		},
		d.forbidInput(),
	}
}

func (d *draft) forbidInput() Input {
	return Input{
		Name: "must_not", Pages: Pages{README: true, GitLab: true},
		Help: "Negative assertions, written as rules: the run fails, and revokes what it minted, if the " +
			"minted credential could do any of it in a declared namespace or at cluster scope. A rule that " +
			"begins with the word cluster is checked at cluster scope alone. Any overlap of verb, resource " +
			"or name counts; a verb * means any verb.",
		read: func(c *checker, in Input, value string) {
			forbidden := c.readForbidden(in, value)
			d.Access.MustNot = forbidden.Rules
			d.Access.ClusterMustNot = forbidden.Cluster
		},
	}
}

func (d *draft) markInputs() []Input {
	return []Input{
		{
			Name: "take_ownership", Default: "false", Choices: boolean,
			read:  readInto(&d.Access.TakeOwnership, parseBoolean),
			Pages: Pages{GitLab: true},
			Help:  "Take over objects that belong to another owner, or not to kubemint at all.",
		},
		{
			Name: "owner", read: readInto(&d.Marks.Owner, parseOwner),
			Help: "On whose behalf the run acts, one line: objects of another owner are refused. Set it where the " +
				"platform does not say, or where several pipelines share a ServiceAccount on purpose. " +
				"It overrides the platform.",
			Unset: "by platform, see docs/owners.md",
		},
		{
			Name: "labels", read: readInto(&d.Marks.Labels, parseLabels),
			Help: "More labels for everything that kubemint creates, key=value, comma or newline separated: for " +
				"clusters whose policies require them. If one is changed, the next run restores it, except on " +
				"an existing namespace and on the Secret of a permanent token.",
		},
	}
}
