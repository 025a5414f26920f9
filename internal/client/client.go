package client

import (
	"fmt"
	"net/http"
	"sync/atomic"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"

	"github.com/kubemint/kubemint/internal/client/explain"
	"github.com/kubemint/kubemint/internal/client/wire"
	"github.com/kubemint/kubemint/internal/kube"
)

// Client is a connection to one API server as one identity. It is safe for concurrent use.
type Client struct {
	http   *http.Client
	server string
	groups map[schema.GroupVersion]*rest.RESTClient
	heard  *atomic.Bool // the API server has answered, whatever it said
	line   *line
	once   bool     // no request is sent again
	dryRun []string // of a request that writes: nil, or metav1.DryRunAll
	// Login says more about a refused credential. It is set before the first request.
	Login explain.Login
}

// New makes a client. No request is sent. The client throttles nothing: an overloaded API server
// returns 429.
func New(config *rest.Config) (*Client, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		metav1.AddMetaToScheme, corev1.AddToScheme, rbacv1.AddToScheme, coordinationv1.AddToScheme,
		authenticationv1.AddToScheme, authorizationv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("register API types: %w", err)
		}
	}
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	transport, err := rest.TransportFor(config)
	if err != nil {
		return nil, fmt.Errorf("prepare connection: %w", err)
	}
	httpClient := wire.Client(transport, wire.MostOfAPI)
	c := &Client{
		http: httpClient, server: config.Host,
		groups: map[schema.GroupVersion]*rest.RESTClient{},
		heard:  &atomic.Bool{},
		line:   &line{open: make(chan struct{})}, Login: explain.SuggestLogin,
	}
	for _, r := range kube.Resources {
		version := r.GroupVersion()
		if c.groups[version] != nil {
			continue
		}
		group := rest.CopyConfig(config)
		group.GroupVersion = &version
		group.APIPath = "/apis"
		if version.Group == "" {
			group.APIPath = "/api"
		}
		if c.groups[version], err = rest.RESTClientForConfigAndClient(group, httpClient); err != nil {
			return nil, fmt.Errorf("prepare connection: %w", err)
		}
	}
	return c, nil
}

// Server is the URL of the API server, for messages.
func (c *Client) Server() string { return c.server }

// Dry returns the same client for dry runs: the API server creates, applies and deletes nothing,
// but answers as if it did, admission and escalation check included. Such a client requests no
// token, since a dry-run request for one returns a live token.
func (c *Client) Dry() *Client {
	dry := *c
	dry.dryRun = []string{metav1.DryRunAll}
	return &dry
}

// IsDry says whether this client is a dry one.
func (c *Client) IsDry() bool { return c.dryRun != nil }

// Once returns the same client for a question on which nothing depends: it sends no request again.
// One whose every try breaks the connection would break off all that shares it.
func (c *Client) Once() *Client {
	once := *c
	once.once = true
	return &once
}

// Close ends idle connections, which [http.Client.CloseIdleConnections] would not find beneath what
// is wrapped around them.
func (c *Client) Close() { utilnet.CloseIdleConnectionsFor(c.http.Transport) }
