package kubetest

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// denial is said in the authorizer's own words.
type denial string

func (d denial) Error() string { return string(d) }

// asked describes a request in the words of RBAC.
type asked struct {
	schema.GroupResource
	verb, namespace, name, full string // full: with the subresource
}

// about reads a path of the API: /api/v1 or /apis/GROUP/VERSION, then namespaces/NAMESPACE, RESOURCE, NAME, SUBRESOURCE.
func about(r *http.Request) (a asked) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	at := func(i int) string {
		if i < len(parts) {
			return parts[i]
		}
		return ""
	}
	i := 2
	if at(0) == "apis" {
		a.Group, i = at(1), 3
	}
	if at(i) == "namespaces" && at(i+2) != "" {
		a.namespace, i = at(i+1), i+2
	}
	a.Resource, a.name, a.full = at(i), at(i+1), at(i)
	if sub := at(i + 2); sub != "" {
		a.full += "/" + sub
	}
	a.verb = map[string]string{"GET": "get", "POST": "create", "PATCH": "patch", "DELETE": "delete"}[r.Method]
	if a.verb == "get" && a.name == "" {
		a.verb = "list"
	}
	return a
}

// stranger is a server of this address that nobody has vouched for.
func stranger() *tls.Config {
	authority, err := NewAuthority()
	if err != nil {
		panic(err)
	}
	certificate, key, err := authority.Server("127.0.0.1")
	if err != nil {
		panic(err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		panic(err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2"}}
}

func status(of func(asked) *apierrors.StatusError) func(exchange) {
	return func(x exchange) {
		answer := of(about(x.r)).ErrStatus
		answer.Kind, answer.APIVersion = "Status", "v1"
		x.w.Header().Set("Content-Type", "application/json")
		if answer.Details != nil && answer.Details.RetryAfterSeconds > 0 {
			x.w.Header().Set("Retry-After", fmt.Sprint(answer.Details.RetryAfterSeconds))
		}
		x.w.WriteHeader(int(answer.Code))
		_ = json.NewEncoder(x.w).Encode(answer)
	}
}

func page(code int) func(exchange) {
	return func(x exchange) {
		x.w.Header().Set("Content-Type", "text/html; charset=utf-8")
		x.w.WriteHeader(code)
		_, _ = io.WriteString(x.w, "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Please sign in to go on.</body></html>\n")
	}
}
