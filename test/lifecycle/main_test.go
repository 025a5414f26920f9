package lifecycle

import (
	"testing"

	"github.com/kubemint/kubemint/test/harness"
)

func TestMain(m *testing.M) {
	harness.Main(m, map[string]func(){"kubemint-test-whoami": whoAmI, "kubemint-test-leaves": leaves})
}
