package runtime

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/pizzaface/pizzeria/internal/edge"
	"github.com/pizzaface/pizzeria/registry"
)

// reconnectEvery is how often a store that is away is tried again.
const reconnectEvery = 2 * time.Second

const snapshotName = "snapshot.db"

func (r *Runtime) snapshotPath() string {
	return filepath.Join(r.c.DataDir, snapshotName)
}

// connect opens the store and reads from it what the parts begin with. It may be repeated.
func (r *Runtime) connect(ctx context.Context) error {
	switch there, err := r.c.Store.Exists(); {
	case err != nil:
		return fmt.Errorf("store: %w", err)
	case !there && exists(r.snapshotPath()):
		return fmt.Errorf(
			"the database %s is not there, though %s says that it was: put it back; or, to begin anew, remove the latter as well",
			r.c.Store, r.snapshotPath(),
		)
	}
	system := registry.AsSystem("runtime")
	if err := r.store.Connect(ctx); err != nil {
		return err
	}
	if err := r.ids.Refresh(ctx); err != nil {
		return err
	}
	// Where this process has the store to itself, leases of an earlier one are nobody's.
	if r.c.Store.Dir() != "" {
		if err := r.store.BreakLeases(ctx, system); err != nil {
			return err
		}
	}
	if err := r.writeJWKS(); err != nil {
		return err
	}
	if err := r.configurePlans(ctx); err != nil {
		return err
	}
	if err := r.follower.Begin(ctx); err != nil {
		return err
	}
	// Tokens revoked before this start are still around: learn them again.
	recent, err := r.store.ChangesSince(ctx, system, time.Now().Add(-edge.RevocationMemory))
	if err != nil {
		return err
	}
	for _, c := range recent {
		r.gateway.Revocations.Apply(c)
	}
	link, until, err := r.ids.SetupLink(ctx)
	if err != nil {
		return err
	}
	if link != "" {
		r.c.Announce(link, until)
	}
	r.connected.Store(true)
	return nil
}

// resume goes on from the snapshot when the store is away at the start. It
// returns why it is away when it cannot, or when that is for a person to mend first.
func (r *Runtime) resume(ctx context.Context, why error) error {
	if errors.Is(why, registry.ErrSchema) || errors.Is(why, registry.ErrSealed) {
		return why
	}
	s, err := r.snapshot.Load(ctx)
	if err != nil {
		return why
	}
	if err := r.ids.UseKeys(s.Keys); err != nil {
		return errors.Join(why, err)
	}
	for _, c := range s.Revoked {
		r.gateway.Revocations.Apply(c)
	}
	r.follower.Resume(s.Seq, s.Contact)
	r.keeper.contact.Store(s.Contact.UnixNano())
	r.c.Log.Error("the store is away: going on from the snapshot", "error", why, "as_of", s.Contact, "until", s.Contact.Add(r.tunables.Load().OfflineGrace))
	return nil
}

// reconnect returns once the store is connected, or false when ctx ends before.
func (r *Runtime) reconnect(ctx context.Context) bool {
	if r.connected.Load() {
		return true
	}
	tick := time.NewTicker(reconnectEvery)
	defer tick.Stop()
	for said := ""; ; {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
		err := r.connect(ctx)
		if err == nil {
			r.c.Log.Info("the store is back")
			return true
		}
		if err.Error() != said && ctx.Err() == nil {
			said = err.Error()
			r.c.Log.Warn("the store is still away", "error", err)
		}
	}
}
