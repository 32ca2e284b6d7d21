package control

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// reconnectEvery is how often a store that is away is tried again.
const reconnectEvery = 2 * time.Second

// Connect opens the store and reads from it what the parts begin with. It may be repeated; Run does
// until it succeeds.
func (c *Control) Connect(ctx context.Context) error {
	switch there, err := c.Location.Exists(); {
	case err != nil:
		return fmt.Errorf("store: %w", err)
	case !there && exists(c.Witness):
		return fmt.Errorf(
			"the database %s is not there, though %s says that it was: put it back; or, to begin anew, remove the latter as well",
			c.Location, c.Witness,
		)
	}
	system := registry.AsSystem("runtime")
	if err := c.store.Connect(ctx); err != nil {
		return err
	}
	id, err := c.store.Installation(ctx, system)
	if err != nil {
		return err
	}
	c.installation.Store(&id)
	if err := c.ids.Refresh(ctx); err != nil {
		return err
	}
	if err := c.checkPlaces(ctx); err != nil {
		return err
	}
	// Where this process has the store to itself, leases of an earlier one are nobody's.
	if err := c.store.BreakLeases(ctx, system); err != nil {
		return err
	}
	if err := c.writeKeys(); err != nil {
		return err
	}
	if err := c.configurePlans(ctx); err != nil {
		return err
	}
	if err := c.follower.Begin(ctx); err != nil {
		return err
	}
	link, until, err := c.ids.SetupLink(ctx)
	if err != nil {
		return err
	}
	if link != "" {
		c.Announce(link, until)
	}
	c.connected.Store(true)
	return nil
}

// reconnect returns once the store is connected, or false when ctx ends before.
func (c *Control) reconnect(ctx context.Context) bool {
	if c.connected.Load() {
		return true
	}
	tick := time.NewTicker(reconnectEvery)
	defer tick.Stop()
	for said := ""; ; {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
		err := c.Connect(ctx)
		if err == nil {
			c.Log.Info("the store is back")
			return true
		}
		if err.Error() != said && ctx.Err() == nil {
			said = err.Error()
			c.Log.Warn("the store is still away", "error", err)
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
