package control

import (
	"context"

	"github.com/pizzaface/pizzeria/registry"
)

// ConfigurePlans makes the plans of the config that counts those of the store, unless they are.
func (c *Control) ConfigurePlans(ctx context.Context) error {
	t := c.Tunables()
	if c.planned.Load() == t {
		return nil
	}
	if err := c.store.ConfigurePlans(ctx, registry.AsSystem("Caddyfile"), t.Plans); err != nil {
		return err
	}
	c.planned.Store(t)
	return nil
}
