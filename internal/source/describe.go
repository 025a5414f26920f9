package source

import (
	"strings"

	"github.com/kubemint/kubemint/internal/disk"
	"github.com/kubemint/kubemint/internal/output/receipt"
)

// Describe returns the source, its context, its server and whom it acts as, on one line.
func (s *Source) Describe() string {
	parts := []string{s.describePlace()}
	if s.Context != "" {
		parts = append(parts, "context "+quoteName(s.Context))
	}
	parts = append(parts, "server "+s.Server)
	if s.ActsAs != "" {
		parts = append(parts, "acts as "+s.ActsAs)
	}
	return strings.Join(parts, ", ")
}

func (s *Source) describePlace() string {
	switch s.Origin.Kind {
	case receipt.KindFile:
		var paths []string
		for _, path := range s.Origin.Paths {
			paths = append(paths, disk.ShowPath(path))
		}
		return "kubeconfig " + strings.Join(paths, ", ")
	case receipt.KindContent:
		return "a kubeconfig given as content"
	case receipt.KindInCluster:
		return "the pod's ServiceAccount"
	}
	return "an ID token"
}
