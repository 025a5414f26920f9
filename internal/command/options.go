package command

// options are the flags of a command.
type options struct {
	dryRun        bool                // sweep, prune
	allNamespaces bool                // sweep
	all           bool                // prune
	steady        bool                // bootstrap
	guard         string              // bootstrap: "", "true" or "anyway"
	flags         map[string][]string // bootstrap: those with values
}
