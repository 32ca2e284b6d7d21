package runtime

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pizzaface/pizzeria/internal/usage"
	"github.com/pizzaface/pizzeria/registry"
)

// Metrics are the runtime's collectors. Labels come from bounded sets: an org's
// only while it exists, everything else is "_other". It implements registry.FeedHandler.
type Metrics struct {
	requests *prometheus.CounterVec
	duration prometheus.Histogram
	started  prometheus.Histogram
	lag      prometheus.Histogram
	usage    atomic.Pointer[usage.Recorder] // nil until the start
	state    state
}

func newMetrics() *Metrics {
	return &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "pizzeria_org_requests_total", Help: "Requests to org hosts, by org and class of status."}, []string{"org", "code"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "pizzeria_org_request_duration_seconds", Help: "Time to serve requests to org hosts.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 8)}),
		started:  prometheus.NewHistogram(prometheus.HistogramOpts{Name: "pizzeria_instance_start_duration_seconds", Help: "Time from first look to healthy of instances.", Buckets: prometheus.ExponentialBuckets(0.05, 2, 11)}),
		lag:      prometheus.NewHistogram(prometheus.HistogramOpts{Name: "pizzeria_feed_lag_seconds", Help: "Time from a change to when this gateway acts on it: revocations among them.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 8)}),
	}
}

// Collectors returns all collectors, to be registered with each config's registry.
func (m *Metrics) Collectors() []prometheus.Collector {
	return []prometheus.Collector{m.requests, m.duration, m.started, m.lag, &m.state}
}

var classes = [...]string{"other", "1xx", "2xx", "3xx", "4xx", "5xx"}

// Request counts a request. route is nil for one that reached no org.
func (m *Metrics) Request(route *registry.Route, status int, d time.Duration) {
	org := "_other"
	if route != nil && (route.Status == registry.RouteServing || route.Status == registry.RouteStarting) {
		org = string(route.OrgID)
	}
	class := classes[0]
	if i := status / 100; i > 0 && i < len(classes) {
		class = classes[i]
	}
	m.requests.WithLabelValues(org, class).Inc()
	m.duration.Observe(d.Seconds())
	if u := m.usage.Load(); u != nil && org != "_other" {
		u.Request(route.OrgID, status, d)
	}
}

// Apply implements registry.FeedHandler, as the last of them: series go when the org goes.
func (m *Metrics) Apply(c registry.Change) {
	m.lag.Observe(time.Since(c.At).Seconds())
	if c.Kind == registry.OrgGone {
		m.requests.DeletePartialMatch(prometheus.Labels{"org": string(c.OrgID)})
	}
}

// Reset implements registry.FeedHandler.
func (m *Metrics) Reset() {}
