package control

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/api"
	"github.com/pizzaface/pizzeria/internal/orgredis"
	"github.com/pizzaface/pizzeria/internal/shared"
	"github.com/pizzaface/pizzeria/provision"
)

// Metrics are the control plane's collectors. Labels come from bounded sets.
type Metrics struct {
	started    prometheus.Histogram
	signIns    *prometheus.CounterVec
	failures   *prometheus.CounterVec
	limits     *prometheus.CounterVec
	keys       *prometheus.CounterVec
	recoveries *prometheus.CounterVec
	heartbeats *prometheus.CounterVec
	pushes     *prometheus.CounterVec
	losses     prometheus.Counter
	redis      *shared.Metrics
	orgs       *orgredis.Metrics
	control    atomic.Pointer[Control] // nil until it runs
}

// NewMetrics makes the collectors of a control plane to be.
func NewMetrics() *Metrics {
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
		heartbeats: newHeartbeats(), pushes: newPushes(), redis: shared.NewMetrics(),
		orgs: orgredis.NewMetrics(),
		losses: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "pizzeria_lost_changes_total",
			Help: "Changes that the store had and has no more, as after a failover.",
		}),
		started: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "pizzeria_instance_start_duration_seconds", Help: "Time from first look to healthy of instances.", Buckets: prometheus.ExponentialBuckets(0.05, 2, 11)}),
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
	return m
}

// Collectors returns all collectors, to be registered with each config's registry.
func (m *Metrics) Collectors() []prometheus.Collector {
	return append(append(m.redis.Collectors(), m.orgs.Collectors()...),
		m.started, m.signIns, m.failures, m.limits, m.keys, m.recoveries, m.heartbeats, m.pushes,
		m.losses,
		state{m}, instances{m},
	)
}

// failing makes the series of providers that are there, as there are those of sign-ins.
func (m *Metrics) failing(providers []string) {
	for _, provider := range providers {
		for _, f := range provision.Failures() {
			m.failures.WithLabelValues(provider, string(f))
		}
	}
}

// failed counts failures of a provider's instances.
func (m *Metrics) failed(provider string, f provision.Failure) {
	m.failures.WithLabelValues(provider, string(f)).Inc()
}

func (m *Metrics) signedIn(way, result string)     { m.signIns.WithLabelValues(way, result).Inc() }
func (m *Metrics) limited(purpose, limit string)   { m.limits.WithLabelValues(purpose, limit).Inc() }
func (m *Metrics) recovered(kind string)           { m.recoveries.WithLabelValues(kind).Inc() }
func (m *Metrics) keyUsed(kind, result string)     { m.keys.WithLabelValues(kind, result).Inc() }
func (m *Metrics) lost(changes int64)              { m.losses.Add(float64(changes)) }
func (m *Metrics) instanceStarted(d time.Duration) { m.started.Observe(d.Seconds()) }
