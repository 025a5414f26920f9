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
	data, err := yaml.Marshal(clientcmd.Config{
		APIVersion:     "v1",
		Kind:           "Config",
		CurrentContext: c.Name,
		Clusters:       []clientcmd.NamedCluster{{Name: c.Name, Cluster: cluster}},
		Contexts: []clientcmd.NamedContext{{Name: c.Name, Context: clientcmd.Context{
			Cluster: c.Name, AuthInfo: c.Name, Namespace: c.Namespace,
		}}},
		AuthInfos: []clientcmd.NamedAuthInfo{{Name: c.Name, AuthInfo: clientcmd.AuthInfo{Token: c.Token.Reveal()}}},
	})
	if err != nil {
		return nil, fmt.Errorf("render kubeconfig: %w", err)
	}
	return data, nil
}

// TokenID returns the jti of the token in a kubeconfig that [Render] made. It recognises our own file: any other gives
// an error, which holds nothing of the content.
func TokenID(data []byte) (string, error) {
	foreign := errors.New("not a kubeconfig that kubemint wrote")
	var file clientcmd.Config
	if yaml.Unmarshal(data, &file) != nil || len(file.AuthInfos) != 1 {
		return "", foreign
	}
	claims, err := token.New(file.AuthInfos[0].AuthInfo.Token).Claims()
	if err != nil || claims.ID == "" {
		return "", foreign
	}
	return claims.ID, nil
}
