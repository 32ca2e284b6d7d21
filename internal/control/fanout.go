package control

import (
	"context"

	"github.com/pizzaface/pizzeria/registry"
)

// fanOut tells other nodes by Redis what this one commits, until ctx is done. What does not arrive, the
// database tells as well, and the poll of each second finds.
func (c *Control) fanOut(ctx context.Context) {
	if c.Node == "" {
		return
	}
	for told := int64(0); ; {
		changed := c.store.Changed()
		if seq := c.store.Committed(); seq != told {
			_ = c.redis.Tell(ctx, seq)
			told = seq
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

// heard takes in that a node, perhaps this one, has committed.
func (c *Control) heard(seq int64) {
	if seq > max(c.follower.Seq(), c.store.Committed()) {
		c.store.Wake(registry.WakeRedis)
	}
}
