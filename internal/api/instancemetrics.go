package api

import (
	"context"
	"net/url"

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

	type targetsOut struct{ Body []MetricsTarget }
	declared(a, operation{ID: "listMetricsTargets", Method: "GET", Path: "/instances/targets",
		Summary:     "List the instances that have metrics, for Prometheus' http_sd_configs",
		Description: targetsText, Action: registry.ActionPlatformRead},
		func(ctx context.Context, c web.Caller, _ *none) (*targetsOut, error) {
			err := a.Store.AuthorizePlatform(ctx, c.Actor, registry.ActionPlatformRead)
			if err != nil {
				return nil, err
			}
			orgs, err := a.Attended(ctx)
			if err != nil {
				return nil, err
			}
			u, err := url.Parse(a.issuer())
			if err != nil {
				return nil, err
			}
			out := &targetsOut{make([]MetricsTarget, len(orgs))}
			for i, id := range orgs {
				out.Body[i] = MetricsTarget{[]string{u.Host}, MetricsLabels{
					"https", prefix + "/orgs/" + string(id) + "/instance/metrics", id,
				}}
			}
			return out, nil
		})
}

const targetsText = `Instances are in it while they serve and have sent a heartbeat.`

// MetricsTarget is a target of Prometheus.
type MetricsTarget struct {
	Targets []string      `json:"targets" doc:"host of the control plane"`
	Labels  MetricsLabels `json:"labels" doc:"where Prometheus scrapes it, and the org that it is of"`
}

// MetricsLabels are the labels of a target.
type MetricsLabels struct {
	Scheme string         `json:"__scheme__" doc:"https"`
	Path   string         `json:"__metrics_path__" doc:"where the metrics of the instance are"`
	Org    registry.OrgID `json:"org" doc:"org that the instance serves"`
}
