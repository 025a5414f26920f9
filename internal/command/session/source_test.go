package session

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/source"
	"github.com/kubemint/kubemint/test/kubetest"
)

// withCluster is a step whose $KUBECONFIG is that of an API server in memory.
func withCluster(t *testing.T) (*step, *kubetest.Fake, []string) {
	t.Helper()
	s := newStep(t)
	fake := kubetest.StartFake(t, time.Now(), "shop")
	fake.Put(&corev1.Namespace{
		TypeMeta: kube.TypeMeta("Namespace"), ObjectMeta: metav1.ObjectMeta{Name: "kube-system", UID: "cluster-1"},
	})
	s.write(t, "home/source", string(fake.Kubeconfig()))
	return s, fake, []string{"KUBECONFIG=" + s.path("home/source"), "HOME=" + s.path("home")}
}

func loadSource(t *testing.T, s Session) *source.Source {
	t.Helper()
	from, err := LoadSource(s, ChooseDeclared(s))
	if err != nil {
		t.Fatal(err)
	}
	return from
}

// Nothing is sent to read a source, and its report has no secret.
func TestLoadSource_OfTheEnvironment(t *testing.T) {
	t.Parallel()
	s, fake, environ := withCluster(t)
	session := s.load(t, environ...)
	from := loadSource(t, session)
	ReportSource(session, from)
	if from.Server != fake.URL || from.Origin.Kind != receipt.KindFile || len(fake.Asked()) > 0 {
		t.Errorf("%+v; asked %q", from.Origin, fake.Asked())
	}
	if !strings.Contains(s.log.String(), "source: kubeconfig ") || strings.Contains(s.log.String(), kubetest.RunnerToken) {
		t.Error(s.log)
	}
}

// An input is preferred to the environment, and no receipt can hold its content.
func TestLoadSource_InputComesFirst(t *testing.T) {
	t.Parallel()
	s, fake, environ := withCluster(t)
	content := base64.StdEncoding.EncodeToString(fake.Kubeconfig())
	from := loadSource(t, s.load(t, append(environ, "KUBEMINT_KUBECONFIG="+content)...))
	if from.Origin.Kind != receipt.KindContent || len(from.Files) > 0 {
		t.Errorf("%+v", from.Origin)
	}
}

func TestLoadSource_ThereIsNone(t *testing.T) {
	t.Parallel()
	s := newStep(t)
	session := s.load(t, "HOME="+s.path("home"))
	if _, err := LoadSource(session, ChooseDeclared(session)); problem.ExitCode(err) != int(problem.Source) {
		t.Error(err)
	}
}

// `expect_cluster` is compared before anything is written, and costs a request only where it is given.
func TestOpenExpected_ClusterOfAnotherUID(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		want  string
		fails string
		asked []string
	}{
		"nothing is expected": {},
		"the same":            {want: "cluster-1", asked: []string{"get namespaces kube-system"}},
		"another": {
			want: "cluster-2", fails: "its namespace kube-system has the UID cluster-1, and `expect_cluster` says cluster-2",
			asked: []string{"get namespaces kube-system"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, fake, environ := withCluster(t)
			session := s.load(t, environ...)
			session.Config.Source.Expect.UID = tt.want
			api, err := OpenExpected(t.Context(), session, loadSource(t, session))
			if err == nil {
				api.Close()
			}
			if (err != nil) != (tt.fails != "") || (err != nil && (!strings.Contains(err.Error(), tt.fails) || api != nil)) {
				t.Error(err)
			}
			if err != nil && problem.ExitCode(err) != int(problem.Source) {
				t.Errorf("exit code %d", problem.ExitCode(err))
			}
			if !slices.Equal(fake.Asked(), tt.asked) {
				t.Errorf("asked %q", fake.Asked())
			}
		})
	}
}

// A runner that may not read the namespace fails: it cannot know which cluster this is.
func TestOpenExpected_NamespaceThatMayNotBeRead(t *testing.T) {
	t.Parallel()
	s, fake, environ := withCluster(t)
	fake.Forbid("^get namespaces kube-system")
	session := s.load(t, environ...)
	session.Config.Source.Expect.UID = "cluster-1"
	if _, err := OpenExpected(t.Context(), session, loadSource(t, session)); problem.ExitCode(err) == 0 ||
		!strings.Contains(err.Error(), "read Namespace kube-system") {
		t.Error(err)
	}
}

