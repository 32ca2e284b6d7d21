package caddymodule

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/pizzaface/pizzeria/internal/guard"
)

// guardMetrics shows what the guard counts.
type guardMetrics struct{ *guard.Guard }

var (
	guardRefused     = prometheus.NewDesc("pizzeria_guard_refused_total", "Connections and requests without a session that were refused, by what ran out.", []string{"reason"}, nil)
	guardConnections = prometheus.NewDesc("pizzeria_guard_connections", "Open connections that have not carried a session.", nil, nil)
	guardRequests    = prometheus.NewDesc("pizzeria_guard_requests", "Requests in flight without a session.", nil, nil)
	guardHeads       = prometheus.NewDesc("pizzeria_guard_heads_bytes", "Memory of request heads held for clients without a session.", nil, nil)
)

// Describe implements prometheus.Collector.
func (guardMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{guardRefused, guardConnections, guardRequests, guardHeads} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m guardMetrics) Collect(ch chan<- prometheus.Metric) {
	s := m.Stats()
	for i, reason := range guard.Reasons {
		ch <- prometheus.MustNewConstMetric(guardRefused, prometheus.CounterValue, float64(s.Refused[i]), reason)
	}
	ch <- prometheus.MustNewConstMetric(guardConnections, prometheus.GaugeValue, float64(s.Connections))
	ch <- prometheus.MustNewConstMetric(guardRequests, prometheus.GaugeValue, float64(s.Requests))
	ch <- prometheus.MustNewConstMetric(guardHeads, prometheus.GaugeValue, float64(s.Heads))
}

// Interface guards
var _ prometheus.Collector = guardMetrics{}
