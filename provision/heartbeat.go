package provision

import (
	"context"
	"io"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// Heartbeat is what the agent of an instance says of it. All of it is a claim of the org's: its app
// and the agent share a user. So it is shown, and decides nothing.
type Heartbeat struct {
	OrgID      registry.OrgID `json:"org_id" doc:"org that the instance serves"`
	Generation int64          `json:"generation" doc:"number of the instance"`
	At         time.Time      `json:"at" doc:"when the agent looked"`
	StartedAt  time.Time      `json:"started_at" doc:"when the app was started"`

	Agent   string `json:"agent,omitempty" doc:"version of the agent"`
	Version string `json:"version,omitempty" doc:"version of the app, if it tells"`
	Health  string `json:"health" enum:"ok,degraded,failing,unknown" doc:"what the app's health check answered"`

	// Busy is true while the app works for somebody, and so should not be put to sleep.
	Busy     bool `json:"busy" doc:"the app is working, so that it should not be stopped now"`
	Sessions *int `json:"sessions,omitempty" doc:"sessions of the app, if it tells"`
	Runners  *int `json:"runners,omitempty" doc:"runners connected to the app, if it tells"`

	Sockets int     `json:"sockets" doc:"open connections from the gateway"`
	CPU     float64 `json:"cpu_seconds" doc:"processor time used since the start, in seconds"`
	Memory  int64   `json:"memory_bytes" doc:"memory in use, in bytes"`
	Disk    int64   `json:"disk_bytes" doc:"what the data directory takes, in bytes"`
}

// Revocation names who must not be served any more.
type Revocation struct {
	Users   []registry.UserID   `json:"users,omitempty"`
	Runners []registry.RunnerID `json:"runners,omitempty"`
}

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
