// Command gen writes docs/inputs.md and the two action.yml from the declaration of inputs and outputs in internal/config.
// `make generate` runs it; a test beside it fails where the files differ.
package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/kubemint/kubemint/internal/config"
)

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	for name, render := range files {
		path := filepath.Join(root, name)
		have, err := os.ReadFile(path) //nolint:gosec // the repository that make generate is called in
		if err == nil {
			err = os.WriteFile(path, render(have), 0o644) //nolint:gosec // public documentation
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "gen:", err)
			os.Exit(1)
		}
	}
}

// files are what is generated, by their path in the repository, each from what lies there.
var files = map[string]func([]byte) []byte{
	"action.yml":                          func(have []byte) []byte { return action(docker+image(have)+entrypoints, true) },
	filepath.Join("native", "action.yml"): func([]byte) []byte { return action(node, false) },
	filepath.Join("docs", "inputs.md"):    func([]byte) []byte { return page() },
}

const (
	docker = `runs:
  using: docker
`
	dockerfile  = "  image: Dockerfile\n"
	entrypoints = `  entrypoint: /usr/local/bin/entrypoint
  post-entrypoint: /usr/local/bin/kubemint-revoke
`
	node = `runs:
  using: node24
  main: main.js
  post: post.js
`
)

// released is the one other value of action.yml that may stand there: a release's commit has the digest of its image, by
// .ci/release-commit.
var released = regexp.MustCompile(`(?m)^  image: docker://ghcr\.io/kubemint/kubemint@sha256:[0-9a-f]{64}\n`)

func image(have []byte) string { return cmp.Or(string(released.Find(have)), dockerfile) }

// action renders a GitHub action. Defaults are in Go: an empty input means the default, so that they cannot differ between
// platforms. The two host paths are expressions that only the runner can fill in, and of use in a container alone.
func action(runs string, container bool) []byte {
	var b bytes.Buffer
	b.WriteString(`# Generated from internal/config by "make generate": edit the declaration there.
name: kubemint
description: A Kubernetes credential for this job that is scoped, short-lived, proven to work, and dead when the job ends.
author: kubemint
branding:
  icon: lock
  color: blue
inputs:
`)
	for _, input := range config.Inputs() {
		if input.ActionDefault != "" && !container {
			continue
		}
		fmt.Fprintf(&b, "  %s:\n    description: %s\n    required: false\n", input.Name, scalar(help(input)))
		if input.ActionDefault != "" {
			fmt.Fprintf(&b, "    default: %s\n", scalar(input.ActionDefault))
		}
	}
	b.WriteString("outputs:\n")
	for _, output := range config.Outputs() {
		fmt.Fprintf(&b, "  %s:\n    description: %s\n", output.Name, scalar(output.Help))
	}
	b.WriteString(runs)
	return b.Bytes()
}

// help is an input's description with its default.
func help(input config.Input) string {
	text := input.Help
	if input.Default != "" {
		text += " Default: " + input.Default + "."
	}
	return text
}

// scalar quotes a YAML scalar.
func scalar(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

func page() []byte {
	var b bytes.Buffer
	b.WriteString(`<!-- Generated from internal/config by "make generate": edit the declaration there. -->
# Inputs and outputs

On GitHub these are the step's ` + "`with:`" + ` inputs. Everywhere, each is an environment variable: ` + "`KUBEMINT_`" + ` and the name in capitals,
so ` + "`namespace`" + ` is ` + "`KUBEMINT_NAMESPACE`" + `. Under GitHub Actions an input of the step wins over the variable. An empty value is an unset one.
`)
	section := ""
	for _, input := range config.Inputs() {
		if input.Section != section {
			section = input.Section
			fmt.Fprintf(&b, "\n## %s\n\n| input | meaning | default |\n|---|---|---|\n", titles[section])
		}
		def := input.Default
		if def != "" {
			def = "`" + def + "`"
		}
		plain := input
		plain.Default = ""
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", input.Name, cell(help(plain)), def)
	}
	b.WriteString(rulesHelp)
	b.WriteString("\n## Outputs\n\nA secret output is published only where the platform masks values at run time (GitHub), and `secret_outputs` is not false.\n\n| output | meaning | secret |\n|---|---|---|\n")
	for _, output := range config.Outputs() {
		secret := ""
		if output.Secret {
			secret = "yes"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", output.Name, cell(output.Help), secret)
	}
	b.WriteString(elsewhere)
	return b.Bytes()
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

var titles = map[string]string{
	"Source": "Source: the runner's own credential",
	"Access": "Access: what the pipeline may do",
	"Token":  "Token",
	"Result": "Result",
}

const rulesHelp = `
## The shorthand for rules

One rule a line: ` + "`VERBS RESOURCES [NAMES]`" + `, each a list with commas. ` + "`;`" + ` separates rules on one line, and ` + "`#`" + ` begins a comment.

` + "```" + `
get,list,watch          pods,pods/log,services
get,create,patch        deployments.apps,deployments.apps/scale
get,update              configmaps             app-config,feature-flags
*                       *.batch
cluster  get,list       nodes                  # at cluster scope, whatever scope says
cluster  get            /healthz,/metrics      # as a non-resource URL has to be
` + "```" + `

A resource outside the core group is written as kubectl does, resource.group; a well-known built-in one may leave its group out
(` + "`deployments`" + `). ` + "`*`" + ` is every resource of the core group, ` + "`*.batch`" + ` of that group, ` + "`*.*`" + ` of all groups.

YAML has no word for the cluster scope: its rules are granted where ` + "`scope`" + ` says, those of a ClusterRole too.
`

const elsewhere = `
Outside GitHub the outputs are lines of the file beside the kubeconfig (its path and ` + "`.env`" + `), as ` + "`KUBEMINT_OUT_<NAME>`" + `, with
` + "`KUBECONFIG`" + ` and ` + "`KUBE_CONFIG_PATH`" + `; a secret is never in it. A shell can source it. On GitLab the same lines go to ` + "`$GITLAB_ENV`" + ` as well, where the runner
offers one, for the later scripts of the job. The list of changes can exceed the 5 KB that GitLab takes as a dotenv report.

## Default of ` + "`output`" + `

| platform | path |
|---|---|
| GitHub, Docker action | ` + "`$HOME/kubemint-<random>/kubeconfig`" + ` in the container, which the runner keeps for the job; published as its path on the host |
| GitHub, on the host | ` + "`$RUNNER_TEMP/kubemint-<random>/kubeconfig`" + ` |
| GitLab | ` + "`$CI_PROJECT_DIR.tmp/kubemint/kubeconfig`" + ` |
| Jenkins | ` + "`$WORKSPACE_TMP/kubemint/kubeconfig`, else `$WORKSPACE/.kubemint/kubeconfig`" + ` |
| elsewhere | ` + "`./kubemint.kubeconfig`" + ` |
`
