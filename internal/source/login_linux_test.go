package source

import (
	"context"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"

	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
	"github.com/kubemint/kubemint/internal/source/trust"
)

// server records the credential of each request.
func server(t *testing.T) (seen *[]string, at string, ca []byte) {
	t.Helper()
	seen = new([]string)
	s := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		*seen = append(*seen, r.Header.Get("Authorization"))
	}))
	t.Cleanup(s.Close)
	return seen, s.URL, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

// masks records each masked value.
func masks(into *[]string) func(secret.Value) error {
	return func(secret secret.Value) error {
		*into = append(*into, secret.Reveal())
		return nil
	}
}

func TestServerWithAGivenToken(t *testing.T) {
	seen, at, ca := server(t)
	var masked []string
	home := t.TempDir()
	write(t, home+"/.kube/config", entries("other", "other=o")) // what happens to be there does not matter
	s := load(t, Input{
		Direct: Direct{Server: at, Authority: func() ([]byte, error) { return ca, nil }, Bearer: secret.New("a-token-of-the-ci-system")},
		Host:   Host{Getenv: env("HOME", home, "KUBECONFIG", home+"/.kube/config", "KUBERNETES_SERVICE_HOST", "h", "KUBERNETES_SERVICE_PORT", "1")},
	})
	if s.Server != at || string(s.CAData) != string(ca) || len(s.Files) > 0 || s.Origin.Kind != receipt.KindServer || s.Origin.Context != "" {
		t.Errorf("got %+v", s)
	}
	if err := s.Authenticate(t.Context(), masks(&masked)); err != nil {
		t.Fatal(err)
	}
	ask(t, s)
	if diff := cmp.Diff([]string{"Bearer a-token-of-the-ci-system"}, *seen); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"a-token-of-the-ci-system"}, masked); diff != "" {
		t.Error(diff)
	}
}

// The token is requested once, masked before it is sent, and again shortly before it expires.
func TestServerWithTheJobsOwnToken(t *testing.T) {
	for name, c := range map[string]struct {
		audience, asked string
		expires         time.Duration
		requests        int
	}{
		"once":                {"", "the server", time.Hour, 1},
		"with an audience":    {"vault", "vault", time.Hour, 1},
		"again, near its end": {"", "the server", 59 * time.Second, 3}, // at first, and for each of two requests
	} {
		t.Run(name, func(t *testing.T) {
			seen, at, ca := server(t)
			var masked, audiences []string
			s := load(t, Input{Direct: Direct{Server: at, Authority: func() ([]byte, error) { return ca, nil }, Audience: c.audience, IDToken: func(_ context.Context, audience string) (secret.Value, error) {
				audiences = append(audiences, strings.Replace(audience, at, "the server", 1))
				end := strconv.FormatInt(time.Now().Add(c.expires).Unix(), 10)
				return secret.New(jwt(`{"n":` + strconv.Itoa(len(audiences)) + `,"exp":` + end + `}`)), nil
			}}})
			if len(audiences) > 0 {
				t.Fatal("requested by Load")
			}
			if diff := cmp.Diff([]string{"ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"}, s.Secrets); diff != "" {
				t.Error(diff)
			}
			if err := s.Authenticate(t.Context(), masks(&masked)); err != nil {
				t.Fatal(err)
			}
			ask(t, s)
			ask(t, s)
			if len(audiences) != c.requests || audiences[0] != c.asked || len(masked) != c.requests || len(*seen) != 2 {
				t.Errorf("asked %q, masked %d, sent %d", audiences, len(masked), len(*seen))
			}
			if last := (*seen)[1]; last != "Bearer "+masked[len(masked)-1] {
				t.Errorf("sent %s, masked last %s", last, masked[len(masked)-1])
			}
		})
	}
}

