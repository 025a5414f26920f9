package app

import (
	"context"
	"errors"
	"net"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/proof"
	"github.com/kubemint/kubemint/internal/rules"
)

// connect opens nothing yet. Every client has a dialer of its own: client-go shares connections between equal
// configurations, and a connection with a client certificate would vouch for a token that is not even read.
func (r *run) connect(config *rest.Config) (*client.Client, error) {
	config = rest.CopyConfig(config)
	config.UserAgent = "kubemint/" + r.process.Version
	if config.Dial == nil {
		config.Dial = (&net.Dialer{}).DialContext
	}
	r.trace.Follow(config)
	client, err := client.New(config)
	if err != nil {
		return nil, problem.New(problem.Source, "connect to "+config.Host, err)
	}
	return client, nil
}

// now is the API server's time as of its last answer; before the first it is this machine's.
func (r *run) now() time.Time { return r.trace.Now() }

// freshFor is how long ago access was written that every API server surely knows by now: mostly it takes milliseconds.
const freshFor = 5 * time.Second

// fresh says whether this run changes access, or another one beside it has done so a moment ago.
func (m *minting) fresh() bool {
	changes := func(c access.Change) bool { return c.Verb != access.Unchanged }
	written := func(f metav1.ManagedFieldsEntry) bool { return f.Time != nil && m.now().Sub(f.Time.Time) < freshFor }
	for _, o := range m.observed.Objects {
		if o != nil && slices.ContainsFunc(o.GetManagedFields(), written) {
			return true
		}
	}
	return slices.ContainsFunc(m.plan.Changes, changes) || (m.gate != nil && m.gate.WrittenWithin(freshFor))
}

// fewNamespaces are asked about over each connection. Of more than these the newest are enough.
const fewNamespaces = 16

// newest are the places that each API server is asked about; the others are asked about over one connection. inOrder is
// false where each place has to be asked about everywhere: where it says nothing of one server that it knows another place.
func (m *minting) newest() (places map[string]bool, inOrder bool) {
	if len(m.desired.Access.Namespaces) <= fewNamespaces || len(m.desired.Access.AllMustNot()) > 0 {
		return nil, false
	}
	places, inOrder = proof.Newest(m.plan, m.observed)
	if inOrder {
		places[proof.EveryNamespace] = true
	}
	return places, inOrder
}

// prove shows that the credential is accepted, is the right identity, has all the declared access in effect, and can do
// nothing that it must not.
func (p *prover) prove(ctx context.Context, m *minting) error {
	p.token.Store(&m.minted.Token)
	places := append([]string{""}, m.desired.Access.Namespaces...)
	newest, inOrder := m.newest()
	known := m.newProof()
	err := m.log.Each("namespaces proved", len(places)+1, func(i int) error {
		if i == 0 {
			err := known.Identify(ctx, func(ctx context.Context) error {
				return proof.WhoAmI(ctx, p.clients[0], m.desired.Access.ServiceAccount)
			})
			said := p.clients[0].Explain(problem.Mint, "prove token", err)
			if errors.Is(err, proof.ErrRefused) || client.Forbidden(err) || client.Missing(err) || client.Foreign(err) {
				return proof.NameFront(said, m.written.Server)
			}
			return said
		}
		claim := m.claim(places[i-1])
		if len(claim.Rules)+len(claim.MustNot)+len(claim.Unread)+len(claim.Gone) == 0 && !claim.Fresh {
			return nil
		}
		clients := p.asked()
		if inOrder && !newest[claim.Namespace] {
			clients = clients[:1]
		}
		err := known.Review(ctx, claim.MustNot, func(ctx context.Context) error {
			return everywhere(clients, func(c *client.Client) error { return proof.Prove(ctx, c, claim) })
		})
		return m.unbind(ctx, places[i-1], p.clients[0].Explain(problem.Mint, "prove access", err))
	})
	if unproven := known.Unproven(); err == nil && unproven != "" {
		m.log.Warnf("%s", unproven)
	}
	return err
}

// unbind takes the binding of a role back that turned out not to exist: it would grant as soon as somebody makes a role of
// that name.
func (m *minting) unbind(ctx context.Context, namespace string, err error) error {
	missing, ok := errors.AsType[proof.NoRole](err)
	for _, change := range m.plan.Changes {
		if !ok || change.Verb != access.Created || change.Ref.Namespace != namespace || kube.RoleOf(change.Apply).Name != string(missing) {
			continue
		}
		if m.client.Delete(ctx, change.Apply) != nil {
			err = hint(err, problem.Rights, "the binding could not be taken back: have an administrator delete "+change.Ref.String())
			continue
		}
		m.log.Show(access.Plan{Changes: []access.Change{{Verb: access.Deleted, Ref: change.Ref}}})
	}
	return err
}

// claim is what is proved in a namespace, or at cluster scope.
func (m *minting) claim(namespace string) proof.Claim {
	claim := proof.Claim{Namespace: namespace}
	m.granted(&claim)
	m.takenAway(&claim)
	if namespace == "" {
		claim.Namespace = proof.EveryNamespace
		claim.MustNot = m.desired.Access.AllMustNot()
		return claim
	}
	claim.Rules = rules.InNamespace(claim.Rules)
	claim.MustNot = rules.InNamespace(m.desired.Access.MustNot)
	return claim
}

// takenAway adds what this run has taken away, and the credential must have no longer when it is handed out. Of a role that was
// bound and is not declared nothing says what it grants: then time has to tell.
func (m *minting) takenAway(claim *proof.Claim) {
	still := slices.Concat(claim.Rules, m.desired.Access.Cluster.Rules)
	for _, change := range m.plan.Changes {
		if change.Ref.Namespace != claim.Namespace {
			continue
		}
		claim.Gone = append(claim.Gone, rules.Covers(still, change.Removed)...)
		if change.Delete != nil && kube.IsBinding(change.Delete) {
			claim.Fresh = claim.Fresh || kube.RoleOf(change.Delete).Name != access.Name(m.desired.Access.ServiceAccount)
		}
	}
}

// granted adds what the declared access grants in that place: the declared rules, and those of the bound roles that could be read. What
// an administrator has asked to leave as it is proves nothing.
func (m *minting) granted(claim *proof.Claim) {
	fresh := map[kube.Ref]bool{} // roles of bindings that this run has written
	held := map[string]bool{}    // names of our role and bindings
	for _, change := range m.plan.Changes {
		if change.Ref.Namespace != claim.Namespace {
			continue
		}
		held[change.Ref.Name] = held[change.Ref.Name] || change.Held
		if change.Apply != nil {
			fresh[kube.RoleOf(change.Apply)] = true
		}
	}
	account, declared := m.desired.Access.ServiceAccount, m.desired.Access.Place(claim.Namespace)
	if !held[access.Name(account)] {
		claim.Rules = slices.Clone(declared.Rules)
	}
	for _, role := range declared.Roles {
		if held[access.BindingName(account, role.Kind, role.Name)] {
			continue
		}
		ref := access.NamedRef(role, claim.Namespace)
		if role := m.observed.Named[ref]; role != nil {
			claim.Rules = append(claim.Rules, kube.Rules(role)...)
			continue
		}
		claim.Unread, claim.Fresh = append(claim.Unread, ref.Name), claim.Fresh || fresh[ref]
	}
}
