package control

import (
	"context"
	"net/http"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/edge/origin"
	"github.com/pizzaface/pizzeria/registry"
)

// Admit lets one more gateway ask the control plane, until dismiss: its credential is good for nothing
// then.
func (c *Control) Admit() (admitted origin.Origin, dismiss func()) {
	as := registry.AsSystem("gateway")
	n := &node{
		Service: c.ids, Handler: c.handler, Feed: registry.FeedFor(c.store, as),
		c: c, as: as, credential: c.ids.AdmitNode(),
	}
	return n, func() { c.ids.DismissNode(n.credential) }
}

// node is the control plane as one gateway of this process sees it.
type node struct {
	*identity.Service
	http.Handler
	registry.Feed
	c          *Control
	as         registry.Actor
	credential token.Secret
}

// Interface guard
var _ origin.Origin = (*node)(nil)

// Credential implements origin.Origin.
func (n *node) Credential() token.Secret { return n.credential }

// ChangesSince implements origin.Feed.
func (n *node) ChangesSince(ctx context.Context, t time.Time) ([]registry.Change, error) {
	return n.c.store.ChangesSince(ctx, n.as, t)
}

// Route implements origin.RouteSource.
func (n *node) Route(ctx context.Context, slug string) (*registry.Route, error) {
	return n.c.store.Route(ctx, n.as, slug)
}

// Routes implements origin.Routes.
func (n *node) Routes(ctx context.Context, after string, limit int) ([]*registry.Route, error) {
	return n.c.store.Routes(ctx, n.as, after, limit)
}

// Keys implements token.KeySource.
func (n *node) Keys(ctx context.Context, purpose string) ([]registry.Key, error) {
	keys, err := n.c.store.Keys(ctx, n.as, purpose)
	for i := range keys {
		keys[i].Private = nil
	}
	return keys, err
}

// Report implements origin.Origin.
func (n *node) Report(_ context.Context, r origin.Report) error {
	n.c.usage.Add(r.Usage)
	n.c.refused.add(r.Refused)
	if n.c.Node != "" {
		n.c.nodes.count(r.Usage, r.Refused)
	}
	return nil
}
