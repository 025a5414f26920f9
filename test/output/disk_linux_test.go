package output

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/kubemint/kubemint/test/harness"
)

// files are the contents of a directory's files, by their paths in it.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		all[strings.TrimPrefix(path, dir+"/")] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// same demands that no file has come, gone or changed.
func same(t *testing.T, what string, have, want map[string]string) {
	t.Helper()
	for name := range have {
		if _, there := want[name]; !there {
			t.Errorf("%s: %s is left", what, name)
		}
	}
	for name, content := range want {
		if now, there := have[name]; !there || now != content {
			t.Errorf("%s: %s is not as it was (%d bytes, %d before)", what, name, len(now), len(content))
		}
	}
}

// runLimited is the program with a limit for the size of any file, in blocks of 512 bytes (POSIX ulimit): what it writes fails at that
// byte, as on a full disk.
func runLimited(t *testing.T, v *harness.Run, blocks int, args ...string) (code int, said string) {
	t.Helper()
	command, stderr := harness.Command(t, v.Dir, append([]string{"PATH=" + os.Getenv("PATH")}, v.Env...))
	script := fmt.Sprintf(`ulimit -f %d && exec kubemint "$@"`, blocks)
	command.Path, command.Args = "/bin/sh", append([]string{"sh", "-c", script, "sh"}, args...)
	_ = command.Run()
	return command.ProcessState.ExitCode(), stderr.String()
}

// A disk that is full, at every kilobyte that the program writes: the run fails with the code of what it could not write, and
// what was there before is there as it was. It is tried on, with a kilobyte more, until the run succeeds.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t)
	var group sync.WaitGroup
	defer group.Wait()
	for name, wanted := range map[string][]string{
		"plain":        {`[0-9a-f]{32}.receipt`, `kubemint.kubeconfig`},
		"GitHub":       {`[0-9a-f]{32}.receipt`, `kubemint.kubeconfig`, `\$GITHUB_OUTPUT`, `\$GITHUB_STATE`},
		"GitLab again": {`[0-9a-f]{32}.receipt`, `kubemint.kubeconfig`, `\$GITLAB_ENV`},
	} {
		group.Go(func() {
			t.Run(name, func(t *testing.T) { // at the same time, however few tests may run in parallel
				l := harness.NewJob(t, cluster, false)
				v := l.NewRun(t, "full", 0, false)
				platform := t.TempDir()
				setPlatform(t, v, name, platform)
				leases := 0
				if strings.HasSuffix(name, "again") {
					harness.RunProgram(t, v.Dir, v.Env)
					leases = 1
				}
				before, handed := files(t, v.Dir), files(t, platform)
				failed := ""
				for blocks := 0; ; blocks += 2 {
					if blocks == 100 {
						t.Fatal("50 KB are not enough")
					}
					for name := range handed { // which grow with each run
						if name == "STATE" || name == "summary" {
							if err := os.Truncate(filepath.Join(platform, name), 0); err != nil {
								t.Fatal(err)
							}
						}
					}
					code, said := runLimited(t, v, blocks)
					if code == 0 {
						break
					}
					what := fmt.Sprintf("%d bytes", blocks*512)
					harness.AssertSays(t, said, `^error: write \S+: write \S+: file too large$|^error: write \S+: file too large$|^error: publish outputs: write \S+: file too large$`, `^hint: .*(output|disk)`)
					publishing := regexp.MustCompile(`(?m)^error: (publish outputs|write \$)`).MatchString(said)
					if want := map[bool]int{false: 2, true: 6}[publishing]; code != want || strings.Count(said, "error: ") != 1 {
						t.Errorf("%s: exit code %d, not %d: %s", what, code, want, said)
					}
					failed += said
					same(t, what, files(t, v.Dir), before)
					now := files(t, platform)
					if state := now["STATE"]; state != "" && strings.Count(state, "\nkubemint_") != strings.Count(state, "receipt<<") {
						t.Errorf("%s: a command of the step state is cut off: %q", what, state)
					}
					delete(now, "STATE")
					delete(now, "summary")
					same(t, what+", what the platform reads", now, except(handed, "STATE", "summary"))
					if have := v.CountLeases(t); have != leases {
						t.Errorf("%s: %d leases are left, not %d", what, have, leases)
					}
					if t.Failed() {
						return
					}
				}
				for _, place := range wanted {
					if !regexp.MustCompile(`(?m)^error: .*` + place + `: `).MatchString(failed) {
						t.Errorf("no run failed for %s", place)
					}
				}
				harness.RunProgram(t, v.Dir, v.Env, "revoke")
				l.AssertAllDead(t)
			})
		})
	}
}

