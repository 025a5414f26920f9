package main

import (
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubemint/kubemint/internal/kubetest"
	"github.com/kubemint/kubemint/internal/kubetest/clouds"
)

// block returns the fenced block of a task page that has this info string, such as "sh mint" or "python".
func block(t *testing.T, page, info string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("docs", "tasks", page))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?ms)^```"+regexp.QuoteMeta(info)+"\n(.*?)^```$").FindAllSubmatch(text, -1)
	if len(found) != 1 {
		t.Fatalf("docs/tasks/%s has %d blocks %q", page, len(found), info)
	}
	return string(found[0][1])
}

// reader is somebody who follows a task page: each block runs in the same directory, and in one shell what was exported before.
type reader struct {
	cluster *kubetest.ControlPlane
	page    string
	replace *strings.Replacer // the page's names by those of this test
	dir     string
	tools   string // programs that the page calls and this machine lacks, first in PATH
	env     []string
	typed   string // what was typed so far in this shell
}

func newReader(t *testing.T, cluster *kubetest.ControlPlane, page string, names ...string) *reader {
	t.Helper()
	r := &reader{cluster: cluster, page: page, replace: strings.NewReplacer(names...), dir: t.TempDir(), tools: t.TempDir()}
	home := t.TempDir()
	r.env = []string{
		"HOME=" + home, raceExit, stateIn(r.dir),
		"PATH=" + strings.Join([]string{r.tools, filepath.Dir(cluster.Kubectl()), os.Getenv("PATH")}, string(os.PathListSeparator)),
	}
	return r
}

func (r *reader) block(t *testing.T, info string) string {
	t.Helper()
	return r.replace.Replace(block(t, r.page, info))
}

// types runs a block after all those before it, in a shell that stops at the first failure, and returns what it prints.
func (r *reader) types(t *testing.T, info string) string {
	t.Helper()
	said, err := r.shell(t, r.typed+"\n"+r.block(t, info))
	if err != nil {
		t.Fatalf("%s: block %q: %v\n%s", r.page, info, err, said)
	}
	return said
}

// exports remembers the variables that a block sets for the blocks after it.
func (r *reader) exports(t *testing.T, info string) {
	t.Helper()
	for line := range strings.Lines(r.block(t, info)) {
		if !strings.HasPrefix(line, "kube") {
			r.typed += line
		}
	}
}

func (r *reader) shell(t *testing.T, script string) (string, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
	command.Dir, command.Env = r.dir, r.env
	said, err := command.CombinedOutput()
	return string(said), err
}

