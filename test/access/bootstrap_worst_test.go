package access

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// atWorst are configurations whose printed rights are misused. $S is the account's namespace unless an input says otherwise, $A and
// $B others. lines is how many misuses are printed, of a first run and with --steady.
var atWorst = map[string]struct {
	inputs []string
	lines  [2]int
}{
	"rules, the account elsewhere":        {[]string{"NAMESPACE=$A", "SERVICE_ACCOUNT=$S/ci", "RULES=list pods"}, [2]int{8, 4}},
	"rules that read Secrets by a name":   {[]string{"NAMESPACE=$S", "SERVICE_ACCOUNT=ci", "RULES=get secrets tls"}, [2]int{8, 4}},
	"a role that reads Secrets":           {[]string{"NAMESPACE=$S", "SERVICE_ACCOUNT=ci", "ROLE=edit"}, [2]int{8, 4}},
	"a namespace that is made":            {[]string{"NAMESPACE=$S-new", "SERVICE_ACCOUNT=ci", "CREATE_NAMESPACE=true", "RULES=list pods"}, [2]int{10, 4}},
	"ephemeral":                           {[]string{"NAMESPACE=$S,$A", "SERVICE_ACCOUNT=$S/ci", "EPHEMERAL=true", "RULES=list pods"}, [2]int{7, 0}},
	"permanent":                           {[]string{"NAMESPACE=$S", "SERVICE_ACCOUNT=ci", "DURATION=permanent", "RULES=list pods"}, [2]int{5, 1}},
	"the whole cluster":                   {[]string{"NAMESPACE=$A", "SERVICE_ACCOUNT=$S/ci", "SCOPE=cluster", "RULES=list nodes", "ROLE=view"}, [2]int{8, 4}},
	"without a lease":                     {[]string{"NAMESPACE=$S", "SERVICE_ACCOUNT=ci", "REVOKE=false", "RULES=list pods"}, [2]int{5, 1}},
	"nothing declared, an account's own":  {[]string{"NAMESPACE=$S", "SERVICE_ACCOUNT=ci", "CREATE_SERVICE_ACCOUNT=false"}, [2]int{4, 4}},
	"an account in kube-system":           {[]string{"NAMESPACE=$A", "SERVICE_ACCOUNT=kube-system/ci", "RULES=list pods"}, [2]int{9, 5}},
	"a role in a namespace, and no other": {[]string{"NAMESPACE=$A", "SERVICE_ACCOUNT=$S/ci", "ROLE=edit"}, [2]int{8, 4}},
}

// What the printed comment says that a holder of the rights could do at worst, such a holder can do; and what it says that it
// cannot do, it cannot.
func TestWhatBootstrapSaysAtWorst(t *testing.T) { //nolint:tparallel // there is one kube-system
	t.Parallel()
	if testing.Short() {
		t.Skip("needs a control plane: make test runs it")
	}
	cluster := kubetest.New(t, kubetest.Options{APIServerArgs: []string{"--enable-bootstrap-token-auth"}})
	for name, c := range atWorst {
		for i, flavour := range []string{"", "--steady"} {
			if c.lines[i] == 0 {
				continue
			}
			t.Run(name+flavour, func(t *testing.T) {
				if !strings.Contains(strings.Join(c.inputs, " "), "kube-system") {
					t.Parallel()
				}
				s, err := cluster.CreateNamespace(t.Context(), "worst-")
				if err != nil {
					t.Fatal(err)
				}
				w := newWorst(t, newBootstrapOn(t, cluster, s, c.inputs), s, flavour != "")
				lines := w.printed(t)
				if len(lines) != c.lines[i] {
					t.Errorf("%d lines are printed, not %d: %s", len(lines), c.lines[i], strings.Join(lines, "\n"))
				}
				for _, line := range lines {
					w.shows(t, line)
				}
				w.tryBoundaries(t)
			})
		}
	}
}

// worst is a runner's identity with the printed rights, which does what it should not.
type worst struct {
	*bootstrap
	*kubetest.Client
	home    string // the account's namespace
	other   string // which the configuration does not name
	victim  string // another account of home
	comment string
}

