package orgredis

import (
	"maps"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pizzaface/pizzeria/registry"
)

// Metrics are the collectors of Users.
type Metrics struct {
	up   prometheus.Gauge
	mu   sync.Mutex
	used map[registry.OrgID]int64
}

var usedDesc = prometheus.NewDesc("pizzeria_instance_redis_bytes",
	"Memory that an org uses in the Redis of instances, estimated.", []string{"org"}, nil)

// NewMetrics makes the collectors.
func NewMetrics() *Metrics {
	return &Metrics{up: prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "pizzeria_instance_redis_up",
		Help: "Whether the Redis of instances is as it should be; 0 where none is configured, or another node looks after it.",
	})}
}

// Collectors returns all collectors.
func (m *Metrics) Collectors() []prometheus.Collector { return []prometheus.Collector{m.up, m} }

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) { ch <- usedDesc }

// Collect implements prometheus.Collector. An org has its series while it has something in Redis.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	m.mu.Lock()
	used := maps.Clone(m.used)
	m.mu.Unlock()
	for org, n := range used {
		ch <- prometheus.MustNewConstMetric(usedDesc, prometheus.GaugeValue, float64(n), string(org))
	}
}

func (m *Metrics) set(used map[registry.OrgID]int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.used = used
}

func (m *Metrics) clear() {
	m.up.Set(0)
	m.set(nil)
}
