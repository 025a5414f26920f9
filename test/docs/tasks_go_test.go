package docs

import (
	"context"
	"fmt"
	"os"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/kubemint/kubemint/test/harness"
)

// programOfThePage is the Go of docs/tasks/another-language.md; a test compares the two.
func programOfThePage() {
	list, err := listPods()
	harness.ExitOn(err)
	fmt.Println(list)
}

func listPods() (kind string, err error) {
	config := &rest.Config{Host: os.Getenv("KUBEMINT_OUT_SERVER"), BearerToken: os.Getenv("TOKEN")}
	config.CAFile = "ca.pem"
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return "", err
	}
	pods := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "pods"})
	list, err := pods.Namespace(os.Getenv("KUBEMINT_OUT_NAMESPACE")).List(context.Background(), metav1.ListOptions{})
	if err != nil {
		return "", err
	}
	return list.GetKind(), nil
}
