package provision

import (
	"context"
	"io"
	"time"

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

// Enrolment is a runner of an app's own that is to get a key there, in its owner's name.
type Enrolment struct {
	ID      registry.RunnerID `json:"id"`
	Name    string            `json:"name"`
	Expires time.Time         `json:"expires_at"`
	Owner   Owner             `json:"owner"`
}

// Owner is the person whom a runner belongs to.
type Owner struct {
	ID    registry.UserID `json:"id"`
	Name  string          `json:"name"`
	Email string          `json:"email"`
}

// Enroller is an Attended whose agents may enroll runners of their apps. errors.ErrUnsupported: this
// instance's app has none.
type Enroller interface {
	// Enroll returns the environment of the app's own runner, with its key. The org's agent says so:
	// all of it is a claim.
	Enroll(ctx context.Context, r Ref, e Enrolment) (map[string]string, error)
}

// Remote is a Provider whose instances may run where it reaches no agent.
type Remote interface {
	// Elsewhere reports whether instances push their heartbeats themselves. Their environment then
	// has an address and a token for it: in Spec.Env, or from the operator who starts them.
	Elsewhere() bool
}
