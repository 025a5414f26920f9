package source

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/source/disk"
	"github.com/kubemint/kubemint/internal/source/form"
)

// mustRead is read for what a person named as value: at least one of the files has to exist.
func (l *loader) mustRead(where, value string, paths ...string) (*place, error) {
	at, err := l.read(paths...)
	if err != nil || at.Kind != "" {
		return at, err
	}
	refused := fail("read kubeconfig", "%s is %s: no such file", where, disk.Shown(value))
	if p := form.Recognise([]byte(value)); p != nil && !form.IsPath(value) {
		refused.Hints = append(refused.Hints, p.Hints...) // the name of a variable that nothing has replaced, say
	}
	if strings.Trim(value, `"'`) != value {
		return nil, refused.Hint("leave the quotes out, which are part of the value here")
	}
	return nil, l.missing(refused.
		Hint("see whether the path is right, and whether the step that logs in to the cluster has run before " +
			"this one"))
}

// refuseContent refuses a $KUBECONFIG that holds a kubeconfig where a list of paths belongs. kubectl
// reads none either, and a later step would meet the same value.
func (l *loader) refuseContent(value string) error {
	isThere := func(path string) bool { _, err := os.Stat(l.Inside(path)); return err == nil }
	if !form.IsContent(value) || slices.ContainsFunc(filepath.SplitList(value), isThere) {
		return nil
	}
	const op = "read $KUBECONFIG"
	_, err := decode([]byte(value), "")
	if p, ok := errors.AsType[*problem.Error](err); ok { // it is not a kubeconfig either
		return unreadable(op, p)
	}
	return fail(op, "it holds a kubeconfig itself, and not the path of one").
		Hint("give the content as the input `kubeconfig` (KUBEMINT_KUBECONFIG), which takes it as it is, or " +
			"as base64").
		Hint("or write it to a file outside the checkout, and set KUBECONFIG to its path")
}

// read merges kubeconfig files. Where the context that is chosen in them is one that kubemint wrote, it
// returns the source of that one.
func (l *loader) read(paths ...string) (*place, error) {
	at, err := l.merge(paths...)
	if err == nil {
		at, err = l.follow(at)
	}
	if err == nil {
		l.files = append(l.files, at.Paths...)
	}
	return at, err
}

// merge does what kubectl does: files that do not exist are skipped, and the first to name a cluster, a user,
// a context or the current-context wins. That is clientcmd's ClientConfigLoadingRules.Load, which is not
// called because it reads without bound and quotes content in its errors; a test holds the two against each
// other.
func (l *loader) merge(paths ...string) (*place, error) {
	all := &place{config: api.NewConfig()}
	piped := false
	for _, path := range paths {
		if path == "" {
			continue
		}
		file, config, err := l.readOne(path)
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
	if piped { // no receipt can lead there again
		l.files = append(l.files, all.Paths...)
		all.Source = receipt.Source{Kind: receipt.KindContent}
	}
	return all, nil
}

// addFile notes one of the files of a source, and whether kubemint wrote it.
func (l *loader) addFile(all *place, path, file string, config *api.Config) {
	if written := l.receiptOf(file, config); written != nil {
		op := "read kubeconfig " + disk.Shown(path)
		all.ours = append(all.ours, own{Receipt: written, file: file, op: op})
	}
	all.Paths = append(all.Paths, file)
}

// readOne returns a kubeconfig and its absolute path, which is "" of a pipe. That a file does not exist
// is returned as the error that it is.
func (l *loader) readOne(path string) (file string, config *api.Config, err error) {
	op := "read kubeconfig " + disk.Shown(path)
	if file, err = filepath.Abs(l.Inside(path)); err != nil {
		return "", nil, unreadable(op, err)
	}
	data, err := disk.Read(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil, err
	}
	if errors.Is(err, disk.ErrPipe) && !l.written(file) { // which could lead anywhere
		data, err = disk.ReadPipe(file)
		file = ""
	}
	if err == nil {
		config, err = decode(data, file)
	}
	if err != nil {
		return "", nil, unreadable(op, err)
	}
	return file, config, nil
}

var lineNumber = regexp.MustCompile(` line \d+`)

const (
	parse      = "parse kubeconfig"
	writeAgain = "write it again: `kubectl config view --raw --minify --flatten > kubeconfig`"
)

// decode parses a kubeconfig that was read from a file, or given ("") as content. Its error says where
// and never what: parsers quote what they stumble over, and that has printed tokens into CI logs
// (Shopify/krane#718).
func decode(data []byte, file string) (*api.Config, error) {
	text := form.Unwrap(data)
	if len(text) > disk.MaxBytes {
		return nil, disk.ErrTooLong
	}
	if p := form.Encrypted(text); p != nil {
		return nil, p
	}
	config, err := clientcmd.Load(text)
	if err == nil && (!isEmpty(config) || len(bytes.TrimSpace(text)) == 0) {
		locate(config, file)
		return config, nil
	}
	if p := form.Recognise(text); p != nil {
		return nil, p
	}
	var notBase64 base64.CorruptInputError
	switch {
	case err == nil:
		return config, nil
	case errors.As(err, &notBase64):
		return nil, fail(parse, "not a kubeconfig: a field whose name ends in -data is not base64").
			Hint("such a field takes the base64 of a file (`base64 -w0 FILE`); a path goes into the field " +
				"without -data")
	case runtime.IsNotRegisteredError(err):
		return nil, fail(parse, "not a kubeconfig: another kind or apiVersion").
			Hint("a kubeconfig has `apiVersion: v1` and `kind: Config`: %s", writeAgain)
	}
	return nil, fail(parse, "not a kubeconfig: invalid YAML, a name twice, or a field of the wrong type%s",
		lineNumber.FindString(err.Error())).
		Hint("see whether `kubectl config view` reads it; %s", writeAgain)
}

func isEmpty(config *api.Config) bool {
	return len(config.Clusters)+len(config.AuthInfos)+len(config.Contexts) == 0 && config.CurrentContext == ""
}

// locate notes in each entry which file it is of.
func locate(config *api.Config, file string) {
	for _, cluster := range config.Clusters {
		cluster.LocationOfOrigin = file
	}
	for _, user := range config.AuthInfos {
		user.LocationOfOrigin = file
	}
	for _, context := range config.Contexts {
		context.LocationOfOrigin = file
	}
}

// unreadable is the error of a kubeconfig that cannot be read, with a remedy for each cause.
func unreadable(op string, err error) *problem.Error {
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return because(op, "%w", p)
	}
	return problem.New(problem.Source, op, err).Hint("%s", disk.Remedy(err))
}

// because is an error for the reason of another room, with its remedies.
func because(op, format string, why *problem.Error) *problem.Error {
	refused := fail(op, format, why.Cause)
	refused.Hints = slices.Clone(why.Hints)
	return refused
}
