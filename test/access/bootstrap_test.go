package access

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-helpers/auth/rbac/validation"
	"sigs.k8s.io/yaml"

	"github.com/kubemint/kubemint/internal/command"
	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// bootstrapped are configurations whose printed rights are each tried. $S, $A and $B are namespaces.
var bootstrapped = map[string]struct {
	inputs []string
	revoke []string // of the first run; the steady one is revoked without options
	once   bool     // it has no steady state
}{
	"rules and roles in two namespaces, the account in a third": {inputs: []string{
		"NAMESPACE=$A,$B", "SERVICE_ACCOUNT=$S/ci", "ROLE=view,role/existing",
		"RULES=get,list pods,deployments\nget secrets tls",
	}},
	// What is given away grants some of what the runner does itself: it is not printed twice.
	"rules alone, in the account's namespace": {inputs: []string{
		"NAMESPACE=$S", "RULES=create secrets,services\nget serviceaccounts",
	}},
	"the whole cluster": {inputs: []string{
		"NAMESPACE=$A", "SERVICE_ACCOUNT=$S/ci", "SCOPE=cluster", "RULES=get /metrics\nlist nodes\ncreate secrets", "ROLE=view",
	}},
	"no rules, and neither lease nor account made": {inputs: []string{
		"NAMESPACE=$S", "SERVICE_ACCOUNT=default", "CREATE_SERVICE_ACCOUNT=false", "REVOKE=false",
	}},
	"a namespace that is made": {inputs: []string{"NAMESPACE=$S-new", "CREATE_NAMESPACE=true", "RULES=list pods"}},
	"ephemeral": {inputs: []string{
		"NAMESPACE=$A,$B", "SERVICE_ACCOUNT=$S/ci", "EPHEMERAL=true", "RULES=list pods", "ROLE=view,role/existing",
	}, once: true},
	"permanent": {inputs: []string{
		"NAMESPACE=$S,$A", "SERVICE_ACCOUNT=ci", "DURATION=permanent", "RULES=list pods",
	}, revoke: []string{"--permanent"}},
}

// With what bootstrap prints, and nothing else, a fresh identity completes mint and revoke. Without any one of the rights,
// one verb on one resource under one name, mint or revoke fails for the want of it.
func TestBootstrap(t *testing.T) {
	t.Parallel()
	for name, tc := range bootstrapped {
		for _, flavour := range []string{"", "--steady"} {
			if flavour != "" && tc.once {
				continue
			}
			t.Run(name+flavour, func(t *testing.T) {
				t.Parallel()
				b := newBootstrap(t, tc.inputs)
				if b.steady = flavour != ""; b.steady {
					if code, said := b.kubemint(t, t.TempDir(), "admin", "mint"); code != 0 {
						t.Fatalf("the administrator's first run: exit code %d:\n%s", code, said)
					}
				} else {
					b.revoke = tc.revoke
				}
				b.giveRights(t)
				rights := b.rights()
				if len(rights) < 2 {
					t.Fatalf("%d rights", len(rights))
				}
				for _, right := range rights {
					b.tryWithout(t, right)
				}
				b.setRights(t, nil)
				if code, said := b.run(t, nil); code != 0 {
					t.Errorf("with all rights: exit code %d:\n%s", code, said)
				}
			})
		}
	}
}

// bootstrap is one configuration, and a runner's identity with the rights that are printed for it.
type bootstrap struct {
	cluster    *kubetest.ControlPlane
	namespaces []string
	env        []string
	dir        string // of the credentials
	user       string
	steady     bool
	revoke     []string
	roles      []rbacv1.Role // as printed; a ClusterRole has no namespace
	runs       int
	missing    *right // what the runner has not, of what is printed
}

// right is one verb on one resource or URL, under one name or any.
type right struct {
	role int
	rule rbacv1.PolicyRule
}

func (r right) String() string { return fmt.Sprintf("%s (role %d)", r.rule.String(), r.role) }

func newBootstrap(t *testing.T, inputs []string) *bootstrap {
	t.Helper()
	cluster, s := harness.NewNamespace(t)
	return newBootstrapOn(t, cluster, s, inputs)
}

