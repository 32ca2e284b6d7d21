package provision

import (
	"context"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// sweeps sweeps now and then until ctx ends.
func (r *Reconciler) sweeps(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		r.sweep(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// sweep stops what runs although nobody wants it: left by a crash, or made by a
// leader that had lost its lease.
func (r *Reconciler) sweep(ctx context.Context) {
	refs, err := r.Provider.List(ctx)
	if err != nil {
		if ctx.Err() == nil {
			r.Log.Warn("cannot list instances", "error", err)
		}
		return
	}
	for _, ref := range refs {
		w, err := r.Store.WorkOn(ctx, self, ref.OrgID)
		unknown := registry.ErrorCode(err) == registry.CodeNotFound
		if err != nil && !unknown {
			return
		}
		if !unknown && !stray(ref, w.Instance) {
			continue
		}
		r.Log.Info("stopping stray instance", "org", ref.OrgID, "generation", ref.Generation)
		if err := r.Provider.Stop(ctx, ref.OrgID, ref.Generation); err != nil && ctx.Err() == nil {
			r.Log.Error("cannot stop stray instance", "org", ref.OrgID,
				"generation", ref.Generation, "error", err)
		}
	}
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
