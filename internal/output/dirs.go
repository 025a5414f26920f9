package output

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubemint/kubemint/internal/output/receipt"
)

// removeDirs removes the output's directories that we made, innermost first, for as long as they
// are empty.
func removeDirs(record *receipt.Receipt) {
	for _, dir := range slices.Backward(record.Dirs) {
		if !strings.HasPrefix(record.Output, dir+string(filepath.Separator)) || os.Remove(dir) != nil {
			return
		}
	}
}
