package sources

import (
	"testing"

	"github.com/kubemint/kubemint/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m, map[string]func(){"kubemint-test-renews": renews}) }
