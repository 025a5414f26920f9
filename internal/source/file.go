package source

import (
	"cmp"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubemint/kubemint/internal/disk"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/source/form"
)

// readExisting reads files that a person named as value: at least one of them has to exist.
func (l *loader) readExisting(where, value string, paths ...string) (*place, error) {
	at, err := l.readFiles(paths...)
	if err != nil || at.Kind != "" {
		return at, err
	}
	refused := refuse("read kubeconfig", "%s is %s: no such file", where, disk.ShowPath(value))
	if p := form.Recognise([]byte(value)); p != nil && !form.IsPath(value) {
		refused.Hints = append(refused.Hints, p.Hints...) // for example, a variable that was not replaced
	}
	if strings.Trim(value, `"'`) != value {
		return nil, refused.Hint("leave the quotes out: they are part of the value here")
	}
	return nil, l.hintHidden(refused.
		Hint("see whether the path is right, and whether the step that logs in to the cluster " +
			"has run before this one"))
}

// refuseContent refuses a $KUBECONFIG that holds a kubeconfig instead of a list of paths. kubectl
// does not read one either, and a later step would get the same value.
func (l *loader) refuseContent(value string) error {
	isThere := func(path string) bool { _, err := os.Stat(l.Inside(path)); return err == nil }
	if !form.IsContent(value) || slices.ContainsFunc(filepath.SplitList(value), isThere) {
		return nil
	}
	const op = "read $KUBECONFIG"
	_, err := form.Decode([]byte(value), "")
	if p, ok := errors.AsType[*problem.Error](err); ok { // it is not a kubeconfig either
		return explainUnreadable(op, p)
	}
	return refuse(op, "it holds a kubeconfig itself, and not the path of one").
		Hint("give the content as the input `kubeconfig` (KUBEMINT_KUBECONFIG), plain or as " +
			"base64").
		Hint("or write it to a file outside the checkout, and set KUBECONFIG to its path")
}

// readFiles merges kubeconfig files. If kubemint wrote the context that is chosen in them, it
// returns the source of that context.
func (l *loader) readFiles(paths ...string) (*place, error) {
	at, err := l.mergeFiles(paths...)
	if err == nil {
		at, err = l.followReceipt(at)
	}
	if err == nil {
		l.files = append(l.files, at.Paths...)
	}
	return at, err
}

// mergeFiles does the same as kubectl: it skips files that do not exist, and the first file to name
// a cluster, a user, a context or the current-context wins. It does not call clientcmd's
// ClientConfigLoadingRules.Load, which reads without bound and quotes content in its errors; a test
// compares the two.
func (l *loader) mergeFiles(paths ...string) (*place, error) {
	all := &place{config: api.NewConfig()}
	piped := false
	for _, path := range paths {
		if path == "" {
			continue
		}
		file, config, err := l.readFile(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, err
		}
		all.Kind = receipt.KindFile
		if file == "" {
			piped = true
		} else {
			l.addFile(all, path, file, config)
		}
		maps.Copy(config.Clusters, all.config.Clusters)
		maps.Copy(config.AuthInfos, all.config.AuthInfos)
		maps.Copy(config.Contexts, all.config.Contexts)
		config.CurrentContext = cmp.Or(all.config.CurrentContext, config.CurrentContext)
		all.config = config
	}
	if piped { // no receipt can lead to a pipe's content
		l.files = append(l.files, all.Paths...)
		all.Source = receipt.Source{Kind: receipt.KindContent}
	}
	return all, nil
}

// addFile records a file of a source, and whether kubemint wrote it.
func (l *loader) addFile(all *place, path, file string, config *api.Config) {
	if written := l.findReceipt(file, config); written != nil {
		op := "read kubeconfig " + disk.ShowPath(path)
		all.ours = append(all.ours, own{Receipt: written, file: file, op: op})
	}
	all.Paths = append(all.Paths, file)
}

// readFile returns a kubeconfig and its absolute path, "" for a pipe. If the file does not exist,
// the error is [fs.ErrNotExist].
func (l *loader) readFile(path string) (file string, config *api.Config, err error) {
	op := "read kubeconfig " + disk.ShowPath(path)
	if file, err = filepath.Abs(l.Inside(path)); err != nil {
		return "", nil, explainUnreadable(op, err)
	}
	data, err := disk.Read(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil, err
	}
	if errors.Is(err, disk.ErrPipe) && !l.policy.IsPlanted(file) { // a planted pipe could lead anywhere
		data, err = disk.ReadPipe(file)
		file = ""
	}
	if err == nil {
		config, err = form.Decode(data, file)
	}
	if err != nil {
		return "", nil, explainUnreadable(op, err)
	}
	return file, config, nil
}

// explainUnreadable returns the error for a kubeconfig that cannot be read, with a remedy for the
// cause.
func explainUnreadable(op string, err error) *problem.Error { return wrapCause(op, "%w", err) }

// wrapCause returns an error with another error's cause and remedies.
func wrapCause(op, format string, err error) *problem.Error {
	why, ok := errors.AsType[*problem.Error](err)
	if !ok {
		return problem.New(problem.Source, op, err).Hint("%s", disk.Remedy(err))
	}
	refused := refuse(op, format, why.Cause)
	refused.Hints = slices.Clone(why.Hints)
	return refused
}