// A request that has ended does not wait for a token that is still asked for; the next one gets it.
func TestARequestThatEndsWhileATokenIsAskedFor(t *testing.T) {
	seen, at, ca := server(t)
	end, hang := time.Now(), make(chan struct{})
	asked := 0
	s := load(t, Input{Direct: Direct{Server: at, Authority: func() ([]byte, error) { return ca, nil }, IDToken: func(context.Context, string) (secret.Value, error) {
		if asked++; asked == 2 {
			<-hang
		}
		end = end.Add(30 * time.Second * time.Duration(asked)) // the first one is soon to expire
		return secret.New(jwt(`{"n":` + strconv.Itoa(asked) + `,"exp":` + strconv.FormatInt(end.Unix(), 10) + `}`)), nil
	}}})
	if err := s.Authenticate(t.Context(), func(secret.Value) error { return nil }); err != nil {
		t.Fatal(err)
	}
	client, err := rest.HTTPClientFor(s.REST)
	if err != nil {
		t.Fatal(err)
	}
	gone := errors.New("the job was cancelled")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(20*time.Millisecond, func() { cancel(gone) })
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Do(request); !errors.Is(err, gone) { //nolint:bodyclose // no answer, no body
		t.Errorf("got %v", err)
	}
	close(hang)
	ask(t, s)
	if len(*seen) != 1 || !strings.HasPrefix((*seen)[0], "Bearer ey") {
		t.Errorf("sent %q", *seen)
	}
}

func TestServerWithoutACredential(t *testing.T) {
	broken := errors.New("the runner is away")
	for name, c := range map[string]struct {
		in   Input
		want string
	}{
		"none to ask for": {
			Input{Direct: Direct{NoIDToken: "do this"}},
			"use server: there is no credential for https://x: no kubeconfig, no `bearer_token`, and the job has no OIDC token to ask for\ndo this",
		},
		"a context": {
			Input{Given: Given{Context: "prod"}, Direct: Direct{NoIDToken: "do this"}},
			"use context \"prod\": there is no kubeconfig, and `server` has no contexts\nleave `context` out, or give `kubeconfig`",
		},
		"none is given": {
			Input{Direct: Direct{IDToken: func(context.Context, string) (secret.Value, error) {
				return secret.Value{}, refuse("request", "%w", broken).Hint("start it")
			}}},
			"request: the runner is away",
		},
		"not a token": {
			Input{Direct: Direct{IDToken: func(context.Context, string) (secret.Value, error) { return secret.New("sesame"), nil }}},
			"request the job's OIDC token: the CI system's answer is not a JSON Web Token",
		},
		"of two lines": {
			Input{Direct: Direct{Bearer: secret.New("sesame\nopen")}},
			"log in to the cluster: the token that was given out is not one line of ASCII",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.in.Server, c.in.Getenv = "https://x", env()
			s, err := Load(c.in)
			if err == nil {
				err = s.Authenticate(t.Context(), func(secret.Value) error { t.Error("masked"); return nil })
			}
			if diff := refusedAs(t, c.want, err); diff != "" {
				t.Error(diff)
			}
		})
	}
	for name, c := range map[string]struct {
		cause error
		code  int
		want  string
	}{
		"a signal": {problem.Interrupted{Signal: os.Interrupt, Number: 2}, 130, "log in to the cluster: interrupted by interrupt"},
		"the run's time": {
			context.DeadlineExceeded, 3,
			"log in to the cluster: no answer in time: away\nraise `timeout`, or see whether this runner reaches the login's endpoint",
		},
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		s := load(t, Input{Direct: Direct{Server: "https://x", IDToken: func(context.Context, string) (secret.Value, error) {
			cancel(c.cause)
			return secret.Value{}, errors.New("away")
		}}})
		err := s.Authenticate(ctx, nil)
		if got := everything(err); got != c.want || problem.ExitCode(err) != c.code {
			t.Errorf("%s: exit code %d, %s", name, problem.ExitCode(err), got)
		}
	}
	s := load(t, Input{Direct: Direct{Server: "https://x", Bearer: secret.New("a-token-of-the-ci-system")}})
	if err := s.Authenticate(t.Context(), func(secret.Value) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("what cannot be masked is used: %v", err)
	}
	expired := load(t, Input{Direct: Direct{Server: "https://x", Bearer: secret.New(jwt(`{"exp":946684800}`))}})
	if diff := cmp.Diff([]string{"`bearer_token` expired at 2000-01-01T00:00:00Z"}, expired.Warnings); diff != "" {
		t.Error(diff)
	}
}

