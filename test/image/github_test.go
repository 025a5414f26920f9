//go:build container

package image

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubemint/kubemint/test/kubetest"
)

// runners are the two kinds that are in use: see githubJob.old.
var runners = map[string]bool{"runner": false, "runner before 2.331": true}

// A whole job: mint, use in a host step and in a Docker action, mint again, post.
func TestImageAsGitHubAction(t *testing.T) {
	t.Parallel()
	for name, old := range runners {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster, namespace := newNamespace(t)
			job := newGitHubJob(t, old)
			job.env["KUBECONFIG"] = relative(t, job.uid, job.workspace+"/login", adminToken(t, cluster), false)
			inputs := map[string]string{"namespace": namespace, "rules": "get,list pods"}

			first := job.step(inputs)
			first.main(t)
			if first.code != 0 {
				t.Fatalf("exit code %d:\n%s", first.code, first.log)
			}
			token, path := first.outputs["token"], first.outputs["kubeconfig_path"]
			job.wantPaths(t, path)
			wantPrivate(t, path, job.uid)
			first.wantNoLeak(t, token)
			want := "system:serviceaccount:" + namespace + ":kubemint"

			who, err := job.onRunner(t, "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
			if err != nil || who != want {
				t.Errorf("a later host step is %q (%v), not %s", who, err, want)
			}
			if out, err := job.onRunner(t, "get", "secrets"); err == nil || !strings.Contains(out, "(Forbidden)") {
				t.Errorf("a later host step may more than was declared: %v: %s", err, out)
			}

			if err := os.Link(job.work+"/kubectl", job.workspace+"/kubectl"); err != nil {
				t.Fatal(err)
			}
			docker := job.step(nil)
			docker.run(t, "sh", "-c", "./kubectl auth whoami -o jsonpath={.status.userInfo.username}")
			if docker.code != 0 || docker.log != want {
				t.Errorf("a later Docker action is %q, exit code %d, not %s", docker.log, docker.code, want)
			}

			// KUBECONFIG is by now the first mint's, which may not mint. Its own file, its own lease.
			second := job.step(inputs)
			second.main(t)
			if second.code != 0 || second.outputs["kubeconfig_path"] == path {
				t.Fatalf("a second mint: exit code %d, %s\n%s", second.code, second.outputs["kubeconfig_path"], second.log)
			}

			for _, step := range []*githubStep{second, first} { // post steps run in the opposite order
				step.post(t)
				if log, _ := step.hidden(); step.code != 0 || !strings.Contains(log, "revoked: lease "+namespace+"/") {
					t.Errorf("post: exit code %d:\n%s", step.code, step.log)
				}
				if left := filesWith(t, job.work, step.outputs["token"]); len(left) > 0 {
					t.Errorf("after post the token stands in %s", left)
				}
				if leaks(step.log, step.outputs["token"]) {
					t.Errorf("post prints the token:\n%s", step.log)
				}
			}
			job.wantEmptyHome(t)
			nothingLive(t, cluster, namespace)
			awaitDeath(t, cluster, token)
			awaitDeath(t, cluster, second.outputs["token"])
			if out, err := job.onRunner(t, "get", "pods"); err == nil {
				t.Errorf("a host step after post: %s", out)
			}
		})
	}
}

// wantPaths: what is published are paths of the host.
func (j *githubJob) wantPaths(t *testing.T, path string) {
	t.Helper()
	if ok, _ := filepath.Match(j.home()+"/kubemint-*/kubeconfig", path); !ok {
		t.Errorf("kubeconfig_path is %s", path)
	}
	for _, name := range []string{"KUBECONFIG", "KUBE_CONFIG_PATH"} {
		if j.env[name] != path {
			t.Errorf("%s is %s, not %s", name, j.env[name], path)
		}
	}
}

