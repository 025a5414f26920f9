package kubetest

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// ClientKubeconfig is the credential of a user who did not exist before and may do nothing but what the test grants to
// that name or to those groups: a client certificate, valid for a day.
func (c *ControlPlane) ClientKubeconfig(user string, groups ...string) ([]byte, error) {
	certificate, key, err := c.authority.client(user, groups)
	if err != nil {
		return nil, err
	}
	return c.kubeconfig(user, &api.AuthInfo{ClientCertificateData: certificate, ClientKeyData: key})
}

// TokenKubeconfig is the credential of an existing ServiceAccount: a token from the API server, at least ten minutes.
func (c *ControlPlane) TokenKubeconfig(ctx context.Context, namespace, serviceAccount string, life time.Duration) ([]byte, error) {
	seconds := int64(life.Seconds())
	request := authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}
	path := fmt.Sprintf("/api/v1/namespaces/%s/serviceaccounts/%s/token", namespace, serviceAccount)
	if err := c.Admin.Do(ctx, http.MethodPost, path, request, &request); err != nil {
		return nil, err
	}
	return c.kubeconfig(serviceAccount, &api.AuthInfo{Token: request.Status.Token})
}

// kubeconfig has one context, named as its user; the cluster is named controlplane.
func (c *ControlPlane) kubeconfig(user string, credential *api.AuthInfo) ([]byte, error) {
	config := api.NewConfig()
	config.Clusters["controlplane"] = &api.Cluster{Server: c.URL, CertificateAuthorityData: c.CA}
	config.AuthInfos[user] = credential
	config.Contexts[user] = &api.Context{Cluster: "controlplane", AuthInfo: user}
	config.CurrentContext = user
	return clientcmd.Write(*config)
}

// writeCredentials makes the administrator's credential and the controller manager's, for the URL of now.
func (c *ControlPlane) writeCredentials() (err error) {
	if c.admin, err = c.ClientKubeconfig("admin", "system:masters"); err != nil {
		return err
	}
	if c.Admin, err = NewClient(c.admin); err != nil {
		return err
	}
	controllerManager, err := c.ClientKubeconfig("system:kube-controller-manager")
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{"admin.kubeconfig": c.admin, "controller-manager.kubeconfig": controllerManager} {
		if err := os.WriteFile(c.path(name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// NewTokenClient is a client with a token, which the API server may or may not take.
func (c *ControlPlane) NewTokenClient(t testing.TB, token string) *Client {
	t.Helper()
	config := api.NewConfig()
	config.Clusters["controlplane"] = &api.Cluster{Server: c.URL, CertificateAuthorityData: c.CA}
	config.AuthInfos["token"] = &api.AuthInfo{Token: token}
	config.Contexts["token"] = &api.Context{Cluster: "controlplane", AuthInfo: "token"}
	config.CurrentContext = "token"
	content, err := clientcmd.Write(*config)
	if err != nil {
		t.Fatal(err)
	}
	client, err := NewClient(content)
	if err != nil {
		t.Fatal(err)
	}
	return client
}
