package client_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/internal/client/answer"
	"github.com/kubemint/kubemint/internal/rules"
)

// aggregated is the answer of a kube-apiserver for /apis to a client that accepts the aggregated
// form.
func aggregated() apidiscoveryv2.APIGroupDiscoveryList {
	resource := func(plural, singular, kind string, short ...string) apidiscoveryv2.APIResourceDiscovery {
		return apidiscoveryv2.APIResourceDiscovery{
			Resource: plural, SingularResource: singular, ResponseKind: &metav1.GroupVersionKind{Kind: kind}, Scope: apidiscoveryv2.ScopeNamespace,
			ShortNames: short, Verbs: []string{"get", "list"},
			Subresources: []apidiscoveryv2.APISubresourceDiscovery{{Subresource: "status", ResponseKind: &metav1.GroupVersionKind{Kind: kind}, Verbs: []string{"get"}}},
		}
	}
	group := func(name string, versions ...apidiscoveryv2.APIVersionDiscovery) apidiscoveryv2.APIGroupDiscovery {
		return apidiscoveryv2.APIGroupDiscovery{ObjectMeta: metav1.ObjectMeta{Name: name}, Versions: versions}
	}
	return apidiscoveryv2.APIGroupDiscoveryList{
		TypeMeta: metav1.TypeMeta{APIVersion: "apidiscovery.k8s.io/v2", Kind: "APIGroupDiscoveryList"},
		Items: []apidiscoveryv2.APIGroupDiscovery{
			group("apps", apidiscoveryv2.APIVersionDiscovery{Version: "v1", Freshness: apidiscoveryv2.DiscoveryFreshnessCurrent, Resources: []apidiscoveryv2.APIResourceDiscovery{
				resource("deployments", "deployment", "Deployment", "deploy"),
			}}),
			group("cert-manager.io",
				apidiscoveryv2.APIVersionDiscovery{Version: "v1", Resources: []apidiscoveryv2.APIResourceDiscovery{resource("certificates", "certificate", "Certificate", "cert", "certs")}},
				apidiscoveryv2.APIVersionDiscovery{Version: "v1alpha2", Resources: []apidiscoveryv2.APIResourceDiscovery{resource("issuers", "issuer", "Issuer")}},
			),
			// An aggregated API whose server is away.
			group("metrics.k8s.io", apidiscoveryv2.APIVersionDiscovery{Version: "v1beta1", Freshness: apidiscoveryv2.DiscoveryFreshnessStale}),
			group("x.example", apidiscoveryv2.APIVersionDiscovery{Version: "v1", Resources: []apidiscoveryv2.APIResourceDiscovery{{Resource: "things"}}}),
		},
	}
}

// negotiate answers as WrapAggregatedDiscoveryToHandler of k8s.io/apiserver (pkg/endpoints/discovery/aggregated) does: the
// first clause of Accept that the API server knows; the list of groups is for whoever also takes plain JSON.
func negotiate(w http.ResponseWriter, accept string, versions ...string) {
	for clause := range strings.SplitSeq(accept, ",") {
		for _, version := range versions {
			if clause == "application/json;g=apidiscovery.k8s.io;v="+version+";as=APIGroupDiscoveryList" {
				list := aggregated()
				list.APIVersion = "apidiscovery.k8s.io/" + version
				w.Header().Set("Content-Type", clause)
				_ = json.NewEncoder(w).Encode(list)
				return
			}
		}
		if clause == "application/json" {
			give(w, http.StatusOK, metav1.APIGroupList{
				TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "APIGroupList"}, Groups: []metav1.APIGroup{{Name: "apps"}, {Name: "cert-manager.io"}},
			})
			return
		}
	}
	refuse(w, metav1.Status{Code: 406, Reason: metav1.StatusReasonNotAcceptable, Message: "only the following media types are accepted: application/json"})
}

func TestDiscover(t *testing.T) {
	t.Parallel()
	all := []rules.Served{
		{Group: "apps", Resource: "deployments", Singular: "deployment", Kind: "Deployment", Short: []string{"deploy"}},
		{Group: "cert-manager.io", Resource: "certificates", Singular: "certificate", Kind: "Certificate", Short: []string{"cert", "certs"}},
		{Group: "cert-manager.io", Resource: "issuers", Singular: "issuer", Kind: "Issuer"},
		{Group: "x.example", Resource: "things"},
	}
	for name, tt := range map[string]struct {
		versions []string
		want     []rules.Served
	}{
		"since 1.30":              {[]string{"v2", "v2beta1"}, all},
		"since 1.27":              {[]string{"v2beta1"}, all},
		"older, or switched off":  {nil, nil},
		"of a version to come":    {[]string{"v3"}, nil},
		"v2beta1 is gone one day": {[]string{"v2"}, all},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(w http.ResponseWriter, r *http.Request, _ int) {
				negotiate(w, r.Header.Get("Accept"), tt.versions...)
			})
			got, err := connect(t, s.config()).Discover(t.Context())
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Errorf("%v\n%s", err, diff)
			}
			if diff := cmp.Diff([]string{"GET /apis"}, s.asked()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDiscoverFails(t *testing.T) {
	t.Parallel()
	forbidden := metav1.Status{Code: 403, Reason: metav1.StatusReasonForbidden, Message: `forbidden: User "x" cannot get path "/apis"`}
	for name, tt := range map[string]struct {
		answer    func(w http.ResponseWriter, n int)
		forbidden bool
		asked     int
		fails     bool
	}{
		"forbidden": {func(w http.ResponseWriter, _ int) { refuse(w, forbidden) }, true, 1, true},
		"not found": {func(w http.ResponseWriter, _ int) {
			refuse(w, metav1.Status{Code: 404, Reason: metav1.StatusReasonNotFound})
		}, false, 1, true},
		"no JSON": {func(w http.ResponseWriter, _ int) { _, _ = w.Write([]byte("<html>log in</html>")) }, false, 1, true},
		"away for a moment": {func(w http.ResponseWriter, n int) {
			if n == 1 {
				refuse(w, metav1.Status{Code: 503, Reason: metav1.StatusReasonServiceUnavailable})
				return
			}
			give(w, http.StatusOK, aggregated())
		}, false, 2, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(w http.ResponseWriter, _ *http.Request, n int) { tt.answer(w, n) })
			served, err := connect(t, s.config()).Discover(t.Context())
			if (err != nil) != tt.fails || answer.IsForbidden(err) != tt.forbidden || (len(served) == 0) != tt.fails {
				t.Errorf("%v: %v", served, err)
			}
			if asked := s.asked(); len(asked) != tt.asked {
				t.Errorf("asked %q", asked)
			}
		})
	}
}
