package proof_test

import (
	"testing"

	"github.com/kubemint/kubemint/test/kubetest"
)

func TestMain(m *testing.M) { kubetest.Main(m) }