func except(all map[string]string, names ...string) map[string]string {
	kept := map[string]string{}
	for name, content := range all {
		if !slices.Contains(names, name) {
			kept[name] = content
		}
	}
	return kept
}

// leases is how many credentials of this run's are live.
// setPlatform gives the run what a platform's runner gives: files in dir that have something in them already.
func setPlatform(t *testing.T, v *harness.Run, name, dir string) {
	t.Helper()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	v.Env = append(v.Env, "KUBEMINT_OUTPUT="+filepath.Join(v.Dir, "kubemint.kubeconfig"))
	switch name, _, _ := strings.Cut(name, " "); name {
	case "GitHub":
		v.Env = append(v.Env, "GITHUB_ACTIONS=true", "GITHUB_OUTPUT="+file("OUTPUT", "a=1\n"), "GITHUB_ENV="+file("ENV", "b=2\n"),
			"GITHUB_STATE="+file("STATE", ""), "GITHUB_STEP_SUMMARY="+file("summary", ""))
	case "GitLab":
		v.Env = append(v.Env, "GITLAB_CI=true", "CI_PROJECT_DIR="+v.Dir, "CI_PROJECT_PATH=group/shop", "GITLAB_ENV="+file("env", "A=1\n"))
	}
}

// The disk of one of the runner's files alone is full, or nobody takes what is printed: what was handed over before is taken back.
func TestDiskFullOfOneFile(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t)
	l := harness.NewJob(t, cluster, false)
	for name, want := range map[string]struct {
		platform string
		code     int
		said     string
	}{
		"GITHUB_STATE":        {"GitHub", 6, `^error: write \$GITHUB_STATE: write /dev/full: no space left on device$`},
		"GITHUB_OUTPUT":       {"GitHub", 6, `^error: write \$GITHUB_OUTPUT: write /dev/full: no space left on device$`},
		"GITHUB_ENV":          {"GitHub", 6, `^error: write \$GITHUB_ENV: write /dev/full: no space left on device$`},
		"GITHUB_STEP_SUMMARY": {"GitHub", 0, `^warning: write summary: .*no space left on device$`},
		"GITLAB_ENV":          {"GitLab", 6, `^error: write \$GITLAB_ENV: write /dev/full: no space left on device$`},
		"stdout":              {"GitHub", 6, `^error: mask secret: .*no space left on device$`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, platform := l.NewRun(t, strings.ReplaceAll(strings.ToLower(name), "_", "-"), 0, false), t.TempDir()
			setPlatform(t, v, want.platform, platform)
			v.Env = append(v.Env, name+"=/dev/full")
			before := files(t, platform)
			command, stderr := harness.Command(t, v.Dir, v.Env)
			if name == "stdout" {
				full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
				if err != nil {
					t.Fatal(err)
				}
				defer full.Close()
				command.Stdout = full
			}
			_ = command.Run()
			if code := command.ProcessState.ExitCode(); code != want.code {
				t.Errorf("exit code %d: %s", code, stderr)
			}
			harness.AssertSays(t, stderr.String(), want.said)
			if want.code != 0 {
				same(t, name, except(files(t, platform), "STATE"), except(before, "STATE"))
			} else {
				harness.RunProgram(t, v.Dir, v.Env, "revoke")
			}
			v.AssertNothingLeft(t)
		})
	}
}

