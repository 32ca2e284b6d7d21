package control

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// maintain does what time alone asks for.
func (c *Control) maintain(ctx context.Context) {
	if err := c.noteAuditHead(ctx, true); err != nil && ctx.Err() == nil {
		c.Log.Warn("maintenance", "error", err)
	}
	head := time.NewTicker(headEvery)
	defer head.Stop()
	often, flush, daily := time.NewTicker(2*time.Second), time.NewTicker(30*time.Second), time.NewTicker(time.Hour)
	defer often.Stop()
	var warned time.Time
	defer flush.Stop()
	defer daily.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-often.C:
			system := registry.AsSystem("runtime")
			err = errors.Join(c.store.FinishSupport(ctx, system), c.store.FinishApprovals(ctx, system), c.ConfigurePlans(ctx))
			if err != nil && time.Since(warned) < 30*time.Second {
				continue // while the store is away, one line in a while is enough
			}
			if err != nil {
				warned = time.Now()
			}
		case <-head.C:
			err = c.noteAuditHead(ctx, false)
		case <-flush.C:
			err = errors.Join(c.ids.Flush(ctx), c.store.FinishDeletions(ctx, registry.AsSystem("runtime")))
		case <-daily.C:
			if err = c.ids.Refresh(ctx); err == nil {
				err = c.writeJWKS()
			}
			err = errors.Join(err, c.store.Sweep(ctx, registry.AsSystem("runtime")),
				c.disableDormant(ctx), c.pruneAudit(ctx))
		}
		if err != nil && ctx.Err() == nil {
			c.Log.Warn("maintenance", "error", err)
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
		more, err := c.store.PruneAudit(ctx, registry.AsSystem("retention"), time.Now().Add(-keep))
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
	n, err := c.store.DisableDormant(ctx, registry.AsSystem("dormant accounts"), time.Now().Add(-after))
	if n > 0 {
		c.Log.Info("dormant accounts disabled", "count", n)
	}
	return err
}

// writeJWKS keeps the assertion keys in a file for instances.
func (c *Control) writeJWKS() error {
	if err := os.WriteFile(c.jwks+".tmp", c.ids.Assertions.JWKS(), 0o644); err != nil { //nolint:gosec // public keys
		return err
	}
	return os.Rename(c.jwks+".tmp", c.jwks)
}
