package registry

import (
	"context"
	"time"
)

// Usage is how much was asked of an org in some time.
type Usage struct {
	Requests int64                 `json:"requests"`
	Errors   int64                 `json:"errors" doc:"answers with status 500 and above"`
	Running  int64                 `json:"running,omitempty" doc:"highest number of instances that ran at once; for the platform only"`
	Latency  [LatencyBuckets]int64 `json:"-"` // requests by time to serve; see LatencyBucket
}

// LatencyBuckets is the number of classes of time to serve: each is twice as
// long as the one before it, from under 1 ms to over 16 s.
const LatencyBuckets = 16

// LatencyBucket is the class of a time to serve.
func LatencyBucket(d time.Duration) int {
	i, limit := 0, time.Millisecond
	for ; i < LatencyBuckets-1 && d >= limit; i++ {
		limit *= 2
	}
	return i
}

// Plus adds two usages.
func (u Usage) Plus(v Usage) Usage {
	u.Requests += v.Requests
	u.Errors += v.Errors
	u.Running = max(u.Running, v.Running)
	for i := range u.Latency {
		u.Latency[i] += v.Latency[i]
	}
	return u
}

// Quantile returns a time that the fraction q (0 to 1) of requests did not
// exceed, by linear interpolation in its class; 0 without requests.
func (u Usage) Quantile(q float64) time.Duration {
	var total int64
	for _, n := range u.Latency {
		total += n
	}
	rest := q * float64(total)
	low, high := time.Duration(0), time.Millisecond
	for _, n := range u.Latency {
		if n > 0 && rest <= float64(n) {
			return low + time.Duration(rest/float64(n)*float64(high-low))
		}
		rest -= float64(n)
		low, high = high, high*2
	}
	return 0
}

// UsagePoint is the usage in the time that begins at At.
type UsagePoint struct {
	At time.Time `json:"at"`
	Usage
}

// UsageLife is how long the coarse history is kept.
const UsageLife = 7 * 24 * time.Hour

// UsageStep is the time between two points of the coarse history.
const UsageStep = 10 * time.Minute

// Totals is how much there is of everything.
type Totals struct {
	Orgs      map[OrgStatus]int     `json:"orgs" doc:"number of orgs by status"`
	Instances map[InstanceState]int `json:"instances" doc:"number of instances by state"`
	Users     int                   `json:"users" doc:"number of accounts"`
	Sessions  int                   `json:"sessions" doc:"number of active sessions"`
}

// UsageReader reads the coarse history.
type UsageReader interface {
	Usage(ctx context.Context, a Actor, org OrgID, since time.Time) ([]UsagePoint, error)
	Totals(ctx context.Context, a Actor) (Totals, error)
	// States are the Totals of orgs and instances alone.
	States(ctx context.Context, a Actor) (Totals, error)
}

// UsageStore keeps the coarse history.
type UsageStore interface {
	RunningInstances(ctx context.Context, a Actor) (int64, error)
	AddUsage(ctx context.Context, a Actor, b UsageBatch) error
}

// UsageBatch is what one process counted. It is added once, however often it is given within a day.
type UsageBatch struct {
	ID    string          // see NewID
	At    time.Time       // the point of the history
	ByOrg map[OrgID]Usage // what is of no single org is under ""
}
