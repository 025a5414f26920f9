package source

import (
	"fmt"
	"strings"

	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/source/disk"
)

// Describe names the source, its context and its server on one line, and whom it acts as.
func (s *Source) Describe() string {
	parts := []string{s.place()}
	if s.Context != "" {
		parts = append(parts, "context "+named(s.Context))
	}
	parts = append(parts, "server "+s.Server)
	if s.ActsAs != "" {
		parts = append(parts, "acts as "+s.ActsAs)
	}
	return strings.Join(parts, ", ")
}

func (s *Source) place() string {
	switch s.Origin.Kind {
	case receipt.KindFile:
		shownPaths := make([]string, len(s.Origin.Paths))
		for i, path := range s.Origin.Paths {
			shownPaths[i] = disk.Shown(path)
		}
		return fmt.Sprintf("kubeconfig %s", strings.Join(shownPaths, ", "))
	case receipt.KindContent:
		return "a kubeconfig given as content"
	case receipt.KindInCluster:
		return "the pod's ServiceAccount"
	}
	return "an ID token"
}