// wantPrivate: the runner's user can read the file, and nobody else can, asked of the kernel as another user.
func wantPrivate(t *testing.T, path string, uid int) {
	t.Helper()
	for file, mode := range map[string]os.FileMode{path: 0o600, path + ".receipt": 0o600, filepath.Dir(path): 0o700 | os.ModeDir} {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		owner := info.Sys().(*syscall.Stat_t)
		if info.Mode() != mode || int(owner.Uid) != uid {
			t.Errorf("%s is %s of user %d, not %s of %d", file, info.Mode(), owner.Uid, mode, uid)
		}
	}
	for _, file := range []string{path, path + ".receipt"} {
		cat := func(as int) (string, int) {
			id := strconv.Itoa(as)
			return run(t, []string{"--user", id + ":" + id, "-v", filepath.Dir(path) + ":" + filepath.Dir(path) + ":ro"}, "cat", file)
		}
		if out, code := cat(uid); code != 0 {
			t.Errorf("the runner's user: %s", out)
		}
		if out, code := cat(stranger); code == 0 || !strings.Contains(out, "Permission denied") {
			t.Errorf("another user: exit code %d: %s", code, out)
		}
	}
}

// wantNoLeak: the token stands in the secret outputs, in the file, and where the runner is told to mask it.
func (s *githubStep) wantNoLeak(t *testing.T, token string) {
	t.Helper()
	log, masks := s.hidden()
	if diff := cmp.Diff([]string{token, s.outputs["kubeconfig"]}, masks); diff != "" {
		t.Errorf("masked (-want +have):\n%s", diff)
	}
	if kubeconfig, err := base64.StdEncoding.DecodeString(s.outputs["kubeconfig"]); err != nil || !leaks(string(kubeconfig), token) {
		t.Errorf("the output kubeconfig: %v", err)
	}
	public := maps.Clone(s.outputs)
	delete(public, "token")
	delete(public, "kubeconfig")
	for what, texts := range map[string]any{"log": log, "outputs": public, "state": s.state, "env": s.env, "summary": s.summary} {
		encoded, err := json.Marshal(texts)
		if err != nil || len(encoded) < 10 || leaks(string(encoded), token) {
			t.Errorf("the token is in the %s, or nothing is: %v", what, err)
		}
	}
	if diff := cmp.Diff([]string{strings.TrimPrefix(s.outputs["kubeconfig_path"], s.work+"/")}, filesWith(t, s.work, token)); diff != "" {
		t.Errorf("files with the token (-want +have):\n%s", diff)
	}
}

// wantEmptyHome: HOME is where the default output is.
func (j *githubJob) wantEmptyHome(t *testing.T) {
	t.Helper()
	entries, err := os.ReadDir(j.home())
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		t.Errorf("left in HOME: %s", entry.Name())
	}
}

// The runner translates a value as a whole. Whatever it leaves, the program has to find.
func TestImageFindsTheSourceOfAGitHubJob(t *testing.T) {
	t.Parallel()
	for name, old := range runners {
		for way, give := range map[string]func(j *githubJob, inputs map[string]string, path string){
			"kubeconfig:": func(_ *githubJob, inputs map[string]string, path string) { inputs["kubeconfig"] = path },
			"$KUBECONFIG": func(j *githubJob, _ map[string]string, path string) { j.env["KUBECONFIG"] = path },
			"a list": func(j *githubJob, _ map[string]string, path string) {
				j.env["KUBECONFIG"] = j.workspace + "/none:" + path + ":" + j.temp + "/none"
			},
		} {
			for _, in := range []string{"workspace", "temp", "workspace, with a tokenFile"} {
				t.Run(name+"/"+way+" in "+in, func(t *testing.T) {
					t.Parallel()
					cluster, namespace := newNamespace(t)
					job := newGitHubJob(t, old)
					dir := job.workspace
					if in == "temp" {
						dir = job.temp
					}
					inputs := map[string]string{"namespace": namespace, "dry_run": "true"}
					give(job, inputs, relative(t, job.uid, dir+"/login", adminToken(t, cluster), in != "workspace"))
					step := job.step(inputs)
					step.main(t)
					if strings.HasSuffix(in, "tokenFile") { // which a pull request could have pointed at another secret
						if step.code != 3 || !strings.Contains(step.log, "it names a file as its tokenFile") {
							t.Errorf("exit code %d:\n%s", step.code, step.log)
						}
						return
					}
					// There is no way to a file that is not mounted. The error has to say so.
					if old && in == "temp" {
						if step.code != 3 || !strings.Contains(step.log, "no such file") || !strings.Contains(step.log, invisible) {
							t.Errorf("exit code %d:\n%s", step.code, step.log)
						}
						return
					}
					if step.code != 0 || !strings.Contains(step.log, "ServiceAccount "+namespace+"/kubemint") {
						t.Errorf("exit code %d:\n%s", step.code, step.log)
					}
				})
			}
		}
	}
}

