package runtime

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// maintain does what time alone asks for.
func (r *Runtime) maintain(ctx context.Context) {
	if err := r.noteAuditHead(ctx, true); err != nil && ctx.Err() == nil {
		r.c.Log.Warn("maintenance", "error", err)
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
			err = errors.Join(r.store.FinishSupport(ctx, system), r.store.FinishApprovals(ctx, system), r.configurePlans(ctx))
			if err != nil && time.Since(warned) < 30*time.Second {
				continue // while the store is away, one line in a while is enough
			}
			if err != nil {
				warned = time.Now()
			}
		case <-head.C:
			err = r.noteAuditHead(ctx, false)
		case <-flush.C:
			err = errors.Join(r.ids.Flush(ctx), r.store.FinishDeletions(ctx, registry.AsSystem("runtime")))
		case <-daily.C:
			if err = r.ids.Refresh(ctx); err == nil {
				err = r.writeJWKS()
			}
			err = errors.Join(err, r.store.Sweep(ctx, registry.AsSystem("runtime")),
				r.disableDormant(ctx), r.pruneAudit(ctx))
		}
		if err != nil && ctx.Err() == nil {
			r.c.Log.Warn("maintenance", "error", err)
		}
	}
}

// pruneAudit removes what the operator does not keep of the audit log.
func (r *Runtime) pruneAudit(ctx context.Context) error {
	keep := r.tunables.Load().AuditKeep
	if keep == 0 {
		return nil
	}
	for {
		more, err := r.store.PruneAudit(ctx, registry.AsSystem("retention"), time.Now().Add(-keep))
		if err != nil || !more {
			return err
		}
	}
}

// disableDormant disables the accounts that nobody signed in to for as long as the operator says.
func (r *Runtime) disableDormant(ctx context.Context) error {
	after := r.tunables.Load().DisableDormant
	if after == 0 {
		return nil
	}
	n, err := r.store.DisableDormant(ctx, registry.AsSystem("dormant accounts"), time.Now().Add(-after))
	if n > 0 {
		r.c.Log.Info("dormant accounts disabled", "count", n)
	}
	return err
}

// writeJWKS keeps the assertion keys in a file for instances.
func (r *Runtime) writeJWKS() error {
	if err := os.WriteFile(r.jwks+".tmp", r.ids.Assertions.JWKS(), 0o644); err != nil { //nolint:gosec // public keys
		return err
	}
	return os.Rename(r.jwks+".tmp", r.jwks)
}
