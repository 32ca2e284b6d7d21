package provision

import (
	"context"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// TestReplacementDrains checks that gateways have time to hear of a restart before
// the old instance is stopped.
func TestReplacementDrains(t *testing.T) {
	bubble(t, func(e *env) {
		org := e.org("acme")
		defer e.run()()
		e.running(org, 5*time.Second)
		began := time.Now()
		e.ok(e.s.RestartInstance(context.Background(), operator, org, 0))
		e.await("the next one runs", 5*time.Second, org, func(i registry.Instance) bool {
			return i.Generation == 2 && i.State == registry.InstanceRunning
		})
		e.w.mu.Lock()
		defer e.w.mu.Unlock()
		end, ok := e.w.ended[Ref{org, 1}]
		if waited := end.Sub(began); !ok || waited < drainTime {
			t.Errorf("stopped: %v, after %s", ok, waited)
		}
	})
}
