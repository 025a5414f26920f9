package config

import "slices"

// draft is a configuration while its inputs are read.
type draft struct {
	Config
	clusterScope bool // the input scope
	roles        []declaredRole
}

// inputs declares every input in the order of the contract.
func (d *draft) inputs() []Input {
	return slices.Concat(
		putUnder("Source: the runner's own credential", d.kubeconfigInputs(), d.serverInputs()),
		putUnder("Access: what the pipeline may do", d.accountInputs(), d.grantInputs(), d.markInputs()),
		putUnder("Token", d.tokenInputs()),
		putUnder("Result", d.outputInputs(), d.runInputs()),
	)
}

// putUnder puts inputs under a heading.
func putUnder(section string, lists ...[]Input) []Input {
	inputs := slices.Concat(lists...)
	for i := range inputs {
		inputs[i].Pages.Section = section
	}
	return inputs
}

// Inputs returns every input in the order of the contract.
func Inputs() []Input { return new(draft).inputs() }
