package provision

import (
	"context"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// TestOutdated: after a change of the configuration, instances are outdated until they are
// restarted, also for a reconciler that has not started them.
func TestOutdated(t *testing.T) {
	bubble(t, func(e *env) {
		var configuration atomic.Value
		configuration.Store("first")
		begin := func() func() {
			return e.run(func(c *Config) {
				c.Configuration = func(Provider) string { return configuration.Load().(string) }
			})
		}
		end := begin()
		acme, globex, stopped := e.org("acme"), e.org("globex"), e.org("stopped")
		for _, org := range []registry.OrgID{acme, globex, stopped} {
			e.running(org, time.Minute)
		}
		e.ok(e.s.SuspendOrg(context.Background(), operator, stopped, 0, ""))
		pass(time.Minute)
		outdated := func(want ...registry.OrgID) {
			t.Helper()
			got := slices.Sorted(maps.Keys(e.r.Outdated()))
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("outdated: %v, want %v", got, want)
			}
			for org, generation := range e.r.Outdated() {
				if now := e.instance(org).Generation; generation != now {
					t.Errorf("%s is outdated in generation %d, not %d", org, generation, now)
				}
			}
		}
		outdated()
		configuration.Store("second")
		outdated(acme, globex)
		e.ok(e.s.RestartInstance(context.Background(), operator, acme, 0))
		pass(time.Minute)
		outdated(globex)
		end()
		end = begin()
		pass(time.Minute)
		outdated(globex)
		e.ok(e.w.Stop(context.Background(), globex, 1)) // it crashes, and starts with what counts now
		pass(time.Minute)
		outdated()
		end()
	})
}

// foreigner is a world whose instances somebody else started.
type foreigner struct{ *world }

func (f foreigner) Observe(ctx context.Context, r Ref) (Observed, error) {
	o, err := f.world.Observe(ctx, r)
	o.Configuration, o.Elsewhere = "", true
	return o, err
}

func (f foreigner) Ensure(ctx context.Context, s Spec) (Observed, error) {
	o, err := f.world.Ensure(ctx, s)
	o.Configuration, o.Elsewhere = "", true
	return o, err
}

// List sees none of them.
func (foreigner) List(context.Context) ([]Seen, error) { return nil, nil }

// TestElsewhereIsNeverOutdated: what somebody else started keeps nothing of our configuration; and
// it is looked after without being listed.
func TestElsewhereIsNeverOutdated(t *testing.T) {
	bubble(t, func(e *env) {
		defer e.run(func(c *Config) {
			c.Providers = one(foreigner{e.w})
			c.Configuration = func(Provider) string { return "ours" }
		})()
		acme := e.org("acme")
		e.running(acme, time.Minute)
		pass(2 * time.Minute)
		if n := len(e.r.Outdated()); n > 0 {
			t.Errorf("%d are outdated", n)
		}
		if n := len(e.w.spawned(acme, time.Now())); n != 1 || e.instance(acme).Failures > 0 {
			t.Errorf("started %d times: %+v", n, e.instance(acme))
		}
		e.w.crash(acme)
		pass(time.Minute)
		if n := len(e.w.spawned(acme, time.Now())); n != 2 {
			t.Errorf("started %d times", n)
		}
	})
}
