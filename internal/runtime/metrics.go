package runtime

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pizzaface/pizzeria/internal/usage"
	"github.com/pizzaface/pizzeria/registry"
)

// Metrics are the runtime's collectors. Labels come from bounded sets: an org's
// only while it exists and for a number of them, everything else is "_other". It implements registry.FeedHandler.
type Metrics struct {
	requests *prometheus.CounterVec
	mu       sync.RWMutex
	labelled map[registry.OrgID]bool // with series of their own
	duration prometheus.Histogram
	started  prometheus.Histogram
	lag      prometheus.Histogram
	usage    atomic.Pointer[usage.Recorder] // nil until the start
	state    state
}

// orgLabels is how many orgs have series of their own; the requests of more count as otherOrgs.
const (
	orgLabels = 10_000
	otherOrgs = "_other"
)

func newMetrics() *Metrics {
	return &Metrics{
		labelled: map[registry.OrgID]bool{},
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "pizzeria_org_requests_total", Help: "Requests to org hosts, by org and class of status."}, []string{"org", "code"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "pizzeria_org_request_duration_seconds", Help: "Time to serve requests to org hosts.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 8)}),
		started:  prometheus.NewHistogram(prometheus.HistogramOpts{Name: "pizzeria_instance_start_duration_seconds", Help: "Time from first look to healthy of instances.", Buckets: prometheus.ExponentialBuckets(0.05, 2, 11)}),
		lag:      prometheus.NewHistogram(prometheus.HistogramOpts{Name: "pizzeria_feed_lag_seconds", Help: "Time from a change to when this gateway acts on it: revocations among them.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 8)}),
	}
}

// label is an org's, while there is room.
func (m *Metrics) label(org registry.OrgID) string {
	m.mu.RLock()
	known, more := m.labelled[org], len(m.labelled) < orgLabels
	m.mu.RUnlock()
	switch {
	case known:
		return string(org)
	case !more:
		return otherOrgs
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.labelled[org] = true
	return string(org)
}

// Collectors returns all collectors, to be registered with each config's registry.
func (m *Metrics) Collectors() []prometheus.Collector {
	return []prometheus.Collector{m.requests, m.duration, m.started, m.lag, &m.state}
}

var classes = [...]string{"other", "1xx", "2xx", "3xx", "4xx", "5xx"}

// Request counts a request. route is nil for one that reached no org.
func (m *Metrics) Request(route *registry.Route, status int, d time.Duration) {
	org, counts := otherOrgs, route != nil && (route.Status == registry.RouteServing || route.Status == registry.RouteStarting)
	if counts {
		org = m.label(route.OrgID)
	}
	class := classes[0]
	if i := status / 100; i > 0 && i < len(classes) {
		class = classes[i]
	}
	m.requests.WithLabelValues(org, class).Inc()
	m.duration.Observe(d.Seconds())
	if u := m.usage.Load(); u != nil && counts {
		u.Request(route.OrgID, status, d)
	}
}

// Apply implements registry.FeedHandler, as the last of them: series go when the org goes.
func (m *Metrics) Apply(c registry.Change) {
	m.lag.Observe(time.Since(c.At).Seconds())
	if c.Kind == registry.OrgGone {
		m.mu.Lock()
		delete(m.labelled, c.OrgID)
		m.mu.Unlock()
		m.requests.DeletePartialMatch(prometheus.Labels{"org": string(c.OrgID)})
	}
}

// Reset implements registry.FeedHandler.
func (m *Metrics) Reset() {}
