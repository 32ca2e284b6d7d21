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
func (s *sweeper) sweep(ctx context.Context, now time.Time, found []Found, all []registry.Work) {
	if now.Sub(s.last) < sweepEvery && !s.last.IsZero() || !s.busy.TryLock() {
		return
	}
	s.last = now
	wanted := make(map[registry.OrgID]*registry.Instance, len(all))
	for i := range all {
		wanted[all[i].Instance.OrgID] = &all[i].Instance
	}
	set := s.r.Providers()
	var doubtful []Found
	for _, f := range found {
		if i := wanted[f.OrgID]; i == nil || set.stray(f, *i) {
			doubtful = append(doubtful, f)
		}
	}
	s.wg.Go(func() {
		defer s.busy.Unlock()
		for _, f := range doubtful {
			if !s.r.stopStray(ctx, set, f) {
				return
			}
		}
	})
}

// stopStray stops an instance unless the store says by now that it is wanted. It returns false when
// the store is away.
func (r *Reconciler) stopStray(ctx context.Context, set *Providers, f Found) bool {
	w, err := r.Store.WorkOn(ctx, self, f.OrgID)
	unknown := registry.ErrorCode(err) == registry.CodeNotFound
	if err != nil && !unknown {
		return false
	}
	if !unknown && !set.stray(f, w.Instance) {
		return true
	}
	r.Log.Info("stopping stray instance", "org", f.OrgID, "generation", f.Generation)
	p, err := set.Get(f.Provider)
	if err == nil {
		err = p.Stop(ctx, f.OrgID, f.Generation)
	}
	if err != nil && ctx.Err() == nil {
		r.Log.Error("cannot stop stray instance", "org", f.OrgID,
			"generation", f.Generation, "error", err)
	}
	return true
}

// stray reports whether nobody wants what runs, and no worker is about to stop it.
func (p *Providers) stray(f Found, i registry.Instance) bool {
	switch {
	case f.Generation > i.Generation: // wanted only just now
		return false
	case f.Generation < i.Generation:
		return true
	case i.Provider != "" && !p.Share(i.Provider, f.Provider): // a start here was broken off
		return true
	}
	return i.Desired != registry.DesiredRunning && i.Settled()
}
