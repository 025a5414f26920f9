package syntax

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/kubemint/kubemint/internal/rules"
	"github.com/kubemint/kubemint/internal/rules/names"
)

// Patterns that are rarely needed: each is compiled where it is used.
const (
	// versioned is a group as apiVersion has it (apps/v1), or as kubectl takes it
	// (deployments.v1.apps).
	versioned = `/|^v[0-9]+((alpha|beta)[0-9]+)?(\.|$)`
	// plainVerb is a verb that the shorthand can say.
	plainVerb = `^[A-Za-z]([A-Za-z0-9:-]*[A-Za-z0-9])?$`
)

// checkVerb checks a verb for URLs or for resources. Where those are custom, their API may know it:
// only a near miss is a fault.
func checkVerb(verb string, url, custom bool) error {
	known := names.ResourceVerbs
	of := "resources"
	if url {
		known = names.URLVerbs
		of = "URLs"
	}
	if verb == "*" || slices.Contains(known, verb) {
		return nil
	}
	if !url &&
		(verb == names.AudienceVerb || regexp.MustCompile(names.ComposedVerb).MatchString(verb)) {
		return nil
	}
	// watch is near to patch, which is no answer
	if near := names.NearestWord(verb, known); near != "" && !url {
		return fmt.Errorf("unknown verb %s: did you mean %q?", names.QuoteWord(verb), near)
	}
	if custom && regexp.MustCompile(plainVerb).MatchString(verb) {
		return nil
	}
	return fmt.Errorf(
		"unknown verb %s: those for %s are %s and *", names.QuoteWord(verb), of,
		strings.Join(known, ", "),
	)
}

func checkURL(url string) error {
	if !strings.HasPrefix(url, "/") || strings.Contains(strings.TrimSuffix(url, "*"), "*") {
		return fmt.Errorf(
			"URL %s: a URL is a path that starts with /, and * means something at its end alone",
			names.QuoteWord(url),
		)
	}
	return nil
}

// checkName checks the name of an object. Only for signers has the API server a pattern: DOMAIN/*
// is every signer of a domain (pkg/registry/certificates of Kubernetes, IsAuthorizedForSignerName),
// and cert-manager does as it does.
func checkName(name string, of []rules.Target) error {
	other := func(t rules.Target) bool { return t.Resource != "signers" }
	plain := name
	if domain, ok := strings.CutSuffix(name, "/*"); ok && !slices.ContainsFunc(of, other) {
		plain = domain
	}
	if plain == "" || strings.ContainsAny(plain, `*"`) {
		return fmt.Errorf(
			"name %s: there are no patterns for names, nor quotes; leave the names out to mean every object",
			names.QuoteWord(name),
		)
	}
	return nil
}

// checkGroup refuses groups that cannot exist: names without a dot are reserved for Kubernetes
// itself (API conventions).
func checkGroup(group string) error {
	switch _, ours := names.Builtin[group]; {
	// the last has no resources any more, but roles in use still name it
	case ours, group == "*", group == "extensions":
		return nil
	case group == "core", regexp.MustCompile(versioned).MatchString(group):
		return fmt.Errorf(
			"unknown group %s: RBAC has no versions, and the core group no name (in YAML it is \"\")",
			names.QuoteWord(group),
		)
	case strings.Contains(group, ".") && len(validation.IsDNS1123Subdomain(group)) == 0:
		return nil
	}
	near := names.NearestWord(group, names.ListGroups())
	for _, known := range names.ListGroups() {
		// networking, rbac
		if known != "" && (known == near || strings.HasPrefix(known, group+".")) {
			return fmt.Errorf("unknown group %s: did you mean %q?", names.QuoteWord(group), known)
		}
	}
	return fmt.Errorf(
		"unknown group %s: the group of a resource that is not built in is a domain, as in widgets.example.com",
		names.QuoteWord(group),
	)
}

// checkTarget checks a URL, or a resource whose group is fine, subresource included. It knows the
// built-in groups alone, and of them, but for the core group, refuses only what is near to
// something: a newer cluster can have more.
func checkTarget(t rules.Target) error {
	head, sub, slash := strings.Cut(t.Resource, "/")
	known := names.Builtin[t.Group]
	switch {
	case t.URL != "":
		return checkURL(t.URL)
	case head == "", slash && sub == "":
		return fmt.Errorf(
			"resource %s: its name, or that of the subresource, is missing",
			names.QuoteWord(t.Resource),
		)
	case head != "*" && strings.Contains(head, "*"), strings.Contains(sub, "*"):
		return fmt.Errorf(
			"resource %s: RBAC has no patterns; * stands for a whole resource, subresources included",
			names.QuoteWord(t.Resource),
		)
	case strings.ContainsAny(head, `., "`):
		return fmt.Errorf(
			"resource %s: it is one name, without quotes; in YAML its group stands in apiGroups",
			names.QuoteWord(t.Resource),
		)
	case t.Group != "" && strings.HasSuffix(sub, "."+t.Group):
		return fmt.Errorf(
			"resource %s: the group comes before the slash, as in deployments.apps/scale",
			names.QuoteWord(t.Resource),
		)
	case known == nil, head == "*", slices.Contains(known, t.Resource):
		return nil
	}
	return checkKnown(t, head, known)
}

// checkKnown checks a resource that is not among the known ones of its built-in group.
func checkKnown(t rules.Target, head string, known []string) error {
	word := head
	if slices.Contains(known, head) {
		word = t.Resource // only its subresource is unknown
	}
	if near := names.SuggestResource(word, t.Group); near != "" {
		return fmt.Errorf("unknown resource %s: did you mean %q?", names.QuoteWord(t.String()), near)
	}
	if word == head && t.Group == "" {
		return fmt.Errorf(
			"unknown resource %s: one that is not built in has a group, as in widgets.example.com",
			names.QuoteWord(t.String()),
		)
	}
	return nil
}
