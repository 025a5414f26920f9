package main

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/kubemint/kubemint/internal/app"
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

// Seed 001: the Deployment of the page, with the rights that its first step grants to the pod's account.
func TestTask_Pod(t *testing.T) {
	t.Parallel()
	cluster, namespace := sharedCluster(t)
	accounts := namespace + "-accounts"
	r := newReader(t, cluster, "pod.md", "create namespace kubemint", "create namespace "+accounts, "kubemint/worker", accounts+"/worker", "shop", namespace)
	r.isAdmin(t)
	r.types(t, "sh rights")
	manifest := r.block(t, "yaml")
	said, err := cluster.RunKubectl(t.Context(), cluster.AdminKubeconfig(), manifest, "apply", "--dry-run=server", "-f", "-")
	if err != nil || !strings.Contains(said, "deployment.apps/worker created (server dry run)") {
		t.Fatalf("%v: %s", err, said)
	}
	var deployment appsv1.Deployment
	if err := yaml.UnmarshalStrict([]byte(manifest), &deployment); err != nil {
		t.Fatal(err)
	}
	pod := deployment.Spec.Template.Spec
	server, err := url.Parse(cluster.URL)
	if err != nil {
		t.Fatal(err)
	}
	environ := append(r.env, "KUBERNETES_SERVICE_HOST="+server.Hostname(), "KUBERNETES_SERVICE_PORT="+server.Port())
	for _, variable := range pod.Containers[0].Env {
		environ = append(environ, variable.Name+"="+variable.Value)
	}
	run := func(command ...string) (int, string) {
		var out bytes.Buffer
		code := app.Main(t.Context(), app.Process{
			Args: command, Environ: environ, Dir: r.dir, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out,
			AccountDir: mountAccount(t, cluster, namespace, pod.ServiceAccountName),
		})
		return code, out.String()
	}
	if code, said := run(pod.Containers[0].Command...); code != 0 || !strings.Contains(said, "No resources found in "+namespace) {
		t.Errorf("exit code %d\n%s", code, said)
	}
	who := []string{"kubemint", "exec", "--", "kubectl", "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"}
	if code, said := run(who...); code != 0 || !strings.Contains(said, "system:serviceaccount:"+accounts+":worker") {
		t.Errorf("exit code %d\n%s", code, said)
	}
	if code, said := run("kubemint", "exec", "--", "kubectl", "get", "secrets"); code != 1 || !strings.Contains(said, "secrets is forbidden") {
		t.Errorf("exit code %d\n%s", code, said)
	}
	if left, err := cluster.RunKubectl(t.Context(), cluster.AdminKubeconfig(), "", "-n", accounts, "get", "leases", "-o", "name"); err != nil || left != "" {
		t.Errorf("leases are left: %s (%v)", left, err)
	}
}

// mountAccount returns a directory as a pod of that ServiceAccount has it.
func mountAccount(t *testing.T, cluster *kubetest.ControlPlane, namespace, name string) string {
	t.Helper()
	kubeconfig, err := cluster.TokenKubeconfig(t.Context(), namespace, name, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string]string{"token": config.BearerToken, "ca.crt": string(cluster.CA), "namespace": namespace} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Seed 003: the pipeline of the page, with the rules of the page's file, by the rights that its first step grants.
func TestTask_Jenkins(t *testing.T) {
	t.Parallel()
	cluster, namespace := sharedCluster(t)
	accounts, runner := namespace+"-accounts", "jenkins-"+namespace
	r := newReader(t, cluster, "jenkins.md", "create namespace kubemint", "create namespace "+accounts, "kubemint/jenkins", accounts+"/jenkins",
		"jenkins-runner", runner, "KUBEMINT_NAMESPACE=default", "KUBEMINT_NAMESPACE="+namespace, "= 'default'", "= '"+namespace+"'")
	r.isAdmin(t)
	r.writes(t, filepath.Join(r.dir, "jenkins-rules.yaml"), r.block(t, "yaml"), 0o600)
	r.types(t, "sh rights")
	credential, err := cluster.ClientKubeconfig(runner)
	if err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(t.TempDir(), "workload-cluster")
	r.writes(t, secret, string(credential), 0o600)

	pipeline := r.block(t, "groovy")
	temp := r.dir + "@tmp"
	r.env = append(r.env, "JENKINS_URL=https://jenkins.example.com/", "JOB_NAME=deploy", "WORKSPACE="+r.dir, "WORKSPACE_TMP="+temp)
	bound := "export KUBEMINT_KUBECONFIG=" + secret + "\n"
	mint := bound
	for _, found := range regexp.MustCompile(`(?m)^ +(KUBEMINT_\w+) = ('[^']*')$`).FindAllStringSubmatch(pipeline, -1) {
		mint += "export " + found[1] + "=" + found[2] + "\n"
	}
	var lines []string
	for _, found := range regexp.MustCompile(`(?m)^ +sh '([^']*)'$`).FindAllStringSubmatch(pipeline, -1) {
		lines = append(lines, found[1])
	}
	if len(lines) != 3 {
		t.Fatalf("the pipeline has the lines %q", lines)
	}
	before := "export KUBECONFIG=" + temp + "/kubemint/kubeconfig\n"
	for _, stage := range []string{mint + lines[0], before + lines[1], before + "kubectl get secrets -A", before + "! kubectl get nodes", bound + lines[2]} {
		if said, err := r.shell(t, stage); err != nil {
			t.Errorf("%s: %v\n%s", stage, err, said)
		}
	}
	if left, err := os.ReadDir(filepath.Join(temp, "kubemint")); err == nil {
		t.Errorf("left: %v", left)
	}
	if _, err := cluster.RunKubectl(t.Context(), cluster.AdminKubeconfig(), "", "delete", "clusterrole,clusterrolebinding",
		"-l", "kubemint/service-account="+accounts+".jenkins"); err != nil {
		t.Error(err)
	}
}
