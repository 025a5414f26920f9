package source

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubemint/kubemint/internal/disk"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/secret"
)

// isOf reports whether this user has the token that kubemint minted. A tokenFile takes precedence
// over the token.
func (o own) isOf(user *api.AuthInfo) bool {
	if user == nil || user.TokenFile != "" || o.TokenHash == "" {
		return false
	}
	return secret.New(user.Token).Hash() == o.TokenHash
}

// findReceipt returns the receipt of a kubeconfig that kubemint wrote, whose user has the recorded
// token.
func (l *loader) findReceipt(path string, config *api.Config) *receipt.Receipt {
	if l.Receipt == nil {
		return nil
	}
	found, err := l.Receipt(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.addWarning("%v; the kubeconfig next to it is used as any other", err)
	}
	for _, user := range config.AuthInfos {
		if found != nil && (own{Receipt: found}).isOf(user) {
			return found
		}
	}
	return nil
}

// followReceipt leads from a kubeconfig of ours to the source in its receipt: a second mint must
// not start from the limited credential of the first. It does so only where the chosen context is
// ours. A login that merged another cluster into our file and switched to it has chosen that
// cluster.
func (l *loader) followReceipt(at *place) (*place, error) {
	chosen := at.contextName(l.Context)
	if context := at.config.Contexts[chosen]; context != nil {
		ours := at.findOwn(context)
		if ours == nil {
			at.dropUnneeded(context)
			return at, nil
		}
		if context.Cluster != context.AuthInfo { // kubemint gives both the same name
			return nil, refuse("use context "+quoteName(chosen),
				"its user is one that kubemint wrote, and its cluster %s is another one",
				quoteName(context.Cluster)).Hint("choose a context that has a credential for " +
				"that cluster, in the input `context`")
		}
		l.Context = "" // it named our own context: the receipt says which one of the source that is
		return l.readOrigin(*ours, "")
	}
	if l.Context == "" {
		return at, nil
	}
	return l.chooseAgain(at)
}

// dropUnneeded drops those of our own files from which the chosen context needs nothing. They do
// not belong to the source, and may be written again.
func (p *place) dropUnneeded(context *api.Context) {
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

// chooseAgain finds the input `context` in the source of a kubeconfig of ours: in KUBECONFIG, ours
// may have replaced the file that the pipeline's author means.
func (l *loader) chooseAgain(at *place) (*place, error) {
	var first *place
	for _, ours := range at.ours {
		origin, err := l.readOrigin(ours, l.Context)
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

// readOrigin reads the source that a receipt records. A receipt is data: its paths name files and
// are never content, and a file in the workspace counts as a pull request's here as well. context
// is a context of that source, "" for the recorded one.
func (l *loader) readOrigin(ours own, context string) (*place, error) {
	from := ours.Source
	elsewhere := []string{receipt.KindServer, receipt.KindContent, receipt.KindInCluster}
	isRelative := func(path string) bool { return !filepath.IsAbs(path) }
	switch {
	case from.Kind == receipt.KindServer && l.Server == "":
		return nil, refuse(ours.op,
			"kubemint wrote it, with an ID token for %s as its source, which no receipt holds", ours.Server).
			Hint("give this step the input `server` as well, with what belongs to it")
	case slices.Contains(elsewhere, from.Kind):
		lead := "its receipt names the pod's account, but there is "
		return &place{Source: receipt.Source{Kind: from.Kind}, lead: lead}, nil
	case from.Kind != receipt.KindFile:
		return nil, refuse(ours.op, "kubemint wrote it, and its receipt names a source of an "+
			"unknown kind").
			Hint("give this step the input `kubeconfig`")
	case slices.ContainsFunc(from.Paths, isRelative):
		return nil, refuse(ours.op, "kubemint wrote it, and the source in its receipt is not "+
			"an absolute path").
			Hint("give this step the input `kubeconfig`")
	}
	origin, err := l.mergeFiles(from.Paths...)
	if err != nil {
		return nil, err
	}
	if origin.Kind == "" {
		paths := strings.Join(from.Paths, string(filepath.ListSeparator))
		return nil, l.hintHidden(refuse(ours.op, "kubemint wrote it, and the source in its "+
			"receipt is gone: %s",
			disk.ShowPath(paths)).
			Hint("log in again in an earlier step, or give this step the input `kubeconfig`"))
	}
	origin.config.CurrentContext = from.Context
	if again := origin.findAgain(context); again != nil {
		return nil, refuse(again.op, "kubemint wrote it, though another receipt names it as a "+
			"source").
			Hint("give this step the input `kubeconfig`, with the kubeconfig that the login " +
				"step wrote")
	}
	return origin, nil
}

// findAgain returns the receipt of the context, or of any file where the context does not exist: a
// receipt must not lead to a kubeconfig of ours.
func (p *place) findAgain(context string) *own {
	chosen := p.config.Contexts[p.contextName(context)]
	if chosen == nil && len(p.ours) > 0 {
		return &p.ours[0]
	}
	return p.findOwn(chosen)
}
