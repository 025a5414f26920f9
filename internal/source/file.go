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
	"github.com/kubemint/kubemint/internal/token"
)

// mustRead is read for what a person named as value: at least one of the files has to exist.
func (l *loader) mustRead(where, value string, paths ...string) (*place, error) {
	at, err := l.read(true, paths...)
	if err == nil && at.Kind == "" {
		return nil, l.missing(fail("read kubeconfig", "%s is %s: no such file", where, shown(value)).
			Hint("see whether the path is right, and whether the step that logs in to the cluster has run before this one"))
	}
	return at, err
}

// read merges kubeconfig files as kubectl does: those that do not exist are skipped, and the first to name a cluster, a
// user, a context or the current-context wins. That is clientcmd's ClientConfigLoadingRules.Load, which is not called
// because it reads without bound and quotes content in its errors; a test holds the two against each other.
func (l *loader) read(followReceipts bool, paths ...string) (*place, error) {
	all := &place{config: api.NewConfig()}
	for _, path := range paths {
		if path == "" {
			continue
		}
		one, err := l.readOne(followReceipts, path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, err
		case one.config == nil && all.Kind == "": // in-cluster or content, as a receipt says
			return one, nil
		case one.config == nil:
			continue
		}
		all.Kind, all.Paths = receipt.KindFile, append(all.Paths, one.Paths...)
		maps.Copy(one.config.Clusters, all.config.Clusters)
		maps.Copy(one.config.AuthInfos, all.config.AuthInfos)
		maps.Copy(one.config.Contexts, all.config.Contexts)
		one.config.CurrentContext = cmp.Or(all.config.CurrentContext, one.config.CurrentContext)
		all.config = one.config
	}
	return all, nil
}

// readOne reads a kubeconfig, or, where kubemint itself wrote it, the source that its receipt records: a second mint
// must not start from the first one's limited credential. Only that a file does not exist is returned as it is.
func (l *loader) readOne(followReceipts bool, path string) (*place, error) {
	op := "read kubeconfig " + shown(path)
	path, err := filepath.Abs(l.Inside(path))
	if err != nil {
		return nil, problem.New(problem.Source, op, err)
	}
	data, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var config *api.Config
	if err == nil {
		config, err = decode(data, path)
	}
	if err != nil {
		return nil, problem.New(problem.Source, op, err)
	}
	ours := l.receiptOf(path, config)
	switch {
	case ours == nil:
		l.files = append(l.files, path)
		return &place{Source: receipt.Source{Kind: receipt.KindFile, Paths: []string{path}}, config: config}, nil
	case ours.Source.Kind == receipt.KindServer && l.Server == "":
		return nil, fail(op, "kubemint wrote it, with an ID token for %s as its source, which no receipt holds", ours.Server).
			Hint("give this step the input `server` as well, with what belongs to it")
	case ours.Source.Kind != receipt.KindFile:
		return &place{Source: ours.Source, lead: "its receipt names the pod's account, but there is "}, nil
	case !followReceipts:
		return nil, fail(op, "kubemint wrote it, though another receipt names it as a source")
	}
	origin, err := l.read(false, ours.Source.Paths...)
	if err != nil {
		return nil, err
	}
	if origin.Kind == "" {
		return nil, l.missing(fail(op, "kubemint wrote it, and the source in its receipt is gone: %s",
			shown(strings.Join(ours.Source.Paths, string(filepath.ListSeparator)))))
	}
	origin.config.CurrentContext = ours.Source.Context
	return origin, nil
}

// receiptOf returns the receipt beside a kubeconfig that kubemint wrote, which is one with the recorded token in it.
func (l *loader) receiptOf(path string, config *api.Config) *receipt.Receipt {
	if l.Receipt == nil {
		return nil
	}
	r, err := l.Receipt(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.warn("%v; the kubeconfig beside it is used as it is", err)
	}
	for _, user := range config.AuthInfos {
		if hash := token.New(user.Token).Hash(); r != nil && hash != "" && hash == r.TokenHash {
			return r
		}
	}
	return nil
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
