package control

import (
	"context"

	"github.com/pizzaface/pizzeria/registry"
)

// configurePlans makes the plans of the config that counts those of the store, unless they are. A node
// leaves alone what it began with before.
func (c *Control) configurePlans(ctx context.Context) error {
	t := c.Tunables()
	if c.planned.Load() == t {
		return nil
	}
	c.began.CompareAndSwap(nil, t)
	by := registry.PlansOf{Node: c.Node, Started: c.began.Load() == t}
	if err := c.store.ConfigurePlans(ctx, registry.AsSystem("Caddyfile"), by, t.Plans); err != nil {
		return err
	}
	c.planned.Store(t)
	return nil
}

// Reconfigured follows a change of the tunables. Error: ErrPlace.
func (c *Control) Reconfigured(ctx context.Context) error {
	if err := c.checkPlaces(ctx); err != nil {
		return err
	}
	c.Metrics.failing(c.Providers().Names())
	if n := len(c.Outdated()); n > 0 {
		c.Log.Warn("instances keep an earlier configuration until they are restarted", "instances", n)
	}
	if err := c.configurePlans(ctx); err != nil {
		c.Log.Warn("plans not stored yet, retrying", "error", err)
	}
	return nil
}