// Access is declared in the namespace of the source's context, unless the input says otherwise. A
// pull request may not choose it.
func TestCompleteAccess(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		place    string // of the kubeconfig
		declared string
		want     string
		fails    bool
	}{
		"the input":                      {place: "home/source", declared: "web", want: "web"},
		"the context":                    {place: "home/source", want: "shop"},
		"the input, a planted file":      {place: "checkout/source", declared: "web", want: "web"},
		"the context of a planted file":  {place: "checkout/source", fails: true},
		"the input over several of them": {place: "home/source", declared: "web,shop", want: "web"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, fake, environ := withCluster(t)
			text := strings.Replace(string(fake.Kubeconfig()), "    cluster: fake\n", "    cluster: fake\n    namespace: shop\n", 1)
			s.write(t, tt.place, text)
			environ = append(environ, "KUBECONFIG="+s.path(tt.place), "KUBEMINT_NAMESPACE="+tt.declared)
			session := s.load(t, environ...)
			from, err := LoadSource(session, ChooseDeclared(session))
			if err != nil {
				t.Fatal(err)
			}
			access, err := CompleteAccess(session, from)
			if (err != nil) != tt.fails || (err == nil && access.Namespaces[0] != tt.want) {
				t.Errorf("%q: %v", access.Namespaces, err)
			}
			if err == nil && access.ServiceAccount.Namespace != tt.want {
				t.Errorf("the account is in %s", access.ServiceAccount.Namespace)
			}
		})
	}
}

// The new credential is for the source's API server, but for what the inputs say: then the proxy and
// the server name, which are for the other address, do not come along.
func TestChooseAddress(t *testing.T) {
	t.Parallel()
	s, fake, environ := withCluster(t)
	other, err := kubetest.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "home/ca.pem", string(other.PEM))
	from := &source.Source{Endpoint: source.Endpoint{
		Server: fake.URL, CAData: fake.CA, TLSServerName: "inside", ProxyURL: "http://proxy:3128", Insecure: true,
	}}
	from.Origin.Kind = receipt.KindFile
	for name, tt := range map[string]struct {
		environ        []string
		server, ca     string
		along, trusted bool // proxy and server name come along; the server's certificate is checked
	}{
		"the source's":        {nil, fake.URL, string(fake.CA), true, false},
		"the same, by input":  {[]string{"KUBEMINT_SERVER=" + fake.URL + "/"}, fake.URL, string(fake.CA), true, false},
		"another address":     {[]string{"KUBEMINT_SERVER=https://direct.example"}, "https://direct.example", string(fake.CA), false, false},
		"another authority":   {[]string{"KUBEMINT_CERTIFICATE_AUTHORITY=" + s.path("home/ca.pem")}, fake.URL, string(other.PEM), true, true},
		"an authority's text": {[]string{"KUBEMINT_CERTIFICATE_AUTHORITY=" + string(other.PEM)}, fake.URL, string(other.PEM), true, true},
	} {
		to, err := ChooseAddress(s.load(t, append(environ, tt.environ...)...), from)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if to.Server != tt.server || strings.TrimSpace(string(to.CAData)) != strings.TrimSpace(tt.ca) {
			t.Errorf("%s: %s with the CA\n%s", name, to.Server, to.CAData)
		}
		if (to.ProxyURL != "") != tt.along || (to.TLSServerName != "") != tt.along || to.Insecure == tt.trusted {
			t.Errorf("%s: %+v", name, to)
		}
	}
}

func TestChooseAddress_AuthorityThatCannotBeRead(t *testing.T) {
	t.Parallel()
	s, _, environ := withCluster(t)
	session := s.load(t, append(environ, "KUBEMINT_CERTIFICATE_AUTHORITY="+s.path("gone"))...)
	if _, err := ChooseAddress(session, &source.Source{}); err == nil || problem.ExitCode(err) == int(problem.Unknown) {
		t.Errorf("%v", err)
	}
}

// The name stands on one line of logs and env files, so a kubeconfig may not break it.
func TestNameCluster(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ cluster, server, want string }{
		"its name":      {"prod", "https://api.example:6443", "prod"},
		"a broken name": {"prod\nA=b", "https://api.example:6443", "api.example"},
		"none":          {"", "https://api.example:6443", "api.example"},
		"no URL":        {"", "api.example", "api.example"},
	} {
		from := &source.Source{Endpoint: source.Endpoint{Server: tt.server}, Entry: source.Entry{Cluster: tt.cluster}}
		if got := NameCluster(from); got != tt.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}
