package provision

import (
	"context"
	"io"

	"github.com/pizzaface/pizzeria/registry"
)

type (
	// Heartbeat is what the agent of an instance says of it: a claim that is shown, and decides
	// nothing.
	Heartbeat = registry.Heartbeat
	// Revocation names people and runners whose access ended or changed.
	Revocation = registry.Revocation
)

// Attended is a Provider whose instances have an agent that it reaches. errors.ErrUnsupported: this
// instance has none.
type Attended interface {
	// Heartbeat asks the agent of an instance how it is.
	Heartbeat(ctx context.Context, r Ref) (Heartbeat, error)
	// Revoke tells the agent who is gone. It returns when what they hold open at the app has ended.
	Revoke(ctx context.Context, r Ref, v Revocation) error
	// Metrics returns the metrics of the agent and its app, in Prometheus' text format.
	Metrics(ctx context.Context, r Ref) (io.ReadCloser, error)
}

// Remote is a Provider whose instances may run where it reaches no agent.
type Remote interface {
	// Elsewhere reports whether instances push their heartbeats themselves. Their environment then
	// has an address and a token for it.
	Elsewhere() bool
}