// With a kubeconfig that is found, `server` is not the source; our own kubeconfig stands for a source that was one.
func TestServerBesideAKubeconfig(t *testing.T) {
	dir := t.TempDir()
	other := write(t, dir+"/other", entries("other", "other=o"))
	ours := mint(t, dir+"/ours", receipt.Source{Kind: receipt.KindServer})
	given := func(context.Context, string) (secret.Value, error) { return secret.New(jwt(`{"n":1}`)), nil }
	for name, c := range map[string]struct {
		in   Input
		want string
	}{
		"the input":      {Input{Given: Given{Kubeconfig: other}}, "https://o"},
		"$KUBECONFIG":    {Input{Host: Host{Getenv: env("KUBECONFIG", other)}}, "https://o"},
		"none":           {Input{}, "https://x"},
		"ours":           {Input{Host: Host{Getenv: env("KUBECONFIG", ours)}}, "https://x"},
		"a pod's":        {Input{Host: Host{Getenv: env("KUBERNETES_SERVICE_HOST", "h", "KUBERNETES_SERVICE_PORT", "1")}}, "https://x"},
		"with an aud":    {Input{Direct: Direct{Audience: "a"}, Host: Host{Getenv: env("KUBECONFIG", other)}}, "https://x"},
		"with its token": {Input{Direct: Direct{Bearer: secret.New("a-token-of-the-ci-system")}, Host: Host{Getenv: env("KUBECONFIG", other)}}, "https://x"},
	} {
		c.in.Server, c.in.IDToken, c.in.Receipt = "https://x", given, receipt.Read
		if s := load(t, c.in); s.Server != c.want {
			t.Errorf("%s: %s", name, s.Server)
		}
	}
	_, err := Load(Input{Host: Host{Getenv: env("KUBECONFIG", ours)}, Receipt: receipt.Read})
	want := "read kubeconfig \"" + ours + "\": kubemint wrote it, with an ID token for https://minted as its source, which no receipt holds\n" +
		"give this step the input `server` as well, with what belongs to it"
	if diff := refusedAs(t, want, err); diff != "" {
		t.Error(diff)
	}
}

func TestExpectedCluster(t *testing.T) {
	kind := load(t, Input{Given: Given{Kubeconfig: kubeconfigs + "kind.yaml"}})
	const right, wrong = "https://127.0.0.1:36443", "\nsee whether `kubeconfig` and `context` name the cluster that is meant"
	sum := fingerprint(t, kind.CAData)
	none := strings.Repeat("0", 64)
	bundle := kubeconfig("server: '"+right+"', certificate-authority-data: "+b64(append(kind.CAData, kind.CAData...)), "token: t")
	for name, c := range map[string]struct {
		in   Input
		want string
	}{
		"URL":                     {Input{Expected: Expected{ExpectServer: right}}, ""},
		"URL, written otherwise":  {Input{Expected: Expected{ExpectServer: "https://127.0.0.1:36443/"}}, ""},
		"CA":                      {Input{Expected: Expected{ExpectFingerprint: sum}}, ""},
		"CA, its file":            {Input{Expected: Expected{ExpectFingerprint: fmt.Sprintf("%x", sha256.Sum256(kind.CAData))}}, ""},
		"bundle, its file":        {Input{Expected: Expected{ExpectFingerprint: fmt.Sprintf("%x", sha256.Sum256(append(kind.CAData, kind.CAData...)))}, Given: Given{Kubeconfig: bundle}}, ""},
		"another URL":             {Input{Expected: Expected{ExpectServer: "https://127.0.0.1"}}, "use context \"kind-shop\": its server is " + right + ", and `expect_cluster` says https://127.0.0.1" + wrong},
		"another CA":              {Input{Expected: Expected{ExpectFingerprint: none}}, "use context \"kind-shop\": its certificate authority is sha256:" + sum + ", and `expect_cluster` says sha256:" + none + wrong},
		"one more CA in a bundle": {Input{Expected: Expected{ExpectFingerprint: sum}, Given: Given{Kubeconfig: bundle}}, "use context \"x\": its certificate authority is sha256:" + fingerprint(t, append(kind.CAData, kind.CAData...)) + ", and `expect_cluster` says sha256:" + sum + wrong},
		"no CA": {
			Input{Expected: Expected{ExpectFingerprint: sum}, Given: Given{Kubeconfig: kubeconfig("", "token: t")}},
			"use context \"x\": it has no certificate authority, and `expect_cluster` says sha256:" + sum +
				"\ngive `expect_cluster` the server's URL or the UID of the namespace kube-system instead" + wrong,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.in.Getenv = env()
			if c.in.Kubeconfig == "" {
				c.in.Kubeconfig = kubeconfigs + "kind.yaml"
			}
			_, err := Load(c.in)
			if c.want == "" && err == nil {
				return
			}
			if diff := refusedAs(t, c.want, err); diff != "" {
				t.Error(diff)
			}
		})
	}
	for _, same := range [][2]string{{"https://a", "https://A:443/"}, {"https://a/k8s/", "https://a/k8s"}, {"https://[::1]", "https://[::1]:443"}} {
		if !trust.SameServer(same[0], same[1]) {
			t.Errorf("%q are not the same", same)
		}
	}
	for _, other := range [][2]string{{"https://a", "https://a:6443"}, {"https://a/x", "https://a/X"}, {"https://a", "https://a."}} {
		if trust.SameServer(other[0], other[1]) {
			t.Errorf("%q are the same", other)
		}
	}
}

