package edge

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pizzaface/pizzeria/internal/edge/origin"
	"github.com/pizzaface/pizzeria/registry"
)

const (
	reportEvery   = 10 * time.Second
	reportTimeout = 5 * time.Second
)

// Run follows the control plane, keeps the snapshot and ends sessions that are over, until ctx is
// done. Call Start first.
func (n *Node) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { n.endSessions(ctx) })
	wg.Go(func() { n.report(ctx) })
	wg.Go(func() { n.follower.Run(ctx) })
	wg.Go(func() { n.pulse.run(ctx) })
	wg.Go(func() {
		select {
		case <-ctx.Done():
			return
		case <-n.follower.Begun():
		}
		n.rings.Reset() // those of a snapshot may be old, or of another database
		wg.Go(func() { n.rings.run(ctx) })
		n.keeper.Run(ctx)
	})
	wg.Wait()
}

// report tells the control plane what was counted, until ctx is done and then once more.
func (n *Node) report(ctx context.Context) {
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), reportTimeout)
			defer cancel()
			n.reportOnce(last)
			return
		case <-tick.C:
			n.reportOnce(ctx)
		}
	}
}

// reportOnce keeps what it cannot tell for the next time.
func (n *Node) reportOnce(ctx context.Context) {
	r := origin.Report{Usage: n.c.Metrics.usage.take(), Refused: n.Refused.Take()}
	if err := n.c.Origin.Report(ctx, r); err != nil {
		n.c.Metrics.usage.put(r.Usage)
		n.Refused.put(r.Refused)
	}
}

// rings keeps a node's keys true. It is told of changes before all that judges tokens.
type rings struct {
	keys   Keys
	log    *slog.Logger
	failed atomic.Bool // the last time: they may be old
}

// run reads the keys again when that failed, and now and then, until ctx is done.
func (r *rings) run(ctx context.Context) {
	again, hourly := time.NewTicker(time.Second), time.NewTicker(time.Hour)
	defer again.Stop()
	defer hourly.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
			if r.failed.Load() {
				r.Reset()
			}
		case <-hourly.C:
			r.Reset()
		}
	}
}

// Apply implements registry.FeedHandler.
func (r *rings) Apply(c registry.Change) {
	if c.Keys() {
		r.Reset()
	}
}

// Reset implements registry.FeedHandler.
func (r *rings) Reset() {
	ctx, cancel := context.WithTimeout(context.Background(), loadTimeout)
	defer cancel()
	err := r.keys.Refresh(ctx)
	if failed := err != nil; r.failed.Swap(failed) != failed && failed {
		r.log.Warn("cannot read signing keys", "error", err)
	}
}
