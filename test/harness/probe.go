package harness

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/kubemint/kubemint/test/kubetest"
)

// AwaitPolicies waits until the API server enforces each admission policy that was applied before, and none that was
// deleted before. Until then it keeps the user of the client as from making ConfigMaps.
//
// The server follows policies and bindings by a watch each. It lists the bindings, then looks up the policies one by one
// (k8s.io/apiserver/pkg/admission/plugin/policy/generic/policy_source.go). What it enforces may hence mix new with old: a
// new binding in force shows that no binding is old, and a second one, made thereafter, that no policy is either.
func AwaitPolicies(ctx context.Context, admin, as *kubetest.Client, user string) error {
	for range 2 {
		if err := awaitPolicy(ctx, admin, as, user); err != nil {
			return err
		}
	}
	return nil
}

// awaitPolicy makes a policy and its binding, waits until as is refused by it, and deletes both.
func awaitPolicy(ctx context.Context, admin, as *kubetest.Client, user string) (err error) {
	const policies = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
	const bindings = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
	name := "probe." + strings.ToLower(rand.Text())
	for path, object := range map[string]string{
		policies: fmt.Sprintf(`{"metadata": {"name": %[1]q}, "spec": {
			"matchConstraints": {"resourceRules": [
				{"apiGroups": [""], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["configmaps"]}]},
			"matchConditions": [{"name": "probe", "expression": "request.userInfo.username == '%[2]s'"}],
			"validations": [{"expression": "false"}]}}`, name, user),
		bindings: fmt.Sprintf(`{"metadata": {"name": %[1]q}, "spec": {"policyName": %[1]q, "validationActions": ["Deny"]}}`, name),
	} {
		if err := admin.Do(ctx, http.MethodPost, path, json.RawMessage(object), nil); err != nil {
			return err
		}
		defer func() {
			if failed := admin.Do(ctx, http.MethodDelete, path+"/"+name, nil, nil); err == nil {
				err = failed
			}
		}()
	}
	attempt := json.RawMessage(`{"metadata": {"generateName": "probe-"}}`)
	for start := time.Now(); time.Since(start) < Patience; time.Sleep(50 * time.Millisecond) {
		err = as.Do(ctx, http.MethodPost, "/api/v1/namespaces/default/configmaps?dryRun=All", attempt, nil)
		if err != nil && strings.Contains(err.Error(), name) {
			return nil
		}
	}
	return fmt.Errorf("the policies are not in force: %w", err)
}
