// Package gke makes the token that gke-gcloud-auth-plugin prints.
//
// In: a stanza that names the plugin. Out: a login whose token is one of Google's access tokens.
// The credential comes from the environment, in gcloud's order. Secrets are sent to Google's own
// hosts alone.
//
// It imports client/wire, problem, secret and source/cloud/plugin.
package gke
