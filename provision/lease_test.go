package provision

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// sluggish is a provider that takes its time to create an instance.
type sluggish struct {
	Provider
	takes time.Duration

	mu    sync.Mutex
	tries int
	took  time.Duration // the first time
	cause error         // why it was told to stop
}

func (p *sluggish) Ensure(ctx context.Context, s Spec) (Observed, error) {
	p.mu.Lock()
	p.tries++
	began := time.Now()
	p.mu.Unlock()
	select {
	case <-ctx.Done():
	case <-time.After(p.takes):
	}
	p.mu.Lock()
	if p.cause == nil && p.took == 0 {
		p.took, p.cause = time.Since(began), context.Cause(ctx)
	}
	p.mu.Unlock()
	if ctx.Err() != nil {
		return Observed{}, ctx.Err()
	}
	return p.Provider.Ensure(ctx, s)
}

func (p *sluggish) into(c *Config) {
	p.Provider = c.Providers().All()[0].Provider
	c.Providers = one(p)
}

// deafStore cannot renew leases from a moment on, as when the database is away or stands still.
type deafStore struct {
	registry.InstanceStore
	stands bool
}

func (s deafStore) Renew(
	ctx context.Context, _ registry.Actor, l registry.Lease, _ time.Duration,
) (registry.Lease, error) {
	if s.stands {
		<-ctx.Done()
	}
	return l, errors.New("the database is away")
}

// TestLeaseIsRenewed: work that takes longer than a lease keeps it.
func TestLeaseIsRenewed(t *testing.T) {
	bubble(t, func(e *env) {
		a, b := &sluggish{takes: 3 * leaseLife}, &sluggish{}
		defer e.run(a.into)()
		org := e.org("acme")
		pass(2 * time.Second)
		defer e.run(b.into)()
		e.running(org, 5*time.Minute)
		if a.tries != 1 || b.tries != 0 || a.took < 3*leaseLife {
			e.Errorf("%d tries, %d of another, it took %s", a.tries, b.tries, a.took)
		}
	})
}

// TestLeaseCannotBeRenewed: the work ends before its lease does, so that another can begin.
func TestLeaseCannotBeRenewed(t *testing.T) {
	for name, stands := range map[string]bool{"an error": false, "no answer": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(e *env) {
				a, b := &sluggish{takes: time.Hour}, &sluggish{}
				stop := e.run(a.into, func(c *Config) { c.Store = deafStore{c.Store, stands} })
				org := e.org("acme")
				pass(leaseLife - leaseMargin + time.Second)
				stop()
				if !errors.Is(a.cause, errLeaseEnds) || a.took > leaseLife-leaseMargin {
					e.Errorf("it took %s: %v", a.took, a.cause)
				}
				defer e.run(b.into)()
				e.running(org, 5*time.Minute)
			})
		})
	}
}

// TestLeaseIsLost: work ends once somebody else has its lease.
func TestLeaseIsLost(t *testing.T) {
	bubble(t, func(e *env) {
		a := &sluggish{takes: time.Hour}
		defer e.run(a.into)()
		org := e.org("acme")
		pass(time.Second)
		e.ok(e.s.BreakLeases(context.Background(), self))
		_, err := e.s.Acquire(context.Background(), self, org, time.Hour)
		e.ok(err)
		pass(leaseRenew)
		a.mu.Lock()
		defer a.mu.Unlock()
		if !errors.Is(a.cause, errLeaseEnds) || a.took > leaseRenew {
			e.Errorf("it took %s: %v", a.took, a.cause)
		}
	})
}

// TestWorkIsBounded: a provider that never comes back does not keep an org for ever.
func TestWorkIsBounded(t *testing.T) {
	bubble(t, func(e *env) {
		a := &sluggish{takes: time.Hour}
		stop := e.run(a.into)
		e.org("acme")
		pass(healthDeadline + 2*fakeGrace + jobSpare + time.Second)
		stop()
		if !errors.Is(a.cause, errTooLong) {
			e.Errorf("it took %s: %v", a.took, a.cause)
		}
	})
}
