package usage

import (
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// Request tells a recorder of one request, as a gateway does.
func Request(r *Recorder, org registry.OrgID, status int, d time.Duration) {
	u := registry.Usage{Requests: 1}
	if status >= 500 {
		u.Errors = 1
	}
	u.Latency[registry.LatencyBucket(d)] = 1
	r.Add(map[registry.OrgID]registry.Usage{org: u})
}
