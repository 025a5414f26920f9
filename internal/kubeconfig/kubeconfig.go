package kubeconfig

import (
	"errors"
	"fmt"

	clientcmd "k8s.io/client-go/tools/clientcmd/api/v1"
	"sigs.k8s.io/yaml"

	"github.com/kubemint/kubemint/internal/secret"
)

// Config has the fields of the written kubeconfig.
type Config struct {
	Name      string // of the context, the cluster and the user
	Namespace string // default namespace of the context
	Cluster
	Token     secret.Value
	TokenFile string // also holds Token: a path that client-go reads again while it runs
}

// Cluster says where the API server is, and how to know it.
type Cluster struct {
	Server        string // URL
	CAData        []byte // PEM; empty: the reader's system roots
	TLSServerName string
	ProxyURL      string
	// insecure-skip-tls-verify; the CA is then left out, as client-go refuses both together
	Insecure bool
}

// Render gives the file's content. It holds the token: write it with mode 0600.
func Render(c Config) ([]byte, error) {
	cluster := clientcmd.Cluster{
		Server:                   c.Server,
		TLSServerName:            c.TLSServerName,
		ProxyURL:                 c.ProxyURL,
		InsecureSkipTLSVerify:    c.Insecure,
		CertificateAuthorityData: c.CAData,
	}
	if c.Insecure {
		cluster.CertificateAuthorityData = nil
	}
	// Some clients do not know tokenFile: with it alone they would send no credential (the Node
	// client, Ruby's kubeclient).
	user := clientcmd.AuthInfo{Token: c.Token.Reveal(), TokenFile: c.TokenFile}
	data, err := yaml.Marshal(clientcmd.Config{
		APIVersion:     "v1",
		Kind:           "Config",
		CurrentContext: c.Name,
		Clusters:       []clientcmd.NamedCluster{{Name: c.Name, Cluster: cluster}},
		Contexts: []clientcmd.NamedContext{{Name: c.Name, Context: clientcmd.Context{
			Cluster: c.Name, AuthInfo: c.Name, Namespace: c.Namespace,
		}}},
		AuthInfos: []clientcmd.NamedAuthInfo{{Name: c.Name, AuthInfo: user}},
	})
	if err != nil {
		return nil, fmt.Errorf("render kubeconfig: %w", err)
	}
	return data, nil
}

// Written is the credential in a kubeconfig that [Render] made.
type Written struct {
	Server    string
	Token     secret.Value
	TokenFile string // "", or where the present token is
}

// Read reads a kubeconfig of the form that [Render] gives. Whether it is our own file the token's
// hash tells; what cannot be one gives an error, which holds nothing of the content.
func Read(data []byte) (Written, error) {
	var config clientcmd.Config
	if yaml.Unmarshal(data, &config) == nil && len(config.AuthInfos) == 1 && len(config.Clusters) == 1 {
		user := config.AuthInfos[0].AuthInfo
		written := Written{
			Server: config.Clusters[0].Cluster.Server, Token: secret.New(user.Token),
			TokenFile: user.TokenFile,
		}
		if written.TokenFile != "" || !written.Token.IsEmpty() {
			return written, nil
		}
	}
	return Written{}, errors.New("not a kubeconfig that kubemint wrote")
}
