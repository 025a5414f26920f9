package revoke

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// AliveError says that the end of a credential was not seen, and what holds it.
type AliveError struct {
	Doomed
	LeaseHeld []string      // finalizers that hold the lease
	Gone      bool          // the Secret is gone: the token is dead
	Marked    bool          // the Secret is marked for deletion, and finalizers hold it
	Why       string        // why the Secret is still there; "" where that may not be read
	Fault     error         // why it could not be asked whether the Secret is gone
	After     time.Duration // how long it was waited for
}

func (e *AliveError) Error() string {
	place := e.Account.Namespace + "/" + e.Lease
	var parts []string
	if len(e.LeaseHeld) > 0 {
		parts = append(
			parts, fmt.Sprintf("finalizers hold Lease %s: %s", place, strings.Join(e.LeaseHeld, ", ")),
		)
	}
	switch {
	case e.Gone:
		parts = append(parts, "the token itself is dead: its Secret is gone")
	case e.Fault != nil:
		parts = append(parts,
			fmt.Sprintf(
				"whether Secret %s is gone, and the token with it, could not be asked: %s", place, e.Fault,
			))
	default:
		still := fmt.Sprintf("Secret %s, which the token is bound to, is still there after %s", place, e.After)
		if e.Why != "" {
			still += ": " + e.Why
		}
		parts = append(parts, still)
	}
	return strings.Join(parts, "; ")
}

func (e *AliveError) Unwrap() error { return e.Fault }

// Hints returns the commands that end what is left. until is when the token expires.
func (e *AliveError) Hints(until string) (hints []string) {
	secret := fmt.Sprintf("kubectl -n %s delete secret %s", e.Account.Namespace, e.Lease)
	switch {
	case e.Gone:
	case e.Marked:
		hints = append(hints, "the API server refuses the token about 70 s after its Secret was marked "+
			"for deletion; "+
			"this removes what holds it:  "+e.release("secret"))
	default:
		hints = append(hints, "the token lives until "+until+" unless you run  "+secret)
	}
	if len(e.LeaseHeld) > 0 {
		hints = append(
			hints, "see what set the finalizers on the Lease; this removes them:  "+e.release("lease"),
		)
	}
	if !e.Gone && e.Why == "" && len(e.LeaseHeld) == 0 && e.Fault == nil {
		hints = append(hints, "the runner's identity may not read the Secret, so this cannot tell why it stays: "+
			"its ownerReferences were changed, another object owns it too, a finalizer holds it, "+
			"or the garbage collector (kube-controller-manager) does not run")
	}
	return hints
}

// release is the command that takes the finalizers off an object.
func (e *AliveError) release(resource string) string {
	return fmt.Sprintf(`kubectl -n %s patch %s %s --type merge -p '{"metadata":{"finalizers":null}}'`,
		e.Account.Namespace, resource, e.Lease)
}

// explainWithin bounds the request that finds out why a Secret is still there.
const explainWithin = time.Second

// explain returns the error of a credential whose end was not seen.
func (e *ending) explain(ctx context.Context) error {
	alive := &AliveError{
		Doomed: e.Doomed, LeaseHeld: e.held.lease, Gone: e.gone, Fault: e.fault,
		After: time.Since(e.start).Round(100 * time.Millisecond),
	}
	if e.gone || e.fault != nil {
		return alive
	}
	ctx, cancel := context.WithTimeout(ctx, explainWithin)
	defer cancel()
	secret := e.boundSecret()
	if len(e.held.secret) > 0 {
		alive.Why = heldBy(e.held.secret)
		alive.Marked = true
	} else if e.api.GetMetadata(ctx, secret) == nil {
		alive.Why = e.why(secret)
		alive.Marked = secret.DeletionTimestamp != nil
	}
	return alive
}

func heldBy(finalizers []string) string {
	return "finalizers hold it: " + strings.Join(finalizers, ", ")
}

// why says what keeps a Secret.
func (e *ending) why(secret *corev1.Secret) string {
	var others []string
	owned := false
	for _, owner := range secret.OwnerReferences {
		if owner.Kind == "Lease" && owner.Name == e.Lease {
			owned = true
			continue
		}
		others = append(others, owner.Kind+" "+owner.Name)
	}
	switch {
	case secret.DeletionTimestamp != nil:
		return heldBy(secret.Finalizers)
	case len(others) > 0:
		return "it has another owner: " + strings.Join(others, ", ")
	case !owned:
		return "its ownerReferences no longer name the Lease"
	case len(e.held.lease) > 0:
		return "it stays for as long as its Lease does"
	}
	return "the garbage collector has not deleted it: does kube-controller-manager run?"
}
