package runtime

import (
	"context"
	"crypto/cipher"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/control"
	"github.com/pizzaface/pizzeria/internal/edge"
	"github.com/pizzaface/pizzeria/internal/edge/origin"
	"github.com/pizzaface/pizzeria/registry"
)

// Elsewhere is a control plane as its gateway sees it.
type Elsewhere struct {
	Origin origin.Origin
	Tokens *token.Node
	Seal   cipher.AEAD // of the cookies of sign-in attempts
}

// build makes the control plane, the gateway, or both. Neither needs the store to answer.
func (r *Runtime) build() error {
	if at := r.c.Elsewhere; at != nil {
		return r.buildNode(*at, at.Tokens)
	}
	master, err := r.masterKey()
	if err != nil {
		return err
	}
	if err := r.buildControl(master); err != nil || r.c.NoGateway {
		return err
	}
	issuer := r.control.Issuer()
	admitted, dismiss := r.control.Admit()
	r.closers = append(r.closers, func() error { dismiss(); return nil })
	here := Elsewhere{admitted, issuer.Node, master.Sealer(sealedAttempts)}
	return r.buildNode(here, issuer)
}

func (r *Runtime) buildControl(master *identity.MasterKey) (err error) {
	if r.store, err = r.c.Store.Open(master, time.Now); err != nil {
		return err
	}
	r.closers = append(r.closers, r.store.Close)
	if c, ok := r.store.(registry.Clock); ok {
		r.now = c.Now
	}
	r.store.SetLifetimes(r.tunables.Load().Sessions)
	r.control, err = control.New(control.Config{
		DataDir: r.c.DataDir, Node: r.c.Node, Location: r.c.Store, Store: r.store, Witness: r.snapshotPath(),
		Master: master, Tunables: r.tunables.Load, Gateways: gateways{r}, Metrics: r.controlMetrics,
		Log: r.c.Log, Now: r.now, Announce: r.c.Announce,
	})
	if err != nil {
		return err
	}
	r.closers = append(r.closers, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		return r.control.Close(ctx)
	})
	return nil
}

func (r *Runtime) buildNode(at Elsewhere, keys edge.Keys) (err error) {
	r.node, err = edge.New(edge.Config{
		Origin: at.Origin, Tokens: at.Tokens, Keys: keys, Seal: at.Seal,
		Snapshot: r.snapshotPath(), Remembered: r.c.Routes,
		OfflineGrace: func() time.Duration { return r.tunables.Load().OfflineGrace },
		Lifetimes:    func() registry.Lifetimes { return r.tunables.Load().Sessions },
		Metrics:      r.edgeMetrics, Log: r.c.Log, Now: r.now,
	})
	if err != nil {
		return err
	}
	r.closers = append(r.closers, r.node.Close)
	return nil
}

// sealedAttempts is what the gateway's cookies of sign-in attempts are sealed for.
const sealedAttempts = "tx-cookie"

// gateways is the gateway of this process, if it has one.
type gateways struct{ r *Runtime }

// Connections implements control.Gateways.
func (g gateways) Connections(session registry.SessionID) int {
	if g.r.node == nil {
		return 0
	}
	return g.r.node.Connections(session)
}

// Busy implements control.Gateways.
func (g gateways) Busy(org registry.OrgID) (requests, webSockets int) {
	if g.r.node == nil {
		return 0, 0
	}
	return g.r.node.Busy(org)
}

// Open implements control.Gateways.
func (g gateways) Open() registry.Open {
	if g.r.node == nil {
		return registry.Open{}
	}
	return g.r.node.Open()
}

// Contact implements control.Gateways. Without a gateway nobody is served while the store is away.
func (g gateways) Contact() time.Time {
	if g.r.node == nil {
		return time.Time{}
	}
	return g.r.node.Contact()
}
