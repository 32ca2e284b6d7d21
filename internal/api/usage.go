package api

import (
	"context"
	"time"

	"github.com/pizzaface/pizzeria/internal/usage"
	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

type usagePoint struct {
	At       time.Time `json:"at" doc:"start of the step"`
	Requests int64     `json:"requests" doc:"requests in the step"`
	Errors   int64     `json:"errors" doc:"answers with status 500 and above"`
	P50      float64   `json:"p50_ms" doc:"median of the time to serve, in milliseconds"`
	P95      float64   `json:"p95_ms" doc:"95th percentile of the time to serve, in milliseconds"`
	Running  int64     `json:"running,omitempty" doc:"highest number of instances that ran at once; for the platform only"`
}

type usageOut struct {
	Body struct {
		Step  int          `json:"step_seconds" doc:"length of a step, in seconds"`
		Items []usagePoint `json:"items" doc:"one per step, oldest first; zero where nothing was counted"`
		// Quota is of one org alone.
		Quota *registry.Quota `json:"quota,omitempty" doc:"what the org uses now of what it may; of an org alone"`
	}
}

// UsageIn are the parameters of a history.
type UsageIn struct {
	Range usage.Range `query:"range" enum:"hour,day,week" default:"hour" doc:"how far back to go"`
}

func (a *API) history(ctx context.Context, c web.Caller, org registry.OrgID, over usage.Range) (*usageOut, error) {
	points, err := a.Usage.History(ctx, a.Store, c.Actor, org, over)
	if err != nil {
		return nil, err
	}
	out := new(usageOut)
	out.Body.Step = int(over.Step().Seconds())
	out.Body.Items = make([]usagePoint, len(points))
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	for i, p := range points {
		out.Body.Items[i] = usagePoint{p.At, p.Requests, p.Errors, ms(p.Quantile(0.5)), ms(p.Quantile(0.95)), p.Running}
	}
	return out, nil
}

func (a *API) usage() {
	type orgIn struct {
		OrgPath
		UsageIn
	}
	inOrg(a, operation{ID: "showOrgUsage", Method: "GET", Path: "/orgs/{org}/usage", Summary: "Read how much an org is used", Action: registry.ActionUsageRead},
		func(ctx context.Context, c web.Caller, id registry.OrgID, in *orgIn) (*usageOut, error) {
			out, err := a.history(ctx, c, id, in.Range)
			if err != nil {
				return nil, err
			}
			q, err := a.Quotas.Show(ctx, c.Actor, id)
			out.Body.Quota = &q
			return out, err
		})
	declared(a, operation{ID: "showUsage", Method: "GET", Path: "/usage", Summary: "Read how much all orgs are used", Action: registry.ActionPlatformRead},
		func(ctx context.Context, c web.Caller, in *UsageIn) (*usageOut, error) {
			return a.history(ctx, c, "", in.Range)
		})

	type platformOut struct {
		Body struct {
			registry.Totals
			Capacity  usage.Capacity `json:"capacity" doc:"resources of the machine"`
			Isolation string         `json:"isolation" doc:"what isolates instances from each other"`
		}
	}
	declared(a, operation{ID: "showPlatform", Method: "GET", Path: "/platform", Summary: "Count what there is, and what is left of the machine", Action: registry.ActionPlatformRead},
		func(ctx context.Context, c web.Caller, _ *none) (*platformOut, error) {
			t, err := a.Store.Totals(ctx, c.Actor)
			if err != nil {
				return nil, err
			}
			out := new(platformOut)
			out.Body.Totals, out.Body.Capacity, out.Body.Isolation = t, a.Capacity(), a.Isolation()
			return out, nil
		})
}
