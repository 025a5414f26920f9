package command

import (
	"os"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/command/session"
	"github.com/kubemint/kubemint/internal/kubeconfig"
	"github.com/kubemint/kubemint/internal/lease/leasename"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rules"
)

// The exit code says what kind of thing failed: pipelines branch on it.
func TestMain_ExitCodes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		line   string
		env    []string
		refuse string
		want   problem.Code
		says   string
	}{
		"the version":             {line: "version", want: 0},
		"help":                    {line: "help", want: 0},
		"an unknown command":      {line: "mnit", want: problem.Config, says: "mnit"},
		"an unknown flag":         {line: "sweep --everything", want: problem.Config},
		"a faulty subject":        {line: "bootstrap --subject jane", want: problem.Config, says: `--subject "jane"`},
		"a faulty input":          {line: "mint", env: []string{"KUBEMINT_DURATION=soon"}, want: problem.Config, says: "duration"},
		"no source":               {line: "mint", env: []string{"KUBECONFIG=/nowhere/x"}, want: problem.Source},
		"a right that lacks":      {line: "mint", refuse: "^apply roles", want: problem.Rights, says: "may not"},
		"a credential refused":    {line: "mint", refuse: "^token: create selfsubjectreviews", want: problem.Mint},
		"a credential that lives": {line: "revoke", refuse: "^delete leases", want: problem.Revoke, says: "kubectl -n shop delete lease"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.env = append(w.env, "KUBEMINT_OUTPUT="+w.path("out/kc"))
			if tt.line == "revoke" {
				w.mustRun(t, "mint")
			}
			if tt.refuse != "" {
				w.Forbid(tt.refuse)
			}
			if code := w.run(t, tt.line, tt.env...); code != int(tt.want) {
				t.Errorf("exit code %d, want %d\n%s", code, tt.want, w.stderr)
			}
			w.wantLog(t, tt.says)
			if strings.Contains(w.stderr.String()+w.stdout.String(), "runner-token") {
				t.Error("the runner's token is printed")
			}
		})
	}
}

// What mint makes is for later steps: a kubeconfig, the outputs, and the receipt with which revoke
// finds it all.
func TestMint_ThenRevoke(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env = append(w.env, "KUBEMINT_OUTPUT="+w.path("out/kc"))
	w.mustRun(t, "mint")
	data, err := os.ReadFile(w.path("out/kc"))
	if err != nil {
		t.Fatal(err)
	}
	written, err := kubeconfig.Read(data)
	if err != nil || written.Server != w.URL || written.Token.IsEmpty() {
		t.Fatalf("%+v: %v", written, err)
	}
	outputs, err := os.ReadFile(w.path("out/kc.env"))
	if err != nil || !strings.Contains(string(outputs), "KUBECONFIG") || strings.Contains(string(outputs), written.Token.Reveal()) {
		t.Errorf("outputs %q: %v", outputs, err)
	}
	record := w.readReceipt(t)
	if record.TokenHash != written.Token.Hash() || len(record.Leases) != 1 || record.Output != w.path("out/kc") || record.Source.Paths[0] != w.path("home/source") {
		t.Errorf("recorded %+v", record)
	}
	if strings.Contains(w.stdout.String()+w.stderr.String(), written.Token.Reveal()) {
		t.Error("the token is printed")
	}
	w.mustRun(t, "revoke", "KUBECONFIG="+w.path("out/kc")) // as the job's environment has it by now
	if left := w.credentials(); len(left) > 0 || w.exists("out/kc") || w.exists("out/kc.env") || w.exists("out/kc.receipt") {
		t.Errorf("left %q", left)
	}
}

