package mint

import (
	"bytes"
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/internal/client/answer"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/mint/credential"
	"github.com/kubemint/kubemint/internal/mint/deliver"
	"github.com/kubemint/kubemint/internal/output"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
)

// Renew mints the next token and replaces the token file and the kubeconfig. client-go reads the
// token file again within a minute (transport.NewCachedFileTokenSource). The receiver stays the
// credential in use where it fails.
func (c *Credential) Renew(ctx context.Context) (*Credential, error) {
	issuer := c.with.issuer
	minted, err := issuer.Mint(ctx, c.issued.Tether, c.with.accountUID(c.observed))
	if err != nil {
		return c, err
	}
	next := *c
	next.issued.Minted = minted
	if next.rendered, err = deliver.Render(c.with.to, c.with.job.Written, minted.Token); err != nil {
		return c, err
	}
	if next.rendered, err = c.replaceFiles(next.issued, next.rendered); err != nil {
		return c, err
	}
	err = c.with.undo.Journal.Update(func(record *receipt.Receipt) {
		record.TokenHash = minted.Token.Hash()
		record.ExpiresAt = credential.FormatExpiry(minted)
	})
	if err != nil {
		return &next, err
	}
	c.with.job.Log.Debugf("renewed the token: expires %s, id %s",
		credential.FormatExpiry(minted), minted.Claims.ID)
	if next.warned, err = next.extendLease(ctx); err != nil {
		c.with.job.Log.Warnf("the token is renewed, and the expiry of its lease is not moved along: %s", err)
	}
	return &next, nil
}

// replaceFiles writes the token file, and the kubeconfig unless the command has changed that: it
// may have chosen another namespace in it, or merged another cluster into it. It returns what
// kubemint wrote last.
func (c *Credential) replaceFiles(
	issued credential.Issued, next deliver.Rendered,
) (deliver.Rendered, error) {
	to := c.with.to
	if err := output.Write(to.TokenFile(), []byte(issued.Token.Reveal())); err != nil {
		return c.rendered, err
	}
	have, _ := output.Read(to.Path()) // a file that cannot be read is another one by now
	if !bytes.Equal(have, c.rendered.Data) {
		c.with.job.Log.Warnf("the command has changed %s, which is left so: "+
			"a client that does not read tokenFile keeps a token that expires",
			to.Path())
		return c.rendered, nil
	}
	return next, output.Write(to.Path(), next.Data)
}

// extendLease moves the lease's expiry along with the renewed token, so that sweep leaves a running
// command alone. If the runner may not extend it, one warning says so.
func (c *Credential) extendLease(ctx context.Context) (warned bool, err error) {
	job := c.with.job
	lease := c.issued.Tether.Lease.DeepCopy()
	now := metav1.NewMicroTime(job.Clock.Now())
	lease.Spec.RenewTime = &now
	lease.Annotations[kube.AnnotationExpiresAt] = credential.FormatExpiry(c.issued.Minted)
	lease.ManagedFields = nil
	lease.ResourceVersion = "" // that of the creation: each extension changes it
	_, err = job.Server.ApplyObject(ctx, lease, true)
	if !answer.IsForbidden(err) && !answer.PolicyDenied(err) {
		return c.warned, job.Server.Explain(problem.Mint, "extend Lease "+lease.Namespace+"/"+lease.Name, err)
	}
	refused := "the runner's identity may not patch"
	if answer.PolicyDenied(err) {
		refused = "a policy of the cluster refuses to patch"
	}
	if !c.warned {
		job.Log.Warnf("%s Lease %s/%s: once its first expiry has passed, "+
			"`kubemint sweep` would end this credential, and other runs may change its access",
			refused, lease.Namespace, lease.Name)
	}
	return true, nil
}
