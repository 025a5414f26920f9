package learn

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/endpoints/request"
)

// TestParsePath_AsTheAPIServerDoes reads each path with each method as k8s.io/apiserver does.
func TestParsePath_AsTheAPIServerDoes(t *testing.T) {
	t.Parallel()
	factory := request.RequestInfoFactory{
		APIPrefixes: sets.NewString("api", "apis"), GrouplessAPIPrefixes: sets.NewString("api"),
	}
	methods := []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT"}
	for _, path := range []string{
		"/", "/api", "/api/", "/apis", "/apis/apps", "/apis/apps/v1", "/api/v1", "/api/v1/", "/healthz",
		"/metrics/x/y/z",
		"/api/v1/pods", "/api/v1/pods/", "/api/v1/pods?watch=1", "/api/v1/pods?watch=true",
		"/api/v1/pods?watch=false",
		"/api/v1/pods?watch=0", "/api/v1/nodes/a", "/api/v1/nodes/a/status", "/api/v1/nodes/a/proxy/x/y",
		"/api/v1/namespaces", "/api/v1/namespaces/shop", "/api/v1/namespaces/shop/status",
		"/api/v1/namespaces/shop/finalize",
		"/api/v1/namespaces/shop/pods", "/api/v1/namespaces/shop/pods/a",
		"/api/v1/namespaces/shop/pods/a/log?follow=true",
		"/api/v1/namespaces/shop/pods/a/exec?command=x", "/api/v1/namespaces/shop/pods/a/portforward",
		"/api/v1/namespaces/shop/services/https:a:1/proxy/b/c",
		"/api/v1/namespaces/shop/secrets?labelSelector=a%3Db",
		"/api/v1/namespaces/shop/pods?fieldSelector=metadata.name%3Da&watch=true",
		"/api/v1/namespaces/shop/pods?fieldSelector=metadata.name%3Da",
		"/api/v1/namespaces/shop/pods?fieldSelector=metadata.name%21%3Da",
		"/api/v1/namespaces/shop/pods?fieldSelector=metadata.name%3Da,status.phase%3DRunning",
		"/api/v1/namespaces/shop/pods?fieldSelector=metadata.name%3D..",
		"/apis/apps/v1/deployments", "/apis/apps/v1/namespaces/shop/deployments/web/scale",
		"/apis/acme.io/v1beta1/proxies", "/apis/acme.io/v1beta1/proxies/a",
		"/apis/acme.io/v1/namespaces/namespaces/namespaces/x",
		"/api/v1/watch/pods", "/api/v1/watch/namespaces/shop/pods", "/api/v1/watch/namespaces/shop/pods/a",
		"/api/v1/proxy/nodes/a", "/api/v1/proxy/namespaces/shop/services/a/b/c",
	} {
		for _, method := range methods {
			r := httptest.NewRequest(method, path, http.NoBody)
			info, err := factory.NewRequestInfo(r)
			if err != nil {
				t.Fatal(err)
			}
			want := Request{Verb: info.Verb, URL: info.Path}
			if info.IsResourceRequest {
				want = Request{
					Verb: info.Verb, Group: info.APIGroup, Resource: info.Resource,
					Subresource: info.Subresource, Namespace: info.Namespace, Name: info.Name,
				}
			}
			if diff := cmp.Diff(want, parsePath(method, r.URL)); diff != "" {
				t.Errorf("%s %s: %s", method, path, diff)
			}
		}
	}
}
