package session

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/client/explain"
	"github.com/kubemint/kubemint/internal/client/wire"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/kubeconfig"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
	"github.com/kubemint/kubemint/internal/source"
	"github.com/kubemint/kubemint/internal/source/authority"
	"github.com/kubemint/kubemint/internal/source/trust"
)

// Chosen says which source is meant: that of the inputs and the environment, or that of a receipt.
type Chosen struct {
	Kubeconfig string
	Context    string
	Recorded   []string // files that a receipt names
	Getenv     func(string) string
}

// ChooseDeclared is the source of this run's own inputs and environment.
func ChooseDeclared(s Session) Chosen {
	return Chosen{
		Kubeconfig: s.Config.Source.Kubeconfig, Context: s.Config.Source.Context, Getenv: s.Getenv,
	}
}

// answerWithin is how long a cloud's token endpoint may take before it is tried again: it usually
// answers in a second.
const answerWithin = 10 * time.Second

// LoadSource reads the runner's credential.
func LoadSource(s Session, from Chosen) (*source.Source, error) {
	hint := ""
	declared := s.Config.Source
	if s.Platform.Contained {
		hint = "this container does not see the host's home directory: give the input `kubeconfig`, " +
			"or set KUBECONFIG to a path in the workspace or the runner's temp directory"
	}
	idToken, remedy := s.Platform.IDToken()
	return source.Load(source.Input{
		Given: source.Given{
			Kubeconfig: from.Kubeconfig, Recorded: from.Recorded, Context: from.Context,
			AllowInsecure: declared.AllowInsecure,
		},
		Direct: source.Direct{
			Server: declared.Server, Bearer: secret.New(declared.BearerToken), Audience: declared.OIDCAudience,
			Authority: func() ([]byte, error) { // the source leaves out what it cannot use
				given, err := readAuthority(s)
				return given.Given, err
			},
			IDToken: idToken, NoIDToken: remedy,
		},
		Expected: source.Expected{
			ExpectServer: declared.Expect.Server, ExpectFingerprint: declared.Expect.Fingerprint,
		},
		Host: source.Host{
			Getenv: from.Getenv, Inside: s.Platform.Inside, InClusterDir: s.Process.AccountDir,
			Workspace: s.Workspace, Temp: s.Platform.Temp(), Hint: hint,
			HTTP: wire.Client(&http.Transport{
				Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true,
				TLSHandshakeTimeout: answerWithin, ResponseHeaderTimeout: answerWithin,
			}, wire.MostOfToken),
		},
		Receipt: func(path string) (*receipt.Receipt, error) {
			record, _, err := s.Receipts().Read(path)
			return record, err
		},
	})
}

// ReportSource says in one line of the log where the credential comes from, and where it leads. Its
// warnings follow.
func ReportSource(s Session, from *source.Source) {
	s.Log.Printf("source: %s", from.Describe())
	for _, warning := range from.Warnings {
		s.Log.Warnf("%s", warning)
	}
}

// CompleteAccess completes the declared access by the namespace of the source's context, if none is
// declared.
func CompleteAccess(s Session, from *source.Source) (config.Access, error) {
	if len(s.Config.Access.Namespaces) > 0 {
		return s.Config.Access.In(""), nil
	}
	namespace, err := from.DefaultNamespace()
	return s.Config.Access.In(namespace), err
}

// CompleteOffline completes the declared access as mint does, or by `default` where there is no
// source.
func CompleteOffline(s Session) (config.Access, error) {
	if len(s.Config.Access.Namespaces) > 0 {
		return s.Config.Access.In(""), nil
	}
	why := "the source's context names none"
	from, err := LoadSource(s, ChooseDeclared(s))
	if err != nil {
		why = err.Error()
		from = &source.Source{}
	} else if from.Namespace != "" {
		why = "that of the source's context"
	}
	declared, err := CompleteAccess(s, from)
	if err == nil {
		s.Log.Printf("note: no `namespace` is declared: %s is assumed (%s)", declared.Namespaces[0], why)
	}
	return declared, err
}

// readAuthority is the input `certificate_authority`, empty where it is not given.
func readAuthority(s Session) (authority.Authority, error) {
	if given := s.Config.Source.CertificateAuthority; given != "" {
		return authority.Read(given, s.Platform.Inside)
	}
	return authority.Authority{}, nil
}

// Open connects as the runner. A token that has to be asked for is asked for now, and masked.
func Open(ctx context.Context, s Session, from *source.Source) (*client.Client, error) {
	if err := from.Authenticate(ctx, s.Platform.Mask); err != nil {
		return nil, err
	}
	api, err := s.Dialer().Client(from.REST)
	if err != nil {
		return nil, err
	}
	api.Login = func(refusal *problem.Error) {
		if !from.DescribeLogin(refusal) {
			explain.SuggestLogin(refusal)
		}
	}
	return api, nil
}

// OpenExpected is open, and an error where the cluster is not the one that `expect_cluster` names
// by its UID, or where the API server does not know the runner of a source without token and
// certificate. Revoke does not ask: it goes by the receipt.
func OpenExpected(ctx context.Context, s Session, from *source.Source) (*client.Client, error) {
	api, err := Open(ctx, s, from)
	if err != nil {
		return nil, err
	}
	if from.Nameless() {
		// nothing is written before it is known who writes: it costs these sources a round trip
		err = api.Recognise(ctx)
	}
	if want := s.Config.Source.Expect.UID; err == nil && want != "" {
		err = checkCluster(ctx, api, from.Server, want)
	}
	if err != nil {
		api.Close()
		return nil, err
	}
	return api, nil
}

func checkCluster(ctx context.Context, api *client.Client, server, want string) error {
	system := client.NewObject(kube.Ref{Kind: "Namespace", Name: metav1.NamespaceSystem})
	if err := api.Get(ctx, system); err != nil {
		return api.Explain(problem.Source, "read Namespace "+metav1.NamespaceSystem, err)
	}
	have := string(system.GetUID())
	if have == want {
		return nil
	}
	return problem.Newf(problem.Source, "use "+server,
		"its namespace kube-system has the UID %s, and `expect_cluster` says %s", have, want).Hint(
		trust.WrongCluster,
	)
}

// ChooseAddress returns the API server that the new credential is for: the source's, unless the
// inputs `server` and `certificate_authority` name another one.
func ChooseAddress(s Session, from *source.Source) (kubeconfig.Config, error) {
	to := kubeconfig.Config{
		Cluster: kubeconfig.Cluster{
			Server: from.Server, CAData: from.CAData, TLSServerName: from.TLSServerName,
			ProxyURL: from.ProxyURL, Insecure: from.Insecure,
		},
	}
	if given := s.Config.Source.Server; given != "" && !trust.SameServer(given, from.Server) {
		to.Server = given
		to.TLSServerName = "" // this and the proxy are for the other address
		to.ProxyURL = ""
	}
	authority, err := readAuthority(s)
	if len(authority.PEM) > 0 {
		to.CAData = authority.PEM
		to.Insecure = false
	}
	if from.Origin.Kind != receipt.KindServer { // for such a source the warnings are said already
		for _, warning := range authority.Warnings {
			s.Log.Warnf("%s", warning)
		}
	}
	return to, err
}

// NameCluster is the source's own word for the cluster, if it can stand on one line of logs and env
// files.
func NameCluster(from *source.Source) string {
	if from.Cluster != "" && !strings.ContainsFunc(from.Cluster, unicode.IsControl) {
		return from.Cluster
	}
	if u, err := url.Parse(from.Server); err == nil && u.Host != "" {
		return u.Hostname()
	}
	return from.Server
}
