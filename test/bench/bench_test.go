//go:build bench

package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kubemint/kubemint/internal/parallel"
	"github.com/kubemint/kubemint/test/kubetest"
)

const (
	runs      = 9                     // the median of them counts
	roundTrip = 50 * time.Millisecond // that is added on the wire
	rules     = "get,list,watch pods\nget,create,patch deployments"
)

// bench is one run of all measurements.
type bench struct {
	*testing.T
	cluster         *kubetest.ControlPlane
	kubemint, empty string // binaries
	admin           string // kubeconfig
	dir             string
	table           strings.Builder
}

// usage holds the resources that a process and its children took.
type usage struct {
	wall, cpu time.Duration
	memory    int64 // bytes, the most that one process had
}

func TestBench(t *testing.T) {
	b := &bench{T: t, cluster: kubetest.New(t, kubetest.Options{}), dir: t.TempDir()}
	b.kubemint = b.install("kubemint", "../../.ci/build", "OUT")
	empty := b.write("empty/main.go", "package main\n\nfunc main() {}\n")
	b.empty = b.install("empty", "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", "OUT", empty)
	b.admin = b.write("admin.kubeconfig", string(b.cluster.AdminKubeconfig()))
	fmt.Fprintf(&b.table, "%s, %d cores, %s, Kubernetes %s on the same machine; medians of %d runs\n\n", runtime.GOOS+"/"+runtime.GOARCH,
		runtime.NumCPU(), runtime.Version(), b.version(), runs)
	b.table.WriteString("| what | kubemint | compared with | ratio | budget |\n|---|---|---|---|---|\n")
	b.oneNamespace()
	b.onAWire()
	for _, n := range []int{10, 100, 1000} {
		b.manyNamespaces(n)
	}
	b.start()
	fmt.Println(b.table.String())
	if file := os.Getenv("BENCH_TABLE"); file != "" {
		b.must(os.WriteFile(file, []byte(b.table.String()), 0o600))
	}
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) write(name, text string) string {
	b.Helper()
	path := filepath.Join(b.dir, name)
	b.must(os.MkdirAll(filepath.Dir(path), 0o700))
	b.must(os.WriteFile(path, []byte(text), 0o600))
	return path
}

// install builds a binary and copies it as an installation does: what the linker has mapped into memory and written there,
// page by page, starts slower than a file that was written from its beginning to its end. OUT in the command
// stands for the binary's path.
func (b *bench) install(name string, command ...string) string {
	b.Helper()
	out := filepath.Join(b.dir, "bin-"+name)
	for i, word := range command {
		if word == "OUT" {
			command[i] = out
		}
	}
	build := exec.CommandContext(b.Context(), command[0], command[1:]...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build %s: %s", name, said)
	}
	b.must(exec.CommandContext(b.Context(), "cp", out, out+"-installed").Run())
	return out + "-installed"
}

func (b *bench) version() string {
	b.Helper()
	var answer struct{ GitVersion string }
	b.must(b.cluster.Admin.Do(b.Context(), "GET", "/version", nil, &answer))
	return answer.GitVersion
}

// run measures one process, and fails where it does.
func (b *bench) run(env []string, name string, args ...string) usage {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 5*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, name, args...)
	command.Env = append(env, "PATH="+filepath.Dir(b.cluster.Kubectl())+":"+os.Getenv("PATH"), "HOME="+filepath.Join(b.dir, "home"))
	command.Dir = b.dir
	var said strings.Builder
	command.Stderr = &said
	start := time.Now()
	if err := command.Run(); err != nil {
		b.Fatalf("%s %v: %v: %s", name, args, err, said.String())
	}
	took := command.ProcessState.SysUsage().(*syscall.Rusage)
	return usage{time.Since(start), command.ProcessState.UserTime() + command.ProcessState.SystemTime(), took.Maxrss << 10}
}

// mint is one run of kubemint, whose credential goes again outside of the measurement.
func (b *bench) mint(kubeconfig string, namespaces ...string) usage {
	b.Helper()
	return b.mintRules(kubeconfig, rules, namespaces...)
}

func (b *bench) mintRules(kubeconfig, rules string, namespaces ...string) usage {
	b.Helper()
	env := []string{
		"KUBEMINT_KUBECONFIG=" + kubeconfig, "KUBEMINT_NAMESPACE=" + strings.Join(namespaces, ","), "KUBEMINT_RULES=" + rules,
		"KUBEMINT_OUTPUT=" + filepath.Join(b.dir, "out", "kubeconfig"), "KUBEMINT_SERVICE_ACCOUNT=deployer",
	}
	took := b.run(env, b.kubemint)
	b.run(append(slices.Clone(env), "KUBEMINT_KUBECONFIG="+kubeconfig), b.kubemint, "revoke")
	return took
}

func (b *bench) namespace() string {
	b.Helper()
	name, err := b.cluster.CreateNamespace(b.Context(), "bench-")
	b.must(err)
	return name
}

