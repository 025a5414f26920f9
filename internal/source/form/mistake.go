package form

import (
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kubemint/kubemint/internal/problem"
)

// mistake is something that people give instead of a kubeconfig.
type mistake struct{ pattern, cause, remedy string }

// mistakes are recognised by a pattern, in this order: certain ones first, guesses last. A pattern
// sees the text without white space around it.
var mistakes = []mistake{
	{`^\x1f\x{fffd}`, "it is gzip", "unpack it in an earlier step, outside the checkout: " +
		"`base64 -d | gunzip > kubeconfig`"},
	{`^PK\x03\x04`, "it is a zip archive", "unpack it in an earlier step, outside the " +
		"checkout: `unzip -p FILE > kubeconfig`"},
	{`^\x00GITCRYPT\x00`, "it is encrypted by git-crypt", "decrypt it in an earlier step: " +
		"`git-crypt unlock`"},
	{
		`^\$ANSIBLE_VAULT;`, "it is encrypted by Ansible Vault",
		"decrypt it in an earlier step, outside the checkout: `ansible-vault decrypt --output " +
			"kubeconfig FILE`",
	},
	{
		`ENC\[AES256_GCM,`, "it is encrypted by SOPS",
		"decrypt it in an earlier step, outside the checkout: `sops --decrypt FILE > kubeconfig`",
	},
	{
		`^(?:-----BEGIN AGE ENCRYPTED FILE-----|age-encryption\.org/)`, "it is encrypted by age",
		"decrypt it in an earlier step, outside the checkout: `age --decrypt -i KEY FILE > " +
			"kubeconfig`",
	},
	{
		`^-----BEGIN PGP MESSAGE-----`, "it is encrypted by PGP",
		"decrypt it in an earlier step, outside the checkout: `gpg --decrypt FILE > kubeconfig`",
	},
	{
		`^vault:v[0-9]+:`, "it is encrypted by Vault's transit engine",
		"decrypt it in an earlier step, outside the checkout: `vault write -field=plaintext " +
			"transit/decrypt/KEY ciphertext=… | " +
			"base64 -d > kubeconfig`",
	},
	{
		`^version https://git-lfs\.github\.com/spec/`, "it is a pointer of Git LFS, and not " +
			"the file",
		"fetch the file in an earlier step: `git lfs pull`",
	},
	{
		`(?i)^(?:<!doctype html|<html|<\?xml|<head)`, "it is a web page, of a login or an " +
			"error as a rule",
		"download it again with a credential, and let the step fail on an error: `curl --fail " +
			"--output kubeconfig URL`",
	},
	{
		`^\*+$`, "it is masked: somebody copied it out of a log",
		"take it from where it was made: " + printIt,
	},
	{
		`\x1b\[`, "it has the colours of a terminal in it",
		"print it without colours: `NO_COLOR=1`, or `--no-color`",
	},
	{
		"^```", "it has the ``` of a page around it",
		"delete the first and the last line, and copy the lines between them",
	},
	{
		`(?m)^(?:<<<<<<< |>>>>>>> )`, "it has the marks of a merge conflict in it",
		"resolve the conflict and commit the file, or write it again: " + printIt,
	},
	{
		`^(?:cat\s[^\n]*)?<<[-~]?\s*["']?[A-Za-z_]+["']?`, "it begins with the << of a heredoc",
		"delete the first and the last line; for Terraform's output use `terraform output -raw " +
			"NAME > kubeconfig`",
	},
	{`\n\s*(?:EOF|EOT|EOL|END|YAML|_EOF_)$`, "it ends with the last line of a heredoc", "delete that line"},
	{
		`^-----BEGIN (?:TRUSTED )?CERTIFICATE-----`, "it is a certificate, and not a kubeconfig",
		"give it as `certificate_authority`, with `server` and `bearer_token`, or write a " +
			"kubeconfig: " + printIt,
	},
	{
		`^-----BEGIN [A-Z ]*PRIVATE KEY-----`, "it is a private key, and not a kubeconfig",
		"write a kubeconfig: " + printIt,
	},
	{
		jsonWebToken, "it is a token, and not a kubeconfig",
		"give it as `bearer_token`, with `server` and `certificate_authority`",
	},
	{
		`^(?:\$\{\{?[^}]*\}?\}|\$\(.*\)|\$[A-Za-z_][A-Za-z0-9_]*|%[A-Za-z_][A-Za-z0-9_]*%)$`,
		"it is the name of a variable, which nothing has replaced by its value",
		"see whether the variable is set, and whether this field is expanded: single quotes " +
			"keep a shell from it",
	},
	{
		`^[^\n]*\\n[^\n]*$`, `its line breaks are written as \n`,
		"write them as line breaks: `printf '%b' \"$KUBECONFIG_CONTENT\" > kubeconfig`",
	},
	{
		`^[^\n]*(?:apiVersion|clusters|contexts|users):[^\n]*(?:clusters|contexts|users):[^\n]*$`,
		"its line breaks are lost",
		"put the variable into quotes where a shell prints it: `printf '%s' " +
			"\"$KUBECONFIG_CONTENT\" > kubeconfig`",
	},
	{
		`(?m)^ *\t+ *\S`, "a line of it is indented by a tab, which YAML does not allow",
		"indent by spaces: `expand -t 2 FILE > kubeconfig`",
	},
	{
		`(?m)^\s*\x{a0}`, "a line of it is indented by no-break spaces, as a web page or a " +
			"word processor has them",
		"replace them: `sed 's/\\xc2\\xa0/ /g' FILE > kubeconfig`",
	},
	{
		`(?i)^(?:error|fatal|usage|command not found)\b`, "it is the error of a command",
		"let the earlier step fail where that command does (`set -e`), and keep stderr out of " +
			"the file",
	},
	{
		`^(?:~|\.{1,2})?/[^\s:]+$|^[A-Za-z]:\\[^\n]+$`, "it holds a path, and not a kubeconfig",
		"give the path itself",
	},
	{
		`^[A-Za-z0-9+/=_\s-]{16,}%$`, "it is base64 with a % at its end, which zsh prints " +
			"where output has no last line break",
		"leave the % out: copy it with `base64 -w0 kubeconfig | pbcopy`, or write it to a file",
	},
	{
		`^[A-Za-z0-9+/=_\s-]{64,}$`, "it looks like base64, but does not decode to a " +
			"kubeconfig: it is cut off, or has something added",
		"encode it again: `base64 -w0 kubeconfig`",
	},
}

