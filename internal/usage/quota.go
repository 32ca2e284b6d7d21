package usage

import (
	"context"
	"math"

	"github.com/pizzaface/pizzeria/registry"
)

// Hours returns the last hour of an org as Recorder.Hour does.
type Hours interface {
	Hour(org registry.OrgID) []registry.UsagePoint
}

// Quotas shows what orgs use of what they may.
type Quotas struct {
	Store    registry.QuotaReader
	Recorder Hours
	// Busy is how many requests and WebSockets an org has open.
	Busy func(registry.OrgID) (requests, webSockets int)
	// Use is what an org's instance uses, by limit; what is not measured is absent.
	Use func(context.Context, registry.OrgID) map[registry.LimitName]float64
	// Enforces tells to which limits an org's instance is held; of no org, to which all are.
	Enforces func(context.Context, registry.OrgID) (func(registry.LimitName) bool, error)
}

// rateOver is how many points of the last hour make the present rate: a minute.
const rateOver = 6

// Show returns an org's quota with everything that is counted.
func (q *Quotas) Show(
	ctx context.Context, a registry.Actor, org registry.OrgID,
) (registry.Quota, error) {
	out, err := q.Store.Quota(ctx, a, org)
	if err != nil {
		return out, err
	}
	enforces, err := q.Enforces(ctx, org)
	if err != nil {
		enforces = func(registry.LimitName) bool { return false } // its provider is not there any more
	}
	requests, webSockets := q.Busy(org)
	use := q.Use(ctx, org)
	for i := range out.Items {
		item := &out.Items[i]
		switch item.Name {
		case registry.LimitRequests:
			item.Use(q.rate(org))
		case registry.LimitConcurrency:
			item.Use(float64(requests))
		case registry.LimitWebSockets:
			item.Use(float64(webSockets))
		default:
			if n, ok := use[item.Name]; ok {
				item.Use(n)
			}
		}
		item.Enforced = item.Limit != nil && (!item.Name.OfInstance() || enforces(item.Name))
	}
	return out, nil
}

// rate is how many requests a second an org made in the last minute.
func (q *Quotas) rate(org registry.OrgID) float64 {
	hour := q.Recorder.Hour(org)
	var sum int64
	for _, p := range hour[len(hour)-rateOver:] {
		sum += p.Requests
	}
	return math.Round(100*float64(sum)/(rateOver*fine.Seconds())) / 100
}
