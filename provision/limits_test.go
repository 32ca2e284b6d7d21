package provision

import (
	"context"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// TestLimitsReachTheProvider: an instance is started with what its org may use then.
func TestLimitsReachTheProvider(t *testing.T) {
	bubble(t, func(e *env) {
		end := e.run()
		defer end()
		acme := e.org("acme")
		e.running(acme, time.Minute)
		of := func(gen int64) registry.Limits {
			e.w.mu.Lock()
			defer e.w.mu.Unlock()
			return e.w.limits[Ref{acme, gen}]
		}
		if l := of(1); len(l) != 0 {
			t.Errorf("without limits: %v", l)
		}
		memory := 512.0
		e.ok(
			e.s.SetOrgLimits(
				context.Background(), operator, acme, 0,
				registry.LimitChanges{registry.LimitMemory: &memory},
			),
		)
		e.ok(e.s.RestartInstance(context.Background(), operator, acme, 0))
		e.running(acme, time.Minute)
		pass(time.Minute)
		if l := of(2); l[registry.LimitMemory] != memory {
			t.Errorf("with one: %v", l)
		}
	})
}

// TestLimitsFollow: an instance that runs is held to new limits of its org or plan, without a
// restart, and is not told what it knows.
func TestLimitsFollow(t *testing.T) {
	bubble(t, func(e *env) {
		end := e.run()
		defer end()
		acme := e.org("acme")
		e.running(acme, time.Minute)
		read := func() (float64, int) {
			pass(time.Second)
			e.w.mu.Lock()
			defer e.w.mu.Unlock()
			return e.w.limits[Ref{acme, 1}][registry.LimitMemory], e.w.limited
		}
		_, told := read()
		memory := 512.0
		e.ok(e.s.SetOrgLimits(
			context.Background(), operator, acme, 0, registry.LimitChanges{registry.LimitMemory: &memory},
		))
		if now, n := read(); now != memory || n != told+1 {
			t.Errorf("of the org: %v, told %d times", now, n-told)
		}
		pass(5 * time.Minute)
		if _, n := read(); n != told+1 {
			t.Errorf("told again: %d", n-told)
		}
		e.ok(e.s.SetOrgLimits(
			context.Background(), operator, acme, 0, registry.LimitChanges{registry.LimitMemory: nil},
		))
		_, err := e.s.CreatePlan(
			context.Background(), operator, registry.Plan{Name: "team", Limits: registry.Limits{registry.LimitMemory: 1024}},
		)
		e.ok(err)
		e.ok(e.s.SetOrgPlan(context.Background(), operator, acme, 0, "team"))
		if now, _ := read(); now != 1024 {
			t.Errorf("of the plan: %v", now)
		}
		more := 2048.0
		_, err = e.s.UpdatePlan(
			context.Background(), operator, "team", "", registry.PlanChange{Limits: registry.LimitChanges{registry.LimitMemory: &more}},
		)
		e.ok(err)
		if now, _ := read(); now != more {
			t.Errorf("of the plan that changed: %v", now)
		}
		if i := e.instance(acme); i.Generation != 1 {
			t.Errorf("it was restarted: %+v", i)
		}
	})
}
