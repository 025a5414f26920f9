package source

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/secret"
	"github.com/kubemint/kubemint/internal/source/disk"
)

// own is the receipt of a kubeconfig that kubemint wrote, and that file as it is read and as an error about
// it begins.
type own struct {
	*receipt.Receipt
	file, op string
}

// wrote says whether this user is the one with the token that kubemint minted. A tokenFile goes before the
// token.
func (o own) wrote(user *api.AuthInfo) bool {
	if user == nil || user.TokenFile != "" || o.TokenHash == "" {
		return false
	}
	return secret.New(user.Token).Hash() == o.TokenHash
}

// receiptOf returns the receipt of a kubeconfig that kubemint wrote: one of its users has the recorded token.
func (l *loader) receiptOf(path string, config *api.Config) *receipt.Receipt {
	if l.Receipt == nil {
		return nil
	}
	found, err := l.Receipt(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.warn("%v; the kubeconfig beside it is used as it is", err)
	}
	for _, user := range config.AuthInfos {
		if found != nil && (own{Receipt: found}).wrote(user) {
			return found
		}
	}
	return nil
}

// follow leads from a kubeconfig of ours to the source in its receipt: a second mint must not start from the
// first one's limited credential. It does so where the chosen context is ours and nowhere else. A login that
// merged another cluster into our file and switched to it has chosen that cluster.
func (l *loader) follow(at *place) (*place, error) {
	chosen := at.chosen(l.Context)
	if context := at.config.Contexts[chosen]; context != nil {
		ours := at.own(context)
		if ours == nil {
			at.leaveOut(context)
			return at, nil
		}
		if context.Cluster != context.AuthInfo { // we name both alike
			return nil, fail("use context "+named(chosen),
				"its user is one that kubemint wrote, and its cluster %s is another one",
				named(context.Cluster)).Hint("choose a context that has a credential for that cluster, in the input `context`")
		}
		l.Context = "" // it named our own context: the receipt says which one of the source that is
		return l.origin(*ours, "")
	}
	if l.Context == "" {
		return at, nil
	}
	return l.chooseAgain(at)
}

// leaveOut drops those of our own files that the chosen context needs nothing of: they are no part of the
// source, and may be written again.
func (p *place) leaveOut(context *api.Context) {
	needed := []string{context.LocationOfOrigin}
	if cluster := p.config.Clusters[context.Cluster]; cluster != nil {
		needed = append(needed, cluster.LocationOfOrigin)
	}
	if user := p.config.AuthInfos[context.AuthInfo]; user != nil {
		needed = append(needed, user.LocationOfOrigin)
	}
	for _, ours := range p.ours {
		if !slices.Contains(needed, ours.file) {
			p.Paths = slices.DeleteFunc(p.Paths, func(path string) bool { return path == ours.file })
		}
	}
}

// chooseAgain finds the input `context` in the source of a kubeconfig of ours: the file that a pipeline names
// in its inputs may have been replaced by ours in KUBECONFIG.
func (l *loader) chooseAgain(at *place) (*place, error) {
	var first *place
	for _, ours := range at.ours {
		origin, err := l.origin(ours, l.Context)
		switch {
		case err != nil:
			return nil, err
		case origin.config == nil || origin.config.Contexts[l.Context] != nil:
			return origin, nil
		case first == nil:
			first = origin
		}
	}
	if first == nil {
		return at, nil
	}
	for name, context := range at.config.Contexts { // for the error, which lists what there is
		if first.config.Contexts[name] == nil {
			first.config.Contexts[name] = context
		}
	}
	return first, nil
}

// origin reads the source that a receipt records. A receipt is data: its paths name files and are never
// content, and what lies in the workspace is a pull request's here as well. context is one of that source, ""
// the recorded one.
func (l *loader) origin(ours own, context string) (*place, error) {
	from := ours.Source
	switch {
	case from.Kind == receipt.KindServer && l.Server == "":
		return nil, fail(ours.op,
			"kubemint wrote it, with an ID token for %s as its source, which no receipt holds", ours.Server).
			Hint("give this step the input `server` as well, with what belongs to it")
	case slices.Contains([]string{receipt.KindServer, receipt.KindContent, receipt.KindInCluster}, from.Kind):
		lead := "its receipt names the pod's account, but there is "
		return &place{Source: receipt.Source{Kind: from.Kind}, lead: lead}, nil
	case from.Kind != receipt.KindFile:
		return nil, fail(ours.op, "kubemint wrote it, and its receipt names a source of an unknown kind").
			Hint("give this step the input `kubeconfig`")
	case slices.ContainsFunc(from.Paths, func(path string) bool { return !filepath.IsAbs(path) }):
		return nil, fail(ours.op, "kubemint wrote it, and the source in its receipt is not an absolute path").
			Hint("give this step the input `kubeconfig`")
	}
	origin, err := l.merge(from.Paths...)
	if err != nil {
		return nil, err
	}
	if origin.Kind == "" {
		return nil, l.missing(fail(ours.op, "kubemint wrote it, and the source in its receipt is gone: %s",
			disk.Shown(strings.Join(from.Paths, string(filepath.ListSeparator)))).
			Hint("log in again in an earlier step, or give this step the input `kubeconfig`"))
	}
	origin.config.CurrentContext = from.Context
	chosen := origin.config.Contexts[origin.chosen(context)]
	if chosen == nil && len(origin.ours) > 0 {
		return nil, fail(origin.ours[0].op, "kubemint wrote it, though another receipt names it as a source").
			Hint("give this step the input `kubeconfig`, with the kubeconfig that the login step wrote")
	}
	if again := origin.own(chosen); again != nil {
		return nil, fail(again.op, "kubemint wrote it, though another receipt names it as a source").
			Hint("give this step the input `kubeconfig`, with the kubeconfig that the login step wrote")
	}
	return origin, nil
}
