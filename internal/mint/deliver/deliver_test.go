package deliver

import (
	"bytes"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/kubeconfig"
	"github.com/kubemint/kubemint/internal/lease"
	"github.com/kubemint/kubemint/internal/mint/credential"
	"github.com/kubemint/kubemint/internal/mint/undo"
	"github.com/kubemint/kubemint/internal/output"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/owner"
	"github.com/kubemint/kubemint/internal/platform"
	"github.com/kubemint/kubemint/internal/revoke"
	"github.com/kubemint/kubemint/internal/secret"
)

// job is a CI system that notes what it is told.
type job struct {
	publishes bool // secret outputs, unless the user declines
	envFile   bool
	notReady  error
	failure   error // of publishing
	published platform.Result
	summary   string
	states    []string

	summaryFailure, maskFailure error
	masked                      []string
}

func (j *job) PublishesSecrets() bool            { return j.publishes }
func (j *job) JobTimeout() time.Duration         { return time.Hour }
func (j *job) Outside(path string) string        { return "host:" + path }
func (j *job) Ready() error                      { return j.notReady }
func (j *job) RevokeAdvice(output string) string { return "revoke " + output }
func (j *job) Summarize(markdown string) error   { j.summary = markdown; return j.summaryFailure }

func (j *job) SaveState(state string) error         { j.states = append(j.states, state); return nil }
func (j *job) Publish(result platform.Result) error { j.published = result; return j.failure }

func (j *job) Mask(value secret.Value) error {
	j.masked = append(j.masked, value.Reveal())
	return j.maskFailure
}

func (j *job) EnvFile(platform.Result) []byte {
	if !j.envFile {
		return nil
	}
	return []byte("KUBEMINT_OUT_KUBECONFIG_PATH=x\n")
}

func newRecord(path string) *receipt.Receipt {
	return &receipt.Receipt{
		Server: "https://x", Made: receipt.Made{Output: path},
		Account: receipt.Object{Kind: "ServiceAccount", Namespace: "shop", Name: "ci"},
	}
}

func chooseFile(t *testing.T, j *job) File {
	t.Helper()
	files := output.Job{EnvFile: j.envFile, Now: time.Now, Log: console.New(&bytes.Buffer{})}
	path := filepath.Join(t.TempDir(), "kc")
	chosen, err := files.Choose(path, nil, newRecord(path), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { chosen.Unlock(newRecord(path)) })
	return File{Output: chosen, Files: files, Platform: j}
}

// open begins the receipt of a destination, and returns its undo stack.
func open(t *testing.T, to Destination) *undo.Stack {
	t.Helper()
	journal, err := to.Open(newRecord(to.Path()))
	if err != nil {
		t.Fatal(err)
	}
	if err := journal.Update(func(*receipt.Receipt) {}); err != nil {
		t.Fatal(err)
	}
	return undo.New(journal, revoke.Revoker{})
}

func newDelivery(t *testing.T, to Destination, log *bytes.Buffer) Delivery {
	t.Helper()
	token := secret.New("the-token")
	rendered, err := Render(to, kubeconfig.Config{Name: "ci@x", Namespace: "shop", Cluster: kubeconfig.Cluster{Server: "https://x"}}, token)
	if err != nil {
		t.Fatal(err)
	}
	declared := config.Access{
		Namespaces: []string{"shop"}, ServiceAccount: types.NamespacedName{Namespace: "shop", Name: "ci"},
	}
	issued := credential.Issued{Minted: lease.Minted{Token: token, ExpiresAt: time.Unix(1e9, 0).UTC()}}
	issued.Tether.Lease = &coordinationv1.Lease{}
	issued.Tether.Lease.Namespace = "shop"
	issued.Tether.Lease.Name = "kubemint-ci-x"
	return Delivery{
		Config: &config.Config{Result: config.Result{ExportEnv: true}}, Desired: access.Desire(declared, owner.Marks{}),
		Log: console.New(log), Issued: issued, Rendered: rendered,
		Plan: access.Plan{Changes: []access.Change{
			{Verb: access.Created, Ref: kube.Ref{Kind: "Role", Namespace: "shop", Name: "x"}},
		}},
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, os.ErrNotExist)
}

func TestFile_DeliverWritesRecordsAndPublishes(t *testing.T) {
	t.Parallel()
	j := &job{envFile: true}
	to := chooseFile(t, j)
	stack := open(t, to)
	var log bytes.Buffer
	d := newDelivery(t, to, &log)
	if err := to.Deliver(d, stack); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(to.Path())
	if err != nil || !bytes.Equal(data, d.Rendered.Data) {
		t.Errorf("wrote %q: %v", data, err)
	}
	record, err := receipt.Read(to.Path())
	if err != nil || record.TokenHash != d.Issued.Token.Hash() || !record.EnvFile || record.ExpiresAt == "" {
		t.Errorf("recorded %+v: %v", record, err)
	}
	if len(j.states) != 2 || !strings.Contains(j.states[1], record.TokenHash) {
		t.Errorf("the post step is told %q", j.states)
	}
	if !strings.Contains(log.String(), "lease shop/kubemint-ci-x: revoke "+to.Path()) {
		t.Errorf("log: %s", log.String())
	}
	if !strings.Contains(j.summary, "kubemint: ") || strings.Contains(j.summary, "the-token") {
		t.Errorf("summary: %s", j.summary)
	}
}

