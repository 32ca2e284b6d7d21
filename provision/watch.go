package provision

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// watch asks the instances that serve how they are, and remembers what they
// answered. It keeps that to itself: the store hears of it only when a state changes.
type watch struct {
	r   *Reconciler
	mu  sync.Mutex
	all map[registry.OrgID]*subject
}

// subject is one instance that is watched.
type subject struct {
	provider      string
	ref           Ref
	address       string
	configuration string // that it was started with
	image         string // that it runs
	elsewhere     bool   // by somebody else
	due           time.Time
	asking        bool
	verdict
}

// verdict is what the health checks say of an instance.
type verdict struct {
	misses  int  // in a row
	healthy bool // it answered the last one
	why     error
}

// checks bounds the health checks that are under way at once. Each takes at most
// checkTimeout, and an instance has one at a time.
const checks = 64

// add watches an instance that serves. The first check comes at a random time
// within the interval, so that instances that were found together are not asked together.
func (w *watch) add(provider string, ref Ref, o Observed) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := w.all[ref.OrgID]; s != nil && s.ref == ref && s.address == o.Address {
		s.configuration, s.image, s.elsewhere = o.Configuration, o.Image, o.Elsewhere
		return
	}
	within := max(0, w.r.Health().Interval)
	due := w.r.Now().Add(rand.N(within + 1)) //nolint:gosec // jitter
	w.all[ref.OrgID] = &subject{
		provider: provider, ref: ref, address: o.Address, configuration: o.Configuration, due: due,
		image: o.Image, elsewhere: o.Elsewhere,
	}
}

func (w *watch) drop(org registry.OrgID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.all, org)
}

// keep drops the instances that are not among all, or serve no longer.
func (w *watch) keep(all []registry.Work) {
	serves := make(map[Ref]bool, len(all))
	for i := range all {
		if inst := &all[i].Instance; inst.State.Serves() {
			serves[refOf(*inst)] = true
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for org, s := range w.all {
		if !serves[s.ref] {
			delete(w.all, org)
		}
	}
}

// verdict returns what is known of an instance; ok when it is watched.
func (w *watch) verdict(ref Ref) (v verdict, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := w.all[ref.OrgID]; s != nil && s.ref == ref {
		return s.verdict, true
	}
	return verdict{}, false
}

// outdated returns the watched instances that are.
func (w *watch) outdated(is func(*subject) bool) map[registry.OrgID]int64 {
	generations := map[registry.OrgID]int64{}
	w.mu.Lock()
	defer w.mu.Unlock()
	for org, s := range w.all {
		if is(s) {
			generations[org] = s.ref.Generation
		}
	}
	return generations
}

// runBy returns the provider of a watched instance.
func (w *watch) runBy(ref Ref) (provider string, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := w.all[ref.OrgID]; s != nil && s.ref == ref {
		return s.provider, true
	}
	return "", false
}

// image returns the image of a watched instance.
func (w *watch) image(ref Ref) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := w.all[ref.OrgID]; s != nil && s.ref == ref {
		return s.image
	}
	return ""
}

// serving returns the watched instances.
func (w *watch) serving() []Ref {
	w.mu.Lock()
	defer w.mu.Unlock()
	refs := make([]Ref, 0, len(w.all))
	for _, s := range w.all {
		refs = append(refs, s.ref)
	}
	return refs
}

// run checks until ctx ends, and returns when all checks have.
func (w *watch) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, checks)
	for {
		h := w.r.Health()
		pace := time.Second
		if h.Interval >= 0 {
			pace = min(pace, max(h.Interval/4, 10*time.Millisecond))
			for _, s := range w.due(w.r.Now(), cap(slots)-len(slots)) {
				slots <- struct{}{}
				wg.Go(func() {
					defer func() { <-slots }()
					w.ask(ctx, s.ref, s.address, h)
				})
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pace):
		}
	}
}

// due returns at most room instances whose check is due, those that wait longest first.
func (w *watch) due(now time.Time, room int) []subject {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []*subject
	for _, s := range w.all {
		if !s.asking && !now.Before(s.due) {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b *subject) int { return a.due.Compare(b.due) })
	copies := make([]subject, 0, min(len(out), room))
	for _, s := range out[:cap(copies)] {
		s.asking = true
		copies = append(copies, *s)
	}
	return copies
}

func (w *watch) ask(ctx context.Context, ref Ref, address string, h Health) {
	began := w.r.Now()
	err := w.r.checker.check(ctx, h.Path, address, h.timeout())
	if ctx.Err() != nil {
		return
	}
	w.mu.Lock()
	s := w.all[ref.OrgID]
	if s == nil || s.ref != ref || s.address != address {
		w.mu.Unlock()
		return // another one by now
	}
	changed := err != nil || s.misses > 0
	s.asking, s.healthy, s.why = false, err == nil, err
	s.misses++
	if s.healthy {
		s.misses = 0
	}
	s.due = began.Add(h.Interval - h.Interval/10 + rand.N(h.Interval/5+1)) //nolint:gosec // jitter
	w.mu.Unlock()
	if changed {
		w.r.Look(ref.OrgID)
	}
}
