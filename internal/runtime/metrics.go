package runtime

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/api"
	"github.com/pizzaface/pizzeria/internal/edge"
	"github.com/pizzaface/pizzeria/internal/usage"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// Metrics are the runtime's collectors. Labels come from bounded sets: an org's
// only while it exists and for a number of them, everything else is "_other". It implements registry.FeedHandler.
type Metrics struct {
	requests   *requestCounts
	duration   prometheus.Histogram
	started    prometheus.Histogram
	lag        prometheus.Histogram
	signIns    *prometheus.CounterVec
	failures   *prometheus.CounterVec
	limits     *prometheus.CounterVec
	keys       *prometheus.CounterVec
	recoveries *prometheus.CounterVec
	cookies    *prometheus.CounterVec
	usage      atomic.Pointer[usage.Recorder] // nil until the start
	state      state
}

func newMetrics() *Metrics {
	m := &Metrics{
		signIns: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "pizzeria_sign_ins_total", Help: "Sign-ins, by way and what became of them."}, []string{"way", "result"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pizzeria_instance_failures_total",
			Help: "Failures of instances, each followed by a restart or another attempt.",
		}, []string{"provider", "reason"}),
		limits: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "pizzeria_sign_in_limits_total", Help: "Tries refused by a limit, by what was tried and the limit."}, []string{"purpose", "limit"}),
		keys:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "pizzeria_api_key_requests_total", Help: "Requests to the management API with a key, by its kind and what became of them."}, []string{"kind", "result"}),
		recoveries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pizzeria_recoveries_total",
			Help: "Recoveries of accounts and the steps of them, by kind.",
		}, []string{"kind"}),
		cookies: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pizzeria_cookies_dropped_total",
			Help: "Cookies that did not pass between browsers and instances, by the reason.",
		}, []string{"reason"}),
		requests: newRequestCounts(),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "pizzeria_org_request_duration_seconds", Help: "Time to serve requests to org hosts.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 8)}),
		started:  prometheus.NewHistogram(prometheus.HistogramOpts{Name: "pizzeria_instance_start_duration_seconds", Help: "Time from first look to healthy of instances.", Buckets: prometheus.ExponentialBuckets(0.05, 2, 11)}),
		lag:      prometheus.NewHistogram(prometheus.HistogramOpts{Name: "pizzeria_feed_lag_seconds", Help: "Time from a change to when this gateway acts on it: revocations among them.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 8)}),
	}
	for _, way := range identity.Ways { // there from the start, so that a rate has something to rise from
		for _, result := range identity.Results {
			m.signIns.WithLabelValues(way, result)
		}
	}
	for _, kind := range api.KeyKinds {
		for _, result := range api.KeyResults {
			m.keys.WithLabelValues(kind, result)
		}
	}
	for purpose, limits := range identity.LimitsOf {
		for _, limit := range limits {
			m.limits.WithLabelValues(purpose, limit)
		}
	}
	for _, kind := range identity.Recoveries {
		m.recoveries.WithLabelValues(kind)
	}
	for _, reason := range edge.CookieDrops() {
		m.cookies.WithLabelValues(string(reason))
	}
	return m
}

// Collectors returns all collectors, to be registered with each config's registry.
func (m *Metrics) Collectors() []prometheus.Collector {
	return []prometheus.Collector{m.requests, m.duration, m.started, m.lag, m.signIns, m.failures, m.limits, m.keys, m.recoveries, m.cookies, &m.state}
}

// failed counts failures of a provider's instances.
func (m *Metrics) failed(provider string) func(provision.Failure) {
	for _, f := range provision.Failures() { // there from the start, as the sign-ins are
		m.failures.WithLabelValues(provider, string(f))
	}
	return func(f provision.Failure) {
		m.failures.WithLabelValues(provider, string(f)).Inc()
	}
}

// cookieDropped counts cookies that did not pass.
func (m *Metrics) cookieDropped(why edge.CookieDrop, n int) {
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
	if u := m.usage.Load(); u != nil {
		u.Request(route.OrgID, status, d)
	}
}

// Apply implements registry.FeedHandler, as the last of them: series go when the org goes.
func (m *Metrics) Apply(c registry.Change) {
	m.lag.Observe(time.Since(c.At).Seconds())
	if c.Kind == registry.ChangeOrgDeleted {
		m.requests.forget(c.OrgID)
	}
}

// Reset implements registry.FeedHandler.
func (m *Metrics) Reset() {}
