//go:build container

package image

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubemint/kubemint/test/kubetest"
)

// jenkinsUser is an agent's uid: the image has no passwd entry for it, so that HOME is /.
const jenkinsUser = 12345

// jenkinsBuild is a build on an agent: what docker-workflow (DockerClient.java, WithContainerStep.java) and durable-task
// (BourneShellScript.java) do, as of August 2026.
type jenkinsBuild struct {
	uid     int
	ws, tmp string // workspace and workspace@tmp
	env     []string
	log     string // of all steps
}

func newJenkinsBuild(t *testing.T) *jenkinsBuild {
	t.Helper()
	b := &jenkinsBuild{uid: user(jenkinsUser)}
	b.ws = workDir(t, b.uid) + "/team_shop_main"
	b.tmp = b.ws + "@tmp"
	makeDir(t, b.ws, b.uid)
	makeDir(t, b.tmp, b.uid)
	makeDir(t, b.tmp+"/secretFiles", b.uid)
	makeDir(t, b.ws+"/deploy", b.uid)
	writeAs(t, b.uid, b.ws+"/deploy/config.yaml", []byte("{apiVersion: v1, kind: ConfigMap, metadata: {name: deployed}}"))
	b.env = []string{
		"JENKINS_URL=https://ci.example.com/", "JOB_NAME=team/shop/main", "BRANCH_NAME=main", "GIT_COMMIT=f00d",
		"BUILD_URL=https://ci.example.com/job/team/job/shop/job/main/7/", "WORKSPACE=" + b.ws, "WORKSPACE_TMP=" + b.tmp,
	}
	return b
}

// start runs a container that waits for steps: args are those of the agent, command follows the image.
func (b *jenkinsBuild) start(t *testing.T, args []string, command ...string) (container string) {
	t.Helper()
	id := strconv.Itoa(b.uid)
	flags := []string{"run", "-t", "-d", "-u", id + ":" + id, "--network", "host"}
	flags = append(flags, args...)
	flags = append(flags, "-w", b.ws, "-v", b.ws+":"+b.ws+":rw,z", "-v", b.tmp+":"+b.tmp+":rw,z")
	for _, variable := range b.env {
		flags = append(flags, "-e", variable)
	}
	container = strings.TrimSpace(docker(t, slices.Concat(flags, []string{image}, command)...))
	t.Cleanup(func() { _ = exec.Command("docker", "rm", "-f", "--volumes", container).Run() })
	if processes := docker(t, "top", container, "-eo", "pid,comm"); !regexp.MustCompile(`(?m)^ *\d+ +cat$`).MatchString(processes) {
		t.Errorf("Jenkins looks for cat, and there is:\n%s", processes)
	}
	return container
}

func (b *jenkinsBuild) stop(t *testing.T, container string) {
	t.Helper()
	docker(t, "stop", "--time=1", container)
	docker(t, "rm", "-f", "--volumes", container)
}

// sh is the step of that name.
func (b *jenkinsBuild) sh(t *testing.T, container string, env []string, script string) (code int, log string) {
	t.Helper()
	control := b.tmp + "/durable-" + rand.Text()[:8]
	makeDir(t, control, b.uid)
	writeAs(t, b.uid, control+"/script.sh", []byte(script))
	file, result := control+"/script.sh", control+"/jenkins-result.txt"
	wrapper := fmt.Sprintf("cp '%s' '%s.copy'; { while [ -d '%s' -a \\! -f '%s' ]; do touch '%s/jenkins-log.txt'; sleep 3; done } & "+
		"jsc=durable-1; JENKINS_SERVER_COOKIE=$jsc 'sh' -xe  '%s.copy' > '%s/jenkins-log.txt' 2>&1; "+
		"echo $? > '%s.tmp'; mv '%s.tmp' '%s'; wait", file, file, control, result, control, file, control, result, result, result)
	args := []string{"exec"}
	for _, variable := range slices.Concat(b.env, env, []string{"JENKINS_SERVER_COOKIE=please-do-not-kill-me"}) {
		args = append(args, "--env", variable)
	}
	docker(t, append(args, container, "nohup", "sh", "-c", "("+wrapper+") >&- 2>&- &")...)
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		content, err := os.ReadFile(result)
		if err == nil && len(content) > 0 {
			code, err = strconv.Atoi(strings.TrimSpace(string(content)))
			if err != nil {
				t.Fatal(err)
			}
			break
		}
		if time.Since(start) > time.Minute {
			t.Fatalf("no result of %q: %v", script, err)
		}
	}
	content, err := os.ReadFile(control + "/jenkins-log.txt")
	if err != nil {
		t.Fatal(err)
	}
	b.log += string(content)
	if err := os.RemoveAll(control); err != nil {
		t.Fatal(err)
	}
	return code, string(content)
}