// The output that the source was read from would destroy the runner's own credential.
func TestMint_RefusesWhatItMustNotWrite(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		env  []string
		says string
	}{
		"the source":                    {[]string{"KUBEMINT_OUTPUT=../home/source"}, "the source kubeconfig was read from this file"},
		"secrets that nobody masks":     {[]string{"KUBEMINT_SECRET_OUTPUTS=true"}, "cannot mask a value at run time"},
		"a file that is somebody's own": {[]string{"KUBEMINT_OUTPUT=../out/own"}, "kubemint did not write it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.write(t, "out/own", "mine")
			if code := w.run(t, "mint", tt.env...); code != int(problem.Config) || len(w.Asked()) > 0 {
				t.Errorf("exit code %d, asked %q", code, w.Asked())
			}
			w.wantLog(t, tt.says)
			if own, _ := os.ReadFile(w.path("out/own")); string(own) != "mine" {
				t.Errorf("%q", own)
			}
		})
	}
}

// plan and dry_run are the same: nothing is written, here or there.
func TestPlan_WritesNothing(t *testing.T) {
	t.Parallel()
	for line, env := range map[string]string{"plan": "", "mint": "KUBEMINT_DRY_RUN=true"} {
		w := newWorld(t)
		if code := w.run(t, line, env, "KUBEMINT_OUTPUT="+w.path("out/kc")); code != 0 || len(w.Writes()) > 0 {
			t.Errorf("%s: exit code %d, sent %q\n%s", line, code, w.Writes(), w.stderr)
		}
		entries, err := os.ReadDir(w.path("out"))
		if err != nil || len(entries) > 0 {
			t.Errorf("%s: wrote %v: %v", line, entries, err)
		}
		w.wantLog(t, "dry run: nothing was changed and nothing minted")
	}
}

// An ephemeral identity has a name of its own, and the receipt the declared one, which it begins with.
func TestMint_EphemeralIdentity(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env = append(w.env, "KUBEMINT_OUTPUT="+w.path("out/kc"), "KUBEMINT_EPHEMERAL=true")
	w.mustRun(t, "mint")
	record := w.readReceipt(t)
	if record.Account.Name != "ci" || len(record.Objects) != 3 || !leasename.IsEphemeral(record.Objects[0].Name, "ci") {
		t.Errorf("recorded %+v", record)
	}
	w.mustRun(t, "revoke")
	if left := w.Objects(); len(left) > 0 {
		t.Errorf("left %q", left)
	}
}

// The context has the account's and the cluster's name, so that a person sees what it leads to.
func TestMint_ContextName(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{"": "ci@fake", "deploy": "deploy"} {
		w := newWorld(t)
		w.mustRun(t, "mint", "KUBEMINT_OUTPUT="+w.path("out/kc"), "KUBEMINT_CONTEXT_NAME="+given)
		data, err := os.ReadFile(w.path("out/kc"))
		if err != nil || !strings.Contains(string(data), "current-context: "+want+"\n") {
			t.Errorf("%q: %v\n%s", given, err, data)
		}
	}
}

// A refusal names every right that the run would lack next, not one a run.
func TestMint_RefusalIsCompleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Runner = []rbacv1.PolicyRule{rules.NewRule("", "pods", "", "get")}
	w.Forbid("^(get|apply|list) (roles|rolebindings)")
	if code := w.run(t, "mint", "KUBEMINT_OUTPUT="+w.path("out/kc")); code != int(problem.Rights) {
		t.Errorf("exit code %d", code)
	}
	w.wantLog(t, "may not", "kubemint bootstrap", "also lacks", "serviceaccounts/token")
	if !slices.Contains(w.Asked(), "create selfsubjectrulesreviews") {
		t.Errorf("asked %q", w.Asked())
	}
}

// A runner that is the cluster's administrator is told so, whether the run succeeds or not.
func TestMint_WarnsOfAnAdministrator(t *testing.T) {
	t.Parallel()
	for _, fails := range []bool{false, true} {
		w := newWorld(t)
		if fails {
			w.Forbid("^apply roles")
		}
		if code := w.run(t, "mint", "KUBEMINT_OUTPUT="+w.path("out/kc")); (code != 0) != fails {
			t.Errorf("exit code %d", code)
		}
		w.wantLog(t, "the runner may do anything in this cluster")
	}
}

