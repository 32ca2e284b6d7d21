package provision

import (
	"context"
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// sweeper stops what runs although nobody wants it: left by a crash, or made by a
// leader that had lost its lease.
type sweeper struct {
	r    *Reconciler
	wg   sync.WaitGroup
	busy sync.Mutex // held while one sweeps
	last time.Time
}

// sweep stops the strays among what was seen, beside the caller and now and then.
func (s *sweeper) sweep(ctx context.Context, now time.Time, seen []Seen, all []registry.Work) {
	if now.Sub(s.last) < sweepEvery && !s.last.IsZero() || !s.busy.TryLock() {
		return
	}
	s.last = now
	wanted := make(map[registry.OrgID]*registry.Instance, len(all))
	for i := range all {
		wanted[all[i].Instance.OrgID] = &all[i].Instance
	}
	var doubtful []Ref
	for _, r := range seen {
		if i := wanted[r.OrgID]; i == nil || stray(r.Ref, *i) {
			doubtful = append(doubtful, r.Ref)
		}
	}
	s.wg.Go(func() {
		defer s.busy.Unlock()
		for _, ref := range doubtful {
			if !s.r.stopStray(ctx, ref) {
				return
			}
		}
	})
}

// stopStray stops an instance unless the store says by now that it is wanted. It returns false when
// the store is away.
func (r *Reconciler) stopStray(ctx context.Context, ref Ref) bool {
	w, err := r.Store.WorkOn(ctx, self, ref.OrgID)
	unknown := registry.ErrorCode(err) == registry.CodeNotFound
	if err != nil && !unknown {
		return false
	}
	if !unknown && !stray(ref, w.Instance) {
		return true
	}
	r.Log.Info("stopping stray instance", "org", ref.OrgID, "generation", ref.Generation)
	if err := r.Provider.Stop(ctx, ref.OrgID, ref.Generation); err != nil && ctx.Err() == nil {
		r.Log.Error("cannot stop stray instance", "org", ref.OrgID,
			"generation", ref.Generation, "error", err)
	}
	return true
}

// stray reports whether nobody wants what runs, and no worker is about to stop it.
func stray(ref Ref, i registry.Instance) bool {
	switch {
	case ref.Generation > i.Generation: // wanted only just now
		return false
	case ref.Generation < i.Generation:
		return true
	}
	return i.Desired != registry.DesiredRunning && i.Settled()
}
