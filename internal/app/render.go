package app

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"path/filepath"

	"github.com/kubemint/kubemint/internal/kubeconfig"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
	"github.com/kubemint/kubemint/internal/source"
)

// render returns the kubeconfig with the current token, and its base64, which the platform masks from here
// on.
func (m *minting) render() (data []byte, encoded secret.Value, err error) {
	m.written.Token = m.minted.Token
	if data, err = kubeconfig.Render(m.written); err != nil {
		return nil, encoded, problem.New(problem.Mint, "render kubeconfig", err)
	}
	encoded = secret.New(base64.StdEncoding.EncodeToString(data))
	if m.private { // it is published nowhere, and a long mask could be torn apart: the command may write to the same stream
		return data, encoded, nil
	}
	return data, encoded, m.platform.Mask(encoded)
}

// writeCredential writes the kubeconfig, after the token file that it names. Revoke compares the token
// file's content with the receipt, so a run that is killed between the two leaves nothing that revoke would
// not know.
func (m *minting) writeCredential(data []byte) error {
	if m.written.TokenFile != "" {
		if err := writeFile(m.written.TokenFile, []byte(m.minted.Token.Reveal())); err != nil {
			return err
		}
	}
	if m.rendered != nil && !m.isAsRendered() {
		m.log.Warnf("the command has changed %s, which is left so: a client that does not read tokenFile keeps a token that expires",
			m.output.path)
		return nil
	}
	m.rendered = data
	return writeFile(m.output.path, data)
}

// isAsRendered says whether the kubeconfig is what this run wrote last. The command of exec may have chosen
// another namespace in it, or merged another cluster into it.
func (m *minting) isAsRendered() bool {
	have, err := readBounded(m.output.path)
	return err == nil && bytes.Equal(have, m.rendered)
}

// notePodToken says that the command of exec can read the token of the pod that it runs in: it is the same
// container and the same user, so nothing that kubemint does could hide the file.
func (m *minting) notePodToken() {
	path := filepath.Join(cmp.Or(m.process.AccountDir, source.MountedAccount), "token")
	if _, err := readBounded(path); err != nil {
		return
	}
	m.log.Printf("note: the command can read %s, the token of the pod's own ServiceAccount: "+
		"where it must not, mint in another container, as examples/tekton/split.yaml does", path)
}
