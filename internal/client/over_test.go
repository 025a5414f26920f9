package client_test

import (
	"context"
	"net/http"
	"testing"

	"k8s.io/client-go/rest"
)

// What makes something is not even sent once the time is over.
func TestRequest_AfterTheContextEnded(t *testing.T) {
	t.Parallel()
	asked := 0
	client := connect(t, &rest.Config{Host: "https://10.0.0.1", Transport: roundTripper(func(w http.ResponseWriter) {
		asked++
		give(w, http.StatusCreated, object("Role", "shop", "x"))
	})})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := client.Create(ctx, object("Role", "shop", "x")); err == nil || asked > 0 {
		t.Errorf("asked %d times: %v", asked, err)
	}
}
