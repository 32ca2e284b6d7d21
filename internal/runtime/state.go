package runtime

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pizzaface/pizzeria/registry"
)

// state collects how things stand when it is asked. Before the start there is nothing to say.
type state struct{ runtime atomic.Pointer[Runtime] }

var (
	orgsDesc      = prometheus.NewDesc("pizzeria_orgs", "Orgs, by status.", []string{"status"}, nil)
	instancesDesc = prometheus.NewDesc("pizzeria_instances", "Instances, by state.", []string{"state"}, nil)
	outdatedDesc  = prometheus.NewDesc("pizzeria_instances_outdated", "Instances that keep an earlier configuration until they are restarted.", nil, nil)
	streamsDesc   = prometheus.NewDesc("pizzeria_open_streams", "WebSockets and streams that are open to instances.", nil, nil)
	feedAgeDesc   = prometheus.NewDesc("pizzeria_feed_age_seconds", "Time since the change feed was last read: revocations do not arrive while it grows.", nil, nil)
	snapshotDesc  = prometheus.NewDesc("pizzeria_snapshot_age_seconds", "Time since the snapshot on disk was last true: sessions do not outlive the store by more than offline_grace less this.", nil, nil)
	storeUpDesc   = prometheus.NewDesc("pizzeria_store_up", "Whether the store answers.", nil, nil)
)

// scrapeTimeout bounds what a scrape waits for the store.
const scrapeTimeout = 2 * time.Second

// Describe implements prometheus.Collector.
func (*state) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		orgsDesc, instancesDesc, outdatedDesc, streamsDesc, feedAgeDesc, snapshotDesc, storeUpDesc,
		auditSeqDesc, auditHoldsDesc, auditHeadDesc,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (s *state) Collect(ch chan<- prometheus.Metric) {
	r := s.runtime.Load()
	if r == nil {
		return
	}
	select {
	case <-r.ready:
	default:
		return
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(outdatedDesc, float64(len(r.reconciler.Outdated())))
	gauge(streamsDesc, float64(r.gateway.Streams.Len()))
	gauge(feedAgeDesc, time.Since(r.follower.Contact()).Seconds())
	if at := r.keeper.contact.Load(); at != 0 {
		gauge(snapshotDesc, time.Since(time.Unix(0, at)).Seconds())
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	n, err := r.store.Totals(ctx, registry.AsSystem("metrics"))
	if err != nil {
		gauge(storeUpDesc, 0)
		return
	}
	gauge(storeUpDesc, 1)
	r.collectAudit(ctx, gauge)
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