// runAsOwner runs the program as somebody whom the modes of directories bind: root without the capabilities that pass them over.
func runAsOwner(t *testing.T, v *harness.Run, want int, args ...string) string {
	t.Helper()
	command, stderr := harness.Command(t, v.Dir, append([]string{"PATH=" + os.Getenv("PATH")}, v.Env...), args...)
	if os.Geteuid() == 0 {
		setpriv, err := exec.LookPath("setpriv")
		if err != nil {
			t.Fatal(err)
		}
		command.Args = append([]string{"setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all", "--", command.Path}, args...)
		command.Path = setpriv
	}
	_ = command.Run()
	if code := command.ProcessState.ExitCode(); code != want {
		t.Errorf("kubemint %v: exit code %d, not %d: %s", args, code, want, stderr)
	}
	return stderr.String()
}

// A directory that may not be written: nothing is made, and an earlier credential there is ended all the same.
func TestReadOnlyDirectory(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t)
	l := harness.NewJob(t, cluster, false)
	chmod := func(path string, mode fs.FileMode) {
		t.Helper()
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	v := l.NewRun(t, "readonly", 0, false)
	chmod(v.Dir, 0o555)
	for output, at := range map[string]string{"kubeconfig": `kubeconfig`, "a/b/kubeconfig": `a`} {
		v.Env = append(v.Env, "KUBEMINT_OUTPUT="+output)
		said := runAsOwner(t, v, 2)
		harness.AssertSays(t, said, `^error: write `+v.Dir+`/`+at+`: permission denied$`, "^hint: choose an `output` in a directory that this step may write$")
		v.AssertNothingLeft(t)
	}
	if requests := v.Proxy.Seen(); requests > 0 {
		t.Errorf("the API server was asked %d times", requests)
	}

	chmod(v.Dir, 0o755)
	v.Env = append(v.Env, "KUBEMINT_OUTPUT=kubeconfig")
	runAsOwner(t, v, 0)
	first := files(t, v.Dir)
	chmod(v.Dir, 0o555)
	harness.AssertSays(t, runAsOwner(t, v, 2), `^error: write `+v.Dir+`/kubeconfig: permission denied$`)
	same(t, "a second run", files(t, v.Dir), first)
	if n := v.CountLeases(t); n != 1 {
		t.Errorf("a second run leaves %d leases, not that of the first", n)
	}
	harness.AssertSays(t, runAsOwner(t, v, 7, "revoke"), `^revoked: lease `, `^error: delete `+v.Dir+`/kubeconfig: permission denied$`,
		`^hint: this step may not write its directory: delete the file yourself$`)
	if n := v.CountLeases(t); n != 0 {
		t.Errorf("%d leases are left", n)
	}
	l.Mu.Lock()
	minted := slices.Clone(l.Minted)
	l.Mu.Unlock()
	if len(minted) != 1 {
		t.Fatalf("%d tokens were minted", len(minted))
	}
	harness.AwaitDeath(t, "in a file that cannot be deleted", l.NewBearer(t, minted[0]))
	chmod(v.Dir, 0o755)
	runAsOwner(t, v, 0, "revoke")
	v.AssertNothingLeft(t)
}

