package script

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/kubemint/kubemint/test/kubetest"
)

// The contract names scripts that exist, each once.
func TestContractNamesScripts(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("test/script/contract")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		topic, scripts, found := strings.Cut(strings.TrimSpace(line), "  ")
		if strings.HasPrefix(topic, "#") {
			continue
		}
		if !found {
			t.Errorf("the topic %q has no script", topic)
		}
		for script := range strings.FieldsSeq(scripts) {
			if seen[script] {
				t.Errorf("%s is named twice", script)
			}
			seen[script] = true
			if found, err := filepath.Glob("test/script/*/" + script + ".txtar"); err != nil || len(found) != 1 {
				t.Errorf("%d scripts are named %s: %v", len(found), script, err)
			}
		}
	}
	if len(seen) < 17 {
		t.Errorf("the contract has only %d scripts", len(seen))
	}
}

// Every server can be built, every version that can be built is tested, the newest is last, and the
// workflow runs them all.
func TestServersAreTheOnesThatRun(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("test/controlplane/servers")
	if err != nil {
		t.Fatal(err)
	}
	servers, err := kubetest.Servers(text)
	if err != nil {
		t.Fatal(err)
	}
	list, err := exec.CommandContext(t.Context(), "test/controlplane/build.sh", "--list").Output()
	if err != nil {
		t.Fatal(err)
	}
	builds := strings.Fields(string(list))
	used := []string{"kine"}
	var names []string
	for _, server := range servers {
		names = append(names, server.Name)
		used = append(used, server.Build)
		if !slices.Contains(builds, server.Build) {
			t.Errorf("controlplane/build.sh cannot build %s of server %s", server.Build, server.Name)
		}
	}
	for _, build := range builds {
		if !slices.Contains(used, build) {
			t.Errorf("no server of controlplane/servers uses the build %s", build)
		}
	}
	last := servers[len(servers)-1]
	if newest := builds[len(builds)-2]; last.Build != newest || len(last.Flags) > 0 || last.Store != "etcd" {
		t.Errorf("the last server is not the plain newest, %s: %+v", newest, last)
	}
	if have := workflowServers(t); !slices.Equal(have, names) {
		t.Errorf("the workflow runs %q, and controlplane/servers has %q", have, names)
	}
}

// workflowServers returns the servers that the workflow runs, one job each.
func workflowServers(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(".github/workflows/servers.yml")
	if err != nil {
		t.Fatal(err)
	}
	var workflow struct {
		Jobs map[string]struct {
			Strategy struct {
				Matrix map[string][]string `json:"matrix"`
			} `json:"strategy"`
		} `json:"jobs"`
	}
	if err := yaml.Unmarshal(text, &workflow); err != nil {
		t.Fatal(err)
	}
	return workflow.Jobs["contract"].Strategy.Matrix["server"]
}
