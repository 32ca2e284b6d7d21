package storetest

import (
	"fmt"
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// namedLeases: a lease has one holder, until it is released or expires.
func namedLeases(e env) {
	const name = registry.LeaseMaintenance
	_, err := e.s.AcquireLease(ctx, operator, name, "a", time.Minute)
	e.want(err, registry.CodeForbidden)
	e.want(e.s.ReleaseLease(ctx, operator, name, "a"), registry.CodeForbidden)

	acquire := func(name registry.LeaseName, holder string, want bool) {
		e.Helper()
		held, err := e.s.AcquireLease(ctx, system, name, holder, time.Minute)
		e.ok(err)
		if held != want {
			e.Fatalf("%s holds %s: %v, want %v", holder, name, held, want)
		}
	}
	race := func(round string) (holder string) {
		e.Helper()
		var mu sync.Mutex
		var wg sync.WaitGroup
		var holders []string
		for i := range 8 {
			wg.Go(func() {
				holder := fmt.Sprintf("%s %d", round, i)
				held, err := e.s.AcquireLease(ctx, system, name, holder, time.Minute)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					e.Error(err)
				}
				if held {
					holders = append(holders, holder)
				}
			})
		}
		wg.Wait()
		if len(holders) != 1 {
			e.Fatalf("held by %q", holders)
		}
		return holders[0]
	}

	first := race("first")
	e.clock.Add(50 * time.Second)
	acquire(name, first, true) // renewed
	acquire("another lease", "other", true)
	e.clock.Add(time.Minute - time.Microsecond)
	acquire(name, "other", false)
	e.clock.Add(time.Microsecond)
	second := race("second") // for one that has expired
	acquire(name, "other", false)
	e.ok(e.s.ReleaseLease(ctx, system, name, "other")) // which it does not hold
	e.ok(e.s.ReleaseLease(ctx, system, "another lease", second))
	acquire(name, "other", false)
	e.ok(e.s.ReleaseLease(ctx, system, name, second))
	e.ok(e.s.ReleaseLease(ctx, system, name, second)) // a lost lease is no error
	acquire(name, "other", true)
	acquire(name, second, false)

	e.ok(e.s.BreakLeases(ctx, system))
	acquire(name, second, true)
}
