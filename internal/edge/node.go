package edge

import (
	"context"
	"crypto/cipher"
	"errors"
	"log/slog"
	"time"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/edge/origin"
	"github.com/pizzaface/pizzeria/internal/edge/snapshot"
	"github.com/pizzaface/pizzeria/registry"
)

// Keys are the rings that a node goes by.
type Keys interface {
	// Refresh reads them from the control plane. An error leaves them as they were.
	Refresh(ctx context.Context) error
	// SealedKeys returns them, for the snapshot.
	SealedKeys() []registry.Key
	// UseKeys puts those of a snapshot to use. registry.ErrSealed: they do not open.
	UseKeys(sealed []registry.Key) error
}

// Config says what a Node works with.
type Config struct {
	Origin origin.Origin
	// Tokens verifies org sessions and signs assertions.
	Tokens *token.Node
	// Keys are the rings of Tokens, and what else a snapshot keeps for when the control plane is away.
	Keys Keys
	// Seal seals the cookies of sign-in attempts. Nodes that serve the same hosts share its key.
	Seal         cipher.AEAD
	Snapshot     string               // path of the file
	Remembered   int                  // how many routes and verified sessions
	OfflineGrace func() time.Duration // how long an expired session is honoured while the control plane is away
	Lifetimes    func() registry.Lifetimes
	Metrics      *Metrics
	Log          *slog.Logger
	Now          func() time.Time
}

// Node is a gateway with all that it needs beside requests: the routes, what was revoked, and a
// snapshot of both for when the control plane is away.
type Node struct {
	*Gateway
	c        Config
	snapshot *snapshot.File
	keeper   *keeper
	rings    *rings
	follower *registry.Follower
	pulse    pulse
}

// New makes a Node. It asks the control plane for nothing yet.
func New(c Config) (*Node, error) {
	n := &Node{c: c, snapshot: snapshot.Open(c.Snapshot)}
	n.pulse.now = c.Now
	d, err := NewDirectory(c.Origin, n.snapshot, c.Remembered, c.Now)
	if err != nil {
		return nil, errors.Join(err, n.snapshot.Close())
	}
	n.Gateway, err = NewGateway(GatewayConfig{
		Routes: d, Tokens: c.Tokens, Origin: c.Origin, Seal: c.Seal, Sessions: c.Remembered,
		Contact: n.Contact, OfflineGrace: c.OfflineGrace, Lifetimes: c.Lifetimes,
		Awake: n.pulse.wait, CookieDropped: c.Metrics.cookieDropped, Log: c.Log, Now: c.Now,
	})
	if err != nil {
		return nil, errors.Join(err, n.snapshot.Close())
	}
	n.keeper = &keeper{
		origin: c.Origin, snapshot: n.snapshot, keys: c.Keys, log: c.Log, now: c.Now,
		wake: make(chan struct{}, 1),
	}
	n.rings = &rings{keys: c.Keys, log: c.Log}
	n.follower = registry.NewFollower(c.Origin, c.Log, c.Now,
		n.rings, d, n.Revocations, n.keeper, c.Metrics)
	n.keeper.follower = n.follower
	n.pulse.read = n.follower.Tried
	return n, nil
}

// Start reads what the node begins with from the control plane or, while that is away, from the
// snapshot. away is why it is known to be away; nil: it is not. Errors: why it is away, when there is
// no snapshot either.
func (n *Node) Start(ctx context.Context, away error) error {
	if away == nil {
		away = n.begin(ctx)
	}
	if away != nil {
		if err := n.resume(ctx, away); err != nil {
			return err
		}
	}
	n.c.Metrics.node.Store(n)
	return nil
}

func (n *Node) begin(ctx context.Context) error {
	// From here on changes are followed, so that none comes between the feed and what is read.
	if err := n.follower.Begin(ctx); err != nil {
		return err
	}
	if err := n.c.Keys.Refresh(ctx); err != nil {
		return err
	}
	// Tokens revoked before this start are still around: learn them again.
	recent, err := n.c.Origin.ChangesSince(ctx, n.c.Now().Add(-RevocationMemory))
	n.revoke(recent)
	return err
}

func (n *Node) resume(ctx context.Context, why error) error {
	s, err := n.snapshot.Load(ctx)
	if err != nil {
		return why
	}
	if err := n.c.Keys.UseKeys(s.Keys); err != nil {
		return errors.Join(why, err)
	}
	n.revoke(s.Revoked)
	n.follower.Resume(s.Seq, s.Contact)
	n.keeper.contact.Store(s.Contact.UnixNano())
	n.c.Log.Error("the store is away: going on from the snapshot", "error", why,
		"as_of", s.Contact, "until", s.Contact.Add(n.c.OfflineGrace()))
	return nil
}

func (n *Node) revoke(changes []registry.Change) {
	for _, c := range changes {
		n.Revocations.Apply(c)
	}
}

// Close closes the snapshot. Run must have ended.
func (n *Node) Close() error { return n.snapshot.Close() }

// Seq is the last change that this node knows.
func (n *Node) Seq() int64 { return n.follower.Seq() }

// Contact is when the node was last in contact with the control plane: it knows all of before.
func (n *Node) Contact() time.Time { return n.follower.Contact() }

// Connections is how many streams a session has open here.
func (n *Node) Connections(session registry.SessionID) int { return n.Streams.Of(session) }

// Busy is how many requests and WebSockets an org has open here.
func (n *Node) Busy(org registry.OrgID) (requests, webSockets int) { return n.Measure.Busy(org) }

// Open is what is open here: requests and WebSockets by org, and streams by session.
func (n *Node) Open() registry.Open {
	o := registry.Open{Orgs: map[registry.OrgID]registry.OpenOfOrg{}, Streams: n.Streams.BySession()}
	n.Measure.Open(func(org registry.OrgID, requests, webSockets int) {
		o.Orgs[org] = registry.OpenOfOrg{Requests: requests, WebSockets: webSockets}
	})
	return o
}
