package manifest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// MostBytes is how long a text may be.
const MostBytes = 64 << 20

// Bounds of what stands in it.
const (
	mostObjects = 100_000
	deepestList = 8 // lists in lists
)

// Read reads the objects of a text of YAML documents or JSON. Lists are taken apart, and empty
// documents are passed over. Its error names the document.
func Read(text []byte) ([]Object, error) {
	if len(text) > MostBytes {
		return nil, fmt.Errorf("it has %d bytes, the limit is %d", len(text), MostBytes)
	}
	var all []Object
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for number := 1; ; number++ {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err == nil {
			all, err = appendDocument(all, document)
		}
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", number, err)
		}
	}
}

// appendDocument adds the objects of one document.
func appendDocument(all []Object, document []byte) ([]Object, error) {
	values, err := splitValues(document)
	if err != nil {
		return nil, explainYAML(document, err)
	}
	for _, value := range values {
		if all, err = appendObject(all, value, 0); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// splitValues returns a document as JSON. A document of JSON may hold several objects in a row, as
// `kubectl get -o json` called several times prints them.
func splitValues(document []byte) ([]json.RawMessage, error) {
	if bytes.HasPrefix(bytes.TrimSpace(document), []byte("{")) {
		if values, err := splitJSON(document); err == nil {
			return values, nil
		}
	}
	value, err := yaml.YAMLToJSON(document)
	return []json.RawMessage{value}, err
}

func splitJSON(document []byte) (values []json.RawMessage, err error) {
	decoder := json.NewDecoder(bytes.NewReader(document))
	for {
		var value json.RawMessage
		switch err := decoder.Decode(&value); {
		case errors.Is(err, io.EOF):
			return values, nil
		case err != nil:
			return nil, err
		}
		values = append(values, value)
	}
}

// explainYAML says what a text is that is not YAML.
func explainYAML(document []byte, err error) error {
	if bytes.Contains(document, []byte("{{")) {
		return errors.New("it is a template: render it first, as in  helm template . | kubemint rules -")
	}
	return fmt.Errorf(
		"it is not YAML: %s", strings.TrimPrefix(err.Error(), "error converting YAML to JSON: "),
	)
}

// header holds the fields that all kinds share.
type header struct {
	metav1.TypeMeta `json:",inline"`
	Metadata        struct {
		Name              string            `json:"name"`
		Namespace         string            `json:"namespace"`
		Annotations       map[string]string `json:"annotations"`
		CreationTimestamp metav1.Time       `json:"creationTimestamp"`
	} `json:"metadata"`
	Items []json.RawMessage `json:"items"`
}

// ReadList reads an API server's list of one kind, whose items do not say their kind.
func ReadList(text []byte) ([]Object, error) {
	var list struct {
		metav1.TypeMeta `json:",inline"`
		Items           []json.RawMessage `json:"items"`
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, errors.New("the list cannot be read")
	}
	var all []Object
	for _, item := range list.Items {
		var h header
		if err := json.Unmarshal(item, &h); err != nil {
			return nil, errors.New("an item of the list cannot be read")
		}
		h.APIVersion = list.APIVersion
		h.Kind = strings.TrimSuffix(list.Kind, "List")
		object, err := readObject(h, item)
		if err != nil {
			return nil, err
		}
		all = append(all, object)
	}
	return all, nil
}

// appendObject adds an object, or the objects of a list.
func appendObject(all []Object, value json.RawMessage, depth int) ([]Object, error) {
	if text := bytes.TrimSpace(value); len(text) == 0 || bytes.Equal(text, []byte("null")) {
		return all, nil
	}
	var h header
	if err := json.Unmarshal(value, &h); err != nil {
		return nil, errors.New("it is not an object of the Kubernetes API")
	}
	switch {
	case strings.HasSuffix(h.Kind, "List") && h.Items != nil:
		if depth == deepestList {
			return nil, fmt.Errorf("it has lists in lists, more than %d deep", deepestList)
		}
		for i, item := range h.Items {
			var err error
			if all, err = appendObject(all, item, depth+1); err != nil {
				return nil, fmt.Errorf("item %d: %w", i+1, err)
			}
		}
		return all, nil
	case h.Kind == "" || h.APIVersion == "":
		return nil, errors.New("it has no apiVersion and kind")
	case len(all) >= mostObjects:
		return nil, fmt.Errorf("there are more than %d objects", mostObjects)
	}
	object, err := readObject(h, value)
	return append(all, object), err
}

// admission is the group of admission policies.
const admission = "admissionregistration.k8s.io"

// readObject reads what its kind alone has.
func readObject(h header, value json.RawMessage) (Object, error) {
	version, err := schema.ParseGroupVersion(h.APIVersion)
	if err != nil {
		return Object{}, fmt.Errorf("apiVersion: %w", err)
	}
	object := Object{
		GroupKind: schema.GroupKind{Group: version.Group, Kind: h.Kind},
		Namespace: h.Metadata.Namespace, Name: h.Metadata.Name,
		Hook:    h.Metadata.Annotations["helm.sh/hook"] != "",
		Created: h.Metadata.CreationTimestamp.Time,
	}
	if h.Kind == "Kustomization" && strings.HasPrefix(version.Group, "kustomize.") {
		return Object{}, errors.New(
			"it is a kustomization: render it first, as in  kustomize build . | kubemint rules -",
		)
	}
	switch object.GroupKind.String() {
	case "Role." + rbacv1.GroupName, "ClusterRole." + rbacv1.GroupName:
		object.Role, err = readRole(value)
	case "RoleBinding." + rbacv1.GroupName, "ClusterRoleBinding." + rbacv1.GroupName:
		object.RoleRef, err = readRoleRef(value)
	case "CustomResourceDefinition.apiextensions.k8s.io":
		object.Defines, err = readDefinition(value)
	case "ValidatingAdmissionPolicy." + admission, "MutatingAdmissionPolicy." + admission:
		object.Params = readsParameters(value)
	}
	if err != nil {
		return Object{}, fmt.Errorf("%s: %w", object, err)
	}
	return object, nil
}
