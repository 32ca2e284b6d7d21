package runtime

import (
	"context"

	"github.com/pizzaface/pizzeria/registry"
)

// configurePlans makes the plans of the config that counts those of the store, unless they are.
func (r *Runtime) configurePlans(ctx context.Context) error {
	t := r.tunables.Load()
	if r.planned.Load() == t {
		return nil
	}
	if err := r.store.ConfigurePlans(ctx, registry.AsSystem("Caddyfile"), t.Plans); err != nil {
		return err
	}
	r.planned.Store(t)
	return nil
}
