package edge

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// idleTakes is how often a counter is found without a request until it goes: many small objects cost
// every garbage collection.
const idleTakes = 6

// usageCounts counts the requests of orgs. It is safe for concurrent use.
type usageCounts struct{ orgs sync.Map } // registry.OrgID -> *usageCount

// usageCount is what one org did since it was taken.
type usageCount struct {
	requests, errors atomic.Int64
	latency          [registry.LatencyBuckets]atomic.Int64
	idle             int // takes without a request; only take looks
}

func (u *usageCounts) of(org registry.OrgID) *usageCount {
	v, ok := u.orgs.Load(org)
	if !ok {
		// Cloned, it does not keep alive what it was cut from.
		v, _ = u.orgs.LoadOrStore(registry.OrgID(strings.Clone(string(org))), new(usageCount))
	}
	return v.(*usageCount)
}

// request counts one request to an org.
func (u *usageCounts) request(org registry.OrgID, status int, d time.Duration) {
	c := u.of(org)
	c.requests.Add(1)
	if status >= 500 {
		c.errors.Add(1)
	}
	c.latency[registry.LatencyBucket(d)].Add(1)
}

// take returns the counts since the last time, of orgs that have some.
func (u *usageCounts) take() map[registry.OrgID]registry.Usage {
	out := map[registry.OrgID]registry.Usage{}
	u.orgs.Range(func(k, v any) bool {
		org, c := k.(registry.OrgID), v.(*usageCount)
		n := registry.Usage{Requests: c.requests.Swap(0), Errors: c.errors.Swap(0)}
		for i := range c.latency {
			n.Latency[i] = c.latency[i].Swap(0)
		}
		if n.Requests == 0 {
			if c.idle++; c.idle > idleTakes { // it may count again meanwhile: then at most one request is not seen
				u.orgs.Delete(org)
			}
			return true
		}
		c.idle = 0
		out[org] = n
		return true
	})
	return out
}

// put adds counts that were taken.
func (u *usageCounts) put(counts map[registry.OrgID]registry.Usage) {
	for org, n := range counts {
		c := u.of(org)
		c.requests.Add(n.Requests)
		c.errors.Add(n.Errors)
		for i := range c.latency {
			c.latency[i].Add(n.Latency[i])
		}
	}
}