// The output path can be something else than a name in a directory.
func TestOutputPaths(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t)
	l := harness.NewJob(t, cluster, false)
	shm, err := os.MkdirTemp("/dev/shm", "kubemint-test-") //nolint:usetesting // another filesystem than that of t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(shm) })
	must := func(errs ...error) {
		t.Helper()
		for _, err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	const (
		notRegular = `it exists and is not a regular file$`
		linked     = `^error: write \S+/link/kubeconfig: the link "\S+/link" of the workspace leads to its directory: `
	)
	for name, c := range map[string]struct {
		output string
		make   func(dir string)
		said   string // of a refusal
	}{
		"fifo":                         {"pipe", func(dir string) { must(syscall.Mkfifo(dir+"/pipe", 0o600)) }, notRegular},
		"fifo-for-receipt":             {"new", func(dir string) { must(syscall.Mkfifo(dir+"/new.receipt", 0o600)) }, ""}, // which nothing reads
		"fifo-for-outputs":             {"new", func(dir string) { must(syscall.Mkfifo(dir+"/new.env", 0o600)) }, `/new.env: it exists and `},
		"directory-for-receipt":        {"new", func(dir string) { must(os.Mkdir(dir+"/new.receipt", 0o700)) }, ""},
		"directory":                    {"there", func(dir string) { must(os.Mkdir(dir+"/there", 0o700)) }, notRegular},
		"link-to-file":                 {"link", func(dir string) { must(os.WriteFile(dir+"/file", []byte("x"), 0o600), os.Symlink("file", dir+"/link")) }, notRegular},
		"link-to-nothing":              {"link", func(dir string) { must(os.Symlink("nothing", dir+"/link")) }, notRegular},
		"link-to-directory":            {"link", func(dir string) { must(os.Symlink(".", dir+"/link")) }, notRegular},
		"below-a-dangling-link":        {"link/kubeconfig", func(dir string) { must(os.Symlink("nothing", dir+"/link")) }, linked},
		"in-a-linked-directory":        {"link/kubeconfig", func(dir string) { must(os.Mkdir(dir+"/real", 0o700), os.Symlink("real", dir+"/link")) }, linked},
		"linked-to-another-filesystem": {"link/kubeconfig", func(dir string) { must(os.Symlink(shm, dir+"/link")) }, linked},
		"linked-from-elsewhere":        {shm + "/link/kubeconfig", func(string) { must(os.Mkdir(shm+"/real", 0o700), os.Symlink("real", shm+"/link")) }, ""},
		"on-another-filesystem":        {shm + "/a/b/kubeconfig", func(string) {}, ""},
		"receipt-is-a-link":            {"new", func(dir string) { must(os.Symlink("elsewhere", dir+"/new.receipt")) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := l.NewRun(t, name, 0, false)
			c.make(v.Dir)
			v.Env = append(v.Env, "KUBEMINT_OUTPUT="+c.output)
			before := listing(t, v.Dir, shm)
			command, stderr := harness.Command(t, v.Dir, v.Env)
			must(command.Start())
			hung := time.AfterFunc(harness.Patience, func() { _ = command.Process.Kill() })
			_ = command.Wait()
			if !hung.Stop() {
				t.Fatalf("it hangs: %s", stderr)
			}
			code := command.ProcessState.ExitCode()
			if c.said != "" {
				if code != 2 {
					t.Errorf("exit code %d: %s", code, stderr)
				}
				harness.AssertSays(t, stderr.String(), c.said, "^hint: .*`output`")
				if requests := v.Proxy.Seen(); requests > 0 {
					t.Errorf("the API server was asked %d times", requests)
				}
			} else {
				if code != 0 {
					t.Fatalf("exit code %d: %s", code, stderr)
				}
				path := c.output
				if !filepath.IsAbs(path) {
					path = filepath.Join(v.Dir, path)
				}
				place := harness.ReceiptIn(v.Dir, c.output)
				if !strings.HasPrefix(path, v.Dir) || strings.HasPrefix(name, "linked-to") {
					place = path + ".receipt"
				}
				for _, file := range []string{path, path + ".env", place} {
					if info, err := os.Lstat(file); err != nil || info.Mode() != 0o600 {
						t.Errorf("%s: %v, %v", file, info, err)
					}
				}
				harness.RunProgram(t, v.Dir, v.Env) // it is ours, and replaced
				harness.RunProgram(t, v.Dir, v.Env, "revoke")
			}
			after := listing(t, v.Dir, shm)
			if strings.Join(after, "\n") != strings.Join(before, "\n") {
				t.Errorf("left: %q, and before there was %q", after, before)
			}
		})
	}
}

// listing returns the names and types of the files in directories.
func listing(t *testing.T, dirs ...string) (all []string) {
	t.Helper()
	for _, dir := range dirs {
		if !strings.HasPrefix(dir, "/dev/shm") {
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, entry := range entries {
				all = append(all, entry.Name()+" "+entry.Type().String())
			}
		}
	}
	return all
}

// smallDisk is a second run on a disk that is full but for so many blocks of 4 KiB, and so many files. Its mount is the shell's alone,
// so that the shell looks at what is left. It is said in one line: the exit code, and whether the first run's files are as they were.
const smallDisk = `
mount -t tmpfs -o size=1m,mode=755 small disk && cd disk && kubemint 2>/dev/null && cp -r . ../first || exit
used=$(df -k . | awk 'END { print $3 }') inodes=$(df -i . | awk 'END { print $3 }')
mount -o remount,size=$((used + 4 * $1))k,nr_inodes=$((inodes + $2)) . || exit
KUBEMINT_CONTEXT_NAME=$3 kubemint
code=$?
diff -rq . ../first >&2 && echo "$code, intact" || echo "$code, changed"
`