func newWorst(t *testing.T, b *bootstrap, s string, steady bool) *worst {
	t.Helper()
	b.steady = steady
	w := &worst{bootstrap: b, home: s, victim: "victim-" + s}
	env := strings.Join(b.env, " ")
	if strings.Contains(env, s+"-new") {
		w.home = s + "-new"
		b.do(t, http.MethodPost, "/api/v1/namespaces", corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.home}})
	} else if strings.Contains(env, "kube-system/") {
		w.home = "kube-system"
	}
	var err error
	if w.other, err = b.cluster.CreateNamespace(t.Context(), "other-"); err != nil {
		t.Fatal(err)
	}
	b.do(t, http.MethodPost, w.in(w.home, "serviceaccounts"), named(w.victim))
	if steady {
		if strings.Contains(env, "CREATE_SERVICE_ACCOUNT=false") {
			b.do(t, http.MethodPost, w.in(w.home, "serviceaccounts"), named("ci"))
		}
		if code, said := b.kubemint(t, t.TempDir(), "admin", "mint"); code != 0 {
			t.Fatal(said)
		}
	} else {
		b.do(t, http.MethodPost, w.in(w.home, "serviceaccounts"), named("ci"))
	}
	b.do(t, http.MethodPost, w.in(w.other, "serviceaccounts"), named("ci"))
	args := []string{"bootstrap"}
	if steady {
		args = append(args, "--steady")
	}
	_, w.comment = b.kubemint(t, t.TempDir(), "runner", args...)
	b.giveRights(t)
	content, err := b.cluster.ClientKubeconfig(b.user)
	if err != nil {
		t.Fatal(err)
	}
	if w.Client, err = kubetest.NewClient(content); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if w.home == "kube-system" {
			for _, name := range []string{"ci", w.victim} {
				_ = b.cluster.Admin.Do(context.WithoutCancel(t.Context()), http.MethodDelete, w.in(w.home, "serviceaccounts")+"/"+name, nil, nil)
			}
			for _, resource := range []string{"rolebindings", "roles"} {
				_ = b.cluster.Admin.Do(context.WithoutCancel(t.Context()), http.MethodDelete, w.in(w.home, resource)+"/kubemint-runner:kube-system:ci", nil, nil)
			}
		}
	})
	return w
}

func named(name string) map[string]any {
	return map[string]any{"metadata": map[string]any{"name": name}}
}

func (*worst) in(namespace, resource string) string {
	group := map[string]string{"leases": "/apis/coordination.k8s.io/v1", "roles": "/apis/rbac.authorization.k8s.io/v1", "rolebindings": "/apis/rbac.authorization.k8s.io/v1"}[resource]
	if group == "" {
		group = "/api/v1"
	}
	return group + "/namespaces/" + namespace + "/" + resource
}

// printed are the lines of what is possible at worst.
func (w *worst) printed(t *testing.T) (lines []string) {
	t.Helper()
	for _, match := range regexp.MustCompile(`(?m)^# - (.*)$`).FindAllStringSubmatch(w.comment, -1) {
		lines = append(lines, match[1])
	}
	if !strings.Contains(w.comment, "# At worst, whoever holds these rights can\n# - ") {
		t.Error(w.comment)
	}
	return lines
}

// may demands that the runner's identity can do it.
func (w *worst) may(t *testing.T, method, path string, in, out any) {
	t.Helper()
	if err := w.Do(t.Context(), method, path, in, out); err != nil {
		t.Errorf("it is said to be possible: %s %s: %v", method, path, err)
	}
}

func (w *worst) mayNot(t *testing.T, method, path string, in any) {
	t.Helper()
	if err := w.Do(t.Context(), method, path, in, nil); !apierrors.IsForbidden(err) {
		t.Errorf("it is said to be impossible: %s %s: %v", method, path, err)
	}
}

