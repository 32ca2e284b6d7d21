package edge

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/edge/origin"
	"github.com/pizzaface/pizzeria/internal/edge/snapshot"
	"github.com/pizzaface/pizzeria/registry"
)

// keeper keeps the snapshot on disk true. It implements registry.FeedHandler.
type keeper struct {
	origin   origin.Origin
	snapshot *snapshot.File
	keys     Keys
	follower *registry.Follower
	log      *slog.Logger
	now      func() time.Time
	wake     chan struct{}

	mu      sync.Mutex
	pending []registry.Change
	all     bool // what is in the file is of no use

	written []string     // IDs of the keys in the file
	failing bool         // the last time
	contact atomic.Int64 // Unix nanoseconds: what the file says
}

const (
	keepDelay   = 200 * time.Millisecond // many changes make one write
	keepIdle    = 10 * time.Second       // how far Contact in the file may lie behind
	keepBacklog = 10_000                 // with more to do, the file is made anew
	keepPage    = 1000
)

// Apply implements registry.FeedHandler.
func (k *keeper) Apply(c registry.Change) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.pending) >= keepBacklog || c.EveryRoute() {
		k.all = true
	}
	if !k.all {
		k.pending = append(k.pending, c)
	}
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// Reset implements registry.FeedHandler.
func (k *keeper) Reset() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.all, k.pending = true, nil
}

// Run keeps the file until ctx ends.
func (k *keeper) Run(ctx context.Context) {
	k.begin(ctx)
	tick := time.NewTicker(keepIdle)
	defer tick.Stop()
	for {
		k.keep(ctx)
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepIdle)
			defer cancel()
			k.keep(last)
			return
		case <-tick.C:
			continue
		case <-k.wake:
		}
		select {
		case <-ctx.Done():
		case <-time.After(keepDelay):
		}
	}
}

// begin finds out what happened since the file was written last.
func (k *keeper) begin(ctx context.Context) {
	s, err := k.snapshot.Load(ctx)
	var missed []registry.Change
	if err == nil {
		missed, err = k.origin.Changes(ctx, s.Seq, keepBacklog)
	}
	head, err2 := k.origin.Head(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case err != nil, err2 != nil, head < s.Seq, len(missed) == keepBacklog, len(missed) > 0 && missed[0].Seq != s.Seq+1, !k.ours(s.Keys):
		k.all, k.pending = true, nil
	case !k.all:
		k.pending = append(missed, k.pending...)
	}
}

// ours reports whether a snapshot is of this database, and not of one that was here before: some key
// of sessions in it is in use. A gateway's own keys say nothing of that.
func (k *keeper) ours(keys []registry.Key) bool {
	return slices.ContainsFunc(k.keys.SealedKeys(), func(own registry.Key) bool {
		return own.Purpose == token.RingSession &&
			slices.ContainsFunc(keys, func(key registry.Key) bool { return key.ID == own.ID })
	})
}

// keep writes what changed, or that nothing did.
func (k *keeper) keep(ctx context.Context) {
	f := k.follower // before pending is taken: it has been told everything of before these
	s := registry.Snapshot{Seq: f.Seq(), Contact: f.Contact()}
	k.mu.Lock()
	pending, all := k.pending, k.all
	k.pending, k.all = nil, false
	k.mu.Unlock()
	sealed := k.keys.SealedKeys()
	var keys []string
	for _, key := range sealed {
		keys = append(keys, key.ID)
	}
	if all || !slices.Equal(keys, k.written) {
		s.Keys = sealed
	}
	var err error
	if all {
		err = k.create(ctx, s)
	} else {
		err = k.update(ctx, s, pending)
	}
	if err != nil {
		if !k.failing && ctx.Err() == nil {
			k.log.Warn("the snapshot is not kept", "error", err)
		}
		k.failing = true
		k.mu.Lock()
		defer k.mu.Unlock()
		k.all = k.all || all
		k.pending = append(pending, k.pending...)
		return
	}
	k.written, k.failing = keys, false
	k.contact.Store(s.Contact.UnixNano())
}

func (k *keeper) create(ctx context.Context, s registry.Snapshot) error {
	recent, err := k.origin.ChangesSince(ctx, k.old())
	if err != nil {
		return err
	}
	for _, c := range recent {
		if c.Matters() {
			s.Revoked = append(s.Revoked, c)
		}
	}
	return k.snapshot.Create(ctx, s, func(yield func(*registry.Route) error) error {
		for after := ""; ; {
			page, err := k.origin.Routes(ctx, after, keepPage)
			if err != nil {
				return err
			}
			for _, r := range page {
				if err := yield(r); err != nil {
					return err
				}
				after = r.Slug
			}
			if len(page) < keepPage {
				return nil
			}
		}
	})
}

func (k *keeper) update(ctx context.Context, s registry.Snapshot, pending []registry.Change) error {
	routes := map[string]*registry.Route{}
	for _, c := range pending {
		s.Seq = max(s.Seq, c.Seq)
		if c.Matters() {
			s.Revoked = append(s.Revoked, c)
		}
		for _, slug := range []string{c.Slug, c.OldSlug} {
			if _, done := routes[slug]; done || slug == "" {
				continue
			}
			r, err := k.origin.Route(ctx, slug)
			if err != nil && registry.ErrorCode(err) != registry.CodeNotFound {
				return err
			}
			routes[slug] = r
		}
	}
	err := k.snapshot.Update(ctx, s, routes, k.old())
	if err != nil && ctx.Err() == nil { // whatever is wrong with the file, a new one has not
		k.mu.Lock()
		defer k.mu.Unlock()
		k.all = true
	}
	return err
}

// old is when a revocation was, that no token lives to see.
func (k *keeper) old() time.Time { return k.now().Add(-RevocationMemory) }
