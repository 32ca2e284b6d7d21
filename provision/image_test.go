package provision

import (
	"context"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// TestImage: what an instance runs is known while it serves, of its own generation alone, also to a
// reconciler that has not started it.
func TestImage(t *testing.T) {
	bubble(t, func(e *env) {
		end := e.run()
		acme := e.org("acme")
		e.running(acme, time.Minute)
		is := func(generation int64, want string) {
			t.Helper()
			if got := e.r.Image(Ref{acme, generation}); got != want {
				t.Errorf("generation %d runs %q, not %q", generation, got, want)
			}
		}
		first, second := image(Ref{acme, 1}), image(Ref{acme, 2})
		is(1, first)
		is(2, "")
		end()
		end = e.run()
		pass(time.Minute)
		is(1, first)
		e.ok(e.s.RestartInstance(context.Background(), operator, acme, 0))
		pass(time.Minute)
		is(1, "")
		is(2, second)
		e.ok(e.s.SuspendOrg(context.Background(), operator, acme, 0, ""))
		pass(time.Minute)
		is(2, "")
		if got := e.r.Image(Ref{registry.OrgID("none"), 1}); got != "" {
			t.Errorf("an org that is not there runs %q", got)
		}
		end()
	})
}
