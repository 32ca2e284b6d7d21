package token

import (
	"context"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// Node is what a gateway needs of the keys: it verifies org sessions and signs assertions.
type Node struct {
	site                func() Site
	now                 func() time.Time
	Session, Assertions *Ring
}

// NewNode makes the Node of a gateway that is not the control plane. It verifies org sessions by
// public keys, and signs assertions with a ring of its own. site is asked at each use.
func NewNode(sessions KeySource, assertions *Ring, site func() Site, now func() time.Time) *Node {
	return &Node{
		site: site, now: now, Assertions: assertions,
		Session: NewPublicRing(RingSession, sessions, now),
	}
}

// Site is where the installation is reached.
func (n *Node) Site() Site { return n.site() }

func (n *Node) rings() []*Ring { return []*Ring{n.Session, n.Assertions} }

// Refresh reads the key rings.
func (n *Node) Refresh(ctx context.Context) error { return refresh(ctx, n.rings()) }

// UseKeys puts keys to use while the control plane is away. registry.ErrSealed: they do not open.
func (n *Node) UseKeys(sealed []registry.Key) error { return useKeys(n.rings(), sealed) }

// SealedKeys returns the keys in use.
func (n *Node) SealedKeys() []registry.Key { return sealedKeys(n.rings()) }

func refresh(ctx context.Context, rings []*Ring) error {
	for _, r := range rings {
		if err := r.Refresh(ctx); err != nil {
			return err
		}
	}
	return nil
}

func useKeys(rings []*Ring, sealed []registry.Key) error {
	for _, r := range rings {
		if err := r.Use(sealed); err != nil {
			return err
		}
	}
	return nil
}

func sealedKeys(rings []*Ring) (out []registry.Key) {
	for _, r := range rings {
		out = append(out, r.Stored()...)
	}
	return out
}

func (n *Node) times(life time.Duration) times {
	now := n.now().Unix()
	return times{IssuedAt: now, Expires: now + int64(life/time.Second)}
}

// VerifySession checks an org session for one org. With grace, an expired one
// is accepted for so long: the caller must know that revocations still arrive.
func (n *Node) VerifySession(token string, org registry.OrgID, grace time.Duration) (SessionClaims, error) {
	var c SessionClaims
	if err := n.Session.Verify(token, TypSession, &c); err != nil {
		return c, err
	}
	if c.Issuer != n.site().Issuer || c.Audience != SessionAudience(org) || c.OrgID != org || !c.valid(n.now(), grace) ||
		!c.Role.Valid() || c.SessionID == "" || c.Subject == "" {
		return c, ErrToken
	}
	return c, nil
}

// Assertion makes an assertion for an org's instance from a verified org session.
func (n *Node) Assertion(c SessionClaims, r *registry.Route) (string, error) {
	return n.Assertions.Sign(TypAssertion, AssertionClaims{
		Issuer: n.site().Issuer, Audience: AssertionAudience(r.OrgID), Subject: c.Subject, OrgID: r.OrgID, OrgSlug: r.Slug,
		OrgGen: r.Generation, Role: c.Role, Email: c.Email, Name: c.Name, Version: c.Version, times: n.times(AssertionLife),
	})
}
