package deliver

import (
	"encoding/base64"
	"time"

	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/mint/credential"
	"github.com/kubemint/kubemint/internal/mint/undo"
	"github.com/kubemint/kubemint/internal/output"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/platform"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/revoke"
	"github.com/kubemint/kubemint/internal/secret"
)

// Platform hands a credential over to later steps of the job.
type Platform interface {
	PublishesSecrets() bool
	JobTimeout() time.Duration
	Outside(path string) string
	// Ready returns an error if results could not be handed over later.
	Ready() error
	SaveState(receipt string) error
	Mask(secret secret.Value) error
	EnvFile(result platform.Result) []byte
	Publish(result platform.Result) error
	Summarize(markdown string) error
	RevokeAdvice(output string) string
}

// File is the destination for later steps of the job.
type File struct {
	Output   *output.File
	Files    output.Job
	Platform Platform
}

// Path is the path of the kubeconfig.
func (f File) Path() string { return f.Output.Path }

// TokenFile is "": the kubeconfig holds the token.
func (f File) TokenFile() string { return "" }

// UsedFor is how long the job may run.
func (f File) UsedFor() time.Duration { return f.Platform.JobTimeout() }

// Earlier returns the credential that lies at the output.
func (f File) Earlier() (earlier *receipt.Receipt, live bool) {
	return f.Output.Earlier, f.Output.Earlier != nil && !f.Output.Expired
}

// Remedy is to do without a lease.
func (f File) Remedy(ephemeral bool) credential.Remedy {
	const unserved = "set `revoke: false`: the token then has no lease, and lives to its expiry"
	if ephemeral {
		return credential.Remedy{
			Unserved: "an ephemeral identity takes a lease: leave `ephemeral` out, and " + unserved,
		}
	}
	return credential.Remedy{
		Unserved: unserved,
		Refused:  "or set `revoke: false`, and the token lives to its expiry without a lease",
	}
}

// Patience allows time for the requests, and then for seeing the token's end.
func (f File) Patience() time.Duration { return UndoWithin + revoke.SeenWithin }

// Open finds out that the platform can hand results over, and begins the receipt.
func (f File) Open(record *receipt.Receipt) (*output.Journal, error) {
	if err := f.Platform.Ready(); err != nil {
		return nil, err
	}
	return f.Output.Open(record, func(record *receipt.Receipt) error {
		data, err := record.Small().Encode()
		if err != nil {
			return problem.New(problem.Config, "write receipt", err)
		}
		return f.Platform.SaveState(string(data))
	})
}

// Mask hides the base64 of the kubeconfig, which is an output.
func (f File) Mask(encoded secret.Value) error { return f.Platform.Mask(encoded) }

// Deliver writes the kubeconfig and hands it to later steps. The receipt names the token first, and
// the file of outputs, so that revoke knows them.
func (f File) Deliver(d Delivery, stack *undo.Stack) error {
	if err := f.Files.RefuseLinks(f.Path()); err != nil {
		return err
	}
	err := stack.Journal.Update(func(record *receipt.Receipt) {
		record.TokenHash = d.Issued.Token.Hash()
		record.ExpiresAt = credential.FormatExpiry(d.Issued.Minted)
		record.EnvFile = record.EnvFile || f.Files.EnvFile
	})
	if err != nil {
		return err
	}
	stack.Push(undo.Files, "", ignoringContext(f.Output.PutBack))
	if err := output.Write(f.Path(), d.Rendered.Data); err != nil {
		return err
	}
	return f.publish(d, stack)
}

func (f File) publish(d Delivery, stack *undo.Stack) error {
	result, err := f.result(d)
	if err != nil {
		return err
	}
	if content := f.Platform.EnvFile(result); content != nil {
		stack.Push(undo.Files, "", ignoringContext(f.Output.PutBackEnvFile))
		if err := output.Write(output.EnvFile(f.Path()), content); err != nil {
			return problem.New(
				problem.Publish, "publish outputs", err, "see whether the disk of `output` is full",
			)
		}
	}
	if err := f.Platform.Publish(result); err != nil {
		return err
	}
	log := d.Log
	ending := f.Platform.RevokeAdvice(f.Path())
	if err := f.Platform.Summarize(summarize(d, ending).Render()); err != nil {
		log.Warnf("%s", err)
	}
	log.Printf("wrote %s (context %s)", f.Platform.Outside(f.Path()), d.Rendered.Written.Name)
	if its := d.Issued.Tether.Lease; its != nil {
		log.Printf("lease %s/%s: %s", its.Namespace, its.Name, ending)
	}
	return nil
}

// result returns what later steps get.
func (f File) result(d Delivery) (platform.Result, error) {
	changes, err := FormatChanges(d.Plan)
	if err != nil {
		return platform.Result{}, err
	}
	written := d.Rendered.Written
	values := map[string]string{
		"kubeconfig_path":       f.Platform.Outside(f.Path()),
		"kubeconfig":            d.Rendered.Encoded.Reveal(),
		"token":                 d.Issued.Token.Reveal(),
		"certificate_authority": base64.StdEncoding.EncodeToString(written.CAData),
		"server":                written.Server,
		"expires_at":            credential.FormatExpiry(d.Issued.Minted),
		"service_account":       d.Desired.Access.ServiceAccount.String(),
		"namespace":             written.Namespace,
		"context":               written.Name,
		"token_id":              d.Issued.Claims.ID,
		"changes":               changes,
	}
	asked := d.Config.Result
	// elsewhere they have to be asked for, which is refused where nothing masks
	secrets := f.Platform.PublishesSecrets()
	if asked.SecretOutputs != nil {
		secrets = *asked.SecretOutputs
	}
	var result platform.Result
	for _, o := range config.Outputs() {
		if !o.Secret || secrets {
			result.Outputs = append(
				result.Outputs, platform.Output{Name: o.Name, Value: values[o.Name], Secret: o.Secret},
			)
		}
	}
	if asked.ExportEnv {
		for _, name := range []string{"KUBECONFIG", "KUBE_CONFIG_PATH"} {
			// Terraform's providers read the second
			result.Env = append(result.Env, platform.Output{Name: name, Value: values["kubeconfig_path"]})
		}
	}
	return result, result.Check()
}