// shows does what a line says.
func (w *worst) shows(t *testing.T, line string) {
	t.Helper()
	for pattern, show := range map[string]func(t *testing.T, found []string){
		`^mint tokens of ServiceAccount (\S+)/(\S+) that no lease ends, for years: they die with the account$`: func(t *testing.T, found []string) {
			t.Helper()
			w.mints(t, found[1], found[2])
		},
		`^mint tokens of any ServiceAccount of namespace (\S+) that no lease ends, for years: they die with the account$`: func(t *testing.T, found []string) {
			t.Helper()
			w.mints(t, found[1], w.victim)
		},
		`^mint tokens of the ServiceAccount (\S+) of every namespace that no lease ends, for years: they die with the account$`: func(t *testing.T, found []string) {
			t.Helper()
			w.mints(t, w.other, found[1])
		},
		`^be any ServiceAccount of namespace (\S+): make Secret (\S+) for it, and read the token, which never expires$`: func(t *testing.T, found []string) {
			t.Helper()
			secret := tokenSecret(found[2], w.victim)
			secret["apiVersion"], secret["kind"] = "v1", "Secret"
			w.applies(t, found[1], secret)
			w.is(t, w.reads(t, w.Client, found[1], found[2]), "system:serviceaccount:"+found[1]+":"+w.victim)
		},
		`^read the token in Secret (\S+)/(\S+), which never expires$`: func(t *testing.T, found []string) {
			t.Helper()
			w.is(t, w.reads(t, w.Client, found[1], found[2]), "system:serviceaccount:"+found[1]+":ci")
		},
		`^make any Secret in (namespace \S+|every namespace), also one that a controller there obeys$`: func(t *testing.T, found []string) {
			t.Helper()
			w.may(t, http.MethodPost, w.in(w.place(found[1]), "secrets"), map[string]any{"metadata": map[string]any{
				"name": "cluster-" + w.user, "labels": map[string]any{"argocd.argoproj.io/secret-type": "cluster"},
			}}, nil)
		},
		`^make a token Secret for any ServiceAccount of (namespace \S+|every namespace), which these rights do not let it read$`: func(t *testing.T, found []string) {
			t.Helper()
			w.cannotRead(t, w.place(found[1]))
		},
		`^make a token Secret for any ServiceAccount of namespace (\S+), read it by the declared rules, and so be that account$`: func(t *testing.T, found []string) {
			t.Helper()
			w.may(t, http.MethodPost, w.in(found[1], "secrets"), tokenSecret("tls", w.victim), nil)
			w.is(t, w.reads(t, w.reader(t), found[1], "tls"), "system:serviceaccount:"+found[1]+":"+w.victim)
		},
		`^make a token Secret for any ServiceAccount of namespace (\S+), and be that account if a bound role can read Secrets \(edit and admin can\)$`: func(t *testing.T, found []string) {
			t.Helper()
			w.readsByRole(t, found[1])
		},
		`^make bootstrap tokens in kube-system: where the API server takes them, a credential with which nodes join$`: w.bootstrapToken,
		`^make and delete any Lease in (namespace \S+|every namespace): end other jobs' credentials, and the leadership of controllers$`: func(t *testing.T, found []string) {
			t.Helper()
			leases, lease := w.in(w.place(found[1]), "leases"), named("leader-"+w.user)
			w.do(t, http.MethodPost, leases, lease)
			w.may(t, http.MethodDelete, leases+"/leader-"+w.user, nil, nil)
			w.may(t, http.MethodPost, leases, lease, nil)
		},
		`^change the Lease (\S+) in (namespace \S+|every namespace): hold other runs up, or have access change under a live credential$`: func(t *testing.T, found []string) {
			t.Helper()
			leases, lock := w.in(w.place(found[2]), "leases"), named(found[1])
			w.do(t, http.MethodPost, leases, lock)
			w.may(t, http.MethodPatch, leases+"/"+found[1], map[string]any{"spec": map[string]any{"holderIdentity": "me"}}, nil)
			w.do(t, http.MethodDelete, leases+"/"+found[1], nil) // there is one kube-system
		},
		`^read every Lease in (namespace \S+|every namespace): which jobs have a credential, and which controllers run$`: func(t *testing.T, found []string) {
			t.Helper()
			w.may(t, http.MethodGet, w.in(w.place(found[1]), "leases"), nil, nil)
		},
		`^hold the declared rules and roles itself, and give them and these rights to anyone, in (.*)$`: w.gives,
		`^change the ServiceAccount, also the annotations with which clouds give identities to its pods, and have it deleted$`: func(t *testing.T, _ []string) {
			t.Helper()
			w.may(t, http.MethodPatch, w.in(w.home, "serviceaccounts")+"/ci", annotated, nil)
			w.may(t, http.MethodPatch, w.in(w.home, "serviceaccounts")+"/ci?dryRun=All", orphaned, nil)
		},
		`^change and delete any ServiceAccount of namespace (\S+)$`: func(t *testing.T, found []string) {
			t.Helper()
			accounts := w.in(found[1], "serviceaccounts")
			w.may(t, http.MethodPatch, accounts+"/"+w.victim, annotated, nil)
			w.may(t, http.MethodDelete, accounts+"/"+w.victim, nil, nil)
		},
		`^read, change and delete any role and binding in (\S+), (\S+), without adding rights that it lacks$`: w.changesRoles,
		`^change the labels of the declared namespaces, Pod Security's among them, and have the namespaces deleted$`: func(t *testing.T, _ []string) {
			t.Helper()
			w.may(t, http.MethodPatch, "/api/v1/namespaces/"+w.home, map[string]any{"metadata": map[string]any{
				"labels": map[string]any{"pod-security.kubernetes.io/enforce": "privileged"},
			}}, nil)
			w.may(t, http.MethodPatch, "/api/v1/namespaces/"+w.home+"?dryRun=All", orphaned, nil)
		},
	} {
		if found := regexp.MustCompile(pattern).FindStringSubmatch(line); found != nil {
			show(t, found)
			return
		}
	}
	t.Errorf("nothing shows that it can %s", line)
}