func TestFile_FailureToPublishIsUndone(t *testing.T) {
	t.Parallel()
	j := &job{envFile: true, failure: errors.New("disk full")}
	to := chooseFile(t, j)
	stack := open(t, to)
	if err := to.Deliver(newDelivery(t, to, &bytes.Buffer{}), stack); !errors.Is(err, j.failure) {
		t.Fatal(err)
	}
	if alive, err := stack.Run(t.Context()); alive || err != nil {
		t.Errorf("alive %t: %v", alive, err)
	}
	if exists(to.Path()) || exists(output.EnvFile(to.Path())) {
		t.Error("a written file is left")
	}
}

func TestFile_PublishesSecretsOnlyWhereTheyAreMasked(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	for name, tt := range map[string]struct {
		platform bool
		asked    *bool
		want     bool
	}{
		"as on GitHub":           {true, nil, true},
		"as on GitHub, declined": {true, &no, false},
		"elsewhere":              {false, nil, false},
		"elsewhere, asked for":   {false, &yes, true},
	} {
		j := &job{publishes: tt.platform}
		to := chooseFile(t, j)
		d := newDelivery(t, to, &bytes.Buffer{})
		d.Config.Result.SecretOutputs = tt.asked
		if err := to.Deliver(d, open(t, to)); err != nil {
			t.Fatal(err)
		}
		values := map[string]string{}
		for _, o := range j.published.Outputs {
			values[o.Name] = o.Value
		}
		token, published := values["token"]
		if published != tt.want || (published && token != "the-token") {
			t.Errorf("%s: published %t", name, published)
		}
		if encoded := base64.StdEncoding.EncodeToString(d.Rendered.Data); published && values["kubeconfig"] != encoded {
			t.Errorf("%s: kubeconfig is %q", name, values["kubeconfig"])
		}
		if got := values["kubeconfig_path"]; got != "host:"+to.Path() {
			t.Errorf("%s: kubeconfig_path is %q", name, got)
		}
	}
}

func TestFile_ExportsTheVariablesUnlessToldNotTo(t *testing.T) {
	t.Parallel()
	for exported, want := range map[bool]int{true: 2, false: 0} {
		j := &job{}
		to := chooseFile(t, j)
		d := newDelivery(t, to, &bytes.Buffer{})
		d.Config.Result.ExportEnv = exported
		if err := to.Deliver(d, open(t, to)); err != nil || len(j.published.Env) != want {
			t.Errorf("export_env %t: %v: %v", exported, j.published.Env, err)
		}
	}
}

func TestFile_OpenAsksThePlatformFirst(t *testing.T) {
	t.Parallel()
	j := &job{notReady: errors.New("GITHUB_OUTPUT is not set")}
	to := chooseFile(t, j)
	if _, err := to.Open(newRecord(to.Path())); !errors.Is(err, j.notReady) || exists(receipt.Path(to.Path())) {
		t.Error(err)
	}
}

func TestDirectory_DeliverWritesTheTokenFile(t *testing.T) {
	t.Parallel()
	to := Directory{Dir: t.TempDir()}
	stack := open(t, to)
	d := newDelivery(t, to, &bytes.Buffer{})
	if err := to.Deliver(d, stack); err != nil {
		t.Fatal(err)
	}
	token, err := os.ReadFile(to.TokenFile())
	if err != nil || string(token) != "the-token" {
		t.Errorf("%q: %v", token, err)
	}
	written, err := kubeconfig.Read(d.Rendered.Data)
	if err != nil || written.TokenFile != to.TokenFile() {
		t.Errorf("%+v: %v", written, err)
	}
	record, err := receipt.Read(to.Path())
	if err != nil || record.TokenHash != d.Issued.Token.Hash() || !slices.Equal(record.Dirs, []string{to.Dir}) {
		t.Errorf("recorded %+v: %v", record, err)
	}
	if alive, err := stack.Run(t.Context()); alive || err != nil || exists(to.Path()) {
		t.Errorf("alive %t: %v", alive, err)
	}
}

func TestDestination_Remedy(t *testing.T) {
	t.Parallel()
	file, directory := File{}, Directory{}
	if got := file.Remedy(false); !strings.Contains(got.Unserved, "`revoke: false`") || got.Refused == "" {
		t.Errorf("file: %+v", got)
	}
	if got := file.Remedy(true); got.Refused != "" || !strings.Contains(got.Unserved, "leave `ephemeral` out") {
		t.Errorf("ephemeral: %+v", got)
	}
	if got := directory.Remedy(false); got.Refused != "" || !strings.Contains(got.Unserved, "kubemint mint") {
		t.Errorf("exec: %+v", got)
	}
}

func TestFormatChanges_EveryListIsThere(t *testing.T) {
	t.Parallel()
	got, err := FormatChanges(access.Plan{Changes: []access.Change{
		{Verb: access.Created, Ref: kube.Ref{Kind: "Role", Namespace: "shop", Name: "made"}},
		{Verb: access.Unchanged, Ref: kube.Ref{Kind: "Namespace", Name: "shop"}},
	}})
	want := `{"configured":[],"created":["Role shop/made"],"deleted":[],"unchanged":["Namespace shop"]}`
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}
