package provision

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// fault strikes at one call that a reconciler makes of its store or provider:
// before the call, or after it, when its effect is there but its answer is lost.
type fault struct {
	at     int
	after  bool
	strike func() // runs in the reconciler's own goroutine, and may take its time
	dead   bool   // with strike the reconciler is gone: nothing that it calls has an effect any more

	mu     sync.Mutex
	leased bool // reads count under a lease alone: without one nothing comes of them
	calls  int
	gone   bool
	still  chan struct{} // closed when what stands still continues
	name   string        // of the call that was struck
}

func (f *fault) around(name string, call func() error) error {
	f.mu.Lock()
	if f.gone {
		f.mu.Unlock()
		return context.Canceled
	}
	f.leased = f.leased && name != "Release" || name == "Acquire"
	if f.leased || name != "WorkOn" && name != "Observe" {
		f.calls++
	}
	hit := f.calls == f.at && f.name == ""
	if hit {
		f.name = name
	}
	f.mu.Unlock()
	if !hit {
		return call()
	}
	hurt := func() {
		still := make(chan struct{})
		f.mu.Lock()
		f.gone, f.still = f.dead, still
		f.mu.Unlock()
		f.strike()
		close(still)
	}
	if !f.after {
		hurt()
		if f.dead {
			return context.Canceled
		}
		return call()
	}
	err := call()
	hurt()
	if f.dead {
		return context.Canceled
	}
	return err
}

// struck reports whether the fault has come, and where.
func (f *fault) struck() (string, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.name, f.name != ""
}

// faultyStore and faultyProvider count what a worker does: reads of all orgs at a
// tick are not among it.
type faultyStore struct {
	registry.InstanceStore
	f *fault
}

func (s faultyStore) WorkOn(
	ctx context.Context, a registry.Actor, org registry.OrgID,
) (w registry.Work, err error) {
	err = s.f.around("WorkOn", func() error { w, err = s.InstanceStore.WorkOn(ctx, a, org); return err })
	return w, err
}

func (s faultyStore) Acquire(
	ctx context.Context, a registry.Actor, org registry.OrgID, ttl time.Duration,
) (l registry.Lease, err error) {
	err = s.f.around("Acquire", func() error { l, err = s.InstanceStore.Acquire(ctx, a, org, ttl); return err })
	return l, err
}

// Renew is no point of its own: it runs beside the work, and stands still with it.
func (s faultyStore) Renew(
	ctx context.Context, a registry.Actor, l registry.Lease, ttl time.Duration,
) (registry.Lease, error) {
	s.f.mu.Lock()
	gone, still := s.f.gone, s.f.still
	s.f.mu.Unlock()
	if gone {
		return l, context.Canceled
	}
	if still != nil {
		<-still
	}
	return s.InstanceStore.Renew(ctx, a, l, ttl)
}

func (s faultyStore) Release(ctx context.Context, a registry.Actor, l registry.Lease) error {
	return s.f.around("Release", func() error { return s.InstanceStore.Release(ctx, a, l) })
}

func (s faultyStore) Report(
	ctx context.Context, a registry.Actor, l registry.Lease, gen int64, provider string,
	r registry.Report,
) error {
	return s.f.around("Report "+string(r.State), func() error {
		return s.InstanceStore.Report(ctx, a, l, gen, provider, r)
	})
}

func (s faultyStore) ReplaceInstance(
	ctx context.Context, a registry.Actor, l registry.Lease, gen int64, provider string,
	r registry.Report,
) (i registry.Instance, err error) {
	err = s.f.around("ReplaceInstance", func() error {
		i, err = s.InstanceStore.ReplaceInstance(ctx, a, l, gen, provider, r)
		return err
	})
	return i, err
}

type faultyProvider struct {
	Provider
	f *fault
}

func (p faultyProvider) Ensure(ctx context.Context, s Spec) (o Observed, err error) {
	err = p.f.around("Ensure", func() error { o, err = p.Provider.Ensure(ctx, s); return err })
	return o, err
}

func (p faultyProvider) Observe(ctx context.Context, r Ref) (o Observed, err error) {
	err = p.f.around("Observe", func() error { o, err = p.Provider.Observe(ctx, r); return err })
	return o, err
}

func (p faultyProvider) Stop(ctx context.Context, org registry.OrgID, upTo int64) error {
	return p.f.around("Stop", func() error { return p.Provider.Stop(ctx, org, upTo) })
}

func (f *fault) into(c *Config) {
	c.Store, c.Providers = faultyStore{c.Store, f}, one(faultyProvider{c.Providers().All()[0].Provider, f})
}

