package main

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

// limited is the program with a limit for the size of any file, in blocks of 512 bytes (POSIX ulimit): what it writes fails at that
// byte, as on a full disk.
func (v *victim) limited(t *testing.T, blocks int, args ...string) (code int, said string) {
	t.Helper()
	command, stderr := program(t, v.dir, append([]string{"PATH=" + os.Getenv("PATH")}, v.env...))
	script := fmt.Sprintf(`ulimit -f %d && exec kubemint "$@"`, blocks)
	command.Path, command.Args = "/bin/sh", append([]string{"sh", "-c", script, "sh"}, args...)
	_ = command.Run()
	return command.ProcessState.ExitCode(), stderr.String()
}

// A disk that is full, at every kilobyte that the program writes: the run fails with the code of what it could not write, and
// what was there before is there as it was. It is tried on, with a kilobyte more, until the run succeeds.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	cluster, _ := sharedCluster(t)
	var group sync.WaitGroup
	defer group.Wait()
	for name, wanted := range map[string][]string{
		"plain":        {`[0-9a-f]{32}.receipt`, `kubemint.kubeconfig`},
		"GitHub":       {`[0-9a-f]{32}.receipt`, `kubemint.kubeconfig`, `\$GITHUB_OUTPUT`, `\$GITHUB_STATE`},
		"GitLab again": {`[0-9a-f]{32}.receipt`, `kubemint.kubeconfig`, `\$GITLAB_ENV`},
	} {
		group.Go(func() {
			t.Run(name, func(t *testing.T) { // beside each other, however few tests may run in parallel
				l := newLife(t, cluster, false)
				v := l.victim(t, "full", 0, false)
				platform := t.TempDir()
				v.onPlatform(t, name, platform)
				leases := 0
				if strings.HasSuffix(name, "again") {
					run(t, v.dir, v.env)
					leases = 1
				}
				before, handed := files(t, v.dir), files(t, platform)
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
					code, said := v.limited(t, blocks)
					if code == 0 {
						break
					}
					what := fmt.Sprintf("%d bytes", blocks*512)
					says(t, said, `^error: write \S+: write \S+: file too large$|^error: write \S+: file too large$|^error: publish outputs: write \S+: file too large$`, `^hint: .*(output|disk)`)
					publishing := regexp.MustCompile(`(?m)^error: (publish outputs|write \$)`).MatchString(said)
					if want := map[bool]int{false: 2, true: 6}[publishing]; code != want || strings.Count(said, "error: ") != 1 {
						t.Errorf("%s: exit code %d, not %d: %s", what, code, want, said)
					}
					failed += said
					same(t, what, files(t, v.dir), before)
					now := files(t, platform)
					if state := now["STATE"]; state != "" && strings.Count(state, "\nkubemint_") != strings.Count(state, "receipt<<") {
						t.Errorf("%s: a command of the step state is cut off: %q", what, state)
					}
					delete(now, "STATE")
					delete(now, "summary")
					same(t, what+", what the platform reads", now, except(handed, "STATE", "summary"))
					if have := v.leases(t); have != leases {
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
				run(t, v.dir, v.env, "revoke")
				l.allDead(t)
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
// onPlatform gives the run what a platform's runner gives: files in dir that have something in them already.
func (v *victim) onPlatform(t *testing.T, name, dir string) {
	t.Helper()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	v.env = append(v.env, "KUBEMINT_OUTPUT="+filepath.Join(v.dir, "kubemint.kubeconfig"))
	switch name, _, _ := strings.Cut(name, " "); name {
	case "GitHub":
		v.env = append(v.env, "GITHUB_ACTIONS=true", "GITHUB_OUTPUT="+file("OUTPUT", "a=1\n"), "GITHUB_ENV="+file("ENV", "b=2\n"),
			"GITHUB_STATE="+file("STATE", ""), "GITHUB_STEP_SUMMARY="+file("summary", ""))
	case "GitLab":
		v.env = append(v.env, "GITLAB_CI=true", "CI_PROJECT_DIR="+v.dir, "CI_PROJECT_PATH=group/shop", "GITLAB_ENV="+file("env", "A=1\n"))
	}
}

// The disk of one of the runner's files alone is full, or nobody takes what is printed: what was handed over before is taken back.
func TestDiskFullOfOneFile(t *testing.T) {
	t.Parallel()
	cluster, _ := sharedCluster(t)
	l := newLife(t, cluster, false)
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
			v, platform := l.victim(t, strings.ReplaceAll(strings.ToLower(name), "_", "-"), 0, false), t.TempDir()
			v.onPlatform(t, want.platform, platform)
			v.env = append(v.env, name+"=/dev/full")
			before := files(t, platform)
			command, stderr := program(t, v.dir, v.env)
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
			says(t, stderr.String(), want.said)
			if want.code != 0 {
				same(t, name, except(files(t, platform), "STATE"), except(before, "STATE"))
			} else {
				run(t, v.dir, v.env, "revoke")
			}
			v.nothingLeft(t)
		})
	}
}

// bound runs the program as somebody whom the modes of directories bind: root without the capabilities that pass them over.
func (v *victim) bound(t *testing.T, want int, args ...string) string {
	t.Helper()
	command, stderr := program(t, v.dir, append([]string{"PATH=" + os.Getenv("PATH")}, v.env...), args...)
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
	cluster, _ := sharedCluster(t)
	l := newLife(t, cluster, false)
	chmod := func(path string, mode fs.FileMode) {
		t.Helper()
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	v := l.victim(t, "readonly", 0, false)
	chmod(v.dir, 0o555)
	for output, at := range map[string]string{"kubeconfig": `kubeconfig`, "a/b/kubeconfig": `a`} {
		v.env = append(v.env, "KUBEMINT_OUTPUT="+output)
		said := v.bound(t, 2)
		says(t, said, `^error: write `+v.dir+`/`+at+`: permission denied$`, "^hint: choose an `output` in a directory that this step may write$")
		v.nothingLeft(t)
	}
	if requests := v.proxy.Seen(); requests > 0 {
		t.Errorf("the API server was asked %d times", requests)
	}

	chmod(v.dir, 0o755)
	v.env = append(v.env, "KUBEMINT_OUTPUT=kubeconfig")
	v.bound(t, 0)
	first := files(t, v.dir)
	chmod(v.dir, 0o555)
	says(t, v.bound(t, 2), `^error: write `+v.dir+`/kubeconfig: permission denied$`)
	same(t, "a second run", files(t, v.dir), first)
	if n := v.leases(t); n != 1 {
		t.Errorf("a second run leaves %d leases, not that of the first", n)
	}
	says(t, v.bound(t, 7, "revoke"), `^revoked: lease `, `^error: delete `+v.dir+`/kubeconfig: permission denied$`,
		`^hint: this step may not write its directory: delete the file yourself$`)
	if n := v.leases(t); n != 0 {
		t.Errorf("%d leases are left", n)
	}
	l.mu.Lock()
	minted := slices.Clone(l.minted)
	l.mu.Unlock()
	if len(minted) != 1 {
		t.Fatalf("%d tokens were minted", len(minted))
	}
	awaitDeath(t, "in a file that cannot be deleted", l.bearer(t, minted[0]))
	chmod(v.dir, 0o755)
	v.bound(t, 0, "revoke")
	v.nothingLeft(t)
}

// What the output path can be beside a name in a directory.
func TestOutputPaths(t *testing.T) {
	t.Parallel()
	cluster, _ := sharedCluster(t)
	l := newLife(t, cluster, false)
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
			v := l.victim(t, name, 0, false)
			c.make(v.dir)
			v.env = append(v.env, "KUBEMINT_OUTPUT="+c.output)
			before := listing(t, v.dir, shm)
			command, stderr := program(t, v.dir, v.env)
			must(command.Start())
			hung := time.AfterFunc(patience, func() { _ = command.Process.Kill() })
			_ = command.Wait()
			if !hung.Stop() {
				t.Fatalf("it hangs: %s", stderr)
			}
			code := command.ProcessState.ExitCode()
			if c.said != "" {
				if code != 2 {
					t.Errorf("exit code %d: %s", code, stderr)
				}
				says(t, stderr.String(), c.said, "^hint: .*`output`")
				if requests := v.proxy.Seen(); requests > 0 {
					t.Errorf("the API server was asked %d times", requests)
				}
			} else {
				if code != 0 {
					t.Fatalf("exit code %d: %s", code, stderr)
				}
				path := c.output
				if !filepath.IsAbs(path) {
					path = filepath.Join(v.dir, path)
				}
				place := receiptIn(v.dir, c.output)
				if !strings.HasPrefix(path, v.dir) || strings.HasPrefix(name, "linked-to") {
					place = path + ".receipt"
				}
				for _, file := range []string{path, path + ".env", place} {
					if info, err := os.Lstat(file); err != nil || info.Mode() != 0o600 {
						t.Errorf("%s: %v, %v", file, info, err)
					}
				}
				run(t, v.dir, v.env) // it is ours, and replaced
				run(t, v.dir, v.env, "revoke")
			}
			after := listing(t, v.dir, shm)
			if strings.Join(after, "\n") != strings.Join(before, "\n") {
				t.Errorf("left: %q, and before there was %q", after, before)
			}
		})
	}
}

// listing is what lies in directories: names and types.
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
	cluster, _ := sharedCluster(t)
	l, unshare := newLife(t, cluster, false), mount(t)
	path, err := exec.LookPath(unshare[0])
	if err != nil {
		t.Fatal(err)
	}
	second := func(blocks, inodes int) (outcome string) {
		v := l.victim(t, fmt.Sprintf("small-%d-%d", inodes, blocks), 0, false)
		if err := os.Mkdir(filepath.Join(v.dir, "disk"), 0o700); err != nil {
			t.Fatal(err)
		}
		command, stderr := program(t, v.dir, append([]string{"PATH=" + os.Getenv("PATH")}, v.env...))
		// The second run's context has a long name, so that its files take more blocks than the first one's.
		shell := []string{"sh", "-c", smallDisk, "sh", strconv.Itoa(blocks), strconv.Itoa(inodes), strings.Repeat("x", 2500)}
		command.Path, command.Args = path, append(slices.Clone(unshare), shell...)
		out, err := command.Output()
		outcome = strings.TrimSpace(string(out))
		if err != nil || !slices.Contains([]string{"0, changed", "2, intact", "6, intact"}, outcome) {
			t.Errorf("%d blocks, %d files: %v: %s: %s", blocks, inodes, err, outcome, stderr)
		}
		if outcome != "0, changed" {
			says(t, stderr.String(), `^error: .*write \S+: no space left on device$`, `^hint: `)
		}
		if n := strings.Count(stderr.String(), "error: "); n > 1 {
			t.Errorf("%d blocks, %d files: %s", blocks, inodes, stderr)
		}
		if n := v.leases(t); n != 1 {
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
	cluster, _ := sharedCluster(t)
	for _, name := range []string{"kubemint.kubeconfig", "kubemint.kubeconfig.env"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, v := newLife(t, cluster, false), &victim{}
			l.through(t, v, "fifo", func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) { next.ServeHTTP(w, r) })
			run(t, v.dir, v.env)
			path := filepath.Join(v.dir, name)
			if err := errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o600)); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			command := exec.CommandContext(ctx, "kubemint", "revoke")
			command.Dir, command.Env = v.dir, append([]string{stateIn(v.dir), raceExit}, v.env...)
			if out, err := command.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
			if left := v.objects(t); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}
