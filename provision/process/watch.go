//go:build linux || darwin

package process

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/provision"
)

// watchEvery is how often new instances are looked for, and how often an instance is looked at whose
// shim does not tell, since an earlier version started it.
const watchEvery = time.Second

// Watch implements provision.Watcher. The shim of each instance tells when it ends; that it is gone
// tells as well.
func (p *Provider) Watch(ctx context.Context, changed func(provision.Ref)) error {
	return newWatcher(p, changed).run(ctx)
}

func newWatcher(p *Provider, changed func(provision.Ref)) *watcher {
	return &watcher{p: p, changed: changed, known: map[provision.Ref]met{}}
}

func (w *watcher) run(ctx context.Context) error {
	defer w.wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		if err := w.look(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

type watcher struct {
	p       *Provider
	changed func(provision.Ref)
	wg      sync.WaitGroup
	mu      sync.Mutex
	known   map[provision.Ref]met
}

// met is an instance that was met.
type met struct {
	waits bool      // for its end; false: it has ended
	began time.Time // when its shim took the lock
}

// began is when the last shim of a run directory took the lock.
func began(dir string) time.Time {
	i, err := os.Stat(filepath.Join(trustedDir(dir), lockFile))
	if err != nil {
		return time.Time{}
	}
	return i.ModTime()
}

// look begins to wait for instances that are new.
func (w *watcher) look(ctx context.Context) error {
	refs, err := w.p.refs()
	if err != nil {
		return err
	}
	there := make(map[provision.Ref]bool, len(refs))
	for _, r := range refs {
		there[r] = true
		w.meet(ctx, r)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for r, m := range w.known {
		if !m.waits && !there[r] {
			delete(w.known, r)
		}
	}
	return nil
}

func (w *watcher) meet(ctx context.Context, r provision.Ref) {
	dir := w.p.runDir(r)
	w.mu.Lock()
	last := w.known[r]
	w.mu.Unlock()
	if last.waits {
		return
	}
	now := met{began: began(dir), waits: held(dir)}
	if !now.waits && now == last {
		return
	}
	w.mu.Lock()
	w.known[r] = now
	w.mu.Unlock()
	if !now.waits { // it ended before anybody waited
		w.changed(r)
		return
	}
	w.wg.Go(func() {
		if !awaitEnd(ctx, dir) {
			return
		}
		w.mu.Lock()
		w.known[r] = met{began: began(dir)}
		w.mu.Unlock()
		w.changed(r)
	})
}

// awaitEnd returns true when the shim of a run directory is gone, and false when ctx is done before.
func awaitEnd(ctx context.Context, dir string) bool {
	for wait := time.Millisecond; held(dir); wait = min(2*wait, watchEvery) {
		asked := time.Now()
		_, _ = call(ctx, dir, request{Op: opWait})
		if time.Since(asked) > watchEvery { // it told: its lock is free in a moment
			wait = time.Millisecond
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(wait):
		}
	}
	return ctx.Err() == nil
}
