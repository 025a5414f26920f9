package client_test

import (
	"testing"

	"github.com/kubemint/kubemint/internal/kubetest"
)

func TestMain(m *testing.M) { kubetest.Main(m) }
