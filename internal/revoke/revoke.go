package revoke

import (
	"context"
	"errors"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/lease"
	"github.com/kubemint/kubemint/internal/lease/leasename"
)

// API makes the requests that end a credential and show its end.
type API interface {
	lease.API
	GetMetadata(ctx context.Context, o *corev1.Secret) error
}

// Doomed is a credential that is to end.
type Doomed struct {
	Account types.NamespacedName // whose credential it is
	Lease   string               // name of the lease, and of its Secret
	UID     types.UID            // of the lease; "" where it is not known
	Secret  types.UID            // of the Secret; "" where it is not known
}

// SeenWithin is how long End waits to see the end: the garbage collector deletes a Secret 8 to 12
// ms after its Lease.
const SeenWithin = 10 * time.Second

// End ends a credential: it deletes the lease by name and UID, and the Secret if the runner's
// identity may. It returns nil once it has seen that both are gone, and an [AliveError] if it has
// not seen that in time.
func End(ctx context.Context, api API, doomed Doomed) error {
	e := &ending{api: api, Doomed: doomed, start: time.Now()}
	if err := e.deleteBoth(ctx); err != nil {
		return err
	}
	return e.await(ctx)
}

// latePauses are those between the looks for what a request makes whose connection was cut: a busy
// API server carries it out late.
var latePauses = [...]time.Duration{500 * time.Millisecond, 1500 * time.Millisecond}

// Discard is [End] for a lease that no token was requested for: nobody can hold one, so its end is
// not waited for. A Secret whose UID is not known can be somebody else's, and is left to the garbage
// collector. A lease without a UID was requested and nobody answered: the API server may still make
// it after the first deletion has found nothing, so there are two more.
func Discard(ctx context.Context, api lease.API, doomed Doomed) error {
	e := &ending{api: discarder{api}, Doomed: doomed}
	if doomed.Secret != "" {
		return e.deleteBoth(ctx)
	}
	there, err := e.deleteLease(ctx)
	for look := 0; look < len(latePauses) && !there && err == nil && doomed.UID == ""; look++ {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(latePauses[look]):
			there, err = e.deleteLease(ctx)
		}
	}
	return err
}

// discarder reads no metadata.
type discarder struct{ lease.API }

func (discarder) GetMetadata(context.Context, *corev1.Secret) error { return errors.ErrUnsupported }

// ending is a credential's end as far as it has been seen.
type ending struct {
	Doomed
	api       API
	start     time.Time
	held      held
	gone      bool  // the Secret is
	mayDelete bool  // the runner's identity may delete the Secret
	answered  bool  // the API server has said that something is left
	fault     error // of the last look
}

// held are the finalizers that hold the lease, and those that hold its Secret.
type held struct{ lease, secret []string }

func (e *ending) deleteBoth(ctx context.Context) error {
	if _, err := e.deleteLease(ctx); err != nil {
		return err
	}
	return e.deleteSecret(ctx)
}

// deleteLease deletes the lease, and says whether it was there. One that is gone already may have
// left its Secret.
func (e *ending) deleteLease(ctx context.Context) (there bool, err error) {
	lease := &coordinationv1.Lease{
		TypeMeta:   kube.TypeMeta("Lease"),
		ObjectMeta: metav1.ObjectMeta{Namespace: e.Account.Namespace, Name: e.Lease, UID: e.UID},
	}
	err = e.api.Delete(ctx, lease)
	there = err == nil
	if apierrors.IsNotFound(err) || (e.Secret != "" && hasAnotherUID(err)) {
		// the UID protects somebody else's Secret, if another lease has the name by now
		err = nil
	}
	if err == nil { // an error tells nothing: the finalizers of the last answer still hold the lease
		e.held.lease = lease.Finalizers
	}
	return there, err
}

// deleteSecret deletes the Secret. A runner that may not delete it leaves it to the garbage
// collector.
func (e *ending) deleteSecret(ctx context.Context) error {
	secret := e.boundSecret()
	secret.UID = e.Secret
	err := e.api.Delete(ctx, secret)
	e.held.secret = secret.Finalizers
	switch {
	case err == nil:
		e.mayDelete = true
		e.gone = len(e.held.secret) == 0
	case apierrors.IsNotFound(err), hasAnotherUID(err): // that one is gone, and another has its name
		e.mayDelete = true
		e.gone = true
	case !apierrors.IsForbidden(err):
		return err
	}
	return nil
}

