package sqlstore

import (
	"context"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// Route returns the route of a slug: of the org that has it, or where it leads
// or rests after one gave it up. For the system. Error: CodeNotFound.
func (s *Store) Route(ctx context.Context, a registry.Actor, slug string) (*registry.Route, error) {
	if err := only(a); err != nil {
		return nil, err
	}
	return one(ctx, s.read, s.scanRoute, registry.Errorf(registry.CodeNotFound, "slug", "no org has the address %q", slug),
		`SELECT `+routeColumns+` WHERE s.slug = $1 AND (s.rests_until IS NULL OR s.rests_until > $2)`, slug, us(s.now()))
}

// Routes returns up to limit routes of the slugs that follow one, by slug. For the system.
func (s *Store) Routes(ctx context.Context, a registry.Actor, after string, limit int) ([]*registry.Route, error) {
	if err := only(a); err != nil {
		return nil, err
	}
	return collect(ctx, s.read, s.scanRoute,
		`SELECT `+routeColumns+` WHERE s.slug > $1 AND (s.rests_until IS NULL OR s.rests_until > $2) ORDER BY s.slug LIMIT $3`, after, us(s.now()), limit)
}

const routeColumns = `s.slug, o.id, o.name, o.plan, o.slug, o.status, o.reason, o.delete_at, i.generation, i.state, i.address, i.detail, s.redirect_until, s.rests_until,
	` + allowanceColumns + `
	FROM slugs s JOIN orgs o ON o.id = s.org_id JOIN instances i ON i.org_id = o.id` + allowanceJoin

func (s *Store) scanRoute(r scanner) (*registry.Route, error) {
	var (
		rt              registry.Route
		status          registry.OrgStatus
		state           registry.InstanceState
		redirect, rests micros
		ends            micros
		current, reason string
		may             allowance
	)
	fields := []any{&rt.Slug, &rt.OrgID, &rt.Name, &rt.Plan, &current, &status, &reason, &ends, &rt.Generation, &state, &rt.Address, &rt.Detail, &redirect, &rests}
	if err := r.Scan(append(fields, allowanceFields(&may)...)...); err != nil {
		return nil, err
	}
	rt.Limits = may.all().Routed()
	rt.Status = registry.RouteStatusOf(status, state)
	if rt.Status == registry.RouteSuspended {
		rt.Detail = reason
	}
	if status == registry.OrgDeleting {
		rt.Detail, rt.RestoreUntil = "", timeOf(ends)
	}
	if us(timeOf(rests)) != 0 {
		rt.RestoreUntil = time.Time{}
		rt.Status = registry.RouteQuarantined
		if status != registry.OrgDeleting && status != registry.OrgDeleted {
			rt.RedirectTo = current
			if s.now().Before(timeOf(redirect)) {
				rt.Status = registry.RouteRenamed
			}
		}
	}
	if rt.Status != registry.RouteServing {
		rt.Address = ""
	}
	return &rt, nil
}
