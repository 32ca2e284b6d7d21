package provision

import (
	"context"
	"errors"
	"sync"
	"time"
)

// listen hears from the providers what ends, until ctx does. It begins anew when they change, and
// when one of them cannot tell any more.
func (r *Reconciler) listen(ctx context.Context) {
	for said := ""; ctx.Err() == nil; {
		set := r.Providers()
		err := r.watchAll(ctx, set)
		if ctx.Err() != nil {
			return
		}
		if err != nil && err.Error() != said {
			said = err.Error()
			r.Log.Warn("cannot watch instances", "error", err)
		}
		if set == r.Providers() {
			select {
			case <-ctx.Done():
				return
			case <-time.After(resync):
			}
		}
		signal(r.again) // what ended meanwhile was not told
	}
}

// watchAll lets each Watcher tell, until one of them ends or the providers change.
func (r *Reconciler) watchAll(ctx context.Context, set *Providers) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	watchers := 0
	for _, n := range set.All() {
		w, ok := n.Provider.(Watcher)
		if !ok {
			continue
		}
		watchers++
		wg.Go(func() {
			err := w.Watch(ctx, func(ref Ref) { r.Look(ref.OrgID) })
			r.told.Store(false)
			if !errors.Is(err, errors.ErrUnsupported) { // the others go on
				cancel(err)
			}
		})
	}
	r.told.Store(watchers == len(set.All()))
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for set == r.Providers() && ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	cancel(nil)
	wg.Wait()
	r.told.Store(false)
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
