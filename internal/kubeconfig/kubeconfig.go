package kubeconfig

import (
	"errors"
	"fmt"

	clientcmd "k8s.io/client-go/tools/clientcmd/api/v1"
	"sigs.k8s.io/yaml"

	"github.com/kubemint/kubemint/internal/token"
)

// Config is what the written kubeconfig says.
type Config struct {
	Name          string // of the context, the cluster and the user
	Namespace     string // default namespace of the context
	Server        string // URL
	CAData        []byte // PEM; empty: the reader's system roots
	TLSServerName string
	ProxyURL      string
	Insecure      bool // insecure-skip-tls-verify; the CA is then left out, as client-go refuses both together
	Token         token.Token
	TokenFile     string // instead of Token: a path that clients read again while they run
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
	user := clientcmd.AuthInfo{Token: c.Token.Reveal()}
	if c.TokenFile != "" {
		user = clientcmd.AuthInfo{TokenFile: c.TokenFile}
	}
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

// Token returns the token of a kubeconfig that [Render] made, or the path of the file that holds it. Our own file is known by the
// token's hash; what cannot be one gives an error, which holds nothing of the content.
func Token(data []byte) (t token.Token, file string, err error) {
	var config clientcmd.Config
	if yaml.Unmarshal(data, &config) == nil && len(config.AuthInfos) == 1 {
		user := config.AuthInfos[0].AuthInfo
		if user.TokenFile != "" {
			return t, user.TokenFile, nil
		}
		if t = token.New(user.Token); !t.Empty() {
			return t, "", nil
		}
	}
	return token.Token{}, "", errors.New("not a kubeconfig that kubemint wrote")
}
