package cloud

import (
	"slices"

	"github.com/kubemint/kubemint/internal/client/wire"
	"github.com/kubemint/kubemint/internal/source/cloud/aks"
	"github.com/kubemint/kubemint/internal/source/cloud/eks"
	"github.com/kubemint/kubemint/internal/source/cloud/gke"
	"github.com/kubemint/kubemint/internal/source/cloud/plugin"
	"github.com/kubemint/kubemint/internal/source/program"
)

// For returns the login that replaces a stanza's program, or nil for an unknown program.
func For(s plugin.Stanza, r plugin.Runner) (login *plugin.Login, err error) {
	if r.HTTP != nil { // guarded here, whoever made it
		r.HTTP = wire.Client(r.HTTP.Transport, wire.MostOfToken)
	}
	switch s.Program {
	case "aws", "aws-iam-authenticator":
		login, err = eks.ReadStanza(s, r)
	case "gke-gcloud-auth-plugin":
		login, err = gke.ReadStanza(s, r)
	case "kubelogin":
		if !program.IsOIDC(s.Program, s.Args) {
			login, err = aks.ReadStanza(s, r)
		}
	}
	if login != nil { // with the job's token, anyone could log in again
		login.Secrets = slices.Concat(plugin.JobTokenVariables, login.Secrets)
	}
	return login, err
}
