package sqlite

import (
	"context"

	"github.com/pizzaface/pizzeria/registry"
)

// Route returns the route of a slug: of the org that has it, or where it leads
// or rests after one gave it up. For the system. Error: NotFound.
func (s *Store) Route(ctx context.Context, a registry.Actor, slug string) (*registry.Route, error) {
	if err := only(a); err != nil {
		return nil, err
	}
	now := s.now()
	return one(ctx, s.read, func(r scanner) (*registry.Route, error) {
		var (
			rt              registry.Route
			status          registry.OrgStatus
			state           registry.InstanceState
			redirect, rests micros
			current, reason string
		)
		if err := r.Scan(&rt.OrgID, &rt.Name, &rt.Plan, &current, &status, &reason, &rt.Generation, &state, &rt.Address, &rt.Detail, &redirect, &rests); err != nil {
			return nil, err
		}
		rt.Slug, rt.Status = slug, registry.RouteStatusOf(status, state)
		if rt.Status == registry.RouteSuspended {
			rt.Detail = reason
		}
		if us(timeOf(rests)) != 0 {
			rt.Status = registry.RouteQuarantined
			if now.Before(timeOf(redirect)) && status != registry.OrgDeleting && status != registry.OrgDeleted {
				rt.Status, rt.RedirectTo = registry.RouteRenamed, current
			}
		}
		if rt.Status != registry.RouteServing {
			rt.Address = ""
		}
		return &rt, nil
	}, registry.Errorf(registry.NotFound, "slug", "no org has the address %q", slug),
		`SELECT o.id, o.name, o.plan, o.slug, o.status, o.reason, i.generation, i.state, i.address, i.detail, s.redirect_until, s.rests_until
		FROM slugs s JOIN orgs o ON o.id = s.org_id JOIN instances i ON i.org_id = o.id
		WHERE s.slug = $1 AND (s.rests_until IS NULL OR s.rests_until > $2)`, slug, us(now))
}