// bind gives a stage a credential of kind Secret file: a file under a new name each time.
func (b *jenkinsBuild) bind(t *testing.T, content []byte) (path string) {
	t.Helper()
	dir := b.tmp + "/secretFiles/" + rand.Text()
	makeDir(t, dir, b.uid)
	writeAs(t, b.uid, dir+"/config", content)
	return dir + "/config"
}

// jenkinsStage holds what a Jenkinsfile of examples/jenkins says about a stage, or about the pipeline's post.
type jenkinsStage struct {
	name, container, args string
	env                   []string
	secret                string // the variable that names the file with the runner's credential
	shell                 []string
}

// jenkinsStages reads a Jenkinsfile as far as it is written as ours are.
func jenkinsStages(t *testing.T, path string, workspaceTmp string) (stages []jenkinsStage) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	parts := regexp.MustCompile(`stage\('|\n    post \{`).Split(string(content), -1)
	for _, part := range parts[1:] {
		name, _, _ := strings.Cut(part, "'")
		stage := jenkinsStage{name: name}
		for _, match := range regexp.MustCompile(`(?s)(KUBEMINT_\w+) = (?:'''(.*?)'''|'([^']*)')`).FindAllStringSubmatch(part, -1) {
			stage.env = append(stage.env, match[1]+"="+match[2]+match[3])
		}
		if match := regexp.MustCompile(`withEnv\(\["(\w+)=\$\{env.WORKSPACE_TMP\}([^"]*)"\]\)`).FindStringSubmatch(part); match != nil {
			stage.env = append(stage.env, match[1]+"="+workspaceTmp+match[2])
		}
		secret := regexp.MustCompile(`(\w+) = credentials\('shop-kubeconfig'\)|credentialsId: 'shop-kubeconfig', variable: '(\w+)'`)
		if match := secret.FindStringSubmatch(part); match != nil {
			stage.secret = match[1] + match[2]
		}
		if match := regexp.MustCompile(` args '([^']*)'`).FindStringSubmatch(part); match != nil {
			stage.args = match[1]
		}
		if match := regexp.MustCompile(`container\('(\w+)'\)`).FindStringSubmatch(part); match != nil {
			stage.container = match[1]
		}
		for _, match := range regexp.MustCompile(` sh '([^']*)'`).FindAllStringSubmatch(part, -1) {
			stage.shell = append(stage.shell, match[1])
		}
		if len(stage.shell) == 0 {
			t.Fatalf("%s: the stage %q runs nothing", path, part)
		}
		stages = append(stages, stage)
	}
	if len(stages) != 3 || !strings.HasPrefix(stages[0].name, "mint") || !strings.Contains(stages[2].shell[0], "revoke") {
		t.Fatalf("%s: %+v", path, stages)
	}
	return stages
}

