package lease_test

import (
	"errors"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/test/kubetest"
)

var (
	account   = types.NamespacedName{Namespace: "bots", Name: "ci"}
	forbidden = apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "x", errors.New("no"))
)

func TestMain(m *testing.M) { kubetest.Main(m) }