// mount is how a shell may mount a disk for itself.
func mount(t *testing.T) (unshare []string) {
	t.Helper()
	unshare = []string{"unshare", "--mount"}
	if os.Geteuid() != 0 {
		unshare = []string{"unshare", "--user", "--map-root-user", "--mount"}
	}
	try := append(slices.Clone(unshare), "mount", "-t", "tmpfs", "small", t.TempDir())
	out, err := exec.CommandContext(t.Context(), try[0], try[1:]...).CombinedOutput()
	switch {
	case err == nil:
		return unshare
	case os.Getenv("CI") == "":
		t.Skipf("no disk may be mounted here (CI may); TestDiskFull does the same with a limit: %v: %s", err, out)
	}
	t.Fatalf("%v: %s", err, out)
	return nil
}

// A disk that is full for all that the program writes together, and one on which no file more can be made: a run that fails leaves the
// result of the one before as it was, and one that has room replaces it.
func TestDiskFullForASecondRun(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t)
	l, unshare := harness.NewJob(t, cluster, false), mount(t)
	path, err := exec.LookPath(unshare[0])
	if err != nil {
		t.Fatal(err)
	}
	second := func(blocks, inodes int) (outcome string) {
		v := l.NewRun(t, fmt.Sprintf("small-%d-%d", inodes, blocks), 0, false)
		if err := os.Mkdir(filepath.Join(v.Dir, "disk"), 0o700); err != nil {
			t.Fatal(err)
		}
		command, stderr := harness.Command(t, v.Dir, append([]string{"PATH=" + os.Getenv("PATH")}, v.Env...))
		// The second run's context has a long name, so that its files take more blocks than the first one's.
		shell := []string{"sh", "-c", smallDisk, "sh", strconv.Itoa(blocks), strconv.Itoa(inodes), strings.Repeat("x", 2500)}
		command.Path, command.Args = path, append(slices.Clone(unshare), shell...)
		out, err := command.Output()
		outcome = strings.TrimSpace(string(out))
		if err != nil || !slices.Contains([]string{"0, changed", "2, intact", "6, intact"}, outcome) {
			t.Errorf("%d blocks, %d files: %v: %s: %s", blocks, inodes, err, outcome, stderr)
		}
		if outcome != "0, changed" {
			harness.AssertSays(t, stderr.String(), `^error: .*write \S+: no space left on device$`, `^hint: `)
		}
		if n := strings.Count(stderr.String(), "error: "); n > 1 {
			t.Errorf("%d blocks, %d files: %s", blocks, inodes, stderr)
		}
		if n := v.CountLeases(t); n != 1 {
			t.Errorf("%d blocks, %d files: %d leases", blocks, inodes, n)
		}
		return outcome
	}
	for _, blocks := range []int{0, 20} {
		if outcome := second(blocks, 0); outcome != "2, intact" {
			t.Errorf("no file more, %d blocks: %s", blocks, outcome)
		}
	}
	outcomes := map[string]int{}
	for blocks := 0; blocks < 30 && outcomes["0, changed"] == 0; blocks++ {
		outcomes[second(blocks, 1)]++
	}
	if len(outcomes) != 3 {
		t.Errorf("how the runs ended: %v", outcomes)
	}
}

// What has become a FIFO since it was written holds no post step.
func TestRevokeIsNotHeldByAFIFO(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t)
	for _, name := range []string{"kubemint.kubeconfig", "kubemint.kubeconfig.env"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, v := harness.NewJob(t, cluster, false), &harness.Run{}
			l.RouteThrough(t, v, "fifo", func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) { next.ServeHTTP(w, r) })
			harness.RunProgram(t, v.Dir, v.Env)
			path := filepath.Join(v.Dir, name)
			if err := errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o600)); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			command := exec.CommandContext(ctx, "kubemint", "revoke")
			command.Dir, command.Env = v.Dir, append([]string{harness.StateIn(v.Dir)}, v.Env...)
			if out, err := command.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
			if left := v.FindObjects(t); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}
