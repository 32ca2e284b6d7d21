package registry

import (
	"context"
	"math"
	"time"
)

// Heartbeat is what an instance says of itself, through its agent or by a push. All of it but
// ReceivedAt is a claim of the org's: its app and the agent share a user. So it is shown, and
// decides nothing.
type Heartbeat struct {
	OrgID      OrgID     `json:"org_id" doc:"org that the instance serves"`
	Generation int64     `json:"generation" doc:"number of the instance"`
	At         time.Time `json:"at" doc:"when the agent looked"`
	ReceivedAt time.Time `json:"received_at,omitzero" doc:"when the control plane got it"`
	StartedAt  time.Time `json:"started_at,omitzero" doc:"when the app was started"`

	Agent   string `json:"agent,omitempty" doc:"version of the agent; shown to platform admins only"`
	Version string `json:"version,omitempty" doc:"version of the app, if it tells"`
	Health  string `json:"health" enum:"ok,degraded,failing,unknown" doc:"what the app's health check answered"`

	// Busy is true while the app works for somebody, and so should not be put to sleep.
	Busy     bool `json:"busy" doc:"the app is working, so that it should not be stopped now"`
	Sessions *int `json:"sessions,omitempty" doc:"sessions of the app, if it tells"`
	Runners  *int `json:"runners,omitempty" doc:"runners connected to the app, if it tells"`

	Sockets int     `json:"sockets" doc:"open connections from the gateway"`
	CPU     float64 `json:"cpu_seconds" doc:"processor time used since the start, in seconds"`
	Memory  int64   `json:"memory_bytes" doc:"memory in use, in bytes"`
	Disk    int64   `json:"disk_bytes" doc:"size of the data directory, in bytes"`
}

// What an app's health check answered.
const (
	HealthOK       = "ok"
	HealthDegraded = "degraded"
	HealthFailing  = "failing"
	HealthUnknown  = "unknown"
)

const (
	// HeartbeatEvery is how often each instance is asked, or should push.
	HeartbeatEvery = 10 * time.Second
	// HeartbeatMax is how many bytes a heartbeat may have as JSON.
	HeartbeatMax = 16 << 10

	versionMax = 64            // bytes
	countMax   = math.MaxInt32 // of anything but bytes
)

// Cleaned returns a heartbeat that arrived at now as it may be kept and shown: bounded texts of one
// line, no number that is negative or not finite, no time to come.
func (h Heartbeat) Cleaned(now time.Time) Heartbeat {
	h.ReceivedAt = now
	h.At, h.StartedAt = past(h.At, now), past(h.StartedAt, now)
	h.Agent, h.Version = CleanLine(h.Agent, versionMax), CleanLine(h.Version, versionMax)
	switch h.Health {
	case HealthOK, HealthDegraded, HealthFailing:
	default:
		h.Health = HealthUnknown
	}
	h.Sessions, h.Runners = count(h.Sessions), count(h.Runners)
	h.Sockets = min(max(h.Sockets, 0), countMax)
	h.Memory, h.Disk = max(h.Memory, 0), max(h.Disk, 0)
	if math.IsNaN(h.CPU) {
		h.CPU = 0
	}
	h.CPU = min(max(h.CPU, 0), countMax)
	return h
}

// past returns a time between the Unix epoch and now; the zero time stays.
func past(t, now time.Time) time.Time {
	switch {
	case t.IsZero():
		return t
	case t.After(now):
		return now
	case t.Unix() < 0:
		return time.Unix(0, 0).UTC()
	}
	return t.UTC()
}

func count(n *int) *int {
	if n == nil {
		return nil
	}
	in := min(max(*n, 0), countMax)
	return &in
}

// ForMembers is a heartbeat without what is the server's.
func (h Heartbeat) ForMembers() Heartbeat {
	h.Agent = ""
	return h
}

// HeartbeatStore keeps the last heartbeat of each instance. They are no changes of the registry: no
// feed entry, and many at once.
type HeartbeatStore interface {
	WantedGeneration(ctx context.Context, a Actor, org OrgID) (int64, error)
	SaveHeartbeats(ctx context.Context, a Actor, list []Heartbeat) error
	Heartbeats(ctx context.Context, a Actor) ([]Heartbeat, error)
}
