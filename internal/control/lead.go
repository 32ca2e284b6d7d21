package control

import (
	"context"
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

const (
	leaseLife  = 30 * time.Second // how long another process waits for one that was lost
	leaseEvery = 10 * time.Second // how often it is renewed, and tried
)

// lead does what one process at a time does for the installation, for as long as this one holds the
// lease on it, until ctx is done.
func (c *Control) lead(ctx context.Context, work ...func(context.Context)) {
	holder := registry.NewID()
	tick := time.NewTicker(leaseEvery)
	defer tick.Stop()
	for {
		if until := c.acquire(ctx, holder); !until.IsZero() {
			c.leadUntil(ctx, holder, until, work)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// acquire gets or renews the lease, and returns until when it is held; zero: it is not.
func (c *Control) acquire(ctx context.Context, holder string) time.Time {
	before := time.Now()
	held, err := c.store.AcquireLease(ctx, registry.AsSystem("runtime"), registry.LeaseMaintenance,
		holder, leaseLife)
	c.say(ctx, err)
	if !held {
		return time.Time{}
	}
	return before.Add(leaseLife)
}

// leadUntil works until the lease is lost or ctx is done; then it gives the lease back.
func (c *Control) leadUntil(
	ctx context.Context, holder string, until time.Time, work []func(context.Context),
) {
	leading, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for _, f := range work {
		wg.Go(func() { f(leading) })
	}
	tick := time.NewTicker(leaseEvery)
	defer tick.Stop()
	for held := true; held; {
		select {
		case <-ctx.Done():
			held = false
		case <-tick.C:
			if next := c.acquire(ctx, holder); !next.IsZero() {
				until = next
			}
			held = time.Now().Add(leaseEvery).Before(until) // else it ends before it is tried again
		}
	}
	stop()
	wg.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseEvery)
	defer cancel()
	_ = c.store.ReleaseLease(last, registry.AsSystem("runtime"), registry.LeaseMaintenance, holder)
}
