package cloud

import (
	"testing"

	"github.com/kubemint/kubemint/internal/kubetest"
)

func TestMain(m *testing.M) { kubetest.Main(m) }