var annotated = map[string]any{"metadata": map[string]any{"annotations": map[string]any{"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/admin"}}}

// orphaned gives an object an owner that does not exist: the garbage collector deletes it then.
var orphaned = map[string]any{"metadata": map[string]any{"ownerReferences": []any{
	map[string]any{"apiVersion": "v1", "kind": "Namespace", "name": "none", "uid": "11111111-1111-1111-1111-111111111111"},
}}}

// place is a namespace that the words mean, and the configuration does not.
func (w *worst) place(words string) string {
	if namespace, ok := strings.CutPrefix(words, "namespace "); ok {
		return namespace
	}
	return w.other
}

func tokenSecret(name, account string) map[string]any {
	return map[string]any{"type": "kubernetes.io/service-account-token", "metadata": map[string]any{
		"name": name, "annotations": map[string]any{"kubernetes.io/service-account.name": account},
	}}
}

// mints has a token of ten years, bound to nothing, which dies with its account.
func (w *worst) mints(t *testing.T, namespace, account string) {
	t.Helper()
	const years = 10 * 365 * 24 * time.Hour
	var request authenticationv1.TokenRequest
	path := w.in(namespace, "serviceaccounts") + "/" + account
	w.may(t, http.MethodPost, path+"/token", map[string]any{"spec": map[string]any{"expirationSeconds": int64(years / time.Second)}}, &request)
	if life := time.Until(request.Status.ExpirationTimestamp.Time); life < years-time.Hour {
		t.Errorf("the token lives for %s", life)
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(request.Status.Token+"..", ".")[1])
	if err != nil || strings.Contains(string(payload), `"secret"`) {
		t.Errorf("it is bound: %s %v", payload, err)
	}
	w.do(t, http.MethodDelete, path, nil)
	harness.AwaitDeath(t, "a token without its account", w.bearer(t, request.Status.Token))
	w.do(t, http.MethodPost, w.in(namespace, "serviceaccounts"), named(account))
}

func (w *worst) bearer(t *testing.T, token string) *kubetest.Client {
	t.Helper()
	return w.cluster.NewTokenClient(t, token)
}

