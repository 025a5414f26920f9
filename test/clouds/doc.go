// Package clouds is the world around a program under test: an [Internet] without which it reaches nothing,
// an [Issuer] of OpenID tokens as CI systems have one, and strict fakes of what EKS, GKE and AKS are asked
// for a token, each an [http.Handler] that verifies what it issued. With [Authenticator] a real API server
// takes their tokens.
//
// In: handlers by host name, and what a test wants to have happen. Out: environment variables for the
// process under test, and a record of what it asked of whom. The program itself needs no hook for that: it
// sees a proxy and a CA, as in many a company.
//
// Only tests import it. It may import the room kubetest, and no library of a cloud: what verifies a request
// must not be what made it.
package clouds
