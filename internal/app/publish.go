package app

import (
	"encoding/base64"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/platform"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
)

// publish hands the credential to later steps and says what happened.
func (m *minting) publish(encoded secret.Value) error {
	result, err := m.result(encoded)
	if err != nil {
		return err
	}
	if content := m.platform.EnvFile(result); content != nil {
		if err := writeFile(envFile(m.output.path), content); err != nil {
			return problem.New(problem.Publish, "publish outputs", err, "see whether the disk of `output` is full")
		}
	}
	if err := m.platform.Publish(result); err != nil {
		return err
	}
	if err := m.platform.Summarize(m.summary().Render()); err != nil {
		m.log.Warnf("%s", err)
	}
	m.log.Printf("wrote %s (context %s)", m.platform.Outside(m.output.path), m.written.Name)
	if m.lease != nil {
		m.log.Printf("lease %s/%s: %s", m.lease.Namespace, m.lease.Name, m.platform.RevokeAdvice(m.output.path))
	}
	return nil
}

func (m *minting) result(encoded secret.Value) (platform.Result, error) {
	changes, err := changesJSON(m.plan)
	if err != nil {
		return platform.Result{}, err
	}
	values := map[string]string{
		"kubeconfig_path":       m.platform.Outside(m.output.path),
		"kubeconfig":            encoded.Reveal(),
		"token":                 m.minted.Token.Reveal(),
		"certificate_authority": base64.StdEncoding.EncodeToString(m.written.CAData),
		"server":                m.written.Server,
		"expires_at":            m.expiry(),
		"service_account":       m.desired.Access.ServiceAccount.String(),
		"namespace":             m.written.Namespace,
		"context":               m.written.Name,
		"token_id":              m.minted.Claims.ID,
		"changes":               changes,
	}
	secrets := m.platform.Name() == "GitHub" // elsewhere they are to be asked for, and prepare has refused it where nothing masks
	if asked := m.cfg.Result.SecretOutputs; asked != nil {
		secrets = *asked
	}
	var result platform.Result
	for _, output := range config.Outputs() {
		if !output.Secret || secrets {
			result.Outputs = append(result.Outputs, platform.Output{Name: output.Name, Value: values[output.Name], Secret: output.Secret})
		}
	}
	if m.cfg.Result.ExportEnv {
		for _, name := range []string{"KUBECONFIG", "KUBE_CONFIG_PATH"} { // the second is what Terraform's providers read
			result.Env = append(result.Env, platform.Output{Name: name, Value: values["kubeconfig_path"]})
		}
	}
	return result, result.Check()
}

// changesJSON is the output `changes`. Every list is there, so that a pipeline can ask for its length.
func changesJSON(plan access.Plan) (string, error) {
	lists := map[access.Verb][]string{access.Created: {}, access.Configured: {}, access.Unchanged: {}, access.Deleted: {}}
	for _, change := range plan.Changes {
		lists[change.Verb] = append(lists[change.Verb], change.Ref.String())
	}
	return console.JSON(lists)
}
