package confine

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/source/form"
)

// Reader reads the files that a kubeconfig names.
type Reader struct {
	Dirs      []string                     // directories in which any kubeconfig may name files
	Home      string                       // one more, for a kubeconfig that lies there
	Inside    func(path string) string     // translates a path of the host to this process's
	IsPlanted func(kubeconfig string) bool // reports whether a pull request can have written it
	Hint      string                       // added where a file does not exist; empty: none
}

const flatten = "embed the file: `kubectl config view --raw --flatten`"

// secretFields are the fields whose file is a credential. The files of other fields hold
// certificates, and have to parse as such.
var secretFields = []string{"tokenFile", "client-key", "--client-certificate", "--federated-token-file"}

// Read reads the file that a field of a kubeconfig names, and returns its absolute path. A relative
// path starts at the kubeconfig's own directory (clientcmd.ResolveLocalPaths). kubeconfig is "" for
// content.
func (r Reader) Read(op, field, path, kubeconfig string) (file string, data []byte, err error) {
	if form.IsContent(path) {
		return "", nil, refuseContent(op, field)
	}
	trusted := kubeconfig != "" && !r.IsPlanted(kubeconfig)
	if !trusted && slices.Contains(secretFields, field) {
		return "", nil, refuse(op, "it names a file as its %s, which a kubeconfig of the "+
			"workspace, or one "+
			"that is given as content, may not: other secrets of the job are files as well", field).Hint(flatten)
	}
	if !filepath.IsAbs(path) {
		if kubeconfig == "" {
			return "", nil, refuse(op, "its %s is a relative path, and a kubeconfig that is "+
				"given as content "+
				"has no directory", field).Hint(flatten)
		}
		path = filepath.Join(filepath.Dir(kubeconfig), path)
	}
	path = r.Inside(path)
	data, err = r.readConfined(path, kubeconfig)
	if err != nil {
		refused := refuse(op, "read its %s: %w", field, err).Hint(flatten)
		if r.Hint != "" && !errors.Is(err, errOutside) {
			refused = refused.Hint("%s", r.Hint)
		}
		return "", nil, refused
	}
	return path, data, nil
}

// refuseContent refuses content in a field for a path.
func refuseContent(op, field string) error {
	err := refuse(op, "its %s is the content itself, and not a path", field)
	if field == "tokenFile" {
		return err.Hint("call the field `token`")
	}
	if strings.HasPrefix(field, "--") { // a flag of a program, which has no other form
		return err.Hint("write the content to a file in an earlier step, and name that")
	}
	return err.Hint("call the field `%s-data`, whose value is base64; or write the content to "+
		"a file, and "+
		"name that", field)
}

func refuse(op, format string, args ...any) *problem.Error {
	return problem.Newf(problem.Source, op, format, args...)
}

var errOutside = errors.New("it lies outside the directories that a kubeconfig may name files " +
	"in: its own, the workspace, the job's temporary one, and the home directory if the " +
	"kubeconfig is there")
