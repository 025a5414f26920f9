package faults

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// outcome is how a trial has to end.
type outcome struct {
	codes  []int
	says   string        // a regular expression
	within time.Duration // what is tried again and again, is not tried for long in a test; 0 is the program's own time
}

var success = outcome{codes: []int{0}}

func (o outcome) compare(code int, said string) string {
	switch {
	case !slices.Contains(o.codes, code):
		return fmt.Sprintf("exit code %d, not %v", code, o.codes)
	case !regexp.MustCompile(o.says).MatchString(said):
		return fmt.Sprintf("it does not say %q", o.says)
	case code != 0 && !strings.Contains(said, "\nhint: "):
		return "it gives no hint"
	}
	return ""
}

const (
	timedOut = 2 * time.Second
	faulty   = `error: .*: not carried out in time: context deadline exceeded; the last answer was: `
	unheard  = `error: .*: no answer in time: context deadline exceeded`
	gone     = `(: no answer in time: context deadline exceeded|connection refused)`
)

// expected says how it has to end. The kinds of failure and their codes are those of the contract: 3 the runner's credential and a server
// that is away, 4 rights, 5 what the API server does not carry out, 7 for all that a revocation fails in.
func (tr *trial) expected() outcome {
	o := tr.failure()
	if tr.walk.revokes() && !slices.Equal(o.codes, success.codes) {
		o.codes = []int{7}
	}
	return o
}

// recognises says whether it is the question of whom the API server takes the runner for. What cannot be asked is not known.
func (tr *trial) recognises() bool {
	return tr.request.nth == 1 && strings.HasSuffix(tr.request.what, "/selfsubjectreviews") && !tr.walk.revokes()
}

// asksForPower says whether it is the question whether the runner may do anything, on which nothing depends.
func (tr *trial) asksForPower() bool {
	return strings.HasSuffix(tr.request.what, "/selfsubjectaccessreviews")
}

