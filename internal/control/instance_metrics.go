package control

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pizzaface/pizzeria/internal/heartbeat"
	"github.com/pizzaface/pizzeria/internal/revocation"
	"github.com/pizzaface/pizzeria/registry"
)

func newHeartbeats() *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "pizzeria_heartbeats_total",
		Help: "Heartbeats of instances, by how they came and what became of them.",
	}, []string{"source", "result"})
	for _, source := range heartbeat.Sources() {
		for _, result := range heartbeat.Results() { // there from the start, as the sign-ins are
			v.WithLabelValues(source, result)
		}
	}
	return v
}

func newPushes() *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "pizzeria_revocation_pushes_total",
		Help: "Pushes of revocations to instances, by what became of them.",
	}, []string{"result"})
	for _, result := range revocation.Results() {
		v.WithLabelValues(result)
	}
	return v
}

func (m *Metrics) heartbeat(source, result string) {
	m.heartbeats.WithLabelValues(source, result).Inc()
}

func (m *Metrics) revocationPushed(result string) { m.pushes.WithLabelValues(result).Inc() }

// instances collects what instances say of themselves, and what the host side counts of them. An org has its series while its instance
// serves.
type instances struct{ m *Metrics }

// instanceSeries is how many instances have series: those of the oldest orgs.
const instanceSeries = 10_000

func instanceDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("pizzeria_instance_"+name, help, []string{"org"}, nil)
}

var (
	memoryDesc   = instanceDesc("memory_bytes", "Memory that an instance uses, as its control group or it says.")
	diskDesc     = instanceDesc("disk_bytes", "Size of an instance's data directory, as it says.")
	cpuDesc      = instanceDesc("cpu_seconds_total", "Processor time of an instance since its start, as its control group or it says.")
	socketsDesc  = instanceDesc("connections", "Open connections from the gateway, as the instance says.")
	sessionsDesc = instanceDesc("sessions", "Sessions of the app, as it says.")
	runnersDesc  = instanceDesc("runners", "Runners connected to the app, as it says.")
	busyDesc     = instanceDesc("busy", "Whether the app says that it is working.")
	ageDesc      = instanceDesc("heartbeat_age_seconds", "Time since the last heartbeat of an instance.")
	untoldDesc   = prometheus.NewDesc("pizzeria_instances_untold", "Instances that serve and have not taken a revocation yet.", nil, nil)
)

// Describe implements prometheus.Collector.
func (instances) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		memoryDesc, diskDesc, cpuDesc, socketsDesc, sessionsDesc, runnersDesc, busyDesc, ageDesc,
		untoldDesc,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (s instances) Collect(ch chan<- prometheus.Metric) {
	c := s.m.control.Load()
	if c == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	system := registry.AsSystem("metrics")
	if untold, err := c.store.UntoldInstances(ctx, system); err == nil {
		n := float64(len(untold))
		ch <- prometheus.MustNewConstMetric(untoldDesc, prometheus.GaugeValue, n)
	}
	list, err := c.store.Heartbeats(ctx, system)
	if err != nil {
		return
	}
	list = list[:min(len(list), instanceSeries)]
	said := make(map[registry.OrgID]bool, len(list))
	for _, h := range list {
		said[h.OrgID] = true
		collectHeartbeat(ch, c.counted(h), c.Now())
	}
	for _, ref := range c.reconciler.Serving() {
		if len(said) == instanceSeries {
			return
		}
		if s, ok := c.sample(ref); ok && !said[ref.OrgID] { // it has not said anything yet
			said[ref.OrgID] = true
			putUse(ch, ref.OrgID, s.CPU.Seconds(), s.Memory)
		}
	}
}

func putUse(ch chan<- prometheus.Metric, org registry.OrgID, cpu float64, memory int64) {
	ch <- prometheus.MustNewConstMetric(cpuDesc, prometheus.CounterValue, cpu, string(org))
	ch <- prometheus.MustNewConstMetric(memoryDesc, prometheus.GaugeValue, float64(memory), string(org))
}

func collectHeartbeat(ch chan<- prometheus.Metric, h registry.Heartbeat, now time.Time) {
	gauge := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, string(h.OrgID))
	}
	putUse(ch, h.OrgID, h.CPU, h.Memory)
	gauge(diskDesc, float64(h.Disk))
	gauge(socketsDesc, float64(h.Sockets))
	if h.Sessions != nil {
		gauge(sessionsDesc, float64(*h.Sessions))
	}
	if h.Runners != nil {
		gauge(runnersDesc, float64(*h.Runners))
	}
	gauge(busyDesc, map[bool]float64{true: 1}[h.Busy])
	gauge(ageDesc, max(0, now.Sub(h.ReceivedAt)).Seconds())
}
