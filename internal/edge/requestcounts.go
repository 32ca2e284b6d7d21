package edge

import (
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pizzaface/pizzeria/registry"
)

// orgLabels is how many orgs have series of their own; the requests of more count as otherOrgs.
const (
	orgLabels = 10_000
	otherOrgs = "_other"
)

var requestsDesc = prometheus.NewDesc("pizzeria_org_requests_total", "Requests to org hosts, by org and class of status.", []string{"org", "code"}, nil)

var classes = [...]string{"other", "1xx", "2xx", "3xx", "4xx", "5xx"}

// classCounts are requests by class of status.
type classCounts [len(classes)]atomic.Uint64

// requestCounts are the requests of each org. It is a collector of its own, for a prometheus.CounterVec
// keeps a dozen objects for each series, which every garbage collection has to look at.
type requestCounts struct {
	mu     sync.RWMutex
	orgs   map[registry.OrgID]*classCounts
	others classCounts
}

func newRequestCounts() *requestCounts {
	return &requestCounts{orgs: map[registry.OrgID]*classCounts{}}
}

// of returns an org's, while there is room, and else the others'.
func (r *requestCounts) of(org registry.OrgID) *classCounts {
	r.mu.RLock()
	c, full := r.orgs[org], len(r.orgs) >= orgLabels
	r.mu.RUnlock()
	switch {
	case c != nil:
		return c
	case full:
		return &r.others
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if c = r.orgs[org]; c != nil {
		return c
	}
	if len(r.orgs) >= orgLabels {
		return &r.others
	}
	c = new(classCounts)
	r.orgs[registry.OrgID(strings.Clone(string(org)))] = c // cloned, it does not keep alive what it was cut from
	return c
}

// forget ends an org's series.
func (r *requestCounts) forget(org registry.OrgID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.orgs, org)
}

func (c *classCounts) add(status int) {
	class := status / 100
	if class < 0 || class >= len(classes) {
		class = 0
	}
	c[class].Add(1)
}

// Describe implements prometheus.Collector.
func (r *requestCounts) Describe(ch chan<- *prometheus.Desc) { ch <- requestsDesc }

// Collect implements prometheus.Collector.
func (r *requestCounts) Collect(ch chan<- prometheus.Metric) {
	var series []prometheus.Metric // no request waits for who reads ch
	add := func(org string, c *classCounts) {
		for i := range c {
			if n := c[i].Load(); n > 0 {
				series = append(series, prometheus.MustNewConstMetric(requestsDesc, prometheus.CounterValue, float64(n), org, classes[i]))
			}
		}
	}
	r.mu.RLock()
	for org, c := range r.orgs {
		add(string(org), c)
	}
	r.mu.RUnlock()
	add(otherOrgs, &r.others)
	for _, m := range series {
		ch <- m
	}
}
