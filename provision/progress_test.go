package provision

import (
	"context"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// slow is a world whose instances take their time to be made, and say so.
type slow struct {
	*world
	goes chan struct{}
}

func (w slow) For(registry.InstallationID) Provider { return w }

func (w slow) Ensure(ctx context.Context, s Spec) (Observed, error) {
	s.Progress("pulling the image: 1 of 2")
	<-w.goes
	return w.world.Ensure(ctx, s)
}

// TestProgress: people see what a start waits for, until it goes on.
func TestProgress(t *testing.T) {
	bubble(t, func(e *env) {
		org := e.org("acme")
		p := slow{e.w, make(chan struct{})}
		defer e.run(func(c *Config) { c.Providers = one(p) })()
		e.await("its detail says so", 5*time.Second, org, func(i registry.Instance) bool {
			return i.State == registry.InstanceStarting && i.Detail == "pulling the image: 1 of 2"
		})
		close(p.goes)
		if i := e.running(org, 5*time.Second); i.Detail != "" {
			t.Errorf("it still says %q", i.Detail)
		}
	})
}