func newBootstrapOn(t *testing.T, cluster *kubetest.ControlPlane, s string, inputs []string) *bootstrap {
	t.Helper()
	b := &bootstrap{cluster: cluster, namespaces: []string{s, s + "-new"}, dir: t.TempDir(), user: "runner-of-" + s}
	named := map[string]string{"S": s}
	for _, name := range []string{"A", "B"} {
		namespace, err := cluster.CreateNamespace(t.Context(), "boot-")
		if err != nil {
			t.Fatal(err)
		}
		named[name], b.namespaces = namespace, append(b.namespaces, namespace)
		existing := rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "existing"}, Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get"}},
		}}
		b.do(t, http.MethodPost, harness.RolesPath("Role", namespace), existing)
	}
	for _, input := range inputs {
		b.env = append(b.env, "KUBEMINT_"+os.Expand(input, func(name string) string { return named[name] }))
	}
	runner, err := cluster.ClientKubeconfig(b.user)
	if err != nil {
		t.Fatal(err)
	}
	b.namespaces = slices.DeleteFunc(b.namespaces, func(namespace string) bool {
		return !strings.Contains(strings.Join(b.env, " "), namespace)
	})
	for name, content := range map[string][]byte{"admin": cluster.AdminKubeconfig(), "runner": runner} {
		if err := os.WriteFile(filepath.Join(b.dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// do sends a request as administrator.
func (b *bootstrap) do(t *testing.T, method, path string, in any) {
	t.Helper()
	if err := b.cluster.Admin.Do(t.Context(), method, path, in, nil); err != nil {
		t.Fatal(err)
	}
}

// kubemint runs a command as one identity.
func (b *bootstrap) kubemint(t *testing.T, dir, identity string, args ...string) (code int, said string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = command.Main(t.Context(), command.Process{
		Args: append([]string{"kubemint"}, args...), Environ: append(b.env, "KUBECONFIG="+filepath.Join(b.dir, identity)), Dir: dir,
		Streams: command.Streams{Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr}, Version: "test",
	})
	return code, stdout.String() + stderr.String()
}

// giveRights applies what is printed.
func (b *bootstrap) giveRights(t *testing.T) {
	t.Helper()
	args := []string{"bootstrap", "--subject", "user:" + b.user}
	if b.steady {
		args = append(args, "--steady")
	}
	code, printed := b.kubemint(t, t.TempDir(), "runner", args...)
	if code != 0 {
		t.Fatal(printed)
	}
	for document := range strings.SplitSeq(printed, "---\n") {
		var object map[string]any
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			t.Fatal(err)
		}
		if object == nil { // the comment
			continue
		}
		var role rbacv1.Role
		if err := yaml.Unmarshal([]byte(document), &role); err != nil {
			t.Fatal(err)
		}
		b.do(t, http.MethodPost, harness.RolesPath(role.Kind, role.Namespace), object)
		if !strings.HasSuffix(role.Kind, "Binding") {
			b.roles = append(b.roles, role)
		}
	}
	for _, right := range b.rights() {
		b.await(t, right, true)
	}
}

// rights are all the printed ones. Those on namespaces come first, as the namespace is not there yet.
func (b *bootstrap) rights() []right {
	var first, others []right
	for i, role := range b.roles {
		for _, rule := range role.Rules {
			for _, atom := range validation.BreakdownRule(rule) {
				if slices.Contains(atom.Resources, "namespaces") {
					first = append(first, right{i, atom})
				} else {
					others = append(others, right{i, atom})
				}
			}
		}
	}
	return append(first, others...)
}

// setRights gives all the printed rights but one, after all but another, and waits until that is so for the API server.
func (b *bootstrap) setRights(t *testing.T, without *right) {
	t.Helper()
	rights := b.rights()
	for i, role := range b.roles {
		changed := func(r *right) bool { return r != nil && r.role == i }
		if !changed(without) && !changed(b.missing) {
			continue
		}
		rules := []rbacv1.PolicyRule{}
		for _, right := range rights {
			if right.role == i && (without == nil || right.String() != without.String()) {
				rules = append(rules, right.rule)
			}
		}
		b.do(t, http.MethodPatch, harness.RolesPath(role.Kind, role.Namespace)+"/"+role.Name, map[string]any{"rules": rules})
	}
	if b.missing != nil {
		b.await(t, *b.missing, true)
	}
	if without != nil {
		b.await(t, *without, false)
	}
	b.missing = without
}

func (b *bootstrap) await(t *testing.T, right right, allowed bool) {
	t.Helper()
	spec := authorizationv1.SubjectAccessReviewSpec{User: b.user}
	if rule := right.rule; len(rule.NonResourceURLs) > 0 {
		spec.NonResourceAttributes = &authorizationv1.NonResourceAttributes{Verb: rule.Verbs[0], Path: rule.NonResourceURLs[0]}
	} else {
		resource, sub, _ := strings.Cut(rule.Resources[0], "/")
		spec.ResourceAttributes = &authorizationv1.ResourceAttributes{
			Verb: rule.Verbs[0], Group: rule.APIGroups[0], Resource: resource, Subresource: sub,
			Name: strings.Join(rule.ResourceNames, ""), Namespace: b.roles[right.role].Namespace,
		}
	}
	for start := time.Now(); time.Since(start) < harness.Patience; time.Sleep(2 * time.Millisecond) {
		review := authorizationv1.SubjectAccessReview{Spec: spec}
		if err := b.cluster.Admin.Do(t.Context(), http.MethodPost, "/apis/authorization.k8s.io/v1/subjectaccessreviews", review, &review); err != nil {
			t.Fatal(err)
		}
		if review.Status.Allowed == allowed {
			return
		}
	}
	t.Fatalf("%s: that it is allowed never was %t: is it printed twice?", right, allowed)
}

// tryWithout takes one right away, and demands that a run fails for that.
func (b *bootstrap) tryWithout(t *testing.T, missing right) {
	t.Helper()
	b.setRights(t, &missing)
	code, said := b.run(t, &missing)
	verb, resource := missing.rule.Verbs[0], strings.Join(missing.rule.Resources, "")
	group, name := strings.Join(missing.rule.APIGroups, ""), strings.Join(missing.rule.ResourceNames, "")
	ours := group == "coordination.k8s.io" || group == "rbac.authorization.k8s.io" || strings.HasPrefix(resource, "serviceaccounts") ||
		resource == "namespaces" || resource == "secrets" && (verb == "create" || strings.HasPrefix(name, "kubemint-"))
	want, why := 4, `(?m)^error: .* may not `+verb+` `+resource
	switch {
	case verb == "get" && (name == "view" || name == "existing"): // what is not seen is not proved, and said
		want, why = 0, `(?m)^note: (Cluster)?Role .*`+name+` cannot be read .* unproven `
	case verb == "bind", !ours:
		why = `(?m)^error: apply .*: the runner's identity does not hold all the rights that it is to give away`
	case verb == "delete", verb == "get" && b.ephemeral():
		want = 7
	}
	if code != want || !regexp.MustCompile(why).MatchString(said) {
		t.Errorf("without %s: exit code %d, not %d for %s:\n%s", missing, code, want, why, said)
	}
}

func (b *bootstrap) ephemeral() bool { return slices.Contains(b.env, "KUBEMINT_EPHEMERAL=true") }

// run mints and revokes, where nothing was before unless the run is to be a steady one.
func (b *bootstrap) run(t *testing.T, missing *right) (code int, said string) {
	t.Helper()
	b.clean(t)
	b.runs++
	dir := filepath.Join(b.dir, fmt.Sprint(b.runs))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if code, said = b.kubemint(t, dir, "runner", "mint"); code != 0 {
		return code, said
	}
	if missing != nil && missing.rule.Verbs[0] == "delete" && b.ephemeral() {
		b.disown(t)
	}
	code, more := b.kubemint(t, dir, "runner", append([]string{"revoke"}, b.revoke...)...)
	return code, said + more
}

// disown takes the ServiceAccounts from the garbage collector, which is sometimes faster than revoke.
func (b *bootstrap) disown(t *testing.T) {
	t.Helper()
	path := "/api/v1/namespaces/" + b.namespaces[0] + "/serviceaccounts"
	var list metav1.PartialObjectMetadataList
	if err := b.cluster.Admin.Do(t.Context(), http.MethodGet, path+harness.ManagedSelector, nil, &list); err != nil {
		t.Fatal(err)
	}
	for _, item := range list.Items {
		b.do(t, http.MethodPatch, path+"/"+item.Name, map[string]any{"metadata": map[string]any{"ownerReferences": nil}})
	}
}

// clean deletes what a run has left.
func (b *bootstrap) clean(t *testing.T) {
	t.Helper()
	for _, namespace := range b.namespaces {
		b.do(t, http.MethodDelete, "/apis/coordination.k8s.io/v1/namespaces/"+namespace+"/leases"+harness.ManagedSelector, nil)
		if b.steady {
			continue
		}
		for _, resource := range []string{"serviceaccounts", "secrets"} {
			b.do(t, http.MethodDelete, "/api/v1/namespaces/"+namespace+"/"+resource+harness.ManagedSelector, nil)
		}
		b.do(t, http.MethodDelete, harness.RolesPath("RoleBinding", namespace)+harness.ManagedSelector, nil)
		b.do(t, http.MethodDelete, harness.RolesPath("Role", namespace)+harness.ManagedSelector, nil)
	}
	if b.steady {
		return
	}
	for _, kind := range []string{"ClusterRoleBinding", "ClusterRole"} {
		b.do(t, http.MethodDelete, harness.RolesPath(kind, "")+"?labelSelector=kubemint%2Fservice-account%3D"+b.namespaces[0]+".ci", nil)
	}
}
