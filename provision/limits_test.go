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
		if l := e.w.limits[Ref{acme, 1}]; len(l) != 0 {
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
		if l := e.w.limits[Ref{acme, 2}]; l[registry.LimitMemory] != memory {
			t.Errorf("with one: %v", l)
		}
	})
}
