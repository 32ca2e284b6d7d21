package provision

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// A lease is short and renewed, so that the work of a reconciler that is gone soon goes to another.
const (
	leaseLife   = 30 * time.Second
	leaseRenew  = 5 * time.Second
	leaseMargin = 10 * time.Second // between the end of a job and that of its lease
)

var errLeaseEnds = errors.New("its lease could not be renewed")

// acquire leases an org until lose is called. held is ctx while the lease is renewed; it ends leaseMargin
// before the lease does, or when the lease is lost. The time is counted from before each call by this
// machine's clock, which need not agree with the store's.
func (r *Reconciler) acquire(
	ctx context.Context, org registry.OrgID,
) (held context.Context, l registry.Lease, lose func(), err error) {
	began := time.Now()
	if l, err = r.Store.Acquire(ctx, self, org, leaseLife); err != nil {
		return nil, l, nil, err
	}
	held, end := context.WithCancelCause(ctx)
	// Not in the goroutine that renews: its call may stand still.
	last := time.AfterFunc(left(began), func() { end(errLeaseEnds) })
	var wg sync.WaitGroup
	wg.Go(func() { r.renew(held, l, last, end) })
	return held, l, func() {
		end(nil)
		last.Stop()
		wg.Wait()
	}, nil
}

// left is how long a job may go on with a lease that was asked for then.
func left(asked time.Time) time.Duration { return leaseLife - leaseMargin - time.Since(asked) }

// renew renews a lease until ctx ends, and puts off last, which ends it.
func (r *Reconciler) renew(
	ctx context.Context, l registry.Lease, last *time.Timer, end context.CancelCauseFunc,
) {
	tick := time.NewTicker(leaseRenew)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		began := time.Now()
		_, err := r.Store.Renew(ctx, self, l, leaseLife)
		switch {
		case registry.ErrorCode(err) == registry.CodeConflict:
			end(errLeaseEnds)
		case err == nil:
			last.Reset(left(began))
		}
	}
}