const printIt = "`kubectl config view --raw --minify --flatten > kubeconfig`"

// Recognise names what was given instead of a kubeconfig, nil if it is unknown. text is the result
// of [Unwrap].
func Recognise(text []byte) *problem.Error {
	trimmed := strings.Trim(string(text), byteOrderMark+" \t\r\n")
	if strings.HasPrefix(trimmed, "{") { // JSON is certain, also where its text has \n in it
		if p := recogniseObject([]byte(trimmed)); p != nil {
			return p
		}
	}
	for _, m := range mistakes {
		if matchesPattern(m.pattern, trimmed) {
			return refuse(m.cause, m.remedy)
		}
	}
	return recogniseObject([]byte(trimmed))
}

// Encrypted names the tool that encrypted a kubeconfig which still parses, nil for none.
func Encrypted(text []byte) *problem.Error {
	if !strings.Contains(string(text), "ENC[AES256_GCM,") {
		return nil
	}
	return Recognise(text)
}

func refuse(cause, remedy string) *problem.Error {
	return problem.Newf(problem.Source, "recognise it", "%s", cause).Hint("%s", remedy)
}

// holders are the answers of APIs and commands that have a kubeconfig in one of their fields, by
// the path that jq takes.
var holders = []struct{ key, of, path string }{
	{"kubeconfig", "an API's answer", `.kubeconfig`},
	{"kubeConfig", "an API's answer", `.kubeConfig`},
	{"kube_config", "an API's answer", `.kube_config`},
	{"kubeconfigs", "the answer of Azure's API", `.kubeconfigs[0].value`},
	{"config", "an API's answer (Rancher's, say)", `.config`},
	{"content", "an API's answer (Scaleway's, say)", `.content`},
	{"value", "Terraform's output as JSON", `.value`},
}

// recogniseObject names objects that are not kubeconfigs.
func recogniseObject(text []byte) *problem.Error {
	var object map[string]any
	if err := yaml.Unmarshal(text, &object); err != nil || len(object) == 0 {
		return nil //nolint:nilerr // then it is not an object
	}
	kind, _ := object["kind"].(string)
	switch kind {
	case "Config", "":
	case "Secret":
		return refuse("it is a Secret that may have a kubeconfig in it",
			"take it out: `kubectl get secret NAME -o jsonpath={.data.value} | base64 -d > "+
				"kubeconfig` "+
				"(the key is value or kubeconfig as a rule)")
	case "ExecCredential":
		return refuse("it is the output of a login program, not a kubeconfig",
			"put its token into the kubeconfig: `kubectl config set-credentials USER "+
				"--token=\"$(jq -r "+
				".status.token FILE)\"`")
	case "List":
		return refuse("it is a list of objects, and not a kubeconfig", "write a kubeconfig: "+printIt)
	default:
		return refuse("it is an object of another kind, and not a kubeconfig", "write a "+
			"kubeconfig: "+printIt)
	}
	for _, h := range holders {
		held, ok := object[h.key]
		if text, isText := held.(string); ok && isText {
			return refuse(fieldOf(h.of), extractCommand(h.path, text))
		} else if ok {
			return refuse(fieldOf(h.of), extractCommand(h.path, "LS0="))
		}
	}
	for _, key := range []string{"error", "errors", "message"} {
		if _, ok := object[key]; ok {
			return refuse("it is an error that an API answered",
				"ask for the kubeconfig again, and let the step fail on an error: `curl --fail "+
					"--output kubeconfig URL`")
		}
	}
	return nil
}

func fieldOf(what string) string {
	return "it is " + what + ", which has the kubeconfig in one of its fields"
}

// extractCommand returns the command that extracts a kubeconfig from a field, and decodes base64.
func extractCommand(path, held string) string {
	command := "jq -r " + path + " FILE"
	if !strings.ContainsAny(strings.TrimSpace(held), "\n{:") {
		command += " | base64 -d"
	}
	return "take it out in an earlier step, outside the checkout: `" + command + " > kubeconfig`"
}