// scenarios are what can be wanted of an instance that runs, or is not there yet.
var scenarios = map[string]struct {
	fresh bool                             // it is not there yet
	do    func(e *env, org registry.OrgID) // with nobody at work
	takes time.Duration                    // more than enough
	state registry.InstanceState           // in the end
	gen   int64                            // in the end
}{
	"create": {fresh: true, do: func(*env, registry.OrgID) {}, takes: 6 * time.Second, state: registry.InstanceRunning, gen: 1},
	"restart": {do: func(e *env, org registry.OrgID) {
		e.ok(e.s.RestartInstance(context.Background(), operator, org, 0))
	}, takes: 6 * time.Second, state: registry.InstanceRunning, gen: 2},
	"suspend": {do: func(e *env, org registry.OrgID) {
		e.ok(e.s.SuspendOrg(context.Background(), operator, org, 0, ""))
	}, takes: 6 * time.Second, state: registry.InstanceStopped, gen: 1},
	"delete": {do: func(e *env, org registry.OrgID) {
		e.ok(e.s.DeleteOrg(context.Background(), operator, org, 0, registry.OrgDeletion{Confirm: "acme", Now: true}))
	}, takes: 6 * time.Second, state: registry.InstanceAbsent, gen: 1},
	"crash": {do: func(e *env, org registry.OrgID) {
		e.ok(e.w.Stop(context.Background(), org, 1))
	}, takes: 6 * time.Second, state: registry.InstanceRunning, gen: 1},
	"hang": {do: func(e *env, org registry.OrgID) { e.w.hang(org, true) }, takes: 30 * time.Second, state: registry.InstanceRunning, gen: 2},
}

// checked is a way to be asked that keeps the tests of time short.
func checked(c *Config) {
	h := DefaultHealth()
	h.Interval, h.RestartAfter = 2*time.Second, 4*time.Second
	c.Health = func() Health { return h }
}

// TestCrashPoints: a reconciler that ends between any two of its calls, or in the
// midst of one, leaves what the next one finishes, and nothing else.
func TestCrashPoints(t *testing.T) {
	for name, sc := range scenarios {
		for _, after := range []bool{false, true} {
			points := 0
			for at, more := 1, true; more; at++ {
				more = false
				what := fmt.Sprintf("%s/call %d/lost answer %v", name, at, after)
				bubble(t, func(e *env) {
					e.deaf = true
					org := e.org("acme")
					if !sc.fresh {
						stop := e.run(checked)
						e.running(org, time.Minute)
						stop()
					}
					sc.do(e, org)
					var stop func()
					struck := make(chan struct{})
					f := &fault{at: at, after: after, dead: true, strike: func() { close(struck) }}
					stop = e.run(checked, f.into)
					select {
					case <-struck:
						more = true
						points++
					case <-time.After(sc.takes): // it has done all there was
					}
					stop()
					// The next one has to wait for the lease, when the last one could not give it
					// back. Trying that every time takes long.
					if at%4 != 0 {
						pass(leaseLife)
					}
					stop = e.run(checked)
					defer stop()
					var want []int64
					if sc.state == registry.InstanceRunning {
						want = []int64{sc.gen}
					}
					settled := func(i registry.Instance) bool {
						return i.State == sc.state && i.Generation == sc.gen && i.Failures <= 1 && slices.Equal(e.w.generations(org), want)
					}
					i := e.await(what, 5*time.Minute, org, settled)
					pass(40 * time.Second) // and it stays so, also after a sweep
					if now := e.instance(org); !settled(now) {
						e.Fatalf("%s: %+v, then %+v; runs %v", what, i, now, e.w.generations(org))
					}
					spawns := map[int64]int{}
					for _, s := range e.w.spawns {
						spawns[s.ref.Generation]++
					}
					for gen, n := range spawns {
						if allowed := 1; n > allowed && name != "crash" || n > 2 {
							e.Errorf("%s: generation %d was started %d times", what, gen, n)
						}
					}
				})
			}
			if points < 6 && (name != "suspend" && name != "delete" || points < 4) {
				t.Errorf("%s: only %d points", name, points)
			}
			t.Logf("%s, lost answers %v: %d points", name, after, points)
		}
	}
}

