package manifest

import (
	"encoding/json"
	"errors"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubemint/kubemint/internal/rules/names"
)

// catalog knows the resource of each kind that the input defines.
type catalog map[schema.GroupKind]resource

func newCatalog(objects []Object) catalog {
	defined := catalog{}
	for _, o := range objects {
		if o.Defines != nil {
			defined[o.Defines.kind] = *o.Defines
		}
	}
	return defined
}

// find returns the resource of an object's kind: Kubernetes' own, which no definition replaces,
// else as the input defines it. One that is not known is guessed by the usual plural, as a
// namespaced one.
func (c catalog) find(kind schema.GroupKind) resource {
	if name, namespaced, found := names.FindKind(kind.Group, kind.Kind); found {
		return resource{kind: kind, name: name, namespaced: namespaced}
	}
	if defined, ok := c[kind]; ok {
		return defined
	}
	return resource{kind: kind, name: guessPlural(kind.Kind), namespaced: true, guessed: true}
}

// guessPlural is the plural that authors of custom resources usually give a kind.
func guessPlural(kind string) string {
	name := strings.ToLower(kind)
	before, y := strings.CutSuffix(name, "y")
	switch {
	case y && before != "" && !strings.ContainsAny(before[len(before)-1:], "aeiou"):
		return before + "ies"
	case strings.HasSuffix(name, "s"), strings.HasSuffix(name, "x"), strings.HasSuffix(
		name, "ch",
	), strings.HasSuffix(name, "sh"):
		return name + "es"
	}
	return name + "s"
}

// readRole reads the rules of a Role or ClusterRole.
func readRole(value json.RawMessage) (*Role, error) {
	var role struct {
		Rules       []rbacv1.PolicyRule `json:"rules"`
		Aggregation json.RawMessage     `json:"aggregationRule"`
	}
	if err := json.Unmarshal(value, &role); err != nil {
		return nil, errors.New("its rules cannot be read")
	}
	return &Role{Rules: role.Rules, Aggregate: isGiven(role.Aggregation)}, nil
}

// readRoleRef reads what a binding binds.
func readRoleRef(value json.RawMessage) (*RoleRef, error) {
	var binding struct {
		RoleRef RoleRef `json:"roleRef"`
	}
	if err := json.Unmarshal(value, &binding); err != nil || binding.RoleRef.Name == "" {
		return nil, errors.New("its roleRef cannot be read")
	}
	return &binding.RoleRef, nil
}

// readDefinition reads which resource a CustomResourceDefinition serves.
func readDefinition(value json.RawMessage) (*resource, error) {
	var definition struct {
		Spec struct {
			Group string `json:"group"`
			Scope string `json:"scope"`
			Names struct {
				Kind   string `json:"kind"`
				Plural string `json:"plural"`
			} `json:"names"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(value, &definition); err != nil {
		return nil, errors.New("its spec cannot be read")
	}
	spec := definition.Spec
	if spec.Group == "" || spec.Names.Kind == "" || spec.Names.Plural == "" {
		return nil, errors.New("it lacks spec.group, spec.names.kind or spec.names.plural")
	}
	return &resource{
		kind: schema.GroupKind{Group: spec.Group, Kind: spec.Names.Kind},
		name: spec.Names.Plural, namespaced: spec.Scope == "Namespaced",
	}, nil
}

// readsParameters reports whether an admission policy has a paramKind.
func readsParameters(value json.RawMessage) bool {
	var policy struct {
		Spec struct {
			ParamKind json.RawMessage `json:"paramKind"`
		} `json:"spec"`
	}
	return json.Unmarshal(value, &policy) == nil && isGiven(policy.Spec.ParamKind)
}

// isGiven reports whether a field is there and not null.
func isGiven(field json.RawMessage) bool { return len(field) > 0 && string(field) != "null" }