// Which files a kubeconfig may name, by where it lies itself.
func TestFilesThatAKubeconfigNames(t *testing.T) {
	dir := t.TempDir()
	home, work, temp, mount := dir+"/home", dir+"/home/work", dir+"/temp", dir+"/mount"
	ca := load(t, Input{Given: Given{Kubeconfig: kubeconfigs + "kind.yaml"}}).CAData
	for _, path := range []string{home + "/.minikube/ca", work + "/deep/ca", temp + "/ca", mount + "/ca", dir + "/elsewhere/ca", home + "/.kube/ca"} {
		write(t, path, string(ca))
	}
	symlink(t, dir+"/elsewhere/ca", work+"/link")
	symlink(t, work+"/deep/ca", dir+"/elsewhere/link")
	symlink(t, home+"/.kube", dir+"/kube-link")
	symlink(t, work, dir+"/work-link")
	for from, allowed := range map[string][]string{
		home + "/.kube/config":    {home + "/.minikube/ca", work + "/deep/ca", temp + "/ca", mount + "/ca", home + "/.kube/ca", "../.minikube/ca", dir + "/elsewhere/link"},
		work + "/kubeconfig":      {home + "/.minikube/ca", work + "/deep/ca", temp + "/ca", mount + "/ca", home + "/.kube/ca", "deep/ca", dir + "/elsewhere/link"},
		temp + "/kubeconfig":      {work + "/deep/ca", temp + "/ca", mount + "/ca", "ca", dir + "/elsewhere/link", "../home/work/deep/ca"},
		dir + "/kube-link/config": {work + "/deep/ca", temp + "/ca", mount + "/ca", "ca", home + "/.kube/ca", home + "/.minikube/ca", dir + "/elsewhere/link"},
	} {
		for _, named := range append(allowed, dir+"/elsewhere/ca", work+"/link", "../../elsewhere/ca", work+"/../../elsewhere/ca", "/etc/hostname") {
			path := write(t, from, kubeconfig("certificate-authority: "+named, "token: t"))
			_, err := Load(Input{Given: Given{Kubeconfig: path}, Host: Host{Workspace: []string{work}, Temp: temp, InClusterDir: mount, Getenv: env("HOME", home)}})
			want := false
			for _, a := range allowed {
				want = want || a == named
			}
			if want != (err == nil) {
				t.Errorf("%s names %s: %v", from, named, err)
			} else if err != nil && !strings.Contains(err.Error(), "outside") && !strings.Contains(err.Error(), "no such file") {
				t.Errorf("%s names %s: %v", from, named, err)
			}
		}
	}
	// A key only from a kubeconfig that no pull request can have written, by whatever name it is called.
	for from, want := range map[string]bool{
		home + "/.kube/config": true, temp + "/kubeconfig": true, work + "/kubeconfig": false, dir + "/work-link/kubeconfig": false, work + "/home-link": false,
	} {
		write(t, strings.Replace(from, work+"/home-link", home+"/.kube/other", 1), kubeconfig("", "tokenFile: "+write(t, temp+"/token", "t")))
		if strings.HasSuffix(from, "home-link") {
			symlink(t, home+"/.kube/other", from)
		}
		_, err := Load(Input{Given: Given{Kubeconfig: from}, Host: Host{Workspace: []string{work}, Temp: temp, InClusterDir: mount, Getenv: env("HOME", home)}})
		if want != (err == nil) || err != nil && !strings.Contains(err.Error(), "it names a file as its tokenFile") {
			t.Errorf("%s: %v", from, err)
		}
	}
	// Everything is below the root directory: it counts for nothing.
	path := write(t, dir+"/at-root/config", kubeconfig("certificate-authority: "+dir+"/elsewhere/ca", "token: t"))
	if _, err := Load(Input{Given: Given{Kubeconfig: path}, Host: Host{Workspace: []string{"/"}, Temp: "/", Getenv: env("HOME", "/")}}); err == nil {
		t.Error("a home at the root directory opens all files")
	}
}