// hasAnotherUID says whether the API server refused a deletion because the object that has the name
// has another UID. There are other conflicts, which tell nothing, and only the text is different.
//
// Source: k8s.io/apiserver pkg/registry/generic/registry/store.go, Delete;
// pkg/storage/interfaces.go, Preconditions.Check.
func hasAnotherUID(err error) bool {
	if !apierrors.IsConflict(err) {
		return false
	}
	text := err.Error()
	return strings.Contains(text, "UID in the precondition (") || strings.Contains(text, "UID in precondition: ")
}

func (e *ending) boundSecret() *corev1.Secret {
	return &corev1.Secret{
		TypeMeta:   kube.TypeMeta("Secret"),
		ObjectMeta: metav1.ObjectMeta{Namespace: e.Account.Namespace, Name: e.Lease},
	}
}

// await looks until both are gone.
func (e *ending) await(ctx context.Context) error {
	if e.ended() {
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, SeenWithin)
	defer cancel()
	pauses := wait.Backoff{Duration: 5 * time.Millisecond, Factor: 2, Steps: 8}.DelayFunc()
	err := pauses.Until(bounded, true, true, func(ctx context.Context) (bool, error) {
		err := e.look(ctx)
		if ctx.Err() == nil || !e.answered { // that the time was over tells less than the answer before
			e.fault = err
		}
		e.answered = e.answered || err == nil
		return e.ended(), err
	})
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.DeadlineExceeded) {
		e.fault = cause // a signal
	}
	return e.explain(context.WithoutCancel(ctx))
}

func (e *ending) ended() bool { return e.gone && len(e.held.lease) == 0 }

// look checks once whether both are gone.
func (e *ending) look(ctx context.Context) (err error) {
	if len(e.held.lease) > 0 {
		if _, err := e.deleteLease(ctx); err != nil {
			return err
		}
	}
	switch {
	case e.gone:
	case e.mayDelete:
		err = e.deleteSecret(ctx)
	default:
		e.gone, err = e.asked(ctx)
	}
	return err
}

// noUID is the UID of no object.
const noUID = types.UID("00000000-0000-0000-0000-000000000000")

// asked says whether the Secret is gone. It needs no right on Secrets: the API server looks up the
// Secret of a token request before it compares the UID, so it answers "not found" if the Secret is
// gone, and a conflict if it exists. Either way no token is minted.
//
// Source: k8s.io/kubernetes pkg/registry/core/serviceaccount/storage/token.go, Create.
func (e *ending) asked(ctx context.Context) (gone bool, err error) {
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: new(int64(shortest)),
		BoundObjectRef: &authenticationv1.BoundObjectReference{
			APIVersion: "v1", Kind: "Secret", Name: e.Lease, UID: noUID,
		},
	}}
	err = e.api.RequestToken(ctx, e.Account, request)
	switch {
	case err == nil, apierrors.IsConflict(err):
		// A server that compares no UIDs has found it too. Its token is dropped, and dies with the
		// Secret.
		return false, nil
	case !apierrors.IsNotFound(err):
		return false, err
	case !missesAccount(err):
		return true, nil
	}
	name := e.Account.Name
	named := leasename.BelongsTo(e.Lease, name) && leasename.AccountOf(e.Lease, name) == name
	if named && len(name) < surelyWhole {
		return true, nil // the account is gone, and with it every token of it
	}
	return false, err // the lease's name was cut, so the account can be another one
}

// surelyWhole is a length at which the name of an account was not cut to fit into the name of its
// lease.
const surelyWhole = 200

// shortest is the shortest lifetime, in seconds, that the API server takes.
const shortest = 600

// missesAccount says whether "not found" is about the ServiceAccount, and not about the Secret.
func missesAccount(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return false
	}
	return status.Status().Details.Kind == "serviceaccounts"
}
