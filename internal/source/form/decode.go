package form

import (
	"bytes"
	"encoding/base64"
	"errors"
	"regexp"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubemint/kubemint/internal/disk"
	"github.com/kubemint/kubemint/internal/problem"
)

var lineNumber = regexp.MustCompile(` line \d+`)

const writeAgain = "write it again: `kubectl config view --raw --minify --flatten > kubeconfig`"

// Decode parses a kubeconfig that was read from a file, or given as content ("" for the file). Its
// error says where the fault is and never quotes anything: parsers quote what they cannot read, and
// that has printed tokens into CI logs (Shopify/krane#718).
func Decode(data []byte, file string) (*api.Config, error) {
	text := Unwrap(data)
	if len(text) > disk.MaxBytes {
		return nil, disk.TooLongError{Most: disk.MaxBytes}
	}
	if p := Encrypted(text); p != nil {
		return nil, p
	}
	config, err := clientcmd.Load(text)
	if err == nil && (!isEmpty(config) || len(bytes.TrimSpace(text)) == 0) {
		setOrigin(config, file)
		return config, nil
	}
	if p := Recognise(text); p != nil {
		return nil, p
	}
	if err == nil {
		return config, nil
	}
	return nil, explainSyntax(err)
}

// explainSyntax explains why clientcmd cannot read a kubeconfig.
func explainSyntax(err error) error {
	var notBase64 base64.CorruptInputError
	switch {
	case errors.As(err, &notBase64):
		return refuseSyntax("a field whose name ends in -data is not base64").
			Hint("such a field takes the base64 of a file (`base64 -w0 FILE`); a path goes " +
				"into the field without -data")
	case runtime.IsNotRegisteredError(err):
		return refuseSyntax("another kind or apiVersion").
			Hint("a kubeconfig has `apiVersion: v1` and `kind: Config`: %s", writeAgain)
	}
	line := lineNumber.FindString(err.Error())
	return refuseSyntax("invalid YAML, a name twice, or a field of the wrong type"+line).
		Hint("see whether `kubectl config view` reads it; %s", writeAgain)
}

func refuseSyntax(cause string) *problem.Error {
	return problem.Newf(problem.Source, "parse kubeconfig", "not a kubeconfig: %s", cause)
}

func isEmpty(config *api.Config) bool {
	entries := len(config.Clusters) + len(config.AuthInfos) + len(config.Contexts)
	return entries == 0 && config.CurrentContext == ""
}

// setOrigin records in each entry which file it comes from.
func setOrigin(config *api.Config, file string) {
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