// is demands whose a token is. The API server compares a Secret's token with its cache, which may have the Secret from before
// the token was filled in.
func (w *worst) is(t *testing.T, token, user string) {
	t.Helper()
	client := w.bearer(t, token)
	harness.AwaitTrue(t, func() (bool, error) {
		var review authenticationv1.SelfSubjectReview
		err := client.Do(t.Context(), http.MethodPost, "/apis/authentication.k8s.io/v1/selfsubjectreviews", review, &review)
		if is := review.Status.UserInfo.Username; err == nil && is != user {
			t.Fatalf("it is %q, not %q", is, user)
		}
		return err == nil, err
	})
}

// reads waits for the token that the controller fills into a Secret.
func (w *worst) reads(t *testing.T, client *kubetest.Client, namespace, name string) string {
	t.Helper()
	var secret corev1.Secret
	var err error
	for start := time.Now(); time.Since(start) < harness.Patience && len(secret.Data["token"]) == 0; time.Sleep(10 * time.Millisecond) {
		err = client.Do(t.Context(), http.MethodGet, w.in(namespace, "secrets")+"/"+name, nil, &secret)
	}
	if len(secret.Data["token"]) == 0 {
		t.Errorf("Secret %s/%s has no token: %v", namespace, name, err)
	}
	return string(secret.Data["token"])
}

// applies creates by server-side apply, which shows the authorizer the name.
func (w *worst) applies(t *testing.T, namespace string, object any) {
	t.Helper()
	content, err := w.cluster.ClientKubeconfig(w.user)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.cluster.RunKubectl(t.Context(), content, string(manifest), "-n", namespace, "apply", "--server-side", "--validate=false", "-f", "-"); err != nil {
		t.Errorf("it is said to be possible: %v", err)
	}
}

// reader has the declared rules: the runner itself, or with --steady whoever has a token of the account.
func (w *worst) reader(t *testing.T) *kubetest.Client {
	t.Helper()
	if !w.steady {
		return w.Client
	}
	var request authenticationv1.TokenRequest
	w.may(t, http.MethodPost, w.in(w.home, "serviceaccounts")+"/ci/token", map[string]any{}, &request)
	return w.bearer(t, request.Status.Token)
}

func (w *worst) readsByRole(t *testing.T, namespace string) {
	t.Helper()
	if role := regexp.MustCompile(`KUBEMINT_ROLE=(\S+)`).FindStringSubmatch(strings.Join(w.env, " ")); role[1] == "view" {
		w.cannotRead(t, namespace)
		return
	}
	if !w.steady {
		w.applies(t, namespace, w.binding("kubemint:"+w.home+":ci:clusterrole:edit", "ClusterRole", "edit", w.user))
	}
	w.may(t, http.MethodPost, w.in(namespace, "secrets"), tokenSecret("by-role", w.victim), nil)
	w.is(t, w.reads(t, w.reader(t), namespace, "by-role"), "system:serviceaccount:"+namespace+":"+w.victim)
}

func (*worst) binding(name, kind, role, user string) rbacv1.RoleBinding {
	return rbacv1.RoleBinding{
		TypeMeta:   metav1.TypeMeta{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "RoleBinding"},
		ObjectMeta: metav1.ObjectMeta{Name: name}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: role},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}
}

func (w *worst) cannotRead(t *testing.T, namespace string) {
	t.Helper()
	account := map[bool]string{true: "ci", false: w.victim}[namespace == w.other]
	name := "unread-" + w.user
	var made corev1.Secret
	w.may(t, http.MethodPost, w.in(namespace, "secrets"), tokenSecret(name, account), &made)
	if len(made.Data) > 0 {
		t.Error("the answer to its creation holds the token")
	}
	w.mayNot(t, http.MethodGet, w.in(namespace, "secrets")+"/"+name, nil)
	w.mayNot(t, http.MethodGet, w.in(namespace, "secrets"), nil)
}

