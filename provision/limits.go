package provision

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"sync"

	"github.com/pizzaface/pizzeria/registry"
)

// limited remembers to which limits instances that run are held.
type limited struct {
	mu  sync.Mutex
	all map[registry.OrgID]bounds
}

type bounds struct {
	ref    Ref
	limits registry.Limits
}

// limit holds an instance that serves to the limits of its org, where the provider can and they are
// not those that it has.
func (r *Reconciler) limit(ctx context.Context, w registry.Work) {
	if !w.Instance.State.Serves() {
		return
	}
	set := r.Providers()
	named, err := set.Get(cmp.Or(w.Instance.Provider, set.Default()))
	p, ok := named.(Limiter)
	if !ok || err != nil {
		return
	}
	ref := refOf(w.Instance)
	r.limited.mu.Lock()
	now := r.limited.all[ref.OrgID]
	r.limited.mu.Unlock()
	if now.ref == ref && maps.Equal(now.limits, w.Limits) {
		return
	}
	if err := p.Limit(ctx, ref, w.Limits); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		if ctx.Err() == nil {
			r.Log.Warn("cannot limit instance", "org", ref.OrgID, "generation", ref.Generation, "error", err)
		}
		return
	}
	r.limited.mu.Lock()
	defer r.limited.mu.Unlock()
	r.limited.all[ref.OrgID] = bounds{ref, w.Limits}
}

// keep forgets the instances that are not among all.
func (l *limited) keep(all []registry.Work) {
	there := make(map[registry.OrgID]bool, len(all))
	for i := range all {
		there[all[i].Instance.OrgID] = true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.DeleteFunc(l.all, func(org registry.OrgID, _ bounds) bool { return !there[org] })
}
