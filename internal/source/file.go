package source

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/receipt"
)

// mustRead is read for what a person named as value: at least one of the files has to exist.
func (l *loader) mustRead(where, value string, paths ...string) (*place, error) {
	at, err := l.read(paths...)
	if err == nil && at.Kind == "" {
		return nil, l.missing(fail("read kubeconfig", "%s is %s: no such file", where, shown(value)).
			Hint("see whether the path is right, and whether the step that logs in to the cluster has run before this one"))
	}
	return at, err
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
		if written := l.receiptOf(file, config); written != nil {
			op := "read kubeconfig " + shown(path)
			all.ours = append(all.ours, own{Receipt: written, file: file, op: op})
		}
		all.Kind, all.Paths = receipt.KindFile, append(all.Paths, file)
		maps.Copy(config.Clusters, all.config.Clusters)
		maps.Copy(config.AuthInfos, all.config.AuthInfos)
		maps.Copy(config.Contexts, all.config.Contexts)
		config.CurrentContext = cmp.Or(all.config.CurrentContext, config.CurrentContext)
		all.config = config
	}
	return all, nil
}

// readOne returns a kubeconfig and its absolute path. That a file does not exist is returned as the error
// that it is.
func (l *loader) readOne(path string) (file string, config *api.Config, err error) {
	op := "read kubeconfig " + shown(path)
	if file, err = filepath.Abs(l.Inside(path)); err != nil {
		return "", nil, problem.New(problem.Source, op, err)
	}
	data, err := readFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil, err
	}
	if err == nil {
		config, err = decode(data, file)
	}
	if err != nil {
		return "", nil, problem.New(problem.Source, op, err)
	}
	return file, config, nil
}

// readFile reads a regular file (a pipe could hang) of at most maxBytes. The error is without the path, which may be a
// secret that stands in the wrong field.
func readFile(path string) (data []byte, err error) { return readRegular(path, os.Stat, os.Open) }

func readRegular(path string, stat func(string) (fs.FileInfo, error), open func(string) (*os.File, error)) (data []byte, err error) {
	info, err := stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return nil, errors.New("it is a directory, or another thing that is not a file")
	}
	var file *os.File
	if err == nil {
		file, err = open(path)
	}
	if err == nil {
		defer file.Close() //nolint:errcheck // opened for reading
		data, err = io.ReadAll(io.LimitReader(file, maxBytes+1))
	}
	if failed := new(fs.PathError); errors.As(err, &failed) {
		return nil, failed.Err
	}
	if len(data) > maxBytes {
		return nil, errTooLong
	}
	return data, err
}

var (
	errTooLong = fmt.Errorf("it is longer than %d bytes", maxBytes)
	lineNumber = regexp.MustCompile(` line \d+`)
)

// decode parses a kubeconfig that was read from a file, or given ("") as content. Its error says where and never what:
// parsers quote what they stumble over, and that has printed tokens into CI logs (Shopify/krane#718).
func decode(data []byte, file string) (*api.Config, error) {
	if len(data) > maxBytes {
		return nil, errTooLong
	}
	config, err := clientcmd.Load(data) // which copes with a byte order mark
	var notBase64 base64.CorruptInputError
	switch {
	case err == nil:
		for _, cluster := range config.Clusters {
			cluster.LocationOfOrigin = file
		}
		for _, user := range config.AuthInfos {
			user.LocationOfOrigin = file
		}
		for _, context := range config.Contexts {
			context.LocationOfOrigin = file
		}
		return config, nil
	case errors.As(err, &notBase64):
		return nil, errors.New("not a kubeconfig: a field whose name ends in -data is not base64")
	case runtime.IsNotRegisteredError(err):
		return nil, errors.New("not a kubeconfig: another kind or apiVersion")
	}
	return nil, errors.New("not a kubeconfig: invalid YAML, a name twice, or a field of the wrong type" + lineNumber.FindString(err.Error()))
}

// shown is a path as an error may show it. What is long, or has no slash, could be a secret pasted instead of a path.
func shown(path string) string {
	if len(path) > 255 || len(path) > 32 && !strings.ContainsAny(path, `/\`) {
		return fmt.Sprintf("(a value of %d characters)", len(path))
	}
	return strconv.Quote(path)
}