// The lines of the examples, in the containers that Jenkins would start for them: mint, use, revoke.
func TestImageAsInTheJenkinsfiles(t *testing.T) { //nolint:tparallel // both pipelines deploy to the same namespace
	t.Parallel()
	cluster, err := onCluster()
	if err != nil {
		t.Fatal(err)
	}
	for _, namespace := range []string{"shop", "kubemint", "jenkins"} { // the examples' names
		if _, err := cluster.CreateNamespace(t.Context(), namespace); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("agent docker", func(t *testing.T) {
		b := newJenkinsBuild(t)
		source := adminToken(t, cluster)
		b.pipeline(t, cluster, "examples/jenkins/Jenkinsfile", func(stage jenkinsStage) (container string, env []string, end func()) {
			args := strings.Fields(stage.args)
			if stage.name == "deploy" {
				args = append(args, b.kubectl()...)
			}
			container = b.start(t, args, "cat")
			if stage.secret != "" {
				path := b.bind(t, source)
				env = append(env, stage.secret+"="+path)
				return container, env, func() { b.stop(t, container); _ = os.Remove(path) }
			}
			return container, env, func() { b.stop(t, container) }
		})
	})
	t.Run("agent kubernetes", func(t *testing.T) {
		b := newJenkinsBuild(t)
		server, err := url.Parse(cluster.URL)
		if err != nil {
			t.Fatal(err)
		}
		b.env = append(b.env, "KUBERNETES_SERVICE_HOST="+server.Hostname(), "KUBERNETES_SERVICE_PORT="+server.Port())
		// `command: [cat]` of a pod replaces the image's entrypoint. Only kubemint's container has the account.
		containers := map[string]string{
			"kubemint": b.start(t, []string{"--entrypoint", "cat", "-v", b.account(t, cluster) + ":/var/run/secrets/kubernetes.io/serviceaccount:ro"}),
			"kubectl":  b.start(t, append([]string{"--entrypoint", "cat"}, b.kubectl()...)),
		}
		b.pipeline(t, cluster, "examples/jenkins/kubernetes.Jenkinsfile", func(stage jenkinsStage) (string, []string, func()) {
			return containers[stage.container], nil, func() {}
		})
	})
}

// kubectl is how the image of the deploying stage comes by it here.
func (b *jenkinsBuild) kubectl() []string {
	return []string{"-v", strings.TrimSuffix(b.ws, "/team_shop_main") + "/kubectl:/usr/local/bin/kubectl:ro"}
}

// account makes the directory that a pod finds mounted for its ServiceAccount.
func (b *jenkinsBuild) account(t *testing.T, cluster *kubetest.ControlPlane) (dir string) {
	t.Helper()
	err := cluster.Apply(t.Context(), `
{apiVersion: v1, kind: ServiceAccount, metadata: {name: jenkins-agent, namespace: jenkins}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: jenkins-agent}
subjects: [{kind: ServiceAccount, name: jenkins-agent, namespace: jenkins}]
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
`)
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig, err := cluster.TokenKubeconfig(t.Context(), "jenkins", "jenkins-agent", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	dir = strings.TrimSuffix(b.ws, "/team_shop_main") + "/account"
	makeDir(t, dir, b.uid)
	for name, content := range map[string][]byte{"token": []byte(config.BearerToken), "ca.crt": cluster.CA, "namespace": []byte("jenkins")} {
		writeAs(t, b.uid, dir+"/"+name, content)
	}
	return dir
}

// pipeline runs the three stages of a Jenkinsfile, each in the container that enter gives.
func (b *jenkinsBuild) pipeline(t *testing.T, cluster *kubetest.ControlPlane, path string, enter func(jenkinsStage) (string, []string, func())) {
	t.Helper()
	kubeconfig, deployed := b.tmp+"/kubemint/kubeconfig", "/api/v1/namespaces/shop/configmaps/deployed"
	var token string
	for _, stage := range jenkinsStages(t, path, b.tmp) {
		container, env, end := enter(stage)
		for _, line := range stage.shell {
			if code, log := b.sh(t, container, append(env, stage.env...), line); code != 0 {
				t.Fatalf("%s: %s: exit code %d\n%s", path, line, code, log)
			}
		}
		end()
		switch stage.name {
		case "mint":
			token = b.minted(t, kubeconfig)
			if names := live(t, cluster, "kubemint"); len(names) != 2 {
				t.Errorf("live are %s, not a lease and its Secret", names)
			}
		case "deploy":
			if err := cluster.Admin.Do(t.Context(), http.MethodDelete, deployed, nil, nil); err != nil {
				t.Errorf("what was deployed: %v", err)
			}
		}
	}
	if !strings.Contains(b.log, "revoked: lease kubemint/") || leaks(b.log, token) || strings.Contains(b.log, "::") {
		t.Errorf("the log is not as it should be:\n%s", b.log)
	}
	if _, err := os.Stat(b.tmp + "/kubemint"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after revoke: %v", err)
	}
	nothingLive(t, cluster, "kubemint")
	awaitDeath(t, cluster, token)
}

// minted returns the token and demands that it stands in the kubeconfig alone, which is the agent's user's alone.
func (b *jenkinsBuild) minted(t *testing.T, path string) (token string) {
	t.Helper()
	config, err := clientcmd.LoadFromFile(path)
	if err != nil {
		t.Fatal(err)
	}
	token = config.AuthInfos[config.Contexts[config.CurrentContext].AuthInfo].Token
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if owner := info.Sys().(*syscall.Stat_t).Uid; info.Mode() != 0o600 || int(owner) != b.uid {
		t.Errorf("%s is %s of user %d", path, info.Mode(), owner)
	}
	if files := filesWith(t, b.tmp, token); !slices.Equal(files, []string{"kubemint/kubeconfig"}) {
		t.Errorf("the token stands in %s", files)
	}
	if files := filesWith(t, b.ws, token); len(files) > 0 {
		t.Errorf("the token stands in %s of the workspace", files)
	}
	return token
}
