package main

import (
	"bytes"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/kubemint/kubemint/internal/platform"
)

// place is a platform as the page describes it. What it does by default is asked of
// internal/platform.
type place struct {
	title   string
	is      map[string]string // the variables that identify it
	unless  string            // a variable without which its default output differs
	results string            // where outputs and environment go, in addition to the env file
	remark  string            // on its default output
}

// listPlaces lists them in the order in which internal/platform detects them.
func listPlaces() []place {
	return []place{
		{
			title: "GitHub, Docker action", is: map[string]string{
				"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": "/github/workspace",
			},
			results: "`$GITHUB_OUTPUT`, `$GITHUB_ENV`",
			remark:  " in the container, which the runner keeps for the job; published as its path on the host",
		},
		{
			title: "GitHub, on the host", is: map[string]string{"GITHUB_ACTIONS": "true"},
			results: "`$GITHUB_OUTPUT`, `$GITHUB_ENV`",
		},
		{
			title: "GitLab", is: map[string]string{"GITLAB_CI": "true"},
			results: "`$GITLAB_ENV`, where the runner offers one",
		},
		{title: "Jenkins", is: map[string]string{"JENKINS_URL": "x"}, unless: "WORKSPACE_TMP"},
		{
			title: "Azure Pipelines", is: map[string]string{"TF_BUILD": "True"},
			results: "variables of the job, and output variables of the step",
		},
		{
			title: "Buildkite", is: map[string]string{"BUILDKITE": "true"},
			results: "the job's environment, through the agent's job API where the step reaches it",
		},
		{title: "elsewhere"},
	}
}

// facts describe the defaults of a platform.
type facts struct {
	output        string
	masks         bool
	secretOutputs bool
	debug         bool
	envFile       bool
}

// ask asks internal/platform, on a machine where every variable holds its own name, as $NAME, so
// that the paths made of them can be read. set has other values; those in unset hold nothing.
func (p place) ask(set map[string]string, unset ...string) facts {
	return askPlatform(func(name string) string {
		for _, values := range []map[string]string{p.is, set} {
			if value, given := values[name]; given {
				return value
			}
		}
		if slices.Contains(unset, name) || identifies(name) {
			return ""
		}
		return "$" + name
	})
}

func askPlatform(getenv func(string) string) facts {
	on := platform.Detect(platform.Environment{
		Getenv: getenv, Stdout: new(bytes.Buffer), Exists: func(path string) bool { return path != "" },
	})
	return facts{
		output: on.DefaultOutput(), masks: on.Masks(), debug: on.Debug(),
		secretOutputs: on.SecretOutputs,
		envFile:       on.WritesEnvFile,
	}
}

// identifies reports whether a variable is the mark of some platform, so that any value would do.
func identifies(name string) bool {
	for _, p := range listPlaces() {
		if _, ok := p.is[name]; ok {
			return true
		}
	}
	return slices.Contains([]string{"BITBUCKET_BUILD_NUMBER", "TEAMCITY_VERSION"}, name)
}

// variablesRead are the variables that the platform reads, but for those that identify it.
func (p place) variablesRead() []string {
	var names []string
	askPlatform(func(name string) string {
		if _, given := p.is[name]; !given && !identifies(name) {
			names = append(names, name)
		}
		return p.is[name]
	})
	return names
}

// random is the part of a path that no two steps share.
var random = regexp.MustCompile(`kubemint-[a-z0-9]{10}/`)

func (p place) output() string {
	text := quoteCode(random.ReplaceAllString(p.ask(nil).output, "kubemint-<random>/"))
	if p.unless != "" {
		text += ", else " + quoteCode(p.ask(nil, p.unless).output)
	}
	return text + p.remark
}

func (p place) masks() string {
	if !p.ask(nil).masks {
		return "no"
	}
	for _, name := range p.variablesRead() {
		if !p.ask(nil, name).masks {
			return "where `$" + name + "` is set"
		}
	}
	return "yes"
}

func (p place) secretOutputs() string {
	return quoteCode(strconv.FormatBool(p.ask(nil).secretOutputs))
}

func (p place) resultsTo() string {
	var all []string
	if p.ask(nil).envFile {
		all = append(all, "the env file")
	}
	if p.results != "" {
		all = append(all, p.results)
	}
	return strings.Join(all, "; ")
}

// debug finds the variable that turns the debug log on.
func (p place) debug() string {
	for _, name := range p.variablesRead() {
		for _, value := range []string{"1", "true"} {
			if p.ask(map[string]string{name: value}).debug {
				return quoteCode(name + "=" + value)
			}
		}
	}
	return ""
}

func platformTable() string {
	var b strings.Builder
	var rows [][]string
	for _, p := range listPlaces() {
		rows = append(
			rows, []string{p.title, p.output(), p.masks(), p.secretOutputs(), p.debug(), p.resultsTo()},
		)
	}
	writeTable(&b, []string{
		"platform", "`output`", "masks at run time", "`secret_outputs`", "`debug`: on where", "results go to",
	}, rows)
	return b.String()
}
