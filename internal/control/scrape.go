package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

const (
	metricsMax     = 4 << 20 // bytes of an instance's metrics
	metricsTimeout = 5 * time.Second
	metricsAtOnce  = 8
)

// attended returns the orgs whose instances serve and were heard of. What pushes has no agent that
// could be asked.
func (c *Control) attended(ctx context.Context) ([]registry.OrgID, error) {
	list, err := c.store.Heartbeats(ctx, registry.AsSystem("metrics"))
	orgs := make([]registry.OrgID, 0, len(list))
	for _, h := range list {
		if _, away := c.agents.of(provision.Ref{OrgID: h.OrgID, Generation: h.Generation}); away == nil {
			orgs = append(orgs, h.OrgID)
		}
	}
	return orgs, err
}

// instanceMetrics returns what the agent of an org's instance tells Prometheus. Errors: CodeNotFound
// when it has none, CodeOverloaded.
func (c *Control) instanceMetrics(ctx context.Context, org registry.OrgID) ([]byte, error) {
	select {
	case c.scrapes <- struct{}{}:
		defer func() { <-c.scrapes }()
	default:
		return nil, registry.Errorf(registry.CodeOverloaded, "",
			"%d instances are being asked for their metrics: try again", metricsAtOnce)
	}
	ctx, cancel := context.WithTimeout(ctx, metricsTimeout)
	defer cancel()
	w, err := c.store.WorkOn(ctx, registry.AsSystem("metrics"), org)
	if err != nil {
		return nil, err
	}
	from, err := c.agents.Metrics(ctx, provision.Ref{OrgID: org, Generation: w.Instance.Generation})
	if errors.Is(err, errors.ErrUnsupported) {
		return nil, registry.Errorf(registry.CodeNotFound, "", "this instance has no metrics")
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = from.Close() }()
	b, err := io.ReadAll(io.LimitReader(from, metricsMax+1))
	if err == nil && len(b) > metricsMax {
		err = fmt.Errorf("the metrics of an instance have more than %d bytes", metricsMax)
	}
	return b, err
}
