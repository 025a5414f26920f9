package command

import (
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/access/naming"
	"github.com/kubemint/kubemint/internal/access/reach"
	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/client/answer"
	"github.com/kubemint/kubemint/internal/client/observe"
	"github.com/kubemint/kubemint/internal/command/session"
	"github.com/kubemint/kubemint/internal/command/usage"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/output"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rules/manifest"
	"github.com/kubemint/kubemint/internal/rules/needs"
	"github.com/kubemint/kubemint/internal/rules/syntax"
)

// runRules prints the rules that a deployer of manifests needs, or with --check those that the
// declared access lacks. Without --check it reads no input, and only for a declared role it asks an
// API server.
func runRules(ctx context.Context, s session.Session, call usage.Invocation) error {
	tool, err := readTool(call)
	if err != nil {
		return err
	}
	objects, err := readManifests(s, call.Arguments)
	if err != nil {
		return err
	}
	list := manifest.Derive(objects, tool)
	if !call.Has("check") {
		return s.Print(list.Lines()...)
	}
	return checkRules(ctx, s, list, len(objects))
}

// readTool is the value of --for, the first tool where it is not given.
func readTool(call usage.Invocation) (manifest.Tool, error) {
	tools := manifest.Tools()
	given := call.Flags["for"]
	if len(given) == 0 {
		return tools[0], nil
	}
	tool := manifest.Tool(given[len(given)-1])
	if slices.Contains(tools, tool) {
		return tool, nil
	}
	var names []string
	for _, t := range tools {
		names = append(names, string(t))
	}
	return "", problem.Newf(
		problem.Config, "run rules", "--for %q is not a known tool", tool,
	).
		Hint("the tools are %s", strings.Join(names, ", "))
}

// readManifests reads the files in turn. "-" is standard input, and of a directory all YAML and
// JSON is read.
func readManifests(s session.Session, names []string) (all []manifest.Object, err error) {
	if len(names) == 0 {
		return nil, problem.Newf(problem.Config, "run rules", "no manifest is given").
			Hint("name files or directories, or pipe them in:  helm template . | kubemint rules --for helm -")
	}
	for _, name := range names {
		objects, err := readManifest(s, name)
		if err != nil {
			return nil, err
		}
		all = append(all, objects...)
	}
	if len(all) == 0 {
		return nil, problem.Newf(
			problem.Config, "read manifests", "no objects in %s", strings.Join(names, ", "),
		).
			Hint("see whether the command that prints them printed anything")
	}
	return all, nil
}

func readManifest(s session.Session, name string) ([]manifest.Object, error) {
	if name == "-" {
		return parseManifest("standard input", s.Process.Stdin)
	}
	if strings.HasPrefix(name, "-") {
		return nil, problem.Newf(problem.Config, "run rules", "%q stands after a file", name).
			Hint("write flags before files")
	}
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(s.Process.Dir, path)
	}
	path = resolveLink(path)
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, problem.New(
			problem.Config, "read "+name, output.Cause(err),
			"name a file or a directory, or - for standard input",
		)
	case info.IsDir():
		return readDirectory(path, name)
	}
	return readFile(path, name)
}

// resolveLink follows a link that is named itself; readDirectory follows none.
func resolveLink(path string) string {
	if to, err := filepath.EvalSymlinks(path); err == nil {
		return to
	}
	return path
}

// readDirectory reads the YAML and JSON files of a directory, by name. It follows no link, so that
// it ends.
func readDirectory(path, name string) (all []manifest.Object, err error) {
	err = filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return problem.New(problem.Config, "read "+name, output.Cause(err))
		}
		if !entry.Type().IsRegular() || !slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(file)) {
			return nil
		}
		objects, err := readFile(file, filepath.Join(name, strings.TrimPrefix(file, path)))
		all = append(all, objects...)
		return err
	})
	return all, err
}

func readFile(path, name string) ([]manifest.Object, error) {
	file, err := os.Open(path) //nolint:gosec // a manifest that the user names
	if err != nil {
		return nil, problem.New(problem.Config, "read "+name, output.Cause(err))
	}
	defer func() { _ = file.Close() }()
	return parseManifest(name, file)
}

func parseManifest(name string, from io.Reader) ([]manifest.Object, error) {
	text, err := io.ReadAll(io.LimitReader(from, manifest.MostBytes+1)) // Read refuses one byte too many
	if err != nil {
		return nil, problem.New(problem.Config, "read "+name, output.Cause(err))
	}
	objects, err := manifest.Read(text)
	if err != nil {
		return nil, problem.New(problem.Config, "read "+name, err)
	}
	return objects, nil
}

// checkRules fails where the declared access lacks something.
func checkRules(ctx context.Context, s session.Session, list needs.List, objects int) error {
	s, err := s.Load()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.Config.Result.Timeout)
	defer cancel()
	declared, err := readDeclared(ctx, s)
	if err != nil {
		return err
	}
	for _, comment := range list.Comments {
		s.Log.Printf("note: %s", comment)
	}
	missing := list.Missing(declared)
	if len(missing.Places) == 0 {
		s.Log.Printf("the declared access is enough for %s", console.Plural(objects, "object"))
		return nil
	}
	if elsewhere := declared.LeavesOut(missing.Namespaces()); len(elsewhere) > 0 {
		return problem.Newf(
			problem.Mint, "check rules", "there are objects in namespaces that are not declared: %s",
			strings.Join(elsewhere, ", "),
		).Hint("add them to `namespace`, or leave them to another run")
	}
	if err := s.Print(missing.Lines()...); err != nil {
		return err
	}
	return problem.Newf(problem.Mint, "check rules", "the declared access lacks what is printed").
		Hint("add the printed lines to `rules`, if the change is meant to need them")
}

// readDeclared reads the declared rules, and asks the API server for those of declared roles.
func readDeclared(ctx context.Context, s session.Session) (needs.Declared, error) {
	inputs := s.Config.Access
	declared := needs.Declared{
		Rules:      syntax.Scoped{Rules: inputs.Namespaced.Rules, Cluster: inputs.Cluster.Rules},
		Namespaces: inputs.Namespaces, Roles: map[string][]rbacv1.PolicyRule{},
	}
	if !inputs.Grants() {
		return declared, problem.Newf(problem.Config, "check rules", "neither `rules` nor `role` is given").
			Hint("declare what the deployment declares, or leave --check out to see what it needs")
	}
	if len(inputs.Namespaced.Roles)+len(inputs.Cluster.Roles) == 0 {
		return declared, nil
	}
	as, err := connectRunner(ctx, s)
	if err != nil {
		return declared, err
	}
	defer as.api.Close()
	declared.Namespaces = as.declared.Namespaces
	for _, place := range reach.ListPlaces(as.declared) {
		for _, role := range as.declared.Place(place).Roles {
			object := client.NewObject(naming.RoleRef(role, place))
			ref := kube.RefOf(object)
			err := as.api.Get(ctx, object)
			if answer.IsMissing(err) {
				return declared, observe.ExplainNoRole(ctx, as.api, ref, as.declared.Namespaces)
			}
			if err != nil {
				return declared, as.api.Explain(problem.Rights, "read "+ref.String(), err)
			}
			declared.Roles[place] = slices.Concat(declared.Roles[place], kube.RulesOf(object))
		}
	}
	return declared, nil
}