func (w *worst) bootstrapToken(t *testing.T, _ []string) {
	t.Helper()
	id := fmt.Sprintf("%06x", time.Now().UnixNano()%(1<<24))
	w.may(t, http.MethodPost, w.in("kube-system", "secrets"), map[string]any{
		"type": "bootstrap.kubernetes.io/token", "metadata": map[string]any{"name": "bootstrap-token-" + id},
		"stringData": map[string]any{"token-id": id, "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true"},
	}, nil)
	for start := time.Now(); time.Since(start) < harness.Patience; time.Sleep(20 * time.Millisecond) { // the authenticator has a cache of Secrets
		if w.bearer(t, id+".0123456789abcdef").Do(t.Context(), http.MethodGet, "/version", nil, nil) == nil {
			break
		}
	}
	w.is(t, id+".0123456789abcdef", "system:bootstrap:"+id)
}

// gives has eve, whom nobody has named, hold what is declared.
func (w *worst) gives(t *testing.T, found []string) {
	t.Helper()
	name, namespace := "kubemint:"+w.home+":ci", strings.Split(found[1], ", ")[0]
	whole := found[1] == "the whole cluster"
	scoped := slices.Contains(w.env, "KUBEMINT_SCOPE=cluster")
	if slices.ContainsFunc(w.env, func(v string) bool { return strings.HasPrefix(v, "KUBEMINT_EPHEMERAL") }) {
		name = "whatever"
	}
	if whole {
		namespace = w.other
	}
	eve, kind, review := "eve-of-"+w.user, "Role", authorizationv1.ResourceAttributes{Namespace: namespace, Verb: "list", Resource: "pods"}
	if scoped {
		kind, review = "ClusterRole", authorizationv1.ResourceAttributes{Verb: "list", Resource: "nodes"}
	}
	env := strings.Join(w.env, "\n")
	if strings.Contains(env, "RULES=") {
		declared := rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{review.Resource}, Verbs: []string{"list"}}
		if strings.Contains(env, "RULES=get secrets tls") {
			declared = rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"}, ResourceNames: []string{"tls"}}
			review = authorizationv1.ResourceAttributes{Namespace: namespace, Verb: "get", Resource: "secrets", Name: "tls"}
		}
		rules := []rbacv1.PolicyRule{declared}
		if namespace == w.home && !strings.Contains(env, "REVOKE=false") && !strings.Contains(env, "permanent") { // its own rights
			rules = append(rules, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"create"}})
		}
		w.applies(t, namespace, rbacv1.Role{
			TypeMeta: metav1.TypeMeta{APIVersion: "rbac.authorization.k8s.io/v1", Kind: kind}, ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules,
		})
		given := w.binding(name, kind, name, eve)
		given.Kind = kind + "Binding"
		w.applies(t, namespace, given)
		w.holds(t, eve, review)
	}
	if role := regexp.MustCompile(`KUBEMINT_ROLE=(\w+)`).FindStringSubmatch(env); role != nil {
		bound := "kubemint:" + w.home + ":ci:clusterrole:" + role[1]
		given := w.binding(bound, "ClusterRole", role[1], eve)
		given.Kind = kind + "Binding"
		w.applies(t, namespace, given)
		w.holds(t, eve, authorizationv1.ResourceAttributes{Namespace: map[bool]string{false: namespace}[scoped], Verb: "list", Resource: "configmaps"})
	}
}

func (w *worst) holds(t *testing.T, user string, what authorizationv1.ResourceAttributes) {
	t.Helper()
	for start := time.Now(); time.Since(start) < harness.Patience; time.Sleep(5 * time.Millisecond) {
		review := authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: user, ResourceAttributes: &what}}
		if err := w.cluster.Admin.Do(t.Context(), http.MethodPost, "/apis/authorization.k8s.io/v1/subjectaccessreviews", review, &review); err != nil {
			t.Fatal(err)
		}
		if review.Status.Allowed {
			return
		}
	}
	t.Errorf("%s may not %s %s", user, what.Verb, what.Resource)
}

