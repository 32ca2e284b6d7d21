package console

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

// limitWords are the limits as people call them.
var limitWords = map[registry.LimitName]string{
	registry.LimitRequests:    "Requests/s",
	registry.LimitConcurrency: "Requests at once",
	registry.LimitWebSockets:  "WebSockets",
	registry.LimitBody:        "Request size",
	registry.LimitMembers:     "Members",
	registry.LimitRunners:     "Runners",
	registry.LimitCPU:         "CPU cores",
	registry.LimitMemory:      "Memory",
	registry.LimitPIDs:        "Processes",
	registry.LimitDisk:        "Disk",
}

// quotaRow is a limit of an org as a page shows it.
type quotaRow struct {
	What, Used, Limit, Notes string
	Percent                  *float64
	Over                     bool
}

// planData is what a page shows of an org's plan.
type planData struct {
	Quota registry.Quota
	Rows  []quotaRow
	Plans []string // that a platform admin can give it
}

func (c *Console) planOf(
	ctx context.Context,
	who web.Caller,
	o registry.OrgView,
) (d planData, err error) {
	if d.Quota, err = c.Quotas.Show(ctx, who.Actor, o.ID); err != nil {
		return d, err
	}
	for _, i := range d.Quota.Items {
		if i.Limit == nil && i.Used == nil {
			continue
		}
		row := quotaRow{
			What:    limitWords[i.Name],
			Used:    "–",
			Limit:   "no limit",
			Notes:   strings.Join(i.Notes(), ", "),
			Percent: i.Percent,
			Over:    i.Over,
		}
		if i.Used != nil {
			row.Used = registry.FormatLimit(i.Name, *i.Used)
		}
		if i.Limit != nil {
			row.Limit = registry.FormatLimit(i.Name, *i.Limit)
		}
		d.Rows = append(d.Rows, row)
	}
	if !registry.Allows(who.Actor, o.Role, registry.OrgPlan) {
		return d, nil
	}
	list, err := c.Store.Plans(ctx, who.Actor)
	for _, p := range list {
		d.Plans = append(d.Plans, p.Name)
	}
	for _, name := range []string{registry.DefaultPlan, o.Plan} {
		if !slices.Contains(d.Plans, name) {
			d.Plans = append(d.Plans, name)
		}
	}
	slices.Sort(d.Plans)
	return d, err
}

func (c *Console) setPlan(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.act(w, r, who, "", func(ctx context.Context, o registry.OrgView) error {
		return c.Store.SetOrgPlan(ctx, who.Actor, o.ID, orgVersion(r), r.PostForm.Get("plan"))
	})
}
