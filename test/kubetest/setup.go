package kubetest

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Apply has the administrator's kubectl apply manifests.
func (c *ControlPlane) Apply(ctx context.Context, manifests string) error {
	_, err := c.RunKubectl(ctx, c.admin, manifests, "apply", "-f", "-")
	return err
}

// RunKubectl runs kubectl with that kubeconfig and returns its standard output; an error holds its standard error.
func (c *ControlPlane) RunKubectl(ctx context.Context, kubeconfig []byte, stdin string, args ...string) (string, error) {
	home, err := os.MkdirTemp(c.dir, "kubectl-") // with its discovery cache
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(home)
	file := home + "/kubeconfig"
	if err := os.WriteFile(file, kubeconfig, 0o600); err != nil {
		return "", err
	}
	var stdout, stderr bytes.Buffer
	command := exec.CommandContext(ctx, c.Kubectl(), args...)
	command.Env = []string{"HOME=" + home, "KUBECONFIG=" + file}
	command.Stdin, command.Stdout, command.Stderr = strings.NewReader(stdin), &stdout, &stderr
	if err := command.Run(); err != nil {
		return stdout.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.String(), nil
}

// CreateNamespace creates a namespace and waits for its ServiceAccount default (where there are controllers). A name that ends in "-" is completed
// by the server, so that parallel tests of one control plane do not meet. It returns the name.
func (c *ControlPlane) CreateNamespace(ctx context.Context, name string) (string, error) {
	namespace := corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if strings.HasSuffix(name, "-") {
		namespace.ObjectMeta = metav1.ObjectMeta{GenerateName: name}
	}
	if err := c.Admin.Do(ctx, http.MethodPost, "/api/v1/namespaces", namespace, &namespace); err != nil {
		return "", err
	}
	if !c.controllers {
		return namespace.Name, nil
	}
	return namespace.Name, c.await(ctx, "namespace "+namespace.Name, func(ctx context.Context) error {
		return c.Admin.Do(ctx, http.MethodGet, "/api/v1/namespaces/"+namespace.Name+"/serviceaccounts/default", nil, nil)
	})
}
