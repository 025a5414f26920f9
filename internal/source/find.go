package source

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/source/form"
)

// findPlace finds where the credential lies.
func (l *loader) findPlace() (*place, error) {
	if len(l.Recorded) > 0 {
		return l.readRecorded()
	}
	if given := strings.Trim(l.Kubeconfig, byteOrderMark+" \t\r\n"); given != "" {
		return l.readGiven(given)
	}
	direct := &place{Source: receipt.Source{Kind: receipt.KindServer}}
	if !l.Bearer.IsEmpty() || l.Audience != "" {
		return direct, nil
	}
	if value := l.Getenv("KUBECONFIG"); value != "" {
		if err := l.refuseContent(value); err != nil {
			return nil, err
		}
		return l.readExisting("$KUBECONFIG", value, filepath.SplitList(value)...)
	}
	looked := "no input `kubeconfig`, no $KUBECONFIG"
	if home := l.homeDir(); home != "" {
		path := filepath.Join(home, ".kube", "config")
		at, err := l.readFiles(path)
		// Like kubectl, the search goes on if the file holds no context.
		if err != nil || at.config == nil || len(at.config.Contexts) > 0 {
			return at, err
		}
		looked += fmt.Sprintf(", nothing in %q", path)
	}
	if l.Server != "" {
		return direct, nil
	}
	return &place{Source: receipt.Source{Kind: receipt.KindInCluster}, lead: looked + ", and "}, nil
}

// readRecorded reads the files that a receipt names.
func (l *loader) readRecorded() (*place, error) {
	isRelative := func(path string) bool { return !filepath.IsAbs(path) }
	if slices.ContainsFunc(l.Recorded, isRelative) {
		return nil, refuse("read kubeconfig", "the source in the receipt is not an absolute path").
			Hint("give this step the input `kubeconfig`")
	}
	return l.readExisting("the source in the receipt", strings.Join(l.Recorded, ", "), l.Recorded...)
}

// readGiven reads the input `kubeconfig`: content, or a path.
func (l *loader) readGiven(value string) (*place, error) {
	if !form.IsContent(value) {
		path := value
		if rest, ok := strings.CutPrefix(value, "~/"); ok {
			path = filepath.Join(l.homeDir(), rest)
		}
		return l.readExisting("the input `kubeconfig`", value, path)
	}
	config, err := form.Decode([]byte(l.Kubeconfig), "")
	if err != nil {
		return nil, explainUnreadable("read the content of `kubeconfig`", err)
	}
	return &place{Source: receipt.Source{Kind: receipt.KindContent}, config: config}, nil
}
