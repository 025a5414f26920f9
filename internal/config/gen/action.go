package main

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"

	"github.com/kubemint/kubemint/internal/config"
)

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

// released is the only other image that action.yml may name: .ci/release-commit writes the digest
// of a release's image into that release's commit.
var released = regexp.MustCompile(
	`(?m)^  image: docker://ghcr\.io/kubemint/kubemint@sha256:[0-9a-f]{64}\n`,
)

func renderDockerAction(have []byte) ([]byte, error) {
	image := cmp.Or(string(released.Find(have)), dockerfile)
	return renderAction(docker+image+entrypoints, true), nil
}

func renderNativeAction([]byte) ([]byte, error) { return renderAction(node, false), nil }

// renderAction renders a GitHub action. Defaults are in Go: an empty input means the default, so
// that they cannot differ between platforms. Only the runner can evaluate the two host paths, and
// only a container needs them.
func renderAction(runs string, container bool) []byte {
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
		if input.Pages.Docker != "" && !container {
			continue
		}
		fmt.Fprintf(
			&b, "  %s:\n    description: %s\n    required: false\n", input.Name,
			quoteScalar(describe(input)),
		)
		if input.Pages.Docker != "" {
			fmt.Fprintf(&b, "    default: %s\n", quoteScalar(input.Pages.Docker))
		}
	}
	b.WriteString("outputs:\n")
	for _, output := range config.Outputs() {
		fmt.Fprintf(&b, "  %s:\n    description: %s\n", output.Name, quoteScalar(output.Help))
	}
	b.WriteString(runs)
	return b.Bytes()
}
