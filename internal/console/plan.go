package console

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

// quotaRow is a limit of an org as a page shows it.
type quotaRow struct {
	What, Used, Limit, Notes string
	Percent                  *float64
	Over                     bool
}

// planOption is a plan that an org can be given.
type planOption struct{ Name, Label string }

// planData is what a page shows of an org's plan. Options and Own are for who can change them.
type planData struct {
	Quota   registry.Quota
	Rows    []quotaRow
	Options []planOption
	Own     []limitField
}

func (c *Console) planOf(
	ctx context.Context, who web.Caller, o registry.OrgView,
) (d planData, err error) {
	if d.Quota, err = c.Quotas.Show(ctx, who.Actor, o.ID); err != nil {
		return d, err
	}
	own := registry.Limits{}
	for _, i := range d.Quota.Items {
		if i.Own {
			own[i.Name] = *i.Limit
		}
		if i.Limit != nil || i.Used != nil {
			d.Rows = append(d.Rows, rowOf(i))
		}
	}
	if !registry.Allows(who.Actor, o.Role, registry.ActionOrgPlan) {
		return d, nil
	}
	plans, err := c.Store.Plans(ctx, who.Actor)
	if err != nil {
		return d, err
	}
	d.Options = planOptions(plans, o.Plan)
	var by registry.Limits
	for _, p := range plans {
		if p.Name == o.Plan {
			by = p.Limits
		}
	}
	d.Own = c.limitFields(ctx, o.ID, own, func(n registry.LimitName) string {
		return "plan: " + limitText(n, by)
	})
	return d, nil
}

func rowOf(i registry.QuotaItem) quotaRow {
	row := quotaRow{
		What: limitWords[i.Name], Used: "–", Limit: noLimit, Notes: strings.Join(i.Notes(), ", "),
		Percent: i.Percent, Over: i.Over,
	}
	if i.Used != nil {
		row.Used = registry.FormatLimit(i.Name, *i.Used)
	}
	if i.Limit != nil {
		row.Limit = registry.FormatLimit(i.Name, *i.Limit)
	}
	return row
}

// planOptions are the plans to choose from, with the default one and what an org has now.
func planOptions(plans []registry.Plan, now string) (out []planOption) {
	for _, p := range plans {
		label := p.Name
		if p.Title != "" {
			label = p.Title + " (" + p.Name + ")"
		}
		out = append(out, planOption{p.Name, label})
	}
	for _, name := range []string{registry.DefaultPlan, now} {
		if !slices.ContainsFunc(out, func(o planOption) bool { return o.Name == name }) {
			out = append(out, planOption{name, name})
		}
	}
	slices.SortFunc(out, func(a, b planOption) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func (c *Console) setPlan(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.act(w, r, who, "", func(ctx context.Context, o registry.OrgView) error {
		return c.Store.SetOrgPlan(ctx, who.Actor, o.ID, orgVersion(r), r.PostForm.Get("plan"))
	})
}

func (c *Console) setLimits(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.act(w, r, who, "", func(ctx context.Context, o registry.OrgView) error {
		limits, err := limitsIn(r.PostForm)
		if err != nil {
			return err
		}
		return c.Store.SetOrgLimits(ctx, who.Actor, o.ID, orgVersion(r), limits)
	})
}