func (tr *trial) failure() outcome {
	asked := tr.request.what
	switch {
	case tr.asksForPower() && tr.lasts != since && !tr.fault.Stays:
		return success
	case tr.recognises() && tr.fault.Name == "401":
		return outcome{codes: []int{3}, says: `error: .*: the API server does not accept the runner's credential \(401 Unauthorized\)\n(    .*\n)*hint: log in again`}
	case tr.recognises() && tr.lasts == once && (strings.HasPrefix(tr.fault.Name, "403") || (strings.HasPrefix(tr.fault.Name, "page ") && tr.fault.Refusal)):
		return success
	}
	deletes := strings.HasPrefix(asked, "DELETE ")
	switch {
	case deletes && strings.Contains(asked, "/secrets/") && strings.HasPrefix(tr.fault.Name, "403") && tr.lasts == since && tr.walk.revokes() && !tr.Ephemeral:
		return outcome{codes: []int{4}, says: `error: revoke the credential of Lease .*: whether Secret .* is gone, and the token with it, could not be asked: `}
	case deletes && strings.Contains(asked, "/secrets/") && strings.HasPrefix(tr.fault.Name, "403") && (tr.lasts != since || !tr.Ephemeral):
		return success // a runner that may not delete Secrets leaves that to the garbage collector
	case deletes && tr.replaces() && (tr.fault.Refusal || tr.lasts != once): // the new credential is good all the same
		return outcome{codes: []int{0}, says: "warning: the credential that was here before lives on until `kubemint revoke`: ", within: timedOut}
	}
	reads := strings.HasPrefix(asked, "GET ")
	optional := reads && !strings.Contains(asked, "ACCOUNT") && !strings.HasSuffix(asked, "/leases") // what was left: it is said that it is not looked for
	proves := strings.Contains(asked, "/selfsubject") && !tr.asksForPower()
	forGood := tr.lasts != once
	locks := strings.HasPrefix(asked, "PATCH ") && strings.Contains(asked, "/leases/")
	// The lock is given back during the proof. The proof may have been answered by then; else it fails too, and both errors
	// are reported.
	duringProof := tr.lasts == since && locks && tr.request.nth == 2
	switch tr.fault.Name {
	case "slow", "GOAWAY", "cut after the answer":
		return success
	case "429", "429, Retry-After", "500", "502", "503", "504", "page of a server that is away":
		if forGood {
			return outcome{codes: []int{5}, says: faulty, within: timedOut}
		}
		return success
	case "stream reset", "cut before it is carried out", "cut before the answer", "cut in the middle of the answer", "GOAWAY and cut",
		"stalled before it is carried out", "stalled after":
		if forGood {
			return outcome{codes: []int{3, 5}, says: unheard, within: timedOut}
		}
		return success
	case "TLS broken":
		if forGood {
			return outcome{codes: []int{3}, says: `error: .*: local error: tls: bad record MAC`}
		}
		return success
	case "TLS with another's certificate":
		return outcome{codes: []int{3}, says: `error: .*: the certificate of https://127\.0\.0\.1:\d+ is not signed by the kubeconfig's CA: .*\n(.*\n)*hint: see whether certificate-authority-data `}
	case "page instead of an answer", "page of a login":
		return outcome{codes: []int{3}, says: `error: .*: the answer is not one of the Kubernetes API \((200 OK|403 Forbidden)\)`}
	case "redirect":
		return outcome{codes: []int{3}, says: `error: .*: the answer is a redirect \(307 Temporary Redirect\) to "https://login\.test", which is not followed\n(    .*\n)*hint: `}
	case "401":
		switch {
		case proves && !forGood:
			return success
		case duringProof:
			return outcome{codes: []int{3, 5}, says: `error: (prove token|give back the lock, .*): .*\(401 Unauthorized\)`}
		case proves:
			return outcome{codes: []int{5}, says: `error: prove token: the API server refuses the token that it has just issued`}
		}
		return outcome{codes: []int{3}, says: `error: .*: the API server does not accept the runner's credential \(401 Unauthorized\)\n(    .*\n)*hint: log in again`}
	case "403 by RBAC":
		if optional && tr.lasts != since {
			return outcome{codes: []int{0}, says: `note: .*(may not be listed|not looked for)`}
		}
		if duringProof {
			return outcome{codes: []int{4, 5}, says: `error: (prove token: the API server takes it for "test"|give back the lock, .*: user "test" may not patch )`}
		}
		if proves && !(tr.recognises() && tr.lasts == since) { // there the runner is refused, by the next request
			return outcome{codes: []int{5}, says: `error: prove token: the API server takes it for "test", not for "system:serviceaccount:`}
		}
		return outcome{codes: []int{4}, says: `error: .*: user "test" may not (get|list|create|patch|delete) `}
	case "403 by admission":
		if optional && tr.lasts != since {
			return outcome{codes: []int{0}, says: `note: .*(may not be listed|not looked for)`}
		}
		return outcome{codes: []int{5}, says: `error: .*admission webhook "policy\.test" denied the request`}
	case "409":
		switch {
		case tr.lasts != since && strings.HasPrefix(asked, "PATCH ") && strings.Contains(asked, "/secrets/"):
			return outcome{codes: []int{4}, says: `error: await token in .*: secrets ".*" not found`} // nor is it there
		case tr.lasts == once && (strings.HasPrefix(asked, "PATCH ") || strings.HasPrefix(asked, "POST ") && strings.HasSuffix(asked, "/leases")):
			return success // the object is planned, the lease made again
		case tr.lasts == once && strings.HasPrefix(asked, "POST ") && strings.HasSuffix(asked, "/secrets"):
			return outcome{codes: []int{0}, says: `warning: somebody else made Secret .* before this run could: it takes another name`}
		case tr.lasts == again && strings.HasPrefix(asked, "POST ") && strings.HasSuffix(asked, "/secrets"):
			return outcome{codes: []int{5}, says: `error: create Secret .*: it was there already, as were those of 19 names before\nhint: `}
		case tr.lasts == again && locks && tr.request.nth == 1: // it looks as if others took the lock
			return outcome{codes: []int{4}, says: `error: change the access of .*: other access is in use`, within: timedOut}
		case reads:
			return outcome{codes: []int{5}, says: `error: .*: the object has been modified\nhint: somebody else changed it`}
		}
		return outcome{codes: []int{5}, says: `error: .*: .*(already exists|the object has been modified)`}
	case "410":
		return outcome{codes: []int{5}, says: `error: .*: The provided continue parameter is too old`}
	case "422":
		return outcome{codes: []int{5}, says: `error: .*: .* is invalid: metadata\.labels: Invalid value: "x": no such label is allowed here`}
	}
	panic("no outcome is known of " + tr.fault.Name)
}

// replaces says whether the request that meets the fault is one that ends the credential that was there before.
func (tr *trial) replaces() bool {
	return tr.walk.earlier && !tr.walk.revokes() && strings.HasPrefix(tr.request.what, "DELETE ")
}
