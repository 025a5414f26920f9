package config

import (
	"errors"
	"strings"
	"unicode"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
)

func (c *checker) config(raw *inputs) *Config {
	cfg := &Config{
		Source: c.source(&raw.Source),
		Access: c.access(&raw.Access),
		Marks:  Marks{Owner: c.owner(raw.Access.Owner), Labels: c.labels(raw.Access.Labels)},
		Token: Token{
			Duration:  c.duration(raw.Token.Duration),
			Asked:     strings.TrimSpace(raw.Token.Duration),
			Audiences: c.audiences(raw.Token.Audiences),
			Revoke:    c.boolean("revoke", raw.Token.Revoke),
		},
		Result: Result{
			Output:        c.line("output", raw.Result.Output),
			ContextName:   c.line("context_name", raw.Result.ContextName),
			ExportEnv:     c.boolean("export_env", raw.Result.ExportEnv),
			SecretOutputs: c.optional("secret_outputs", raw.Result.SecretOutputs),
			DryRun:        c.boolean("dry_run", raw.Result.DryRun),
			Timeout:       c.timeout(raw.Result.Timeout),
			Debug:         c.optional("debug", raw.Result.Debug),
			HostWorkspace: strings.TrimPrefix(c.line("host_workspace", raw.Result.HostWorkspace), "host:"),
			HostTemp:      strings.TrimPrefix(c.line("host_temp", raw.Result.HostTemp), "host:"),
		},
	}
	cfg.Token.Strict = c.second("on_shortened", strings.TrimSpace(raw.Token.OnShortened), "warn", "fail")
	c.together(cfg, strings.TrimSpace(raw.Token.Duration) == "permanent")
	return cfg
}

// together refuses inputs that contradict each other: neither of them may be ignored.
func (c *checker) together(cfg *Config, permanent bool) {
	if permanent && len(cfg.Token.Audiences) > 0 {
		c.fault("audiences", "", "a permanent token has the API server's own audience and no other", "leave `audiences` out, or give a lifetime")
	}
	if !cfg.Access.Ephemeral {
		return
	}
	if permanent {
		c.fault("ephemeral", "", "an ephemeral identity cannot have a permanent token", "give `duration` a lifetime")
	}
	if !cfg.Token.Revoke {
		c.fault("ephemeral", "", "an ephemeral identity is deleted at revoke, and `revoke` is false", "leave one of the two out")
	}
	if !cfg.Access.CreateServiceAccount {
		c.fault("ephemeral", "", "an ephemeral identity is made by the run, and `create_service_account` is false", "leave one of the two out")
	}
}

func (c *checker) access(raw *accessInputs) Access {
	access := Access{
		Namespaces:           c.namespaces(raw.Namespace),
		ServiceAccount:       c.serviceAccount(raw.ServiceAccount),
		CreateServiceAccount: c.boolean("create_service_account", raw.CreateServiceAccount),
		CreateNamespace:      c.boolean("create_namespace", raw.CreateNamespace),
		Ephemeral:            c.boolean("ephemeral", raw.Ephemeral),
		TakeOwnership:        c.boolean("take_ownership", raw.TakeOwnership),
	}
	access.Namespaced, access.Cluster = c.grants(raw)
	forbidden := c.rules("must_not", raw.MustNot)
	access.MustNot = forbidden.Rules
	access.ClusterMustNot = forbidden.Cluster
	return access
}

// boolean accepts what GitHub's own toolkit does (getBooleanInput: YAML 1.2 core schema).
func (c *checker) boolean(input, value string) bool {
	switch strings.TrimSpace(value) {
	case "true", "True", "TRUE":
		return true
	case "false", "False", "FALSE":
		return false
	}
	c.fault(input, value, "is neither true nor false", "write true or false")
	return false
}

// second says whether the value is the second of two words, of which it has to be one.
func (c *checker) second(input, value, first, second string) bool {
	word := strings.TrimSpace(value)
	if word != first && word != second {
		c.fault(input, value, "is not known", "write "+first+" or "+second)
	}
	return word == second
}

func (c *checker) optional(input, value string) *bool {
	if strings.TrimSpace(value) == "" {
		return nil
	}
	return new(c.boolean(input, value))
}

// line returns a value that has to fit on one line, since it goes into paths, outputs and logs.
func (c *checker) line(input, value string) string {
	value = strings.TrimSpace(value)
	if strings.ContainsFunc(value, unicode.IsControl) {
		c.fault(input, value, "holds a line break or another control character", "write it on one line")
	}
	return value
}

// words splits at commas and white space and drops what stands twice.
func words(value string) []string {
	var list []string
	seen := map[string]bool{}
	for _, word := range strings.FieldsFunc(value, func(r rune) bool { return r == ',' || unicode.IsSpace(r) }) {
		if !seen[word] {
			list = append(list, word)
		}
		seen[word] = true
	}
	return list
}

func (c *checker) namespaces(value string) []string {
	list := words(value)
	for _, name := range list {
		if faults := validation.IsDNS1123Label(name); len(faults) > 0 {
			c.fault("namespace", name, "is not a namespace's name", "a namespace has lower-case letters, digits and dashes, at most 63")
		}
	}
	return list
}

func (c *checker) serviceAccount(value string) types.NamespacedName {
	value = strings.TrimSpace(value)
	namespace, name, qualified := strings.Cut(value, "/")
	if !qualified {
		namespace, name = "", value
	} else if len(validation.IsDNS1123Label(namespace)) > 0 {
		c.fault("service_account", value, "does not begin with a namespace's name", "write `name`, or `namespace/name`")
	}
	if len(validation.IsDNS1123Subdomain(name)) > 0 {
		c.fault("service_account", value, "is not a ServiceAccount's name",
			"a ServiceAccount has lower-case letters, digits, dashes and dots; write `name`, or `namespace/name`")
	}
	return types.NamespacedName{Namespace: namespace, Name: name}
}

// reason is the last cause of a file error, without the path that the message has already.
func reason(err error) string {
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return err.Error()
}

func (c *checker) audiences(value string) []string {
	list := words(value)
	for _, audience := range list {
		if strings.ContainsFunc(audience, unicode.IsControl) {
			c.fault("audiences", audience, "holds a control character")
		}
	}
	return list
}
