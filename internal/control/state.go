package control

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pizzaface/pizzeria/registry"
)

// state collects how things stand when it is asked. Before the start there is nothing to say.
type state struct{ m *Metrics }

var (
	orgsDesc      = prometheus.NewDesc("pizzeria_orgs", "Orgs, by status.", []string{"status"}, nil)
	instancesDesc = prometheus.NewDesc("pizzeria_instances", "Instances, by state.", []string{"state"}, nil)
	outdatedDesc  = prometheus.NewDesc("pizzeria_instances_outdated", "Instances that keep an earlier configuration until they are restarted.", nil, nil)
	storeUpDesc   = prometheus.NewDesc("pizzeria_store_up", "Whether the store answers.", nil, nil)
)

// scrapeTimeout bounds what a scrape waits for the store.
const scrapeTimeout = 2 * time.Second

// Describe implements prometheus.Collector.
func (state) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		orgsDesc, instancesDesc, outdatedDesc, storeUpDesc,
		auditSeqDesc, auditHoldsDesc, auditHeadDesc,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (s state) Collect(ch chan<- prometheus.Metric) {
	c := s.m.control.Load()
	if c == nil {
		return
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(outdatedDesc, float64(len(c.Outdated())))
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	n, err := c.store.States(ctx, registry.AsSystem("metrics"))
	if err != nil {
		gauge(storeUpDesc, 0)
		return
	}
	gauge(storeUpDesc, 1)
	c.collectAudit(ctx, gauge)
	for _, status := range registry.OrgStatuses() {
		if status == registry.OrgDeleted {
			continue // their number only grows
		}
		gauge(orgsDesc, float64(n.Orgs[status]), string(status))
	}
	for _, st := range registry.InstanceStates() {
		gauge(instancesDesc, float64(n.Instances[st]), string(st))
	}
}