// median of each of the three.
func median(all []usage) usage {
	pick := func(key func(usage) int64) int64 {
		values := make([]int64, len(all))
		for i, u := range all {
			values[i] = key(u)
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	return usage{
		time.Duration(pick(func(u usage) int64 { return int64(u.wall) })), time.Duration(pick(func(u usage) int64 { return int64(u.cpu) })),
		pick(func(u usage) int64 { return u.memory }),
	}
}

func (b *bench) row(what, ours, theirs, ratio, budget string) {
	fmt.Fprintf(&b.table, "| %s | %s | %s | %s | %s |\n", what, ours, theirs, ratio, budget)
}

func (b *bench) compare(what string, ours, theirs usage, wall, cpu string) {
	b.row(what+", wall", ms(ours.wall), ms(theirs.wall), part(ours.wall, theirs.wall), wall)
	b.row(what+", CPU", ms(ours.cpu), ms(theirs.cpu), part(ours.cpu, theirs.cpu), cpu)
	b.row(what+", memory", mib(ours.memory), mib(theirs.memory), part(time.Duration(ours.memory), time.Duration(theirs.memory)), "")
}

func ms(d time.Duration) string { return fmt.Sprintf("%.0f ms", float64(d)/float64(time.Millisecond)) }
func mib(bytes int64) string    { return fmt.Sprintf("%.0f MiB", float64(bytes)/(1<<20)) }
func part(ours, theirs time.Duration) string {
	return fmt.Sprintf("1/%.1f", float64(theirs)/float64(ours))
}

// oneNamespace compares the main job with the script, in turns, with everything new and then once more.
func (b *bench) oneNamespace() {
	b.Helper()
	var fresh, again, script, scriptAgain []usage
	output := filepath.Join(b.dir, "by-hand")
	byHand, err := filepath.Abs("kubectl.sh")
	b.must(err)
	for range runs {
		ours, theirs := b.namespace(), b.namespace()
		fresh = append(fresh, b.mint(b.admin, ours))
		script = append(script, b.run([]string{"KUBECONFIG=" + b.admin}, byHand, theirs, output))
		again = append(again, b.mint(b.admin, ours))
		scriptAgain = append(scriptAgain, b.run([]string{"KUBECONFIG=" + b.admin}, byHand, theirs, output))
	}
	b.compare("one run, everything new, compared with the kubectl script", median(fresh), median(script), "1/16", "1/25")
	b.compare("the same, steady state", median(again), median(scriptAgain), "1/18", "1/30")
}

// onAWire is the main job over a network: each way takes half a round trip, and so does the set-up of a connection.
func (b *bench) onAWire() {
	b.Helper()
	far := b.write("far.kubeconfig", strings.ReplaceAll(string(b.cluster.AdminKubeconfig()), b.cluster.URL, "https://"+relay(b.T, b.cluster.URL, roundTrip)))
	var fresh, again, near, nearAgain, wider, nearWider, narrower, nearNarrower []usage
	const more = rules + "\nlist services"
	for range runs {
		there, here := b.namespace(), b.namespace()
		fresh, again = append(fresh, b.mint(far, there)), append(again, b.mint(far, there))
		wider, narrower = append(wider, b.mintRules(far, more, there)), append(narrower, b.mint(far, there))
		near, nearAgain = append(near, b.mint(b.admin, here)), append(nearAgain, b.mint(b.admin, here))
		nearWider, nearNarrower = append(nearWider, b.mintRules(b.admin, more, here)), append(nearNarrower, b.mint(b.admin, here))
	}
	trips := func(what string, far, near usage) {
		b.row(fmt.Sprintf("%s with a round trip of %s, in round trips", what, roundTrip), fmt.Sprintf("%.1f", float64(far.wall)/float64(roundTrip)),
			"", fmt.Sprintf("%.1f on the wire", float64(far.wall-near.wall)/float64(roundTrip)), "7")
	}
	trips("everything new", median(fresh), median(near))
	trips("steady state", median(again), median(nearAgain))
	trips("more is declared", median(wider), median(nearWider))
	trips("less is declared", median(narrower), median(nearNarrower))
}

// manyNamespaces compares a Role and a RoleBinding in each namespace with kubectl apply of the same.
func (b *bench) manyNamespaces(n int) {
	b.Helper()
	var manifests strings.Builder
	made := make([]string, 2*n)
	b.must(parallel.Each(len(made), func(i int) (err error) {
		made[i], err = b.cluster.CreateNamespace(b.Context(), "bench-")
		return err
	}))
	ours, theirs := made[:n], made[n:]
	fmt.Fprintf(&manifests, "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: deployer, namespace: %s}\n", theirs[0])
	for _, namespace := range theirs {
		fmt.Fprintf(&manifests, `---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: deployer, namespace: %[1]s}
rules:
- {apiGroups: [""], resources: [pods], verbs: [get, list, watch]}
- {apiGroups: [apps], resources: [deployments], verbs: [get, create, patch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: deployer, namespace: %[1]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: deployer}
subjects: [{kind: ServiceAccount, name: deployer, namespace: %[2]s}]
`, namespace, theirs[0])
	}
	file := b.write("many.yaml", manifests.String())
	apply := func() usage { return b.run([]string{"KUBECONFIG=" + b.admin}, "kubectl", "apply", "-f", file) }
	what := fmt.Sprintf("%d namespaces", n)
	b.compare(what+", all new, compared with kubectl apply", b.mint(b.admin, ours...), apply(), "1/3 at 1,000", "")
	b.compare(what+", all there", b.mint(b.admin, ours...), apply(), "1/20 at 1,000", "")
}

// start is how long the program takes before it does anything, and its size.
func (b *bench) start() {
	b.Helper()
	var ours, empty []usage
	for range 5 * runs {
		ours, empty = append(ours, b.run(nil, b.kubemint, "version")), append(empty, b.run(nil, b.empty))
	}
	mine, least := median(ours), median(empty)
	b.row("start, compared with an empty Go program", fmt.Sprintf("%.1f ms", mine.wall.Seconds()*1000), fmt.Sprintf("%.1f ms", least.wall.Seconds()*1000),
		fmt.Sprintf("%.1f×", float64(mine.wall)/float64(least.wall)), "3×")
	size := func(path string) int64 {
		info, err := os.Stat(path)
		b.must(err)
		return info.Size()
	}
	b.row("size", fmt.Sprintf("%.1f MB", float64(size(b.kubemint))/1e6), fmt.Sprintf("%.1f MB", float64(size(b.empty))/1e6), "", "20 MB")
}
