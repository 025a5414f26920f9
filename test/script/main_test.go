package script

import (
	"testing"

	"github.com/kubemint/kubemint/test/harness"
)

func TestMain(m *testing.M) {
	harness.Main(m, map[string]func(){"kubemint-under-guard": runUnderGuard})
}