// invisible is the hint if the container does not see the source.
const invisible = "give the input `kubeconfig`, or set KUBECONFIG to a path in the workspace or the runner's temp directory"

func TestImageExplainsAnInvisibleKubeconfig(t *testing.T) {
	t.Parallel()
	for name, env := range map[string]map[string]string{
		"nothing is set":            {},
		"the host's ~/.kube/config": {"KUBECONFIG": "/home/runner/.kube/config"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			job := newGitHubJob(t, false)
			job.env = env
			step := job.step(map[string]string{"namespace": "shop"})
			step.main(t)
			if step.code != 3 || !strings.Contains(step.log, invisible) || !strings.Contains(step.log, "::error") {
				t.Errorf("exit code %d:\n%s", step.code, step.log)
			}
			job.wantEmptyHome(t)
		})
	}
}

func TestImageRefusesAnOutputThatWouldVanish(t *testing.T) {
	t.Parallel()
	cluster, namespace := newNamespace(t)
	admin := adminToken(t, cluster)
	for name, c := range map[string]struct {
		old    bool
		output func(j *githubJob) string
		code   int
	}{
		"outside all mounts":        {false, func(*githubJob) string { return "/tmp/kubeconfig" }, 2},
		"next to the mounts":        {false, func(*githubJob) string { return "/github/kubeconfig" }, 2},
		"an unmounted host path":    {false, func(j *githubJob) string { return j.work + "/kubeconfig" }, 2},
		"the temp of an old runner": {true, func(j *githubJob) string { return j.temp + "/kubeconfig" }, 2},
		"the temp":                  {false, func(j *githubJob) string { return j.temp + "/kubeconfig" }, 0},
		"a host path as a whole":    {true, func(j *githubJob) string { return j.workspace + "/out/kubeconfig" }, 0},
		"relative":                  {true, func(*githubJob) string { return "out/kubeconfig" }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy := kubetest.NewProxy(t, cluster, func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) { next.ServeHTTP(w, r) })
			source, err := proxy.Kubeconfig(admin)
			if err != nil {
				t.Fatal(err)
			}
			job := newGitHubJob(t, c.old)
			job.env["KUBECONFIG"] = relative(t, job.uid, job.workspace+"/login", source, false)
			account := "vanish-" + strings.ToLower(filepath.Base(job.work)[len("kubemint-job-"):])
			output := c.output(job)
			step := job.step(map[string]string{"namespace": namespace, "service_account": account, "output": output})
			step.main(t)
			if step.code != c.code {
				t.Fatalf("exit code %d:\n%s", step.code, step.log)
			}
			if c.code == 0 {
				if !filepath.IsAbs(output) {
					output = job.workspace + "/" + output
				}
				job.env["KUBECONFIG"] = step.outputs["kubeconfig_path"]
				if out, err := job.onRunner(t, "auth", "whoami"); err != nil || job.env["KUBECONFIG"] != output {
					t.Errorf("kubeconfig_path %s: %v: %s", job.env["KUBECONFIG"], err, out)
				}
				step.post(t)
				return
			}
			if proxy.Seen() > 0 || !strings.Contains(step.log, "would vanish with the step") || len(step.state) > 0 {
				t.Errorf("%d requests, state %v:\n%s", proxy.Seen(), step.state, step.log)
			}
		})
	}
}

