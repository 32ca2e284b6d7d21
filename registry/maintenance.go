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
	FinishRunners(ctx context.Context, a Actor) error
	FinishApprovals(ctx context.Context, a Actor) error
	DisableDormant(ctx context.Context, a Actor, since time.Time) (int, error)
	CheckQuotas(
		ctx context.Context, a Actor, refused RefusedRequests,
	) (list []QuotaWarning, err error)
	ConfigurePlans(ctx context.Context, a Actor, by PlansOf, list []Plan) error
	SetLifetimes(l Lifetimes)
	BreakLeases(ctx context.Context, a Actor) error
}

// LeaseName names a piece of work that one process at a time does for the installation.
type LeaseName string

// LeaseMaintenance is the lease on what is due: sweeping, deletions, checks.
const LeaseMaintenance LeaseName = "maintenance"

// Leaser gives a piece of work to one of several processes for a while. A holder is the random ID of
// a process. Unlike the Lease on an instance it has no fencing token: the work has to be right also
// when a holder that was paused finishes it beside the next one.
type Leaser interface {
	AcquireLease(
		ctx context.Context, a Actor, name LeaseName, holder string, ttl time.Duration,
	) (held bool, err error)
	ReleaseLease(ctx context.Context, a Actor, name LeaseName, holder string) error
}
