package provision

import (
	"context"
	"errors"
	"fmt"
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
		defer e.run(func(c *Config) { c.Provider = breaking{e.w, time.Minute} })()
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
		defer e.run(func(c *Config) { c.Provider = unlisted{e.w} })()
		e.running(org, time.Minute)
		e.w.crash(org)
		pass(2 * resync)
		if len(e.w.generations(org)) != 1 {
			e.Error("it is not back")
		}
	})
}