func (r *reader) writes(t *testing.T, name, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

// isAdmin logs the reader in as the administrator: the kubeconfig is at its usual place.
func (r *reader) isAdmin(t *testing.T) {
	t.Helper()
	home := strings.TrimPrefix(r.env[0], "HOME=")
	r.writes(t, filepath.Join(home, ".kube", "config"), string(r.cluster.AdminKubeconfig()), 0o600)
}

// Seed 002: host, token and CA for a program in another language, with the page's own lines of curl, Python and Go.
func TestTask_AnotherLanguage(t *testing.T) {
	t.Parallel()
	cluster, namespace := sharedCluster(t)
	r := newReader(t, cluster, "another-language.md", "shop", namespace)
	r.isAdmin(t)
	r.types(t, "sh mint")
	r.typed = r.block(t, "sh read")
	if said := r.types(t, "sh curl"); !strings.Contains(said, `"kind": "PodList"`) {
		t.Errorf("curl says %s", said)
	}
	r.writes(t, filepath.Join(r.dir, "program.py"), r.block(t, "python"), 0o600)
	for language, run := range map[string]string{"python": "python3 program.py", "go": "kubemint-test-page"} {
		if said, err := r.shell(t, r.typed+"\n"+run); err != nil || strings.TrimSpace(said) != "PodList" {
			t.Errorf("%s: %v: %s", language, err, said)
		}
		// With another CA none of them goes on.
		other := "cp foreign.pem ca.pem\n"
		r.writes(t, filepath.Join(r.dir, "foreign.pem"), string(strangersCA(t)), 0o600)
		if said, err := r.shell(t, r.typed+"\n"+other+run); err == nil || !strings.Contains(said, "certificate") {
			t.Errorf("%s with another CA: %v: %s", language, err, said)
		}
	}
	source, err := os.ReadFile("tasks_go_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(block(t, r.page, "go")) {
		if !strings.Contains(string(source), "\n\t"+line) {
			t.Errorf("tasks_go_test.go does not run the page's line %s", line)
		}
	}
}

// Seed 000: from a workstation that is logged in to the cloud to a kubeconfig that does not die. The clouds' own tools are
// stand-ins that print what they print; the tokens are for the API server's webhook to judge, as the cloud's are.
func TestTask_JoinCluster(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	eks, gke, aks := c.eks(t, "aws.yaml", ""), c.gke(t, "gcloud.yaml"), c.aks(t, "aks-devicecode.yaml", federated())
	c.takes(func(bearer string) (string, []string, error) {
		if bearer != "entra-user-token" {
			return "", nil, errors.New("nobody")
		}
		return "somebody@example.com", nil, nil
	})
	google := gke.google.Issue(gkeAccount, clouds.CloudPlatform, clouds.UserinfoEmail)
	for _, login := range []struct {
		block, user, tool, prints string
		job                       *cloudJob
	}{
		{"sh eks", eks.arn("aws.yaml", "user/ci"), "aws", "export AWS_ACCESS_KEY_ID=" + eks.key + "\nexport AWS_SECRET_ACCESS_KEY=" + eks.secret, eks.cloudJob},
		{"sh gke", gkeAccount, "gcloud", google, gke.cloudJob},
		{"sh aks", "somebody@example.com", "az", "entra-user-token", aks.cloudJob},
	} {
		binding := "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: " + login.tool + "}\n" +
			"subjects: [{kind: User, name: \"" + login.user + "\"}]\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}\n"
		if err := c.Apply(t.Context(), binding); err != nil {
			t.Fatal(err)
		}
		r := newReader(t, c.ControlPlane, "join-cluster.md")
		r.env = append(r.env, login.job.internet.Env()...)
		r.writes(t, filepath.Join(r.tools, "kubeconfig"), string(login.job.kubeconfig), 0o600)
		r.writes(t, filepath.Join(r.tools, "said"), login.prints+"\n", 0o600)
		r.writes(t, filepath.Join(r.tools, login.tool), standIn, 0o700)
		r.typed = r.block(t, login.block)
		said := r.types(t, "sh mint")
		says(t, said, `^warning: a permanent token never expires`, `^created    ClusterRoleBinding kubemint:kube-system:eks-admin:clusterrole:cluster-admin$|^unchanged `)
		joined := login.job.joined(t, filepath.Join(r.dir, "joined.kubeconfig"))
		if err := joined.Do(t.Context(), http.MethodGet, "/api/v1/nodes", nil, nil); err != nil {
			t.Errorf("%s: %v", login.tool, err)
		}
		r.typed += "export KUBEMINT_SERVICE_ACCOUNT=kube-system/eks-admin KUBEMINT_DURATION=permanent KUBEMINT_OUTPUT=joined.kubeconfig\n"
		r.types(t, "sh revoke")
		awaitDeath(t, login.tool, joined)
	}
}

// standIn is aws, gcloud or az: what writes a kubeconfig does so, and everything else prints what the test has put there.
const standIn = `#!/bin/sh
case "$*" in
*update-kubeconfig*|*get-credentials*) mkdir -p "$HOME/.kube" && cp "$(dirname "$0")/kubeconfig" "$HOME/.kube/config" ;;
*export-credentials*|*print-access-token*|*get-access-token*) cat "$(dirname "$0")/said" ;;
*) echo "stand-in: $*" >&2; exit 1 ;;
esac
`

// joined is a client with a kubeconfig of this cloud, whose server this machine's tests reach under another address.
func (j *cloudJob) joined(t *testing.T, path string) *kubetest.Client {
	t.Helper()
	config, err := clientcmd.LoadFromFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, cluster := range config.Clusters {
		if cluster.InsecureSkipTLSVerify || len(cluster.CertificateAuthorityData) == 0 {
			t.Error("the kubeconfig does not have the cluster's CA")
		}
		cluster.Server, cluster.ProxyURL, cluster.TLSServerName = j.cluster.URL, "", ""
	}
	content, err := clientcmd.Write(*config)
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubetest.NewClient(content)
	if err != nil {
		t.Fatal(err)
	}
	return client
}
