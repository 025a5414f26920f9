package scale

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubemint/kubemint/test/harness"
)

const (
	learnRequests = 100_000
	learnAtOnce   = 16
)

// What kubemint learn keeps of a command that sends 100,000 different requests, many at once, and what it takes to print
// the rules of them, stay within 64 MiB: of the whole process, not of the record alone.
func TestLearnManyRequests(t *testing.T) { //nolint:tparallel // in turn: each is load enough
	t.Parallel()
	cluster, namespace := harness.NewNamespace(t)
	dir := t.TempDir()
	harness.WriteFile(t, filepath.Join(dir, "source"), cluster.AdminKubeconfig())
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "KUBECONFIG=source", "KUBEMINT_NAMESPACE=" + namespace, "KUBEMINT_TIMEOUT=5m",
	}
	env = append(env, "KUBEMINT_RULES=get configmaps; list pods")
	for name, tc := range map[string]struct{ flag, suffix, want string }{
		"declared":   {flag: "--declared", want: `^#   list  pods$`},
		"long names": {flag: "--names", suffix: strings.Repeat("x", 200), want: `^get  configmaps$`},
	} {
		t.Run(name, func(t *testing.T) { //nolint:paralleltest // in turn: each is load enough
			args := append(strings.Fields("learn "+tc.flag), "--", sendManyProgram, namespace, tc.suffix)
			command, stderr := harness.Command(t, dir, env, args...)
			var stdout strings.Builder
			command.Stdout = &stdout
			peak := harness.RunWatchingMemory(t, command)
			t.Logf("%d KiB at the most, %v of CPU", peak, command.ProcessState.UserTime()+command.ProcessState.SystemTime())
			if code := command.ProcessState.ExitCode(); code != 0 {
				t.Fatalf("exit code %d: %s", code, stderr)
			}
			if !regexp.MustCompile("(?m)" + tc.want).MatchString(stdout.String()) {
				t.Errorf("%d bytes of rules do not match %s", stdout.Len(), tc.want)
			}
			if peak == 0 || peak > 64<<10 {
				t.Errorf("%d KiB of memory at the most", peak)
			}
		})
	}
}

// sendManyProgram is the command that kubemint learn runs: this test binary, by another name.
const sendManyProgram = "kubemint-test-send-many"

// sendMany asks for so many different ConfigMaps. There are none.
func sendMany() {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	harness.ExitOn(err)
	client, err := rest.HTTPClientFor(config)
	harness.ExitOn(err)
	numbers := make(chan int)
	var all sync.WaitGroup
	for range learnAtOnce {
		all.Go(func() {
			for number := range numbers {
				harness.ExitOn(askFor(client, fmt.Sprintf("%s/api/v1/namespaces/%s/configmaps/name-%05d%s", config.Host, os.Args[1], number, os.Args[2])))
			}
		})
	}
	for number := range learnRequests {
		numbers <- number
	}
	close(numbers)
	all.Wait()
}

// askFor asks for an object, and demands that the API server answers 404.
func askFor(client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusNotFound {
		return fmt.Errorf("GET %s: %s", url, response.Status)
	}
	return nil
}
