package harness

import "fmt"

// RenderProbe is a policy under which a user cannot make ConfigMaps, and its binding: applied after other policies, it
// shows when the API server enforces these.
func RenderProbe(user, message string) string {
	return fmt.Sprintf(`
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: probe.%[1]s}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: ["*"], operations: [CREATE], resources: [configmaps]}]
  matchConditions: [{name: probe, expression: 'request.userInfo.username == "%[1]s"'}]
  validations: [{expression: "false", message: %[2]q}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: probe.%[1]s}
spec: {policyName: probe.%[1]s, validationActions: [Deny]}
`, user, message)
}
