package app

import (
	"cmp"
	"context"
	"net/http"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/client/wire"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/kubeconfig"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
	"github.com/kubemint/kubemint/internal/source"
	"github.com/kubemint/kubemint/internal/source/workspace"
)

// chosen says which source is meant: that of the inputs and the environment, or that of a receipt.
type chosen struct {
	kubeconfig, context string
	recorded            []string // files that a receipt names
	getenv              func(string) string
}

// declaredSource is that of this run's own inputs and environment.
func (r *run) declaredSource() chosen {
	return chosen{kubeconfig: r.cfg.Source.Kubeconfig, context: r.cfg.Source.Context, getenv: r.getenv}
}

// loadSource reads the runner's credential.
func (r *run) loadSource(from chosen) (*source.Source, error) {
	hint, declared := "", r.cfg.Source
	if r.platform.Inside("/") != "/" || r.getenv("GITHUB_WORKSPACE") == "/github/workspace" {
		hint = "this container does not see the host's home directory: give the input `kubeconfig`, " +
			"or set KUBECONFIG to a path in the workspace or the runner's temp directory"
	}
	idToken, remedy := r.platform.IDToken()
	loaded, err := source.Load(source.Input{
		Kubeconfig: from.kubeconfig, Recorded: from.recorded, Context: from.context, AllowInsecure: declared.AllowInsecure,
		Server: declared.Server, Authority: r.authorityAsGiven, Bearer: secret.New(declared.BearerToken),
		Audience: declared.OIDCAudience,
		IDToken:  idToken, NoIDToken: remedy,
		ExpectServer: declared.Expect.Server, ExpectFingerprint: declared.Expect.Fingerprint,
		Getenv: from.getenv, Inside: r.platform.Inside, InClusterDir: r.process.AccountDir, Workspace: r.workspace(), Temp: r.platform.Temp(),
		HTTP: wire.Client(&http.Transport{
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSHandshakeTimeout: answerWithin, ResponseHeaderTimeout: answerWithin,
		}, wire.MostOfToken),
		Receipt: func(path string) (*receipt.Receipt, error) {
			record, _, err := r.receipts().Read(path)
			return record, err
		},
		Hint: hint,
	})
	if err == nil {
		r.namespace, _ = loaded.DefaultNamespace() // declaredAt reports the error
	}
	return loaded, err
}

// reportSource says in one line of the log where the credential comes from, and where it leads. Its
// warnings follow.
func (r *run) reportSource(s *source.Source) {
	r.log.Printf("source: %s", s.Describe())
	for _, warning := range s.Warnings {
		r.log.Warnf("%s", warning)
	}
}

// declaredAt completes the declared access by the namespace of the source's context, if none is declared.
func (r *run) declaredAt(s *source.Source) (config.Access, error) {
	if len(r.cfg.Access.Namespaces) > 0 {
		return r.cfg.Access.In(""), nil
	}
	namespace, err := s.DefaultNamespace()
	return r.cfg.Access.In(namespace), err
}

// answerWithin is what a cloud's token endpoint gets before it is tried again: it mostly answers in a second.
const answerWithin = 10 * time.Second

// workspace is the checkout: the directories that a pull request can have written.
func (r *run) workspace() []string {
	home := cmp.Or(r.getenv("HOME"), r.getenv("USERPROFILE"))
	return workspace.Find(r.platform.Workspace(), r.process.Dir, home)
}

// inWorkspace says whether a pull request can have written what is at this path, or what it leads to. It need
// not exist.
func (r *run) inWorkspace(path string) bool { return workspace.Dirs(r.workspace()).Hold(path) }

// authority is the input `certificate_authority`, empty where it is not given.
func (r *run) authority() (source.Authority, error) {
	if given := r.cfg.Source.CertificateAuthority; given != "" {
		return source.ReadAuthority(given, r.platform.Inside)
	}
	return source.Authority{}, nil
}

// authorityAsGiven is the same bundle before anything is left out of it, which the source does itself.
func (r *run) authorityAsGiven() ([]byte, error) {
	authority, err := r.authority()
	return authority.Given, err
}

// open connects as the runner. A token that has to be asked for is asked for now, and masked.
func (r *run) open(ctx context.Context, s *source.Source) (*client.Client, error) {
	if err := s.Authenticate(ctx, r.platform.Mask); err != nil {
		return nil, err
	}
	return r.connect(s.REST)
}

// openExpected is open, and an error where the cluster is not the one that `expect_cluster` names by
// its UID, or where the API server does not know the runner of a source without token and certificate.
// Revoke does not ask: it goes by the receipt.
func (r *run) openExpected(ctx context.Context, s *source.Source) (*client.Client, error) {
	api, err := r.open(ctx, s)
	if err == nil && s.Nameless() { // nothing is written before it is known who writes: it costs these sources a round trip
		if err = api.Recognise(ctx); err != nil {
			api.Close()
			return nil, err
		}
	}
	want := r.cfg.Source.Expect.UID
	if err != nil || want == "" {
		return api, err
	}
	system := client.Empty(kube.Ref{Kind: "Namespace", Name: metav1.NamespaceSystem})
	err = api.Explain(problem.Source, "read Namespace "+metav1.NamespaceSystem, api.Get(ctx, system))
	if have := string(system.GetUID()); err == nil && have != want {
		err = problem.Newf(problem.Source, "use "+s.Server, "its namespace kube-system has the UID %s, and `expect_cluster` says %s", have, want).
			Hint(source.WrongCluster)
	}
	if err != nil {
		api.Close()
		return nil, err
	}
	return api, nil
}

// address is where the new credential is for: the source's API server, but for what the inputs `server` and
// `certificate_authority` say instead.
func (r *run) address(s *source.Source) (kubeconfig.Config, error) {
	to := kubeconfig.Config{Server: s.Server, CAData: s.CAData, TLSServerName: s.TLSServerName, ProxyURL: s.ProxyURL, Insecure: s.Insecure}
	if given := r.cfg.Source.Server; given != "" && !source.SameServer(given, s.Server) {
		to.Server, to.TLSServerName, to.ProxyURL = given, "", "" // which are for the other address
	}
	authority, err := r.authority()
	if len(authority.PEM) > 0 {
		to.CAData, to.Insecure = authority.PEM, false
	}
	if s.Origin.Kind != receipt.KindServer { // of such a source they are said already
		for _, warning := range authority.Warnings {
			r.log.Warnf("%s", warning)
		}
	}
	return to, err
}
