package kubetest

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// fakeToken is a token that was minted.
type fakeToken struct {
	account      types.NamespacedName
	secret       string // key of the Secret that it is bound to; "" where it is bound to none
	secretUID    types.UID
	accountUID   types.UID // "" where any account of that name will do
	accountStore string    // key of the account
}

func (f *Fake) isAlive(token *fakeToken) bool {
	account := f.objects[token.accountStore]
	if account == nil || (token.accountUID != "" && account.GetUID() != token.accountUID) {
		return false
	}
	if token.secret == "" {
		return true
	}
	secret := f.objects[token.secret]
	return secret != nil && secret.GetUID() == token.secretUID
}

// rulesOf are the rules of an account in a namespace, by the roles and bindings that there are.
// faults names the roles that a binding refers to in vain.
func (f *Fake) rulesOf(account types.NamespacedName, namespace string) (granted []rbacv1.PolicyRule, faults []string) {
	for key, stored := range f.objects {
		resource, _, _ := strings.Cut(key, " ")
		inPlace := resource == "rolebindings" && stored.GetNamespace() == namespace
		if !inPlace && resource != "clusterrolebindings" {
			continue
		}
		var binding rbacv1.ClusterRoleBinding // a RoleBinding has the same fields
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(stored.Object, &binding); err != nil {
			f.t.Error(err)
		}
		its := rbacv1.Subject{Kind: "ServiceAccount", Namespace: account.Namespace, Name: account.Name}
		if !slices.Contains(binding.Subjects, its) {
			continue
		}
		resource, _ = resourceOf(binding.RoleRef.Kind)
		if binding.RoleRef.Kind == "ClusterRole" {
			namespace = ""
		}
		role := f.objects[fakeKey(resource, namespace, binding.RoleRef.Name)]
		if role == nil {
			faults = append(faults, apierrors.NewNotFound(groupOf(resource), binding.RoleRef.Name).Error())
			continue
		}
		var held rbacv1.ClusterRole
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(role.Object, &held); err != nil {
			f.t.Error(err)
		}
		granted = append(granted, held.Rules...)
	}
	return granted, faults
}

// PermanentToken is a token without expiry, as the token controller writes it into a Secret. The
// account need not be there yet.
func (f *Fake) PermanentToken(namespace, name string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	store := fakeKey("serviceaccounts", namespace, name)
	token := fakeToken{account: types.NamespacedName{Namespace: namespace, Name: name}, accountStore: store}
	text := f.sign(token, time.Time{})
	f.tokens[text] = token
	return text
}

func (f *Fake) mint(q fakeRequest) (any, error) {
	account := f.objects[fakeKey("serviceaccounts", q.namespace, q.name)]
	var request authenticationv1.TokenRequest
	if err := json.Unmarshal(q.body, &request); err != nil || request.Spec.ExpirationSeconds == nil {
		return nil, apierrors.NewBadRequest("this is not a TokenRequest")
	}
	switch {
	case account == nil:
		return nil, apierrors.NewNotFound(q.GroupResource, q.name)
	case request.UID != "" && request.UID != account.GetUID():
		return nil, apierrors.NewConflict(q.GroupResource, q.name, errors.New("the UID in the token request"))
	}
	f.last++
	token := fakeToken{
		account:    types.NamespacedName{Namespace: q.namespace, Name: q.name},
		accountUID: account.GetUID(), accountStore: fakeKey("serviceaccounts", q.namespace, q.name),
	}
	if bound := request.Spec.BoundObjectRef; bound != nil {
		token.secret = fakeKey("secrets", q.namespace, bound.Name)
		secret := f.objects[token.secret]
		if secret == nil {
			return nil, apierrors.NewNotFound(groupOf("secrets"), bound.Name)
		}
		if bound.UID != "" && bound.UID != secret.GetUID() {
			return nil, apierrors.NewConflict(schema.GroupResource{Resource: "Secret"}, bound.Name, errors.New("the UID in the bound object reference"))
		}
		token.secretUID = secret.GetUID()
	}
	lifetime := time.Duration(*request.Spec.ExpirationSeconds) * time.Second
	if f.Longest > 0 {
		lifetime = min(lifetime, f.Longest)
	}
	ends := f.Now().Add(lifetime)
	request.Status.ExpirationTimestamp = metaTime(ends)
	request.Status.Token = f.sign(token, ends)
	request.Kind = "TokenRequest"
	request.APIVersion = "authentication.k8s.io/v1"
	f.tokens[request.Status.Token] = token
	return request, nil
}

// sign writes a token as Kubernetes does, with a signature that nobody checks.
func (f *Fake) sign(token fakeToken, ends time.Time) string {
	kubernetes := map[string]any{
		"namespace":      token.account.Namespace,
		"serviceaccount": map[string]any{"name": token.account.Name, "uid": token.accountUID},
	}
	if token.secret != "" {
		_, name, _ := strings.Cut(token.secret, "/")
		kubernetes["secret"] = map[string]any{"name": name, "uid": token.secretUID}
	}
	claims := map[string]any{
		"sub": "system:serviceaccount:" + token.account.Namespace + ":" + token.account.Name,
		"iat": f.Now().Unix(), "jti": fmt.Sprint("token-", f.last), "kubernetes.io": kubernetes,
	}
	if !ends.IsZero() {
		claims["exp"] = ends.Unix()
	}
	var parts []string
	for _, part := range []any{map[string]any{"alg": "RS256"}, claims, "signature"} {
		data, err := json.Marshal(part)
		if err != nil {
			f.t.Error(err)
		}
		parts = append(parts, base64.RawURLEncoding.EncodeToString(data))
	}
	return strings.Join(parts, ".")
}

func (f *Fake) review(q fakeRequest) (any, error) {
	user := "runner"
	if q.as != nil {
		user = "system:serviceaccount:" + q.as.account.Namespace + ":" + q.as.account.Name
	}
	answer := maps.Clone(q.sent.Object)
	switch q.Resource {
	case "selfsubjectreviews":
		answer["status"] = map[string]any{"userInfo": map[string]any{"username": user}}
	case "selfsubjectrulesreviews":
		namespace, _, _ := unstructured.NestedString(answer, "spec", "namespace")
		granted := []rbacv1.PolicyRule{{Verbs: []string{"*"}, APIGroups: []string{"*"}, Resources: []string{"*"}}}
		if f.Runner != nil {
			granted = f.Runner
		}
		var faults []string
		if q.as != nil {
			granted, faults = f.rulesOf(q.as.account, namespace)
		}
		status := authorizationv1.SubjectRulesReviewStatus{EvaluationError: strings.Join(faults, ", ")}
		for _, rule := range granted {
			status.ResourceRules = append(status.ResourceRules, authorizationv1.ResourceRule{
				Verbs: rule.Verbs, APIGroups: rule.APIGroups, Resources: rule.Resources, ResourceNames: rule.ResourceNames,
			})
		}
		answer["status"] = status
	case "selfsubjectaccessreviews": // of a right that a rules review has named
		answer["status"] = authorizationv1.SubjectAccessReviewStatus{Allowed: true, Reason: "RBAC: allowed"}
	}
	return answer, nil
}
