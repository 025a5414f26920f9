package aks

import (
	"github.com/kubemint/kubemint/internal/source/cloud/plugin"
)

// kubelogin is a stanza together with the environment.
type kubelogin struct {
	plugin.Arguments
	stanza plugin.Stanza
	runner plugin.Runner
	getenv func(string) string // returns nothing where the stanza ignores the environment
	mode   string
}