func (w *worst) changesRoles(t *testing.T, found []string) {
	t.Helper()
	for _, namespace := range found[1:] {
		w.do(t, http.MethodPost, w.in(namespace, "roles"), map[string]any{"metadata": map[string]any{"name": "others"}, "rules": []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"}},
		}})
		w.do(t, http.MethodPost, w.in(namespace, "rolebindings"), w.binding("others", "Role", "others", "somebody"))
		w.may(t, http.MethodGet, w.in(namespace, "roles")+"/others", nil, nil)
		w.mayNot(t, http.MethodPatch, w.in(namespace, "rolebindings")+"/others", map[string]any{"subjects": w.binding("", "", "", w.user).Subjects})
		w.mayNot(t, http.MethodPatch, w.in(namespace, "roles")+"/others", map[string]any{"rules": []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get", "delete"}},
		}})
		w.may(t, http.MethodPatch, w.in(namespace, "roles")+"/others", map[string]any{"rules": []rbacv1.PolicyRule{}}, nil)
		w.may(t, http.MethodDelete, w.in(namespace, "rolebindings")+"/others", nil, nil)
		w.may(t, http.MethodDelete, w.in(namespace, "roles")+"/others", nil, nil)
	}
}

// tryBoundaries tries what the comment says that the rights leave out, and what no line says that they allow.
func (w *worst) tryBoundaries(t *testing.T) {
	t.Helper()
	secrets := w.in(w.home, "secrets")
	w.do(t, http.MethodPost, secrets, named("theirs-"+w.user))
	if strings.Contains(w.comment, "\n# It can neither read, change nor delete a Secret, nor give away other rights.\n") {
		for _, namespace := range []string{w.home, w.other} {
			w.mayNot(t, http.MethodGet, w.in(namespace, "secrets"), nil)
			w.mayNot(t, http.MethodGet, w.in(namespace, "secrets")+"/theirs-"+w.user, nil)
			w.mayNot(t, http.MethodPatch, w.in(namespace, "secrets")+"/theirs-"+w.user+"?dryRun=All", named("theirs-"+w.user))
			w.mayNot(t, http.MethodDelete, w.in(namespace, "secrets")+"/theirs-"+w.user+"?dryRun=All", nil)
			w.mayNot(t, http.MethodPost, w.in(namespace, "roles"), map[string]any{
				"metadata": map[string]any{"name": "kubemint:" + w.home + ":ci-x"},
				"rules":    []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"}}},
			})
		}
	}
	if !strings.Contains(w.comment, "every namespace") && w.home != "kube-system" {
		w.mayNot(t, http.MethodPost, w.in(w.other, "secrets"), named("x"))
		w.mayNot(t, http.MethodPost, w.in(w.other, "leases"), named("x"))
		w.mayNot(t, http.MethodPost, w.in(w.other, "serviceaccounts")+"/ci/token", map[string]any{})
		w.mayNot(t, http.MethodPost, w.in("kube-system", "secrets"), named("x"))
	}
	if !strings.Contains(w.comment, "make any Secret in ") {
		w.mayNot(t, http.MethodPost, secrets, named("x"))
	}
	if !strings.Contains(w.comment, "any ServiceAccount of ") {
		w.mayNot(t, http.MethodPost, w.in(w.home, "serviceaccounts")+"/"+w.victim+"/token", map[string]any{})
	}
	w.bindsElsewhere(t)
}

// bindsElsewhere gives the runner a right to bindings in another namespace: the role that it may bind where it is declared, it
// may not bind there.
func (w *worst) bindsElsewhere(t *testing.T) {
	t.Helper()
	if !slices.Contains(w.env, "KUBEMINT_ROLE=edit") {
		return
	}
	w.do(t, http.MethodPost, w.in(w.other, "roles"), map[string]any{"metadata": map[string]any{"name": "binder"}, "rules": []rbacv1.PolicyRule{
		{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"rolebindings"}, Verbs: []string{"create"}},
	}})
	w.do(t, http.MethodPost, w.in(w.other, "rolebindings"), w.binding("binder", "Role", "binder", w.user))
	w.holds(t, w.user, authorizationv1.ResourceAttributes{Namespace: w.other, Group: rbacv1.GroupName, Verb: "create", Resource: "rolebindings"})
	w.mayNot(t, http.MethodPost, w.in(w.other, "rolebindings"), w.binding("mine", "ClusterRole", "edit", w.user))
}