// A cancelled job: the runner signals its docker client with SIGINT, 7.5 s later with SIGTERM, and kills it after 2.5 s
// more. Nobody stops the container. Here the run is held when the API server has issued the token and not yet said so.
func TestImageInterrupted(t *testing.T) {
	t.Parallel()
	signal := func(signals ...string) func(*testing.T, *exec.Cmd, string) {
		return func(t *testing.T, _ *exec.Cmd, container string) {
			t.Helper()
			for _, name := range signals {
				_ = exec.CommandContext(t.Context(), "docker", "kill", "--signal", name, container).Run() // it may be gone by the second
			}
		}
	}
	for name, c := range map[string]struct {
		interrupt func(t *testing.T, client *exec.Cmd, container string)
		codes     []int
	}{
		"as the runner cancels a job": {func(t *testing.T, client *exec.Cmd, _ string) {
			t.Helper()
			_ = client.Process.Signal(syscall.SIGINT)
			time.AfterFunc(7500*time.Millisecond, func() { _ = client.Process.Signal(syscall.SIGTERM) })
			time.AfterFunc(10*time.Second, func() { _ = client.Process.Kill() })
		}, []int{130}},
		"SIGINT and SIGTERM at once": {signal("INT", "TERM"), []int{130, 143}}, // which is first is up to the kernel
		"SIGTERM to the client": {func(t *testing.T, client *exec.Cmd, _ string) {
			t.Helper()
			_ = client.Process.Signal(syscall.SIGTERM)
		}, []int{143}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster, namespace := newNamespace(t)
			reached := make(chan struct{})
			var minted atomic.Pointer[httptest.ResponseRecorder]
			proxy := kubetest.NewProxy(t, cluster, func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
				if !strings.HasSuffix(r.URL.Path, "/token") {
					next.ServeHTTP(w, r)
					return
				}
				answer := httptest.NewRecorder()
				next.ServeHTTP(answer, r)
				minted.Store(answer)
				close(reached)
				<-r.Context().Done()
				panic(http.ErrAbortHandler)
			})
			source, err := proxy.Kubeconfig(adminToken(t, cluster))
			if err != nil {
				t.Fatal(err)
			}
			job := newGitHubJob(t, false)
			job.env["KUBECONFIG"] = relative(t, job.uid, job.workspace+"/login", source, false)
			step := job.step(map[string]string{"namespace": namespace, "rules": "get pods"})
			client := step.command(t, job.action.Runs.Entrypoint)
			if err := client.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- client.Wait() }()
			select {
			case <-reached:
			case err := <-ended:
				t.Fatalf("it ended before it asked for a token: %v\n%s", err, client.Stdout)
			}
			c.interrupt(t, client, step.container())
			<-ended
			step.collect(t, client)
			if !slices.Contains(c.codes, step.code) || !strings.Contains(step.log, "interrupted by") {
				t.Errorf("exit code %d:\n%s", step.code, step.log)
			}
			if len(step.outputs) > 0 {
				t.Errorf("it published %v", slices.Sorted(maps.Keys(step.outputs)))
			}
			job.wantEmptyHome(t)
			nothingLive(t, cluster, namespace)
			var body struct{ Status struct{ Token string } }
			if err := json.Unmarshal(minted.Load().Body.Bytes(), &body); err != nil || body.Status.Token == "" {
				t.Fatalf("no token was issued: %v", err)
			}
			awaitDeath(t, cluster, body.Status.Token)
			if out := docker(t, "ps", "--all", "--quiet", "--filter", "name="+step.container()); out != "" {
				t.Errorf("the container is left: %s", out)
			}
			step.post(t)
			if step.code != 0 || !strings.Contains(step.log, "nothing to revoke") {
				t.Errorf("post: exit code %d:\n%s", step.code, step.log)
			}
		})
	}
}
