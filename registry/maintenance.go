package registry

import (
	"context"
	"time"
)

// Maintainer does what is due, and what the config says.
type Maintainer interface {
	Sweep(ctx context.Context, a Actor) error
	FinishDeletions(ctx context.Context, a Actor) error
	FinishSupport(ctx context.Context, a Actor) error
	FinishApprovals(ctx context.Context, a Actor) error
	DisableDormant(ctx context.Context, a Actor, since time.Time) (int, error)
	CheckQuotas(
		ctx context.Context, a Actor, refused RefusedRequests,
	) (list []QuotaWarning, err error)
	ConfigurePlans(ctx context.Context, a Actor, list []Plan) error
	SetLifetimes(l Lifetimes)
	BreakLeases(ctx context.Context, a Actor) error
}
