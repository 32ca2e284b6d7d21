package control

import (
	"context"
	"errors"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// keepUp does what every process does for itself, until ctx is done: it stores what is in memory, and
// follows the config and the clock.
func (c *Control) keepUp(ctx context.Context) {
	plans, flush, keys := time.NewTicker(2*time.Second), time.NewTicker(30*time.Second), time.NewTicker(time.Hour)
	defer plans.Stop()
	defer flush.Stop()
	defer keys.Stop()
	said := c.quietly()
	var ahead time.Duration
	for {
		select {
		case <-ctx.Done():
			return
		case <-plans.C:
			said(ctx, c.configurePlans(ctx))
			ahead = c.sayClock(ahead)
		case <-flush.C:
			c.say(ctx, c.ids.Flush(ctx))
		case <-keys.C:
			err := c.ids.Refresh(ctx)
			if err == nil {
				err = c.writeKeys()
			}
			c.say(ctx, err)
		}
	}
}

// sayClock logs when this machine's clock is corrected in another way than before, and returns how.
func (c *Control) sayClock(before time.Duration) time.Duration {
	clock, ok := c.store.(registry.Clock)
	if !ok || clock.Ahead() == before {
		return before
	}
	c.Log.Warn("clock of this machine differs from the database's", "corrected_by", clock.Ahead())
	return clock.Ahead()
}

// maintain does what is due for the installation, until ctx is done. One process does at a time.
func (c *Control) maintain(ctx context.Context) {
	c.say(ctx, c.noteAuditHead(ctx, true))
	defer c.auditHead.Store(nil) // the next one knows a newer
	often, deletions := time.NewTicker(2*time.Second), time.NewTicker(30*time.Second)
	head, hourly := time.NewTicker(headEvery), time.NewTicker(time.Hour)
	for _, t := range []*time.Ticker{often, deletions, head, hourly} {
		defer t.Stop()
	}
	system, said := registry.AsSystem("runtime"), c.quietly()
	for {
		select {
		case <-ctx.Done():
			return
		case <-often.C:
			said(ctx, errors.Join(c.store.FinishSupport(ctx, system), c.store.FinishApprovals(ctx, system)))
		case <-deletions.C:
			c.say(ctx, errors.Join(c.store.FinishDeletions(ctx, system), c.store.FinishRunners(ctx, system)))
		case <-head.C:
			c.say(ctx, c.noteAuditHead(ctx, false))
		case <-hourly.C:
			c.say(ctx, errors.Join(c.store.Sweep(ctx, system), c.disableDormant(ctx), c.pruneAudit(ctx)))
		}
	}
}

// say logs why a task failed.
func (c *Control) say(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		c.Log.Warn("maintenance", "error", err)
	}
}

// quietly returns a say for what is often done: while the store is away, one line in a while is
// enough.
func (c *Control) quietly() func(context.Context, error) {
	var said time.Time
	return func(ctx context.Context, err error) {
		if err != nil && time.Since(said) >= 30*time.Second {
			said = time.Now()
			c.say(ctx, err)
		}
	}
}

// pruneAudit removes what the operator does not keep of the audit log.
func (c *Control) pruneAudit(ctx context.Context) error {
	keep := c.Tunables().AuditKeep
	if keep == 0 {
		return nil
	}
	for {
		more, err := c.store.PruneAudit(ctx, registry.AsSystem("retention"), c.Now().Add(-keep))
		if err != nil || !more {
			return err
		}
	}
}

// disableDormant disables the accounts that nobody signed in to for as long as the operator says.
func (c *Control) disableDormant(ctx context.Context) error {
	after := c.Tunables().DisableDormant
	if after == 0 {
		return nil
	}
	n, err := c.store.DisableDormant(ctx, registry.AsSystem("dormant accounts"), c.Now().Add(-after))
	if n > 0 {
		c.Log.Info("dormant accounts disabled", "count", n)
	}
	return err
}

// writeKeys keeps the assertion keys in a file for instances.
func (c *Control) writeKeys() error { return c.keyFile.write(c.ids.Assertions.JWKS()) }
