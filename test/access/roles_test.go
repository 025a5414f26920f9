package access

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/kubemint/kubemint/internal/parallel"
	"github.com/kubemint/kubemint/internal/rules"
	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// deployerRole is one Role or ClusterRole of testdata/roles.
type deployerRole struct {
	rbacv1.Role // a ClusterRole has the same rules and metadata
	text        string
}

// account is the name of the ServiceAccount to which somebody gives the role.
func (d deployerRole) account(by string) string { return d.Name + "-" + by }

func deployerRoles(t *testing.T) (all []deployerRole) {
	t.Helper()
	files, err := filepath.Glob("testdata/roles/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, document := range regexp.MustCompile(`(?m)^---$`).Split(string(text), -1) {
			role := deployerRole{text: document}
			if err := yaml.UnmarshalStrict([]byte(document), &role.Role); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			all = append(all, role)
		}
	}
	return all
}

// Roles as people give them to what deploys: granted by kubemint, each allows request by request what it
// allows when kubectl applies it. They are of our own making, in the shapes that public ones have.
func TestRoles_AsKubectlAppliesThem(t *testing.T) {
	t.Parallel()
	cluster, namespace := harness.NewNamespace(t)
	roles := deployerRoles(t)
	if len(roles) < 60 {
		t.Errorf("only %d roles", len(roles))
	}
	applyByKubectl(t, cluster, namespace, roles)
	err := parallel.Each(len(roles), func(i int) error {
		mintRole(t, cluster, namespace, roles[i])
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	questions := questionsOf(roles)
	asked, allowed := 0, 0
	for i, role := range roles {
		sameRules(t, cluster, namespace, role)
		own := rules.ListQuestions(role.Rules, true)
		for n := i % 24; n < len(questions); n += 24 { // of the others' a share, another one for each role
			own = append(own, questions[n])
		}
		asked += len(own)
		allowed += sameAnswers(t, cluster, namespace, role, own)
	}
	t.Logf("%d roles, %d questions, %d allowed", len(roles), asked, allowed)
	if asked < 8_000 || allowed < asked/10 || allowed > asked*9/10 {
		t.Errorf("of %d questions %d were allowed: the comparison shows little", asked, allowed)
	}
}

// applyByKubectl gives each role to an account of its own.
func applyByKubectl(t *testing.T, cluster *kubetest.ControlPlane, namespace string, roles []deployerRole) {
	t.Helper()
	var manifests []string
	for _, role := range roles {
		name, account := namespace+"-"+role.Name, role.account("kubectl")
		applied := role.Role
		applied.Name = name
		binding := rbacv1.RoleBinding{
			TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: role.Kind + "Binding"},
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: namespace, Name: account}},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: role.Kind, Name: name},
		}
		if role.Kind == "Role" {
			applied.Namespace, binding.Namespace = namespace, namespace
		}
		for _, object := range []any{applied, binding} {
			text, err := json.Marshal(object)
			if err != nil {
				t.Fatal(err)
			}
			manifests = append(manifests, string(text))
		}
		const plain = `{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": %q, "namespace": %q}}`
		manifests = append(manifests, fmt.Sprintf(plain, account, namespace))
	}
	if err := cluster.Apply(t.Context(), strings.Join(manifests, "\n---\n")); err != nil {
		t.Fatal(err)
	}
}

// mintRole gives the role as it stands in the file to an account, as a pipeline does.
func mintRole(t *testing.T, cluster *kubetest.ControlPlane, namespace string, role deployerRole) {
	t.Helper()
	scope := "namespace"
	if role.Kind == "ClusterRole" {
		scope = "cluster"
	}
	harness.RunAs(t, t.TempDir(), cluster.AdminKubeconfig(), []string{
		"KUBEMINT_NAMESPACE=" + namespace, "KUBEMINT_SERVICE_ACCOUNT=" + role.account("kubemint"),
		"KUBEMINT_RULES=" + role.text, "KUBEMINT_SCOPE=" + scope, "KUBEMINT_REVOKE=false",
	}, 0)
}

// sameRules compares all that the API server says of both accounts.
func sameRules(t *testing.T, cluster *kubetest.ControlPlane, namespace string, role deployerRole) {
	t.Helper()
	have := reviewed(t, cluster, namespace, role.account("kubemint"))
	want := reviewed(t, cluster, namespace, role.account("kubectl"))
	if added, removed := rules.Covers(want, have), rules.Covers(have, want); len(added)+len(removed) > 0 {
		t.Errorf("%s: by kubemint more: %q, less: %q", role.Name, rules.Format(added), rules.Format(removed))
	}
	if missing := rules.Covers(have, role.Rules); len(missing) > 0 {
		t.Errorf("%s: the account lacks %q", role.Name, rules.Format(missing))
	}
}

// reviewed are the rules that hold for an account in the namespace.
func reviewed(t *testing.T, cluster *kubetest.ControlPlane, namespace, account string) (all []rbacv1.PolicyRule) {
	t.Helper()
	config, err := clientcmd.Load(cluster.AdminKubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range config.AuthInfos {
		user.Impersonate = "system:serviceaccount:" + namespace + ":" + account
	}
	content, err := clientcmd.Write(*config)
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubetest.NewClient(content)
	if err != nil {
		t.Fatal(err)
	}
	review := authorizationv1.SelfSubjectRulesReview{Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: namespace}}
	const path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
	if err := client.Do(t.Context(), http.MethodPost, path, review, &review); err != nil {
		t.Fatal(err)
	}
	for _, r := range review.Status.ResourceRules {
		all = append(all, rbacv1.PolicyRule{
			Verbs: r.Verbs, APIGroups: r.APIGroups, Resources: r.Resources, ResourceNames: r.ResourceNames,
		})
	}
	for _, r := range review.Status.NonResourceRules {
		all = append(all, rbacv1.PolicyRule{Verbs: r.Verbs, NonResourceURLs: r.NonResourceURLs})
	}
	return all
}

// questionsOf are all that the roles' rules allow, as single requests, each once.
func questionsOf(roles []deployerRole) (all []rules.Question) {
	seen := map[rules.Question]bool{}
	for _, role := range roles {
		for _, q := range rules.ListQuestions(role.Rules, true) {
			if !seen[q] {
				seen[q] = true
				all = append(all, q)
			}
		}
	}
	return all
}

// sameAnswers asks the same of both accounts, in the namespace and of the whole cluster, and counts what
// is allowed.
func sameAnswers(
	t *testing.T, cluster *kubetest.ControlPlane, namespace string, role deployerRole, questions []rules.Question,
) int {
	t.Helper()
	user := "system:serviceaccount:" + namespace + ":"
	allowed := make([]bool, len(questions))
	err := parallel.Each(len(questions), func(i int) error {
		place := namespace
		if role.Kind == "ClusterRole" && i%2 == 0 {
			place = ""
		}
		minted, err := harness.IsAllowed(t.Context(), cluster, place, user+role.account("kubemint"), questions[i])
		if err != nil {
			return err
		}
		applied, err := harness.IsAllowed(t.Context(), cluster, place, user+role.account("kubectl"), questions[i])
		if minted != applied {
			t.Errorf("%s: %+v: %t by kubemint, %t by kubectl", role.Name, questions[i], minted, applied)
		}
		allowed[i] = minted
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return len(slices.DeleteFunc(allowed, func(yes bool) bool { return !yes }))
}