// prune without any declared access would delete everything: that has to be said.
func TestPrune_Refuses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		env, says string
	}{
		"no access declared":    {"KUBEMINT_RULES=", "kubemint prune --all"},
		"an ephemeral identity": {"KUBEMINT_EPHEMERAL=true", "deleted at revoke, and by kubemint sweep"},
	} {
		w := newWorld(t)
		if code := w.run(t, "prune", tt.env); code != int(problem.Config) || len(w.Writes()) > 0 {
			t.Errorf("%s: exit code %d, sent %q", name, code, w.Writes())
		}
		w.wantLog(t, tt.says)
	}
}

// prune leaves what is declared; --all ends everything, live credentials too; --dry-run and the
// input are the same.
func TestPrune_Flags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustRun(t, "mint", "KUBEMINT_OUTPUT="+w.path("out/kc"))
	had := w.Objects()
	for _, line := range []string{"prune", "prune --all --dry-run"} {
		w.mustRun(t, line)
		if left := w.Objects(); !slices.Equal(left, had) {
			t.Errorf("%s left %q", line, left)
		}
	}
	w.mustRun(t, "prune --all", "KUBEMINT_DRY_RUN=true")
	if left := w.Objects(); !slices.Equal(left, had) {
		t.Errorf("dry_run left %q", left)
	}
	w.mustRun(t, "prune --all", "KUBEMINT_RULES=")
	if left := w.Objects(); len(left) > 0 {
		t.Errorf("left %q", left)
	}
	w.wantLog(t, "this ends a live credential")
}

// sweep looks in the account's namespace, for which a runner has rights; --all-namespaces has to be
// asked for.
func TestSweep_Namespaces(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{"sweep": "list leases shop", "sweep --all-namespaces": "list leases"} {
		w := newWorld(t)
		w.mustRun(t, line)
		if !slices.Contains(w.Asked(), want) {
			t.Errorf("%s asked %q", line, w.Asked())
		}
	}
}

// rules derives from manifests without any cluster, and --check says what the declared access lacks.
func TestRules_OfManifests(t *testing.T) {
	t.Parallel()
	const pod = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: shop}\n"
	for name, tt := range map[string]struct {
		line  string
		stdin string
		env   string
		want  problem.Code
		says  string
	}{
		"a file":            {line: "rules manifest.yaml"},
		"a directory":       {line: "rules ."},
		"standard input":    {line: "rules -", stdin: pod},
		"nothing":           {line: "rules", want: problem.Config, says: "no manifest is given"},
		"an empty input":    {line: "rules -", want: problem.Config, says: "see whether the command that prints them printed anything"},
		"a missing file":    {line: "rules gone.yaml", want: problem.Config, says: "read gone.yaml"},
		"an unknown tool":   {line: "rules --for make manifest.yaml", want: problem.Config, says: `"make" is not a known tool`},
		"a flag at the end": {line: "rules manifest.yaml -x", want: problem.Config, says: "write flags before files"},
		"check, it lacks":   {line: "rules --check manifest.yaml", want: problem.Mint, says: "the declared access lacks what is printed"},
		"check, it has":     {line: "rules --check manifest.yaml", env: "KUBEMINT_RULES=* configmaps"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.write(t, "checkout/manifest.yaml", pod)
			w.change = func(p *session.Process) { p.Stdin = strings.NewReader(tt.stdin) }
			code := w.run(t, tt.line, tt.env)
			if code != int(tt.want) || len(w.Asked()) > 0 {
				t.Errorf("exit code %d, asked %q\n%s", code, w.Asked(), w.stderr)
			}
			if tt.want == 0 && !strings.Contains(tt.line, "--check") && !strings.Contains(w.stdout.String(), "configmaps") {
				t.Errorf("printed %q", w.stdout)
			}
			w.wantLog(t, tt.says)
		})
	}
}

// bootstrap prints manifests and asks no API server: an administrator applies them elsewhere.
func TestBootstrap_AsksNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustRun(t, "bootstrap --subject user:jane")
	if len(w.Asked()) > 0 || !strings.Contains(w.stdout.String(), "jane") {
		t.Errorf("asked %q, printed %s", w.Asked(), w.stdout)
	}
}
