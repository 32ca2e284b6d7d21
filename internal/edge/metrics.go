package edge

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pizzaface/pizzeria/registry"
)

// Metrics are a node's collectors, and its counts of requests. Labels come from bounded sets: an
// org's only while it exists and for a number of them, everything else is "_other". It implements
// registry.FeedHandler.
type Metrics struct {
	requests *requestCounts
	usage    usageCounts
	duration prometheus.Histogram
	lag      *prometheus.HistogramVec
	cookies  *prometheus.CounterVec
	node     atomic.Pointer[Node] // nil until it starts
}

var (
	streamsDesc  = prometheus.NewDesc("pizzeria_open_streams", "WebSockets and streams that are open to instances.", nil, nil)
	feedAgeDesc  = prometheus.NewDesc("pizzeria_feed_age_seconds", "Time since the change feed was last read: revocations do not arrive while it grows.", nil, nil)
	snapshotDesc = prometheus.NewDesc("pizzeria_snapshot_age_seconds", "Time since the snapshot on disk was last true: sessions do not outlive the store by more than offline_grace less this.", nil, nil)
)

// NewMetrics makes the collectors of a node to be.
func NewMetrics() *Metrics {
	m := &Metrics{
		cookies: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pizzeria_cookies_dropped_total",
			Help: "Cookies that did not pass between browsers and instances, by the reason.",
		}, []string{"reason"}),
		requests: newRequestCounts(),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "pizzeria_org_request_duration_seconds", Help: "Time to serve requests to org hosts.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 8)}),
		lag:      prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "pizzeria_feed_lag_seconds", Help: "Time from a change to when this gateway acts on it, revocations among them, by what told it of the change.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 8)}, []string{"source"}),
	}
	for _, reason := range CookieDrops() { // there from the start, so that a rate has something to rise from
		m.cookies.WithLabelValues(string(reason))
	}
	for _, source := range registry.WakeSources() {
		m.lag.WithLabelValues(string(source))
	}
	return m
}

// Collectors returns all collectors, to be registered with each config's registry.
func (m *Metrics) Collectors() []prometheus.Collector {
	return []prometheus.Collector{m.requests, m.duration, m.lag, m.cookies, nodeState{m}}
}

// cookieDropped counts cookies that did not pass.
func (m *Metrics) cookieDropped(why CookieDrop, n int) {
	m.cookies.WithLabelValues(string(why)).Add(float64(n))
}

// Request counts a request. route is nil for one that reached no org.
func (m *Metrics) Request(route *registry.Route, status int, d time.Duration) {
	m.duration.Observe(d.Seconds())
	if route == nil || route.Status != registry.RouteServing && route.Status != registry.RouteStarting {
		m.requests.others.add(status)
		return
	}
	m.requests.of(route.OrgID).add(status)
	m.usage.request(route.OrgID, status, d)
}

// Apply implements registry.FeedHandler, as the last of them: series go when the org goes.
func (m *Metrics) Apply(c registry.Change) {
	source := registry.WakePoll
	if n := m.node.Load(); n != nil {
		source = n.follower.Source()
	}
	m.lag.WithLabelValues(string(source)).Observe(time.Since(c.At).Seconds())
	if c.Kind == registry.ChangeOrgDeleted {
		m.requests.forget(c.OrgID)
	}
}

// Reset implements registry.FeedHandler.
func (m *Metrics) Reset() {}

// nodeState collects how things stand when it is asked. Before the start there is nothing to say.
type nodeState struct{ m *Metrics }

// Describe implements prometheus.Collector.
func (nodeState) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{streamsDesc, feedAgeDesc, snapshotDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (s nodeState) Collect(ch chan<- prometheus.Metric) {
	n := s.m.node.Load()
	if n == nil {
		return
	}
	gauge := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	gauge(streamsDesc, float64(n.Streams.Len()))
	gauge(feedAgeDesc, time.Since(n.Contact()).Seconds())
	if at := n.keeper.contact.Load(); at != 0 {
		gauge(snapshotDesc, time.Since(time.Unix(0, at)).Seconds())
	}
}
