package script

import (
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// standIn starts a server that serves less than the script's API server, and writes a kubeconfig
// for it. The words:
//
//	lacks=PART   it does not serve this part of the API: coordination.k8s.io/v1, v1/serviceaccounts/token
//	only=PART    it serves this part, and no other but those that are named the same way
//	page         what it does not serve it answers with its dashboard, as 200
//	hides=PATH   it answers 404 for an object that is there
//	version=V    it says that it is of this version
//	no-jti       its tokens have none, as those of Kubernetes 1.29
//	open         it looks at no credential: everyone is the administrator
//	chain        it shows two certificates
func standIn(t *testing.T, ts *testscript.TestScript, cluster *kubetest.ControlPlane, args []string) {
	t.Helper()
	admin, err := cluster.AdminTokenKubeconfig(t.Context())
	ts.Check(err)
	var s kubetest.StandIn
	for _, arg := range args[1:] {
		word, value, _ := strings.Cut(arg, "=")
		switch word {
		case "lacks":
			s.Lacks = append(s.Lacks, value)
		case "only":
			s.Only = append(s.Only, value)
		case "page":
			s.Page = harness.Dashboard
		case "hides":
			s.Hides = append(s.Hides, value)
		case "version":
			s.Version = value
		case "no-jti":
			s.OldTokens = true
		case "open":
			config, err := clientcmd.Load(admin)
			ts.Check(err)
			s.Everyone = config.AuthInfos[config.Contexts[config.CurrentContext].AuthInfo].Token
		case "chain":
			s.Chain = true
		default:
			ts.Fatalf("unknown word %q", arg)
		}
	}
	content, err := s.Start(t, cluster).Kubeconfig(admin)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), content, 0o600))
}
