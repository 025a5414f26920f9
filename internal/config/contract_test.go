package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubemint/kubemint/internal/config"
)

// Users' pipelines call these names. A change here breaks them.
func TestInputs_NamesAndDefaultsOfTheContract(t *testing.T) {
	t.Parallel()
	want := []string{
		"kubeconfig", "context", "server", "certificate_authority", "bearer_token", "oidc_audience", "allow_insecure=false", "expect_cluster",
		"namespace", "service_account=kubemint", "create_service_account=true", "create_namespace=false", "ephemeral=false", "role", "rules",
		"scope=namespace", "must_not", "take_ownership=false", "owner", "labels",
		"duration=1h", "on_shortened=warn", "audiences", "revoke=true",
		"output", "context_name", "export_env=true", "secret_outputs", "dry_run=false", "timeout=2m", "debug",
		"host_workspace", "host_temp",
	}
	var got []string
	for _, input := range config.Inputs() {
		name := input.Name
		if input.Default != "" {
			name += "=" + input.Default
		}
		got = append(got, name)
		if !strings.HasSuffix(input.Help, ".") {
			t.Errorf("input %s: no sentence says what it is", input.Name)
		}
		if helper := strings.HasPrefix(input.Name, "host_"); helper != strings.HasPrefix(input.Pages.Docker, "host:${{ ") {
			t.Errorf("input %s: default in action.yml is %q", input.Name, input.Pages.Docker)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestOutputs_NamesOfTheContract(t *testing.T) {
	t.Parallel()
	want := []string{
		"kubeconfig_path", "kubeconfig (secret)", "token (secret)", "certificate_authority", "server", "expires_at", "service_account",
		"namespace", "context", "token_id", "changes",
	}
	var got []string
	for _, output := range config.Outputs() {
		name := output.Name
		if output.Secret {
			name += " (secret)"
		}
		got = append(got, name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
