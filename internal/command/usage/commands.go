package usage

// Command declares one command.
type Command struct {
	Name    string
	Summary string   // what it does, as a clause without a full stop
	Details []string // paragraphs below the summary, in the command's own help
	Inputs  bool     // it reads the inputs
	Operand string   // the arguments that it takes; "" where it takes none
	Flags   []Flag
}

// Flag declares one flag of a command.
type Flag struct {
	Name  string
	Value string // what to write for its value; "" for a switch
	Word  string // of a switch: what it also takes in place of true
	Help  string
}

// Commands returns every command, in the order in which people read about them.
func Commands() []Command {
	return []Command{
		declareMint(), declarePlan(), declareExec(), declareRevoke(),
		declareSweep(), declarePrune(), declareBootstrap(), declareRules(), declareLearn(),
		{Name: "version", Summary: "print the version"},
		{Name: "help", Summary: "list the commands, or explain one", Operand: "[COMMAND]"},
	}
}

func declareMint() Command {
	return Command{
		Name:    "mint",
		Summary: "mint the credential that the inputs declare",
		Details: []string{
			"Ensures the ServiceAccount and its access, mints a token, proves it against the API server, " +
				"writes a kubeconfig and hands it to later steps.",
			"kubemint without a command does the same.",
		},
		Inputs: true,
	}
}

func declarePlan() Command {
	return Command{
		Name:    "plan",
		Summary: "print what mint would change, and change nothing",
		Details: []string{"The same as mint with KUBEMINT_DRY_RUN=true."},
		Inputs:  true,
	}
}

func declareExec() Command {
	return Command{
		Name:    "exec",
		Summary: "mint, run a command with the credential, renew it meanwhile, revoke it",
		Details: []string{
			"The kubeconfig is written to a private directory, and KUBECONFIG names it. " +
				"The credential is revoked however the command ends.",
			"The command's environment has no KUBEMINT_ or INPUT_ variable, and none of the source's secrets.",
			"Everything after -- belongs to the command: kubemint exec -- helm --help shows helm's help.",
			"The exit code is the command's own, 128+N after signal N, 126 or 127 if it cannot be started, " +
				"and 125 if kubemint itself failed.",
		},
		Inputs:  true,
		Operand: "-- COMMAND [ARG…]",
	}
}

func declareRevoke() Command {
	return Command{
		Name:    "revoke",
		Summary: "revoke what an earlier mint made, by its receipt",
		Details: []string{
			"Deletes the lease, and the token dies with it; then deletes the files that mint wrote. " +
				"Where there is nothing to revoke, it says so and exits with 0.",
		},
		Inputs: true,
		Flags: []Flag{
			{Name: "wait", Help: "use the dead token until the API server refuses it"},
			{Name: "permanent", Help: "delete the Secret of a permanent token too"},
		},
	}
}

func declareSweep() Command {
	return Command{
		Name:    "sweep",
		Summary: "delete what killed jobs left: expired leases, ephemeral identities",
		Details: []string{"It looks in the ServiceAccount's namespace. Run it on a schedule."},
		Inputs:  true,
		Flags: []Flag{
			{Name: "dry-run", Help: "print what would be deleted, and delete nothing"},
			{Name: "all-namespaces", Help: "look in every namespace"},
		},
	}
}

func declarePrune() Command {
	return Command{
		Name:    "prune",
		Summary: "delete access of this ServiceAccount that is no longer declared, in any namespace",
		Details: []string{"Access that a live credential depends on is kept, and so is another owner's."},
		Inputs:  true,
		Flags: []Flag{
			{Name: "dry-run", Help: "print what would be deleted, and delete nothing"},
			{Name: "all", Help: "delete everything that kubemint made for this ServiceAccount"},
		},
	}
}

func declareBootstrap() Command {
	return Command{
		Name:    "bootstrap",
		Summary: "print the least rights that the runner's identity needs, as manifests",
		Details: []string{
			"It talks to no cluster. An administrator applies what it prints.",
			"Only with --guard it asks a server, the source's, for its version, without a credential: " +
				"the policies need Kubernetes 1.30. --guard=anyway asks nothing.",
		},
		Inputs: true,
		Flags: []Flag{
			{Name: "steady", Help: "only what a run needs once its access is in place"},
			{
				Name: "guard", Word: "anyway",
				Help: "add admission policies that confine the subjects to what kubemint does (1.30 and newer)",
			},
			{
				Name: "subject", Value: "KIND:NAME",
				Help: "bind them to user:NAME, group:NAME or serviceaccount:NAMESPACE/NAME " +
					"(may be repeated)",
			},
		},
	}
}

func declareRules() Command {
	return Command{
		Name:    "rules",
		Summary: "print the rules that a deployer of manifests needs, ready to paste",
		Details: []string{
			"Offline: it reads manifests from files, from directories, or from standard input (-), " +
				"as helm template and kustomize build print them.",
			"apply is kubectl apply and rollout status, server-side is kubectl apply --server-side.",
		},
		Operand: "FILE…",
		Flags: []Flag{
			{
				Name: "for", Value: "TOOL",
				Help: "how they are deployed: apply (the default), server-side or helm",
			},
			{
				Name: "check",
				Help: "print only what the declared rules and role lack, and exit with 5 if that is anything",
			},
		},
	}
}

func declareLearn() Command {
	return Command{
		Name:    "learn",
		Summary: "run a command, and print the rules for what it asked of the API server",
		Details: []string{
			"The command gets a kubeconfig for a proxy on loopback, which hands each request on with the " +
				"runner's credential and notes which right it takes. It looks into no body.",
			"The exit code is the command's own, or one of those of kubemint exec.",
		},
		Inputs:  true,
		Operand: "-- COMMAND [ARG…]",
		Flags: []Flag{
			{
				Name: "declared",
				Help: "run it with the credential that the inputs declare, and compare: " +
					"used, refused, never used",
			},
			{Name: "names", Help: "restrict the rules to the names that were asked for, where rules can"},
		},
	}
}
