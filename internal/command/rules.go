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

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/command/session"
	"github.com/kubemint/kubemint/internal/command/usage"
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

// mostBytes bounds what is read of one file: the parser's own bound, and one byte more.
const mostBytes = 64<<20 + 1

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
			problem.Config, "read manifests", "there is no object in %s", strings.Join(names, ", "),
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
	text, err := io.ReadAll(io.LimitReader(from, mostBytes))
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
	declared, err := declaredRules(ctx, s)
	if err != nil {
		return err
	}
	if elsewhere := undeclaredNamespaces(list, s.Config.Access.Namespaces); len(elsewhere) > 0 {
		return problem.Newf(
			problem.Mint, "check rules", "there are objects in namespaces that are not declared: %s",
			strings.Join(elsewhere, ", "),
		).Hint("add them to `namespace`, or leave them to another run")
	}
	missing := list.Missing(declared, false) // config has moved what scope: cluster says
	if len(missing.Places) == 0 {
		s.Log.Printf("the declared access covers what %d objects take", objects)
		return nil
	}
	if err := s.Print(missing.Lines()...); err != nil {
		return err
	}
	return problem.Newf(problem.Mint, "check rules", "the declared access lacks what is printed").
		Hint("add the printed lines to `rules`, if the change is meant to need them")
}

// undeclaredNamespaces are those that manifests name and `namespace` does not. Where it is not
// given, the source's context decides, which is not asked.
func undeclaredNamespaces(list needs.List, declared []string) []string {
	if len(declared) == 0 {
		return nil
	}
	return slices.DeleteFunc(list.Namespaces(), func(namespace string) bool {
		return slices.Contains(declared, namespace)
	})
}

// declaredRules are those of the inputs, and of the roles that they bind, which the API server is
// asked for.
func declaredRules(ctx context.Context, s session.Session) (syntax.Scoped, error) {
	declared := syntax.Scoped{
		Rules: s.Config.Access.Namespaced.Rules, Cluster: s.Config.Access.Cluster.Rules,
	}
	if !s.Config.Access.Grants() {
		return declared, problem.Newf(problem.Config, "check rules", "neither `rules` nor `role` is given").
			Hint("declare what the deployment declares, or leave --check out to see what it needs")
	}
	if len(s.Config.Access.Namespaced.Roles)+len(s.Config.Access.Cluster.Roles) == 0 {
		return declared, nil
	}
	as, err := connectRunner(ctx, s)
	if err != nil {
		return declared, err
	}
	defer as.api.Close()
	for _, place := range access.ListPlaces(as.declared) {
		for _, role := range as.declared.Place(place).Roles {
			object := client.NewObject(access.NamedRef(role, place))
			err := as.api.Get(ctx, object)
			if err != nil {
				op := "read " + kube.RefOf(object).String()
				return declared, as.api.Explain(problem.Rights, op, err)
			}
			declared = addRules(declared, kube.RulesOf(object), place == "")
		}
	}
	return declared, nil
}

func addRules(to syntax.Scoped, more []rbacv1.PolicyRule, cluster bool) syntax.Scoped {
	if cluster {
		to.Cluster = slices.Concat(to.Cluster, more)
	} else {
		to.Rules = slices.Concat(to.Rules, more)
	}
	return to
}