// TestPausedLeader: a reconciler that stands still at any of its calls until long
// after its lease, and then goes on as if nothing had been, harms nothing that came
// after it: another finished its work, and then a person asked for a new generation.
func TestPausedLeader(t *testing.T) {
	for name, sc := range scenarios {
		if sc.state == registry.InstanceAbsent {
			continue // nothing comes after it
		}
		points := 0
		for at, more := 1, true; more; at++ {
			more = false
			bubble(t, func(e *env) {
				e.deaf = true
				org := e.org("acme")
				if !sc.fresh {
					stop := e.run(checked)
					e.running(org, time.Minute)
					stop()
				}
				sc.do(e, org)
				paused, resumed := make(chan struct{}), make(chan struct{})
				resume := sync.OnceFunc(func() { close(resumed) })
				f := &fault{at: at, strike: func() { close(paused); <-resumed }}
				stopFirst := e.run(checked, f.into)
				defer stopFirst()
				defer resume()
				select {
				case <-paused:
					more = true
					points++
				case <-time.After(sc.takes): // it has done all there was
					return
				}
				if at%4 != 0 {
					pass(leaseLife)
				}
				stop := e.run(checked)
				defer stop()
				call, _ := f.struck()
				what := fmt.Sprintf("%s, paused before call %d (%s)", name, at, call)
				e.await(what, 5*time.Minute, org, func(i registry.Instance) bool { return i.State == sc.state && i.Generation == sc.gen })
				if sc.state == registry.InstanceStopped {
					e.ok(e.s.ResumeOrg(context.Background(), operator, org, 0))
				} else {
					e.ok(e.s.RestartInstance(context.Background(), operator, org, 0))
				}
				newest := e.await(what+": the newest runs", 5*time.Minute, org, func(i registry.Instance) bool {
					return i.State == registry.InstanceRunning && i.Generation == sc.gen+1
				})
				head, err := e.s.Head(context.Background(), self)
				e.ok(err)
				resume()
				pass(40 * time.Second)
				stopFirst()
				ref := Ref{org, newest.Generation}
				if got := e.w.generations(org); !slices.Equal(got, []int64{ref.Generation}) || e.w.stops[ref] != 0 {
					e.Errorf("%s: runs %v, the newest was stopped %d times", what, got, e.w.stops[ref])
				}
				if n := len(e.w.spawned(org, time.Time{})); n > int(ref.Generation)+1 {
					e.Errorf("%s: %d starts", what, n)
				}
				if i := e.instance(org); i.State != newest.State || i.Generation != newest.Generation || i.Address != newest.Address || i.Failures != 0 {
					e.Errorf("%s: %+v became %+v", what, newest, i)
				}
				if now, err := e.s.Head(context.Background(), self); err != nil || now != head {
					e.Errorf("%s: %d late changes, %v", what, now-head, err)
				}
			})
		}
		if points < 4 {
			t.Errorf("%s: only %d points", name, points)
		}
		t.Logf("%s: %d points", name, points)
	}
}

// TestTwoReconcilers: over one store at most one works on an org, and what one has
// done the other leaves alone.
func TestTwoReconcilers(t *testing.T) {
	bubble(t, func(e *env) {
		var mu sync.Mutex
		working := map[registry.OrgID]int{}
		exclusive := func(c *Config) {
			f := c.Environment // called under the lease, before the instance is created
			c.Environment = func(w registry.Work) (map[string]string, []string, error) {
				mu.Lock()
				working[w.Instance.OrgID]++
				if working[w.Instance.OrgID] > 1 {
					e.Errorf("two work on %s", w.Slug)
				}
				mu.Unlock()
				pass(300 * time.Millisecond) // of the bubble's time
				mu.Lock()
				working[w.Instance.OrgID]--
				mu.Unlock()
				return f(w)
			}
		}
		defer e.run(exclusive)()
		defer e.run(exclusive)()
		var orgs []registry.OrgID
		for i := range 20 {
			orgs = append(orgs, e.org(fmt.Sprintf("org-%d", i)))
		}
		for _, org := range orgs {
			e.running(org, time.Minute)
		}
		for _, org := range orgs[:10] {
			e.ok(e.s.RestartInstance(context.Background(), operator, org, 0))
		}
		for i, org := range orgs {
			e.await("the restart is done", time.Minute, org, func(in registry.Instance) bool {
				return in.State == registry.InstanceRunning && (i >= 10 || in.Generation == 2)
			})
		}
		pass(time.Minute)
		for ref, n := range e.w.ensures {
			if n != 1 {
				e.Errorf("Ensure of %v was called %d times", ref, n)
			}
		}
		if len(e.w.ensures) != 30 {
			e.Errorf("%d instances were made, want 30", len(e.w.ensures))
		}
	})
}

// TestSweep: what runs and nobody wants is stopped; nothing else is.
func TestSweep(t *testing.T) {
	bubble(t, func(e *env) {
		org, suspended := e.org("acme"), e.org("other")
		stop := e.run()
		e.running(org, time.Minute)
		e.running(suspended, time.Minute)
		e.ok(e.s.SuspendOrg(context.Background(), operator, suspended, 0, ""))
		e.await("it is stopped", time.Minute, suspended, func(i registry.Instance) bool { return i.State == registry.InstanceStopped })
		stop()
		unknown := registry.OrgID(registry.NewID())
		for _, r := range []Ref{{unknown, 1}, {suspended, 1}, {org, 2}} {
			_, err := e.w.Ensure(context.Background(), Spec{Ref: r})
			e.ok(err)
		}
		e.w.mu.Lock()
		e.w.running[Ref{org, 0}] = &instance{} // a late leader's
		e.w.mu.Unlock()
		defer e.run()()
		pass(time.Second)
		if got := e.w.generations(org); !slices.Equal(got, []int64{1, 2}) {
			e.Errorf("of acme runs %v", got)
		}
		if got := append(e.w.generations(unknown), e.w.generations(suspended)...); len(got) != 0 {
			e.Errorf("still runs: %v", got)
		}
	})
}
