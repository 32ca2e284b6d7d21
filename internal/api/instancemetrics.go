package api

import (
	"context"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

const metricsText = `For Prometheus: ` + "`metrics_path`" + ` with a key of scope ` + "`platform`" + ` as bearer. What the instance claims is passed on as it is, so leave ` + "`honor_labels`" + ` off.`

func (a *API) instanceMetrics() {
	type metricsOut struct {
		ContentType string `header:"Content-Type"`
		Body        []byte
	}
	inOrg(a, operation{ID: "showInstanceMetrics", Method: "GET", Path: "/orgs/{org}/instance/metrics",
		Summary: "Read the metrics of an org's instance", Description: metricsText,
		Action: registry.ActionPlatformRead, Sends: "text/plain",
		SendsText: "Metrics in Prometheus' text format, at most 4 MiB"},
		func(ctx context.Context, c web.Caller, id registry.OrgID, _ *OrgPath) (*metricsOut, error) {
			_, err := a.Store.Authorize(ctx, c.Actor, id, registry.ActionPlatformRead)
			if err != nil {
				return nil, err
			}
			b, err := a.Metrics(ctx, id)
			return &metricsOut{metricsType, b}, err
		})
}
