package provision

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// TestLooks: a provider that tells what ends is asked seldom, however many orgs there are; and what
// ends is back at once.
func TestLooks(t *testing.T) {
	bubble(t, func(e *env) {
		const orgs = 20
		var all []registry.OrgID
		for i := range orgs {
			all = append(all, e.org(fmt.Sprintf("org-%d", i)))
		}
		defer e.run(func(c *Config) { c.Health = func() Health { return Health{Path: "/healthz", Interval: -1} } })()
		for _, org := range all {
			e.running(org, time.Minute)
		}
		pass(time.Minute) // what is said of the starts is read
		before := e.w.looked()
		pass(10 * time.Minute)
		looks, most := e.w.looked()-before, 10*60/2+1
		if e.told {
			most = 10*60/30 + 1
		}
		if looks > most {
			e.Errorf("%d looks in ten minutes", looks)
		}
		if !e.told {
			return
		}
		began := time.Now()
		e.w.crash(all[7])
		pass(100 * time.Millisecond)
		if at := e.w.spawned(all[7], began); len(at) != 2 {
			e.Errorf("it is not back: %v", at)
		}
	})
}

// breaking is a world that tells what ends for a while, and then cannot.
type breaking struct {
	*world
	life time.Duration
}

func (w breaking) Watch(ctx context.Context, changed func(Ref)) error {
	ctx, cancel := context.WithTimeout(ctx, w.life)
	defer cancel()
	_ = telling{w.world}.Watch(ctx, changed)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changed = nil
	return errors.New("the connection broke")
}

// TestProviderStopsTelling: what ends while nobody tells is back after the next look, as before.
func TestProviderStopsTelling(t *testing.T) {
	bubble(t, func(e *env) {
		org := e.org("acme")
		defer e.run(func(c *Config) { c.Providers = one(breaking{e.w, time.Minute}) })()
		e.running(org, time.Minute)
		pass(2 * time.Minute)
		for range 30 { // at whatever time
			began := time.Now()
			e.w.crash(org)
			pass(2*resync + 100*time.Millisecond)
			if len(e.w.generations(org)) != 1 {
				e.Fatalf("%s after its end it is not back", time.Since(began))
			}
			pass(registry.HealthyFor + 7*time.Second) // else it would be left alone for a while
		}
	})
}

// looked is how often the world was asked.
func (w *world) looked() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.looks
}

// crash ends an org's instances by themselves.
func (w *world) crash(org registry.OrgID) {
	w.mu.Lock()
	running := map[Ref]*instance{}
	for r, i := range w.running {
		running[r] = i
	}
	w.mu.Unlock()
	for r, i := range running {
		if r.OrgID == org {
			w.end(r, i)
		}
	}
}

// unlisted is a world that cannot list what runs.
type unlisted struct{ *world }

func (unlisted) List(context.Context) ([]Seen, error) { return nil, errors.New("no list") }

// TestWithoutList: a provider that cannot list its instances is asked for each.
func TestWithoutList(t *testing.T) {
	bubble(t, func(e *env) {
		org := e.org("acme")
		defer e.run(func(c *Config) { c.Providers = one(unlisted{e.w}) })()
		e.running(org, time.Minute)
		e.w.crash(org)
		pass(2 * resync)
		if len(e.w.generations(org)) != 1 {
			e.Error("it is not back")
		}
	})
}

// TestUnwatched: a provider that cannot tell after all is asked as one that never could, and nobody
// is warned.
func TestUnwatched(t *testing.T) {
	bubble(t, func(e *env) {
		e.org("acme")
		var log strings.Builder
		stop := e.run(func(c *Config) {
			c.Providers, c.Log = one(silent{e.w}), slog.New(slog.NewTextHandler(&log, nil))
			c.Health = func() Health { return Health{Path: "/healthz", Interval: -1} }
		})
		pass(time.Minute)
		before := e.w.looked()
		pass(10 * time.Minute)
		looks := e.w.looked() - before
		stop()
		if looks > 10*60/2+1 {
			e.Errorf("%d looks in ten minutes", looks)
		}
		if strings.Contains(log.String(), "watch") {
			e.Error(log.String())
		}
	})
}

// silent is a world that says that it tells, and does not.
type silent struct{ *world }

func (silent) Watch(context.Context, func(Ref)) error { return errors.ErrUnsupported }

// lateStore does not answer for a while.
type lateStore struct {
	registry.InstanceStore
	from time.Time
}

func (s lateStore) Work(ctx context.Context, a registry.Actor) ([]registry.Work, error) {
	if time.Now().Before(s.from) {
		return nil, errors.New("away")
	}
	return s.InstanceStore.Work(ctx, a)
}

// TestLookAgain: a look that failed is tried again soon, whoever tells what ends.
func TestLookAgain(t *testing.T) {
	bubble(t, func(e *env) {
		org := e.org("acme")
		e.deaf = true
		defer e.run(func(c *Config) { c.Store = lateStore{c.Store, time.Now().Add(3 * time.Second)} })()
		e.running(org, 10*time.Second)
	})
}

// TestDegradedIsNotRestless: an instance that failed, was back and does not answer since, is looked
// at when its health is checked, and not all the time.
func TestDegradedIsNotRestless(t *testing.T) {
	bubble(t, func(e *env) {
		org := e.org("acme")
		defer e.run(func(c *Config) {
			c.Health = func() Health {
				h := DefaultHealth()
				h.RestartAfter = -1
				return h
			}
		})()
		e.running(org, time.Minute)
		e.w.crash(org)
		e.await("it is back", time.Minute, org, func(i registry.Instance) bool {
			return i.State == registry.InstanceRunning && i.Failures > 0
		})
		e.w.hang(org, true)
		e.await("it is degraded", time.Minute, org, func(i registry.Instance) bool {
			return i.State == registry.InstanceDegraded
		})
		before := e.w.looked()
		pass(5 * time.Minute)
		if looks := e.w.looked() - before; looks > 5*60 {
			e.Errorf("%d looks in five minutes", looks)
		}
	})
}
