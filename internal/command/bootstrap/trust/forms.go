package trust

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/problem"
)

// The values of --for.
const (
	formConfig = "config"
	formEKS    = "eks"
	formAKS    = "aks"
)

// aksPrefix begins the name of every user that AKS takes from a token (AKS docs, "Configure
// external identity providers with AKS structured authentication").
const aksPrefix = "aks:jwt:"

// longestEKS is the longest value of a required claim (EKS API reference,
// OidcIdentityProviderConfigRequest).
const longestEKS = 253

// checkForm refuses an unknown --for, and a value that EKS cannot take.
func (t *Trust) checkForm() error {
	switch t.form {
	case "":
		t.form = formConfig
	case formConfig, formAKS:
	case formEKS:
		for _, each := range t.claims {
			if len(each.value) > longestEKS {
				return refuse("EKS compares at most %d bytes, and the %s has more", longestEKS, each.name).
					Hint("shorten the name")
			}
		}
	default:
		return refuseValue(flagFor, t.form, "it is not known").
			Hint("write config (a file of kube-apiserver, the default), eks or aks").
			Hint("GKE trusts no CI system directly: log in to Google Cloud first " +
				"(workload identity federation), as docs/sources.md says")
	}
	return nil
}

// userPrefix begins the name of the user. The repository's id follows.
func (t *Trust) userPrefix() string {
	prefix := t.system.UserPrefix(t.issuer)
	if t.form == formAKS {
		return aksPrefix + prefix
	}
	return prefix
}

// configuration returns what the cluster is configured with, in the form of --for.
func (t *Trust) configuration() ([]string, error) {
	switch t.form {
	case formEKS:
		return indentJSON(t.eksProvider())
	case formAKS:
		mapping := map[string]any{"username": map[string]any{
			"expression": quoteCEL(t.userPrefix()) + " + claims." + t.system.Claims.ID,
		}}
		return indentJSON(t.authenticator(mapping))
	}
	mapping := map[string]any{"username": map[string]any{
		"claim": t.system.Claims.ID, "prefix": t.userPrefix(),
	}}
	return console.RenderManifest(map[string]any{
		"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration",
		"jwt": []any{t.authenticator(mapping)},
	})
}

// subExtra is where an audit event has the claim sub, which tells a person more than ids do.
const subExtra = "kubemint/sub"

// authenticator is a JWTAuthenticator (k8s.io/apiserver pkg/apis/apiserver/v1).
func (t *Trust) authenticator(mapping map[string]any) map[string]any {
	var rules []any
	for _, each := range t.claims {
		rules = append(rules, map[string]any{"expression": each.express(), "message": each.about})
	}
	mapping["extra"] = []any{map[string]any{"key": subExtra, "valueExpression": "claims.sub"}}
	return map[string]any{
		"issuer":               map[string]any{"url": t.issuer, "audiences": []string{t.audience}},
		"claimMappings":        mapping,
		"claimValidationRules": rules,
	}
}

// express is the rule in CEL. A token without the claim is an error of the rule, and is refused.
// Where the value is not known, the rule has a name in its place that CEL does not know: no API
// server takes such a file.
func (c claim) express() string {
	value := strings.ToUpper(c.name)
	if c.value != "" {
		value = quoteCEL(c.value)
	}
	return "claims." + c.name + " == " + value
}

// quoteCEL is a text as CEL has it. What Go escapes, CEL escapes alike (CEL language definition,
// "String and Bytes Values"), but for bytes that are not UTF-8, which no value has.
func quoteCEL(text string) string { return strconv.Quote(text) }

// eksProvider is an OidcIdentityProviderConfigRequest. Where a value is not known it is empty, and
// EKS takes no value of less than one character.
func (t *Trust) eksProvider() map[string]any {
	required := map[string]string{}
	for _, each := range t.claims {
		required[each.name] = each.value
	}
	return map[string]any{
		"identityProviderConfigName": t.system.Name, "issuerUrl": t.issuer, "clientId": t.audience,
		"usernameClaim": t.system.Claims.ID, "usernamePrefix": t.userPrefix(),
		"requiredClaims": required,
	}
}

func indentJSON(value any) ([]string, error) {
	line, err := console.EncodeJSON(value)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if err := json.Indent(&text, []byte(line), "", "  "); err != nil {
		return nil, problem.New(problem.Publish, "encode JSON", err)
	}
	return strings.Split(text.String(), "\n"), nil
}
