package shared

import "github.com/prometheus/client_golang/prometheus"

// Metrics are those of Redis.
type Metrics struct {
	up       prometheus.Gauge
	failures prometheus.Counter
	took     prometheus.Histogram
	skipped  prometheus.Counter
	messages *prometheus.CounterVec
}

// NewMetrics returns metrics for New.
func NewMetrics() *Metrics {
	m := &Metrics{
		up: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "pizzeria_redis_up", Help: "Whether Redis answers: 1, or 0 also where none is configured.",
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "pizzeria_redis_failures_total", Help: "Commands that Redis refused or did not answer in time.",
		}),
		took: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "pizzeria_redis_command_seconds", Help: "How long commands of requests took.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1},
		}),
		skipped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "pizzeria_redis_skipped_total",
			Help: "Commands of requests that were not sent while Redis was away: this node counted by itself.",
		}),
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pizzeria_redis_feed_messages_total",
			Help: "Messages between nodes that there are changes, by what became of them.",
		}, []string{"result"}),
	}
	for _, result := range []string{"sent", "received", "refused"} {
		m.messages.WithLabelValues(result)
	}
	return m
}

// Collectors returns all of them.
func (m *Metrics) Collectors() []prometheus.Collector {
	return []prometheus.Collector{m.up, m.failures, m.took, m.skipped, m.messages}
}
